use async_trait::async_trait;

use super::messages::size;
use super::{Account, MemoryStorage};
use crate::{
    Consumer, ConsumerWork, Delivery, DeliveryState, DeliveryStore, Event, InstanceId, Page, Settlement,
    StorageError, Timestamp, UserId, Write,
};

#[async_trait]
impl DeliveryStore for MemoryStorage {
    async fn work(&self, consumer_name: &str) -> Result<Vec<ConsumerWork>, StorageError> {
        let tables = self.lock();
        let work = tables.accounts.values().map(|account| account.work(consumer_name));
        Ok(work.filter(|work| work.last_seq > work.cursor || work.pending > 0).collect())
    }

    async fn cursor(&self, consumer: &Consumer) -> Result<Option<i64>, StorageError> {
        let tables = self.lock();
        let account = tables.account(consumer.instance).ok();
        Ok(account.and_then(|account| account.cursors.get(&consumer.name).copied()))
    }

    async fn events_after(
        &self,
        instance: InstanceId,
        seq: i64,
        limit: u64,
    ) -> Result<Vec<Event>, StorageError> {
        let tables = self.lock();
        let events = tables.account(instance).map(|account| account.events.iter()).into_iter().flatten();
        Ok(events.filter(|event| event.seq > seq).take(size(limit)).cloned().collect())
    }

    async fn event(&self, instance: InstanceId, seq: i64) -> Result<Option<Event>, StorageError> {
        let tables = self.lock();
        let mut events = tables.account(instance).map(|account| account.events.iter()).into_iter().flatten();
        Ok(events.find(|event| event.seq == seq).cloned())
    }

    async fn pending_deliveries(
        &self,
        consumer: &Consumer,
        after_seq: i64,
        limit: u64,
    ) -> Result<Vec<Delivery>, StorageError> {
        let tables = self.lock();
        let Ok(account) = tables.account(consumer.instance) else { return Ok(Vec::new()) };
        let pending = account.deliveries_of(&consumer.name, DeliveryState::Pending);
        Ok(pending.filter(|delivery| delivery.seq > after_seq).take(size(limit)).cloned().collect())
    }

    fn settle(&self, settlements: Vec<Settlement>) -> Write<()> {
        self.write(|tables| {
            for settlement in settlements {
                if let Ok(account) = tables.account_mut(settlement.consumer.instance) {
                    account.settle(settlement);
                }
            }
            Ok(())
        })
    }

    async fn deliveries(
        &self,
        owner: UserId,
        consumer: &Consumer,
        state: DeliveryState,
        limit: u64,
        skip: u64,
    ) -> Result<Page<Delivery>, StorageError> {
        let tables = self.lock();
        let found: Vec<_> =
            tables.owned(owner, consumer.instance)?.deliveries_of(&consumer.name, state).collect();
        let total = found.len() as u64;
        let items = found.into_iter().skip(size(skip)).take(size(limit)).cloned().collect();
        Ok(Page { items, total })
    }

    fn replay(
        &self,
        owner: UserId,
        consumer: Consumer,
        seqs: Option<Vec<i64>>,
        now: Timestamp,
    ) -> Write<u64> {
        self.write(|tables| {
            let account = tables.owned_mut(owner, consumer.instance)?;
            let named = |delivery: &Delivery| seqs.as_ref().is_none_or(|seqs| seqs.contains(&delivery.seq));
            let dead = account.deliveries.values_mut().filter(|delivery| {
                delivery.consumer == consumer && delivery.state == DeliveryState::Dead && named(delivery)
            });
            let mut replayed = 0;
            for delivery in dead {
                delivery.state = DeliveryState::Pending;
                delivery.attempts = 0;
                delivery.next_attempt = now;
                delivery.updated_at = now;
                replayed += 1;
            }
            Ok(replayed)
        })
    }
}

impl Account {
    fn work(&self, consumer_name: &str) -> ConsumerWork {
        let pending = || self.deliveries_of(consumer_name, DeliveryState::Pending);
        ConsumerWork {
            instance: self.instance.id,
            cursor: self.cursors.get(consumer_name).copied().unwrap_or(0),
            last_seq: self.last_seq(),
            pending: pending().count() as u64,
            next_attempt: pending().map(|delivery| delivery.next_attempt).min(),
        }
    }

    fn deliveries_of<'a>(
        &'a self,
        name: &'a str,
        state: DeliveryState,
    ) -> impl Iterator<Item = &'a Delivery> {
        let all = self.deliveries.values();
        all.filter(move |delivery| delivery.consumer.name == name && delivery.state == state)
    }

    fn settle(&mut self, settlement: Settlement) {
        let Settlement { consumer, cursor, put, done } = settlement;
        if let Some(cursor) = cursor {
            let stands = self.cursors.entry(consumer.name.clone()).or_insert(cursor);
            *stands = cursor.max(*stands);
        }
        for delivery in put {
            let delivery = Delivery { consumer: consumer.clone(), ..delivery };
            self.deliveries.insert((consumer.name.clone(), delivery.seq), delivery);
        }
        for seq in done {
            self.deliveries.remove(&(consumer.name.clone(), seq));
        }
    }
}
