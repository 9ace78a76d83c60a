use async_trait::async_trait;

use super::events::fitting;
use super::messages::size;
use super::{InstanceTables, MemoryStorage};
use crate::{
    Budget, Consumer, ConsumerWork, Cursor, Delivery, DeliveryQuery, DeliveryState, DeliveryStore, Event,
    InstanceId, Page, Settlement, StorageError, Timestamp, UserId, Write,
};

#[async_trait]
impl DeliveryStore for MemoryStorage {
    async fn work(&self, instance: InstanceId) -> Result<Vec<ConsumerWork>, StorageError> {
        let tables = self.lock();
        let Ok(tables) = tables.instance(instance) else { return Ok(Vec::new()) };
        let work = tables.webhooks.keys().map(|name| tables.work(name));
        Ok(work.filter(|work| work.last_seq > work.cursor || work.pending > 0).collect())
    }

    async fn cursor(&self, consumer: &Consumer) -> Result<Option<i64>, StorageError> {
        let tables = self.lock();
        let tables = tables.instance(consumer.instance).ok();
        Ok(tables.and_then(|tables| tables.cursors.get(&consumer.name).copied()))
    }

    async fn events_after(
        &self,
        instance: InstanceId,
        seq: i64,
        limit: u64,
    ) -> Result<Vec<Event>, StorageError> {
        let tables = self.lock();
        let events = tables.instance(instance).map(|tables| tables.events.iter()).into_iter().flatten();
        let later: Vec<&Event> = events.filter(|event| event.seq > seq).take(size(limit)).collect();
        Ok(later[..fitting(later.iter(), later.len())].iter().map(|event| (*event).clone()).collect())
    }

    async fn event(&self, instance: InstanceId, seq: i64) -> Result<Option<Event>, StorageError> {
        let tables = self.lock();
        Ok(tables.instance(instance).ok().and_then(|tables| tables.event(seq)).cloned())
    }

    async fn pending_deliveries(
        &self,
        consumer: &Consumer,
        after_seq: i64,
        limit: u64,
    ) -> Result<Vec<Delivery>, StorageError> {
        let tables = self.lock();
        let Ok(tables) = tables.instance(consumer.instance) else { return Ok(Vec::new()) };
        let pending = tables.deliveries_of(&consumer.name, DeliveryState::Pending);
        Ok(pending.filter(|delivery| delivery.seq > after_seq).take(size(limit)).cloned().collect())
    }

    fn settle(&self, settlements: Vec<Settlement>) -> Write<Vec<InstanceId>> {
        self.write(|tables| {
            let mut fenced = Vec::new();
            for settlement in settlements {
                let instance = settlement.consumer.instance;
                match tables.instance_mut(instance) {
                    Ok(tables) if tables.epoch == settlement.epoch => tables.settle(settlement),
                    Ok(_) if !fenced.contains(&instance) => fenced.push(instance),
                    _ => {}
                }
            }
            Ok(fenced)
        })
    }

    async fn deliveries(
        &self,
        owner: UserId,
        consumer: &Consumer,
        query: &DeliveryQuery,
    ) -> Result<Page<(Delivery, Option<Event>)>, StorageError> {
        let tables = self.lock();
        let tables = tables.owned(owner, consumer.instance)?;
        let found: Vec<_> = tables.deliveries_of(&consumer.name, query.state).collect();
        let total = found.len() as u64;
        let follows = |delivery: &&Delivery| query.after.is_none_or(|after| delivery.seq > after.major);
        let (mut items, mut budget, mut next) = (Vec::new(), Budget::default(), None);
        for delivery in found.into_iter().filter(follows).skip(size(query.skip)) {
            if !budget.has_room() || items.len() == size(query.limit) {
                return Ok(Page { items, total, has_more: true, next });
            }
            let event = tables.event(delivery.seq).cloned();
            budget
                .take(event.as_ref().and_then(|event| event.data.encode().ok()).map_or(0, |text| text.len()));
            next = Some(Cursor { major: delivery.seq, minor: 0 });
            items.push((delivery.clone(), event));
        }
        Ok(Page { items, total, has_more: false, next: None })
    }

    fn replay(
        &self,
        owner: UserId,
        consumer: Consumer,
        seqs: Option<Vec<i64>>,
        after_seq: i64,
        limit: u64,
        now: Timestamp,
    ) -> Write<Vec<i64>> {
        self.write(|tables| {
            let tables = tables.owned_mut(owner, consumer.instance)?;
            let named = |seq: i64| seqs.as_ref().is_none_or(|seqs| seqs.contains(&seq));
            let dead = tables.deliveries_after(&consumer, DeliveryState::Dead, after_seq);
            let revive = |delivery: &mut Delivery| {
                delivery.state = DeliveryState::Pending;
                delivery.attempts = 0;
                delivery.next_attempt = now;
                delivery.updated_at = now;
                delivery.replayed = true;
                delivery.seq
            };
            Ok(dead.filter(|delivery| named(delivery.seq)).take(size(limit)).map(revive).collect())
        })
    }

    fn hasten(&self, consumer: Consumer, after_seq: i64, limit: u64, now: Timestamp) -> Write<Vec<i64>> {
        self.write(|tables| {
            let Ok(tables) = tables.instance_mut(consumer.instance) else { return Ok(Vec::new()) };
            let pending = tables.deliveries_after(&consumer, DeliveryState::Pending, after_seq);
            let hasten = |delivery: &mut Delivery| {
                delivery.next_attempt = now;
                delivery.seq
            };
            let later = pending.filter(|delivery| delivery.next_attempt > now);
            Ok(later.take(size(limit)).map(hasten).collect())
        })
    }
}

impl InstanceTables {
    pub(super) fn event(&self, seq: i64) -> Option<&Event> {
        self.events.iter().find(|event| event.seq == seq)
    }

    fn work(&self, name: &str) -> ConsumerWork {
        let pending = || self.deliveries_of(name, DeliveryState::Pending);
        ConsumerWork {
            consumer: Consumer::webhook(self.instance.id, name),
            cursor: self.cursors.get(name).copied().unwrap_or(0),
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

    /// Ascending by `seq`.
    fn deliveries_after<'a>(
        &'a mut self,
        consumer: &'a Consumer,
        state: DeliveryState,
        seq: i64,
    ) -> impl Iterator<Item = &'a mut Delivery> {
        let all = self.deliveries.values_mut();
        all.filter(move |found| found.consumer == *consumer && found.state == state && found.seq > seq)
    }

    fn settle(&mut self, settlement: Settlement) {
        let Settlement { consumer, epoch: _, cursor, put, done, attempts } = settlement;
        if !self.webhooks.contains_key(&consumer.name) {
            return;
        }
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
        self.note_attempts(&consumer.name, attempts);
    }
}
