//! Changes that are done to their end, whatever becomes of whoever asked for them.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_util::FutureExt as _;
use services::ServiceError;
use tokio::runtime::Handle;
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;
use tracing::Instrument as _;

/// Runs changes where they are asked for, and on its runtime once nobody waits for them any more.
pub(crate) struct Completion {
    runtime: Handle,
    changes: TaskTracker,
}

impl Completion {
    /// What changes begin (tasks, timers) and what is left of them runs on the present runtime: those of the HTTP
    /// workers end with the server.
    pub(crate) fn new() -> Self {
        Self { runtime: Handle::current(), changes: TaskTracker::new() }
    }

    /// Does `change` in the caller's own task, without a hop. If the caller is dropped meanwhile, because its client
    /// has hung up or its time is over, the rest is done by a task of its own.
    ///
    /// # Errors
    /// What the service refused; an internal error if it panicked.
    pub(crate) async fn complete<T: Send + 'static>(
        &self,
        change: impl Future<Output = Result<T, ServiceError>> + Send + 'static,
    ) -> Result<T, ServiceError> {
        let panicked = |_| Err(ServiceError::Internal("a service panicked".into()));
        let change = AssertUnwindSafe(change).catch_unwind().map(move |end| end.unwrap_or_else(panicked));
        let (runtime, counted) = (self.runtime.clone(), self.changes.token());
        ToItsEnd { change: Some(Box::pin(change)), runtime, counted }.await
    }

    /// Resolves when no change is under way. Those that begin later are not waited for.
    pub(crate) async fn idle(&self) {
        self.changes.close();
        self.changes.wait().await;
    }
}

type Change<T> = Pin<Box<dyn Future<Output = Result<T, ServiceError>> + Send>>;

/// A change that moves to the runtime when it is dropped before its end.
struct ToItsEnd<T: 'static> {
    /// `None` once it has ended.
    change: Option<Change<T>>,
    runtime: Handle,
    counted: TaskTrackerToken,
}

impl<T> Future for ToItsEnd<T> {
    type Output = Result<T, ServiceError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let Some(change) = &mut this.change else { return Poll::Pending };
        let outcome = {
            let _entered = this.runtime.enter();
            change.as_mut().poll(context)
        };
        if outcome.is_ready() {
            this.change = None;
        }
        outcome
    }
}

impl<T> Drop for ToItsEnd<T> {
    fn drop(&mut self) {
        let Some(change) = self.change.take() else { return };
        let counted = self.counted.clone();
        let rest = async move {
            if let Err(error @ ServiceError::Internal(_)) = change.await {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "a change failed that nobody waits for"
                );
            }
            drop(counted);
        };
        self.runtime.spawn(rest.in_current_span());
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::thread;
    use std::time::Duration;

    use storage::Missing;
    use tokio::sync::{Semaphore, oneshot};
    use tokio::time::sleep;

    use super::*;

    #[tokio::test]
    async fn a_change_runs_where_it_is_asked_for() {
        let asked = thread::current().id();
        let change = async move { Ok(thread::current().id() == asked) };
        assert!(Completion::new().complete(change).await.unwrap());
    }

    #[tokio::test]
    async fn what_its_caller_drops_is_done_to_its_end_and_waited_for() {
        let completion = Completion::new();
        let (go, finished) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
        let (waits, tells) = (Arc::clone(&go), Arc::clone(&finished));
        let change = async move {
            waits.acquire().await.map_err(|error| ServiceError::Internal(error.into()))?.forget();
            tells.add_permits(1);
            Ok(())
        };
        assert!(completion.complete(change).now_or_never().is_none(), "it waits, and its caller goes away");
        assert!(completion.idle().now_or_never().is_none(), "it counts as under way");
        go.add_permits(1);
        completion.idle().await;
        assert_eq!(finished.available_permits(), 1);
    }

    #[tokio::test]
    async fn what_was_never_begun_is_not_done() {
        let completion = Completion::new();
        let (tell, told) = oneshot::channel();
        drop(completion.complete(async move { tell.send(()).map_err(|()| not_found()) }));
        assert!(told.await.is_err());
        completion.idle().await;
    }

    #[test]
    fn a_change_outlives_the_runtime_that_it_was_asked_for_on() {
        let lasting = tokio::runtime::Builder::new_multi_thread().enable_time().build().unwrap();
        let completion = lasting.block_on(async { Completion::new() });
        let (tell, told) = oneshot::channel();
        let worker = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        worker.block_on(async {
            let change = async move {
                sleep(Duration::from_millis(20)).await;
                let task = tokio::spawn(sleep(Duration::from_millis(20)));
                task.await.map_err(|error| ServiceError::Internal(error.into()))?;
                tell.send(()).map_err(|()| not_found())
            };
            assert!(completion.complete(change).now_or_never().is_none());
        });
        drop(worker);
        lasting.block_on(completion.idle());
        assert_eq!(lasting.block_on(told), Ok(()));
    }

    #[tokio::test]
    async fn a_panic_is_an_internal_error() {
        let outcome: Result<(), _> = Completion::new().complete(async { panic!("a defect") }).await;
        assert!(matches!(outcome, Err(ServiceError::Internal(_))));
    }

    fn not_found() -> ServiceError {
        ServiceError::NotFound { what: Missing::Webhook }
    }
}
