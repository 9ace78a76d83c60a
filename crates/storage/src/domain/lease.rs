use std::fmt;

use super::id::identifier;
use crate::{Instance, Timestamp};

identifier! {
    /// Identifies a process that runs instances. It is kept beside the process's other files, so that a process that
    /// comes back after a crash is the same node and need not wait for its own leases to run out.
    NodeId
}

/// How often an instance was taken and let go of. What a node writes for an instance names the epoch under which it holds it;
/// under an older one it is refused ([`StorageError::Fenced`](crate::StorageError)), so that a node which lost its lease
/// without noticing, or let go with a write still under way, can't use a ratchet or move a cursor that is somebody else's by now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Epoch(i64);

impl Epoch {
    /// The epoch with this number, as a row holds it.
    pub const fn new(number: i64) -> Self {
        Self(number)
    }

    /// Its number; starts at 1.
    pub const fn number(self) -> i64 {
        self.0
    }

    /// The one after it.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// An instance that a node holds from now on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leased {
    /// The instance, as it is stored.
    pub instance: Instance,
    /// The epoch to name in everything that is written for it.
    pub epoch: Epoch,
    /// Since when it is buried ([`InstanceStore::bury_instance`](crate::InstanceStore::bury_instance)): then its companion
    /// is to be unlinked, and nothing else.
    pub buried_at: Option<Timestamp>,
}
