use std::fmt;

use crate::{ApiKey, Json};

/// What a dialect keeps of an instance: the key under which it is reached there, and what only this dialect knows of it.
/// Stores find instances by the key's hash, and keep the rest sealed.
#[derive(Clone, PartialEq, Eq)]
pub struct DialectAccess {
    /// Addresses the instance in this dialect; in some it opens it, too. Unique within the dialect.
    pub key: ApiKey,
    /// The dialect's own, in its own form.
    pub notes: Json,
}

impl fmt::Debug for DialectAccess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DialectAccess")
    }
}
