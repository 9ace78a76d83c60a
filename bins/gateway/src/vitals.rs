//! What is wrong with the gateway, from all that knows something of it.

use storage::Timestamp;

/// The database doesn't do what it is for.
pub(crate) struct Failure {
    /// Since when, where that is known.
    pub(crate) since: Option<Timestamp>,
    /// What is wrong, for a person.
    pub(crate) error: String,
}
