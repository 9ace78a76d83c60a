use async_trait::async_trait;

use super::{StorageError, Write};
use crate::{ConsumerChange, InstanceId, NamedConsumer, Timestamp, UserId};

/// Named consumers, as the owner of the instance sees them.
#[async_trait]
pub trait ConsumerStore: Send + Sync + 'static {
    /// An instance's named consumers, by name. `NotFound` when the instance isn't the owner's.
    async fn consumers(
        &self,
        owner: UserId,
        instance: InstanceId,
    ) -> Result<Vec<NamedConsumer>, StorageError>;

    /// Changes a named consumer, or makes one. `NotFound` when the instance isn't the owner's; `LimitReached` when it would
    /// be one more than `limit`; `Invalid` for a position beyond the end of the log. Answers it, and whether it is new.
    fn put_consumer(
        &self,
        owner: UserId,
        instance: InstanceId,
        name: String,
        change: ConsumerChange,
        limit: u64,
        now: Timestamp,
    ) -> Write<(NamedConsumer, bool)>;

    /// Says that a named consumer has had everything up to a position; an earlier one than its own changes nothing but
    /// [`NamedConsumer::seen_at`]. `NotFound`; `Invalid` for a position beyond the end of the log. Answers it.
    fn acknowledge(
        &self,
        owner: UserId,
        instance: InstanceId,
        name: String,
        position: i64,
        now: Timestamp,
    ) -> Write<NamedConsumer>;

    /// Removes a named consumer. `NotFound`.
    fn delete_consumer(&self, owner: UserId, instance: InstanceId, name: String) -> Write<()>;
}
