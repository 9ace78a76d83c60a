use async_trait::async_trait;

use super::{StorageError, Write};
use crate::{DialectAccess, InstanceId, UserId};

/// The keys under which dialects reach instances, and what they keep with them.
#[async_trait]
pub trait DialectStore: Send + Sync + 'static {
    /// What this dialect keeps of an instance. `NotFound` when the instance isn't the owner's; `Corrupt` when it can't be
    /// read.
    async fn dialect_access(
        &self,
        owner: UserId,
        instance: InstanceId,
        dialect: &str,
    ) -> Result<Option<DialectAccess>, StorageError>;

    /// Stores what a dialect keeps of an instance unless there is something; answers what holds now. `NotFound`, `Corrupt`
    /// as above; `Conflict` when the dialect reaches another instance by this key.
    fn init_dialect_access(
        &self,
        owner: UserId,
        instance: InstanceId,
        dialect: String,
        access: DialectAccess,
    ) -> Write<DialectAccess>;

    /// Stores what a dialect keeps of an instance, whether there is something or not, and be it unreadable. `NotFound` and
    /// `Conflict` as above.
    fn put_dialect_access(
        &self,
        owner: UserId,
        instance: InstanceId,
        dialect: String,
        access: DialectAccess,
    ) -> Write<()>;

    /// Stores what a dialect keeps of an instance in the place of what was seen of it; `Stale` when that isn't there any more.
    /// `NotFound`, `Corrupt` and `Conflict` as above.
    fn exchange_dialect_access(
        &self,
        owner: UserId,
        instance: InstanceId,
        dialect: String,
        seen: DialectAccess,
        access: DialectAccess,
    ) -> Write<()>;

    /// The instance that a dialect reaches by the key with this hash, and whose it is.
    async fn dialect_instance(
        &self,
        dialect: &str,
        key_hash: [u8; 32],
    ) -> Result<Option<(UserId, InstanceId)>, StorageError>;
}
