use std::error::Error;
use std::sync::Arc;

use storage::{Missing, StorageError};
use wa_store::StoreError;

/// Why a read or a write of this crate failed; becomes the error of whichever trait was called.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Fault {
    #[error("no such {0}")]
    NotFound(Missing),
    #[error("{0} is taken")]
    Conflict(&'static str),
    #[error("{0} can't be stored")]
    Invalid(&'static str),
    #[error("it was changed meanwhile")]
    Stale,
    #[error("no more {0} are allowed")]
    LimitReached(&'static str),
    #[error("another process holds the instance")]
    Fenced,
    #[error("stored {what} is unreadable")]
    Corrupt {
        what: &'static str,
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
    #[error("too many writes are waiting")]
    Overloaded,
    #[error("the database is closed")]
    Closed,
    #[error(transparent)]
    Commit(#[from] CommitFailure),
    #[error(transparent)]
    Database(#[from] diesel::result::Error),
    #[error(transparent)]
    Connection(#[from] diesel::ConnectionError),
    #[error("no randomness from the system")]
    Randomness,
}

/// The commit of a whole batch failed; every write in it learns the same.
#[derive(Clone, Debug, thiserror::Error)]
#[error("the commit failed")]
pub(crate) struct CommitFailure(#[source] pub(crate) Arc<diesel::result::Error>);

impl From<diesel::result::Error> for CommitFailure {
    fn from(error: diesel::result::Error) -> Self {
        Self(Arc::new(error))
    }
}

impl Fault {
    /// What the machine says, where it is at fault and not whoever called: the disk is full, can't be read or written.
    pub(crate) fn of_the_machine(&self) -> Option<String> {
        const SAYINGS: [&str; 6] =
            ["is full", "I/O error", "is locked", "readonly database", "unable to open", "malformed"];
        let Self::Database(diesel::result::Error::DatabaseError(_, why)) = self else { return None };
        SAYINGS.iter().any(|saying| why.message().contains(saying)).then(|| why.message().to_owned())
    }

    pub(crate) fn corrupt(what: &'static str, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Corrupt { what, source: source.into() }
    }
}

impl From<Fault> for StorageError {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::NotFound(what) => Self::NotFound { what },
            Fault::Conflict(what) => Self::Conflict { what },
            Fault::Invalid(what) => Self::Invalid { what },
            Fault::Stale => Self::Stale,
            Fault::LimitReached(what) => Self::LimitReached { what },
            Fault::Fenced => Self::Fenced,
            Fault::Corrupt { what, source } => Self::Corrupt { what, source },
            Fault::Overloaded => Self::Overloaded,
            Fault::Closed => Self::Closed,
            fault => Self::backend(fault),
        }
    }
}

/// What the domain refuses while a write is made up.
impl From<StorageError> for Fault {
    fn from(error: StorageError) -> Self {
        match error {
            StorageError::Invalid { what } => Self::Invalid(what),
            StorageError::Stale => Self::Stale,
            other => Self::corrupt("change", other),
        }
    }
}

impl From<Fault> for StoreError {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Fenced => Self::Fenced,
            Fault::Corrupt { what, source } => Self::Corrupt { what, source },
            Fault::Overloaded => Self::Overloaded,
            Fault::Closed => Self::Closed,
            fault => Self::backend(fault),
        }
    }
}

impl From<wa_store::RecordError> for Fault {
    fn from(error: wa_store::RecordError) -> Self {
        Self::corrupt(error.what(), error)
    }
}

impl From<storage::InvalidEventData> for Fault {
    fn from(error: storage::InvalidEventData) -> Self {
        Self::corrupt("event", error)
    }
}

impl From<storage::UnknownWord> for Fault {
    fn from(error: storage::UnknownWord) -> Self {
        Self::corrupt(error.kind, error)
    }
}
