//! Server-sent events: an answer that goes on until its client, its credential or the gateway ends.

use std::convert::Infallible;
use std::fmt::Write as _;
use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::http::header::{self, HeaderValue};
use actix_web::web::Bytes;
use futures_util::stream;
use rand::RngExt as _;
use services::ServiceError;
use tokio::time::{Interval, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::streams::Stream;

/// How often a stream shows that it lives while there is nothing to tell, and looks whether its credential is still good.
/// Well below what proxies allow, and what the connection itself does.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// When a client whose stream was cut connects again, in milliseconds: not all of them at once.
const RETRY: std::ops::RangeInclusive<u32> = 2_000..=5_000;

/// What a stream tells.
pub(crate) trait Source {
    /// What it tells next; `None` at its end. A call that is dropped loses nothing.
    async fn next(&mut self) -> Result<Option<Frames>, ServiceError>;

    /// Where a client goes on that is cut off now, if that is somewhere.
    fn place(&self) -> Option<String>;
}

/// Whoever has shown a credential.
pub(crate) trait Witness {
    /// Whether the credential is still good.
    async fn is_good(&self) -> bool;
}

/// Some events, as they are sent.
#[derive(Debug, Default)]
pub(crate) struct Frames(String);

impl Frames {
    /// Adds an event; `place` is where a client goes on that has it. `data` has no line breaks, as JSON that we write.
    pub(crate) fn add(&mut self, place: Option<&str>, data: &str) {
        self.go_on_at(place);
        // Memory takes every write.
        let _ = write!(self.0, "data: {data}\n\n");
    }

    /// Says where a client goes on, without an event.
    fn place(&mut self, place: Option<&str>) {
        if place.is_some() {
            self.go_on_at(place);
            self.0.push('\n');
        }
    }

    fn go_on_at(&mut self, place: Option<&str>) {
        if let Some(place) = place {
            let _ = writeln!(self.0, "id: {place}");
        }
    }

    fn into_bytes(self) -> Bytes {
        Bytes::from(self.0)
    }
}

/// An answer on its way.
struct Answer<S, W> {
    source: S,
    witness: W,
    stopping: CancellationToken,
    heartbeat: Interval,
    /// What stands before everything else; taken when it is sent.
    opening: Option<Frames>,
    /// Given back when the answer ends.
    _stream: Stream,
}

/// Answers with all that a source tells, until it ends, the credential does, or the gateway stops.
pub(crate) fn answer(
    source: impl Source + 'static,
    witness: impl Witness + 'static,
    stopping: CancellationToken,
    stream: Stream,
) -> HttpResponse {
    let mut opening = Frames(format!("retry: {}\n\n", rand::rng().random_range(RETRY)));
    opening.place(source.place().as_deref());
    let mut heartbeat = interval(HEARTBEAT);
    heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // The first tick is at once.
    heartbeat.reset();
    let answer = Answer { source, witness, stopping, heartbeat, opening: Some(opening), _stream: stream };
    let mut response = HttpResponse::Ok();
    response.insert_header((header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream")));
    // Proxies that gather answers would hold it back.
    response.insert_header(("x-accel-buffering", "no"));
    response.streaming(stream::unfold(answer, |mut answer| async move {
        let bytes = answer.step().await?;
        Some((Ok::<_, Infallible>(bytes), answer))
    }))
}

impl<S: Source, W: Witness> Answer<S, W> {
    /// What is sent next; `None` at the end.
    async fn step(&mut self) -> Option<Bytes> {
        if let Some(opening) = self.opening.take() {
            return Some(opening.into_bytes());
        }
        loop {
            // The heartbeat comes first: a busy stream looks at its credential, too.
            tokio::select! {
                biased;
                () = self.stopping.cancelled() => return None,
                _ = self.heartbeat.tick() => {
                    return if self.witness.is_good().await { Some(self.alive()) } else { None };
                }
                told = self.source.next() => match told {
                    Ok(Some(frames)) if frames.0.is_empty() => {}
                    Ok(Some(frames)) => return Some(frames.into_bytes()),
                    Ok(None) => return None,
                    Err(error) => {
                        tracing::debug!(%error, "a stream ends");
                        return None;
                    }
                },
            }
        }
    }

    fn alive(&self) -> Bytes {
        let mut frames = Frames(":\n".to_owned());
        match self.source.place() {
            None => frames.0.push('\n'),
            place => frames.place(place.as_deref()),
        }
        frames.into_bytes()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use actix_web::body::to_bytes;
    use storage::UserId;
    use tokio::time::Instant;

    use super::*;
    use crate::streams::Streams;

    /// Tells one event, and then waits for ever.
    struct Once(bool);

    impl Source for Once {
        async fn next(&mut self) -> Result<Option<Frames>, ServiceError> {
            if std::mem::replace(&mut self.0, true) {
                std::future::pending::<()>().await;
            }
            let mut frames = Frames::default();
            frames.add(self.place().as_deref(), "{}");
            Ok(Some(frames))
        }

        fn place(&self) -> Option<String> {
            Some("4".to_owned())
        }
    }

    /// Is good so many times.
    struct Good(AtomicU32);

    impl Witness for Good {
        async fn is_good(&self) -> bool {
            self.0.fetch_sub(1, Ordering::Relaxed) > 0
        }
    }

    async fn sent(witness: u32, stopping: CancellationToken) -> (String, Duration) {
        let began = Instant::now();
        let place = Streams::among(4).begin(UserId::generate()).unwrap();
        let response = answer(Once(false), Good(AtomicU32::new(witness)), stopping, place);
        let body = to_bytes(response.into_body()).await.unwrap();
        (String::from_utf8(body.to_vec()).unwrap(), began.elapsed())
    }

    #[tokio::test(start_paused = true)]
    async fn a_stream_lives_as_long_as_its_credential() {
        let (text, took) = sent(2, CancellationToken::new()).await;
        let (retry, rest) = text.split_once("\n\n").unwrap();
        let pause: u32 = retry.strip_prefix("retry: ").unwrap().parse().unwrap();
        assert!(RETRY.contains(&pause));
        assert_eq!(rest, "id: 4\n\nid: 4\ndata: {}\n\n:\nid: 4\n\n:\nid: 4\n\n");
        assert_eq!(took, HEARTBEAT * 3);
    }

    #[tokio::test(start_paused = true)]
    async fn a_stream_ends_when_the_gateway_stops() {
        let stopping = CancellationToken::new();
        stopping.cancel();
        let (text, took) = sent(9, stopping).await;
        assert!(text.ends_with("\n\nid: 4\n\n") && took.is_zero(), "{text}");
    }

    #[test]
    fn frames_are_written_as_the_standard_has_them() {
        let mut frames = Frames::default();
        frames.add(Some("7"), r#"{"a":1}"#);
        frames.add(None, "{}");
        frames.place(Some("9"));
        frames.place(None);
        assert_eq!(frames.0, "id: 7\ndata: {\"a\":1}\n\ndata: {}\n\nid: 9\n\n");
    }
}
