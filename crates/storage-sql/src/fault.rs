use std::error::Error;
use std::sync::Arc;

use storage::{Missing, StorageError};
use wa_store::StoreError;

/// Why a read or a write of an SQL backend failed; becomes the error of whichever trait was called.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// There is no such thing, or it belongs to someone else.
    #[error("no such {0}")]
    NotFound(Missing),
    /// A value that must be unique is taken.
    #[error("{0} is taken")]
    Conflict(&'static str),
    /// What would be stored makes no sense.
    #[error("{0} can't be stored")]
    Invalid(&'static str),
    /// Something else is stored by now.
    #[error("it was changed meanwhile")]
    Stale,
    /// There are as many of them as are allowed.
    #[error("no more {0} are allowed")]
    LimitReached(&'static str),
    /// Nobody would administer the gateway any more.
    #[error("this is the last administrator")]
    LastAdmin,
    /// Something else depends on it.
    #[error("it still has {0}")]
    InUse(&'static str),
    /// The epoch isn't the instance's.
    #[error("another process holds the instance")]
    Fenced,
    /// What was stored can't be read.
    #[error("stored {what} is unreadable")]
    Corrupt {
        /// The kind of value.
        what: &'static str,
        /// Why it can't be read; never the value itself.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
    /// More writes wait than are taken.
    #[error("too many writes are waiting")]
    Overloaded,
    /// The database has been closed.
    #[error("the database is closed")]
    Closed,
    /// The commit failed.
    #[error(transparent)]
    Commit(#[from] CommitFailure),
    /// A statement failed.
    #[error(transparent)]
    Database(#[from] diesel::result::Error),
    /// There is no connection.
    #[error(transparent)]
    Connection(#[from] diesel::ConnectionError),
    /// The system gave no random bytes.
    #[error("no randomness from the system")]
    Randomness,
}

/// The commit of a whole batch failed; every write in it learns the same.
#[derive(Clone, Debug, thiserror::Error)]
#[error("the commit failed")]
pub struct CommitFailure(#[source] pub Arc<diesel::result::Error>);

impl From<diesel::result::Error> for CommitFailure {
    fn from(error: diesel::result::Error) -> Self {
        Self(Arc::new(error))
    }
}

impl Fault {
    /// Says that a stored value can't be read.
    pub fn corrupt(what: &'static str, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
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
            Fault::LastAdmin => Self::LastAdmin,
            Fault::InUse(what) => Self::InUse { what },
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
