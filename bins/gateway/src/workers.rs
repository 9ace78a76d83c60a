//! The threads that answer requests: each says again and again that it goes on.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::{Instant, sleep};

/// How often a thread says so.
const BEAT: Duration = Duration::from_secs(1);
/// Who has said nothing for so long hangs: something keeps the thread from whatever else it has to do, and whoever is
/// connected to it waits in vain.
const PATIENCE: Duration = Duration::from_secs(30);

/// All of them. Clones are the same.
#[derive(Clone, Default)]
pub(crate) struct Workers {
    inner: Arc<Inner>,
}

#[derive(Default)]
struct Inner {
    next: AtomicU64,
    /// When each has last said that it goes on.
    beats: Mutex<HashMap<u64, Instant>>,
}

/// One of them, as long as its thread is there.
struct Worker {
    inner: Arc<Inner>,
    number: u64,
}

impl Workers {
    /// Says that the thread on which this runs goes on. Never ends.
    pub(crate) fn beat(&self) -> impl Future<Output = ()> + use<> {
        let inner = Arc::clone(&self.inner);
        let worker = Worker { number: inner.next.fetch_add(1, Ordering::Relaxed), inner };
        async move {
            loop {
                worker.inner.beats.lock().insert(worker.number, Instant::now());
                sleep(BEAT).await;
            }
        }
    }

    /// What has been waited for too long.
    pub(crate) fn hangs(&self) -> Option<&'static str> {
        let now = Instant::now();
        let is_silent = |beat: &Instant| now.saturating_duration_since(*beat) >= PATIENCE;
        self.inner.beats.lock().values().any(is_silent).then_some("a thread that answers requests")
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.inner.beats.lock().remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_thread_that_says_nothing_any_more_is_noticed_and_one_that_has_ended_is_not() {
        let workers = Workers::default();
        assert_eq!(workers.hangs(), None);
        tokio::spawn(workers.beat());
        // It begins, and then something keeps its thread.
        let mut stuck = Box::pin(workers.beat());
        assert!(stuck.as_mut().now_or_never().is_none());
        sleep(PATIENCE - BEAT).await;
        assert_eq!(workers.hangs(), None);
        sleep(BEAT).await;
        assert!(workers.hangs().is_some());
        // It goes on, and ends.
        assert!(stuck.as_mut().now_or_never().is_none());
        assert_eq!(workers.hangs(), None);
        drop(stuck);
        sleep(PATIENCE * 2).await;
        assert_eq!(workers.hangs(), None);
    }
}
