use crate::{Epoch, Recorded, StorageError, Timestamp};

/// Which state of an instance's or a webhook's settings somebody has seen: another one after each change. For clients it is
/// an opaque text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version(String);

impl Version {
    /// Takes the text that [`as_str`](Self::as_str) gave.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Of settings that were changed at these times.
    pub(crate) fn of(changes: &[Timestamp]) -> Self {
        let times: Vec<_> = changes.iter().map(|at| format!("{:x}", at.millis())).collect();
        Self(times.join("-"))
    }

    /// The text of it: letters, digits and dashes.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The terms on which settings are changed. The change itself is merged where it is stored, so that nobody's is lost.
#[derive(Clone, Debug)]
pub struct Edit {
    /// When it is made.
    pub now: Timestamp,
    /// The epoch under which this node holds the instance. With it a change of a webhook is told by an event in the same
    /// commit, and under a stale one it is refused; without it nothing is told.
    pub epoch: Option<Epoch>,
    /// If there are any, the settings must be in one of these states.
    pub expected: Option<Vec<Version>>,
}

impl Edit {
    /// At this time, whatever there is, and silently.
    pub fn at(now: Timestamp) -> Self {
        Self { now, epoch: None, expected: None }
    }

    /// Told under this epoch.
    #[must_use]
    pub fn told_by(mut self, epoch: Epoch) -> Self {
        self.epoch = Some(epoch);
        self
    }

    /// Only where the settings are in one of these states.
    #[must_use]
    pub fn expecting(mut self, expected: Option<Vec<Version>>) -> Self {
        self.expected = expected;
        self
    }

    /// `Stale` where the settings are in another state than those expected.
    pub fn check(&self, present: &Version) -> Result<(), StorageError> {
        match &self.expected {
            Some(expected) if !expected.contains(present) => Err(StorageError::Stale),
            _ => Ok(()),
        }
    }
}

/// What became of an edit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edited<T> {
    /// As it was.
    pub before: T,
    /// As it is.
    pub now: T,
    /// The event that tells of it, if one does.
    pub recorded: Recorded,
}

impl<T: PartialEq> Edited<T> {
    /// Whether anything is different.
    pub fn changes(&self) -> bool {
        self.before != self.now
    }
}
