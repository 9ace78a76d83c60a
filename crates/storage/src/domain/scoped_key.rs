use super::id::identifier;
use super::word::words;
use crate::{InstanceId, Timestamp, UserId};

identifier! {
    /// Identifies a scoped key.
    KeyId
}

words! {
    /// What a scoped key opens.
    Scope, "scope" {
        /// Reading all there is, changing nothing.
        Read = "read",
        /// Sending messages.
        Send = "send",
        /// Everything else that concerns instances.
        Manage = "manage",
    }
}

/// A key of a user that opens less than the user's own credentials do. The key itself is kept by whoever was given it; the
/// store knows its hash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScopedKey {
    /// Chosen by the caller.
    pub id: KeyId,
    /// Whose it is.
    pub owner: UserId,
    /// What it is for, in the owner's words.
    pub name: String,
    /// What it opens, each once, in the order of [`Scope::ALL`].
    pub scopes: Vec<Scope>,
    /// The only instances that there are for it; `None` for all of the owner's.
    pub instances: Option<Vec<InstanceId>>,
    /// From when on it opens nothing.
    pub expires_at: Option<Timestamp>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was used last, to the minute.
    pub last_used_at: Option<Timestamp>,
}

impl ScopedKey {
    /// Whether there is such an instance for it, if it is the owner's.
    pub fn reaches(&self, instance: InstanceId) -> bool {
        self.instances.as_ref().is_none_or(|bound| bound.contains(&instance))
    }

    /// Whether its time is over.
    pub fn has_expired(&self, now: Timestamp) -> bool {
        self.expires_at.is_some_and(|end| end <= now)
    }
}
