use crate::{Json, Timestamp};

/// An idempotency key taken together with the work that it stands for, part of a [`Record`](crate::Record).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// Who may use the key for what: keys of different scopes don't meet.
    pub scope: String,
    /// The key as the client sent it.
    pub key: String,
    /// Hash of the request, so that the same key with another request can be refused.
    pub fingerprint: [u8; 32],
    /// The answer to repeat, as far as it is known when the key is taken.
    pub answer: Json,
    /// When it was taken.
    pub at: Timestamp,
}

/// A claim that was taken earlier.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredClaim {
    /// Hash of the request that took it.
    pub fingerprint: [u8; 32],
    /// The answer to repeat.
    pub answer: Json,
    /// When it was taken.
    pub at: Timestamp,
}
