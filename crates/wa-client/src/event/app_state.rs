//! Settings and marks that the account's devices keep in step.

use std::fmt;

use wa_appstate::{Action, Collection};

/// The account's owner, or this client, has changed a setting or a mark: a chat was muted or archived, a contact named.
/// `Debug` doesn't show whom it is about.
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub struct AppStateChange {
    /// The collection that holds it.
    pub collection: Collection,
    /// What holds from now on.
    pub action: Action,
    /// Nothing holds any more for what `action` is about; the rest of it means nothing.
    pub removed: bool,
    /// When it was written, in Unix milliseconds, by the clock of the device that did; 0 where that isn't said.
    pub timestamp: i64,
    /// It is told because the whole collection was fetched: it may have held for long, and may have been told before. What
    /// isn't told with the collection holds no more.
    pub initial: bool,
}

impl AppStateChange {
    /// A change as another device writes it. For tests of embedders; the rest can be set afterwards.
    pub fn new(action: Action, timestamp: i64) -> Self {
        Self { collection: action.collection(), action, removed: false, timestamp, initial: false }
    }
}

impl fmt::Debug for AppStateChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AppStateChange")
            .field("collection", &self.collection.name())
            .field("removed", &self.removed)
            .field("timestamp", &self.timestamp)
            .field("initial", &self.initial)
            .finish_non_exhaustive()
    }
}
