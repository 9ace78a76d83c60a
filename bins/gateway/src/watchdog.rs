//! Sees that what the gateway is for can be done: something is written and read again, the way everything is.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use parking_lot::Mutex;
use storage::{SecretText, Storage, StorageError};
use tokio::time::{Instant, sleep};

/// How often is looked.
const BEAT: Duration = Duration::from_secs(60);
/// How often while something is wrong: nobody has to call for the end of it to be noticed.
const BEAT_IN_TROUBLE: Duration = Duration::from_secs(5);
/// What has not happened after so long hangs: six times as long as SQLite waits for somebody's lock, or PostgreSQL for a connection.
const PATIENCE: Duration = Duration::from_secs(30);
/// Under this name the database keeps the tiny row.
const ROW: &str = "watchdog";

/// Looks after the database, and tells what it waits for.
pub(crate) struct Watchdog {
    state: Mutex<State>,
}

struct State {
    /// What is to happen next.
    step: Step,
    /// When that hangs; `None` as long as nobody watches.
    hangs_at: Option<Instant>,
    /// What went wrong when it was looked last.
    trouble: Option<String>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Step {
    Rest,
    Write,
    Read,
}

impl Step {
    fn as_str(self) -> &'static str {
        match self {
            Self::Rest => "its turn",
            Self::Write => "a write to the database",
            Self::Read => "a read from the database",
        }
    }
}

/// The ways that are looked at.
#[async_trait]
pub(crate) trait Ways: Send + Sync {
    async fn write(&self) -> Result<(), StorageError>;
    async fn read(&self) -> Result<(), StorageError>;
}

#[async_trait]
impl Ways for Arc<dyn Storage> {
    async fn write(&self) -> Result<(), StorageError> {
        self.put_setting(ROW.to_owned(), SecretText::new("alive")).await
    }

    async fn read(&self) -> Result<(), StorageError> {
        self.setting(ROW).await.map(drop)
    }
}

impl Watchdog {
    /// One that has not begun.
    pub(crate) fn new() -> Self {
        Self { state: Mutex::new(State { step: Step::Rest, hangs_at: None, trouble: None }) }
    }

    /// Looks again and again. Never ends.
    pub(crate) async fn watch(&self, ways: impl Ways) {
        loop {
            let pause = match self.look(&ways).await {
                Ok(()) => BEAT,
                Err(_) => BEAT_IN_TROUBLE,
            };
            self.begin(Step::Rest, pause + PATIENCE);
            sleep(pause).await;
        }
    }

    /// What has been waited for too long.
    pub(crate) fn hangs(&self) -> Option<&'static str> {
        let state = self.state.lock();
        state.hangs_at.filter(|at| *at <= Instant::now()).map(|_| state.step.as_str())
    }

    /// What went wrong when it was looked last.
    pub(crate) fn trouble(&self) -> Option<String> {
        self.state.lock().trouble.clone()
    }

    async fn look(&self, ways: &impl Ways) -> Result<(), StorageError> {
        self.begin(Step::Write, PATIENCE);
        let written = ways.write().await;
        self.begin(Step::Read, PATIENCE);
        let outcome = written.and(ways.read().await);
        self.state.lock().trouble = outcome.as_ref().err().map(ToString::to_string);
        outcome
    }

    fn begin(&self, step: Step, patience: Duration) {
        let mut state = self.state.lock();
        (state.step, state.hangs_at) = (step, Some(Instant::now() + patience));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::sync::Semaphore;

    use super::*;

    /// Each use of a way takes a permit.
    struct Gates {
        write: Semaphore,
        read: Semaphore,
        writes: AtomicUsize,
    }

    #[async_trait]
    impl Ways for Arc<Gates> {
        async fn write(&self) -> Result<(), StorageError> {
            self.write.acquire().await.map_err(StorageError::backend)?.forget();
            self.writes.fetch_add(1, Ordering::Relaxed);
            Ok(())
        }

        async fn read(&self) -> Result<(), StorageError> {
            self.read.acquire().await.map_err(StorageError::backend)?.forget();
            Ok(())
        }
    }

    fn start(write: usize, read: usize) -> (Arc<Watchdog>, Arc<Gates>) {
        let watchdog = Arc::new(Watchdog::new());
        let (write, read) = (Semaphore::new(write), Semaphore::new(read));
        let gates = Arc::new(Gates { write, read, writes: AtomicUsize::new(0) });
        let (watching, ways) = (Arc::clone(&watchdog), Arc::clone(&gates));
        tokio::spawn(async move { watching.watch(ways).await });
        (watchdog, gates)
    }

    #[tokio::test(start_paused = true)]
    async fn what_hangs_is_named_until_it_goes_on() {
        let (watchdog, gates) = start(0, 0);
        assert_eq!(watchdog.hangs(), None, "before it has begun");
        sleep(PATIENCE - Duration::from_secs(1)).await;
        assert_eq!(watchdog.hangs(), None);
        sleep(Duration::from_secs(2)).await;
        assert_eq!(watchdog.hangs(), Some("a write to the database"));
        gates.write.add_permits(1);
        sleep(Duration::from_secs(1)).await;
        assert_eq!(watchdog.hangs(), None, "it waits for the next");
        sleep(PATIENCE).await;
        assert_eq!(watchdog.hangs(), Some("a read from the database"));
        gates.read.add_permits(1);
        sleep(Duration::from_secs(1)).await;
        assert_eq!((watchdog.hangs(), watchdog.trouble()), (None, None));
    }

    #[tokio::test(start_paused = true)]
    async fn it_looks_once_a_minute_and_more_often_in_trouble() {
        let (watchdog, gates) = start(100, 100);
        sleep(BEAT * 3 + Duration::from_secs(1)).await;
        assert_eq!(gates.writes.load(Ordering::Relaxed), 4);
        gates.read.close();
        sleep(BEAT).await;
        assert!(watchdog.trouble().is_some());
        let before = gates.writes.load(Ordering::Relaxed);
        sleep(BEAT).await;
        assert_eq!(gates.writes.load(Ordering::Relaxed) - before, 12);
        assert_eq!(watchdog.hangs(), None, "an error is an answer");
    }
}
