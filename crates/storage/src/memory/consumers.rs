use async_trait::async_trait;

use super::MemoryStorage;
use crate::{
    ConsumerChange, ConsumerStore, InstanceId, Missing, NamedConsumer, StorageError, Timestamp, UserId, Write,
};

#[async_trait]
impl ConsumerStore for MemoryStorage {
    async fn consumers(
        &self,
        owner: UserId,
        instance: InstanceId,
    ) -> Result<Vec<NamedConsumer>, StorageError> {
        Ok(self.lock().owned(owner, instance)?.consumers.values().cloned().collect())
    }

    fn put_consumer(
        &self,
        owner: UserId,
        instance: InstanceId,
        name: String,
        change: ConsumerChange,
        limit: u64,
        now: Timestamp,
    ) -> Write<(NamedConsumer, bool)> {
        self.write(|tables| {
            let tables = tables.owned_mut(owner, instance)?;
            let present = tables.consumers.get(&name).cloned();
            let is_new = present.is_none();
            if is_new && tables.consumers.len() as u64 >= limit {
                return Err(StorageError::LimitReached { what: "consumers" });
            }
            let changed = change.applied(present, (instance, &name), tables.last_seq(), now);
            let changed = changed.ok_or(BEYOND)?;
            tables.consumers.insert(name, changed.clone());
            Ok((changed, is_new))
        })
    }

    fn acknowledge(
        &self,
        owner: UserId,
        instance: InstanceId,
        name: String,
        position: i64,
        now: Timestamp,
    ) -> Write<NamedConsumer> {
        self.write(|tables| {
            let tables = tables.owned_mut(owner, instance)?;
            let end = tables.last_seq();
            let consumer = tables.consumers.get_mut(&name).ok_or(NO_CONSUMER)?;
            if position > end {
                return Err(BEYOND);
            }
            consumer.position = position.max(consumer.position);
            consumer.seen_at = now;
            Ok(consumer.clone())
        })
    }

    fn delete_consumer(&self, owner: UserId, instance: InstanceId, name: String) -> Write<()> {
        self.write(|tables| {
            let tables = tables.owned_mut(owner, instance)?;
            tables.consumers.remove(&name).map(drop).ok_or(NO_CONSUMER)
        })
    }
}

const NO_CONSUMER: StorageError = StorageError::NotFound { what: Missing::Consumer };
const BEYOND: StorageError = StorageError::Invalid { what: "position beyond the end of the log" };
