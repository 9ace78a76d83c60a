use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use storage::{Distribution, Histogram, Timestamp};

/// Nothing can be written: the disk is full or fails, the file may not be written, somebody keeps it locked, the server is gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WriteFailure {
    /// Since when.
    pub since: Timestamp,
    /// What the database says about it.
    pub error: String,
}

/// How commits have gone since the database was opened.
#[derive(Clone, Debug, PartialEq)]
pub struct CommitFigures {
    /// Writes that shared a commit.
    pub writes: Distribution,
    /// Seconds from the beginning of a batch to the end of its commit.
    pub seconds: Distribution,
}

/// How commits go, and whether the last one that had something to write succeeded. Clones tell the same.
#[derive(Clone)]
pub struct Commits(Arc<Inner>);

struct Inner {
    failure: Mutex<Option<WriteFailure>>,
    writes: Histogram,
    seconds: Histogram,
}

impl Default for Commits {
    fn default() -> Self {
        Self(Arc::new(Inner {
            failure: Mutex::default(),
            writes: Histogram::new(Histogram::SIZES),
            seconds: Histogram::new(Histogram::SECONDS),
        }))
    }
}

impl Commits {
    /// Since when and why nothing can be written, if that is so.
    pub fn failure(&self) -> Option<WriteFailure> {
        self.0.failure.lock().clone()
    }

    /// How commits have gone.
    pub fn figures(&self) -> CommitFigures {
        CommitFigures { writes: self.0.writes.read(), seconds: self.0.seconds.read() }
    }

    /// A batch of so many writes took so long.
    pub fn took(&self, writes: usize, time: Duration) {
        self.0.writes.record(writes as f64);
        self.0.seconds.record_time(time);
    }

    /// Whether the last one failed.
    pub fn are_failing(&self) -> bool {
        self.0.failure.lock().is_some()
    }

    /// One has failed.
    pub fn failed(&self, now: Timestamp, error: String) {
        let mut failure = self.0.failure.lock();
        let since = failure.as_ref().map_or(now, |failure| failure.since);
        *failure = Some(WriteFailure { since, error });
    }

    /// One that had something to write has succeeded.
    pub fn succeeded(&self) {
        *self.0.failure.lock() = None;
    }
}
