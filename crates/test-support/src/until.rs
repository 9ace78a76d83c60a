use std::future::Future;
use std::time::Duration;

/// What has not happened after so long never happens: it only stops a test that would wait for ever. Where time is
/// paused, that is no time at all.
const PATIENCE: Duration = Duration::from_secs(600);
/// Between two questions.
const PAUSE: Duration = Duration::from_millis(5);

/// Asks again and again until there is an answer, on tokio's time.
///
/// # Panics
/// With `what` when there is none after ten minutes.
pub async fn until<T, F: Future<Output = Option<T>>>(what: &str, ask: impl FnMut() -> F) -> T {
    until_within(what, PATIENCE, ask).await
}

/// The same, for at most `limit`.
///
/// # Panics
/// With `what` when there is no answer by then.
pub async fn until_within<T, F: Future<Output = Option<T>>>(
    what: &str,
    limit: Duration,
    mut ask: impl FnMut() -> F,
) -> T {
    let asking = async {
        loop {
            if let Some(answer) = ask().await {
                return answer;
            }
            tokio::time::sleep(PAUSE).await;
        }
    };
    tokio::time::timeout(limit, asking).await.unwrap_or_else(|_| panic!("not within {limit:?}: {what}"))
}
