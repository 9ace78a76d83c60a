use std::time::Duration;

use async_trait::async_trait;

use super::messages::size;
use super::{InstanceTables, MemoryStorage};
use crate::{
    Attempt, AttemptQuery, AttemptStore, Consumer, Delivery, KEPT_ATTEMPTS, Missing, Page, StorageError,
    Timestamp, UserId, Write,
};

#[async_trait]
impl AttemptStore for MemoryStorage {
    async fn attempts(
        &self,
        owner: UserId,
        consumer: &Consumer,
        query: &AttemptQuery,
    ) -> Result<Page<Attempt>, StorageError> {
        let tables = self.lock();
        let tables = tables.owned(owner, consumer.instance)?;
        let kept = tables.attempts.get(&consumer.name).into_iter().flatten();
        Ok(query.page(kept.cloned().collect()))
    }

    fn redeliver(
        &self,
        owner: UserId,
        consumer: Consumer,
        seqs: Vec<i64>,
        now: Timestamp,
    ) -> Write<Vec<i64>> {
        self.write(|tables| {
            let tables = tables.owned_mut(owner, consumer.instance)?;
            if !tables.webhooks.contains_key(&consumer.name) {
                return Err(StorageError::NotFound { what: Missing::Webhook });
            }
            Ok(seqs.into_iter().filter(|seq| tables.redeliver(&consumer, *seq, now)).collect())
        })
    }

    async fn prune_attempts(&self, kept: Duration, limit: u64) -> Result<u64, StorageError> {
        let before = self.clock.now().before(kept);
        let mut pruned = 0;
        for attempts in self.lock().instances.values_mut().flat_map(|tables| tables.attempts.values_mut()) {
            let old = attempts.iter().take_while(|(_, attempt)| attempt.at < before).count();
            let old = old.min(size(limit - pruned));
            attempts.drain(..old);
            pruned += old as u64;
        }
        Ok(pruned)
    }
}

impl InstanceTables {
    /// Adds what was tried; of the earlier attempts the last ones stay.
    pub(super) fn note_attempts(&mut self, consumer: &str, attempts: Vec<Attempt>) {
        let kept = self.attempts.entry(consumer.to_owned()).or_default();
        for attempt in attempts {
            let number = kept.last().map_or(0, |(number, _)| *number) + 1;
            kept.push((number, attempt));
        }
        let surplus = kept.len().saturating_sub(KEPT_ATTEMPTS);
        kept.drain(..surplus);
    }

    fn redeliver(&mut self, consumer: &Consumer, seq: i64, now: Timestamp) -> bool {
        let passed = self.cursors.get(&consumer.name).is_some_and(|cursor| *cursor >= seq);
        let Some(event) = self.event(seq).filter(|_| passed) else { return false };
        let delivery = Delivery::again(consumer.clone(), seq, event.lane().map(str::to_owned), now);
        self.deliveries.insert((consumer.name.clone(), seq), delivery);
        true
    }
}
