use crate::RecordError;

/// Why a store could not answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// Another owner has taken the companion over. Nothing was stored; whoever holds this handle has to stop.
    #[error("the companion has another owner by now")]
    Fenced,
    /// What was stored can't be read: damaged, or sealed with another key.
    #[error("stored {what} is unreadable")]
    Corrupt {
        /// The kind of record.
        what: &'static str,
        /// What exactly failed.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// More changes wait than the store accepts; try again later.
    #[error("the store is overloaded")]
    Overloaded,
    /// The store has been closed.
    #[error("the store is closed")]
    Closed,
    /// The database below failed.
    #[error("the store failed")]
    Backend(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl StoreError {
    /// Wraps the error of a database.
    pub fn backend(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Backend(error.into())
    }
}

impl From<RecordError> for StoreError {
    fn from(error: RecordError) -> Self {
        Self::Corrupt { what: error.what(), source: Box::new(error) }
    }
}
