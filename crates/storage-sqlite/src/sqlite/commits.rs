use std::sync::Arc;

use parking_lot::Mutex;
use storage::Timestamp;

/// Nothing can be written: the disk is full or fails, the file may not be written, somebody keeps it locked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WriteFailure {
    /// Since when.
    pub since: Timestamp,
    /// What SQLite says about it.
    pub error: String,
}

/// Whether the last commit that had something to write succeeded. Clones tell the same.
#[derive(Clone, Default)]
pub(crate) struct Commits(Arc<Mutex<Option<WriteFailure>>>);

impl Commits {
    /// Since when and why nothing can be written, if that is so.
    pub(crate) fn failure(&self) -> Option<WriteFailure> {
        self.0.lock().clone()
    }

    pub(super) fn are_failing(&self) -> bool {
        self.0.lock().is_some()
    }

    pub(super) fn failed(&self, now: Timestamp, error: String) {
        let mut failure = self.0.lock();
        let since = failure.as_ref().map_or(now, |failure| failure.since);
        *failure = Some(WriteFailure { since, error });
    }

    pub(super) fn succeeded(&self) {
        *self.0.lock() = None;
    }
}
