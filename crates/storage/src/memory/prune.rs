use std::time::Duration;

use super::messages::size;
use super::{InstanceTables, Tables};
use crate::{DeliveryState, MediaState, Message, StoredMedia, Timestamp, Webhook};

/// Forgets old events of all instances, at most `limit`; answers how many.
pub(super) fn events(tables: &mut Tables, now: Timestamp, default: Option<Duration>, limit: u64) -> u64 {
    in_turn(tables, limit, |tables, left| {
        let before = now.before(tables.instance.retention.events(default)?);
        Some(tables.prune_events(before, left, now))
    })
}

/// Forgets old messages of all instances, at most `limit`; answers how many.
pub(super) fn messages(tables: &mut Tables, now: Timestamp, default: Option<Duration>, limit: u64) -> u64 {
    in_turn(tables, limit, |tables, left| {
        let before = now.before(tables.instance.retention.messages(default)?);
        Some(tables.prune_messages(before, left))
    })
}

/// Lets go of old files of all instances, at most `limit`; answers how many.
pub(super) fn media(tables: &mut Tables, now: Timestamp, default: Option<Duration>, limit: u64) -> u64 {
    in_turn(tables, limit, |tables, left| {
        let before = now.before(tables.instance.retention.media(default)?);
        Some(tables.prune_media(before, left))
    })
}

/// Forgets deliveries that were given up before a time, at most `limit`; answers how many.
pub(super) fn dead(tables: &mut Tables, before: Timestamp, limit: u64) -> u64 {
    in_turn(tables, limit, |tables, left| {
        let dead = tables
            .deliveries
            .iter()
            .filter(|(_, delivery)| delivery.state == DeliveryState::Dead && delivery.updated_at < before);
        let old: Vec<_> = dead.take(size(left)).map(|(key, _)| key.clone()).collect();
        old.iter().for_each(|key| drop(tables.deliveries.remove(key)));
        Some(old.len() as u64)
    })
}

fn in_turn(tables: &mut Tables, limit: u64, prune: impl Fn(&mut InstanceTables, u64) -> Option<u64>) -> u64 {
    let mut pruned = 0;
    for tables in tables.instances.values_mut() {
        pruned += prune(tables, limit - pruned).unwrap_or(0);
    }
    pruned
}

impl InstanceTables {
    fn prune_events(&mut self, before: Timestamp, limit: u64, now: Timestamp) -> u64 {
        let stands = |webhook: &Webhook| self.cursors.get(&webhook.name).copied().unwrap_or(0);
        let behind = self.webhooks.values().filter(|webhook| webhook.enabled).map(stands).min();
        let awaited = self.consumers.values().filter(|consumer| consumer.is_awaited(now));
        let behind = behind.into_iter().chain(awaited.map(|consumer| consumer.position)).min();
        let passed = behind.unwrap_or(i64::MAX).min(self.last_seq() - 1);
        let count = self.events.len();
        let mut left = limit;
        self.events.retain(|event| {
            let awaited = self.deliveries.keys().any(|(_, seq)| *seq == event.seq);
            let goes = left > 0 && event.seq <= passed && event.timestamp < before && !awaited;
            left -= u64::from(goes);
            !goes
        });
        (count - self.events.len()) as u64
    }

    fn prune_media(&mut self, before: Timestamp, limit: u64) -> u64 {
        let is_old = |message: &&mut Message| {
            let is_ready = message.media.as_ref().is_some_and(|media| media.state == MediaState::Ready);
            is_ready && message.created_at < before
        };
        let mut pruned = 0;
        for message in self.messages.values_mut().filter(is_old).take(size(limit)) {
            message.media = message.media.take().map(StoredMedia::forgotten);
            pruned += 1;
        }
        pruned
    }

    pub(super) fn prune_messages(&mut self, before: Timestamp, limit: u64) -> u64 {
        let old = self
            .messages
            .iter()
            .filter(|(_, message)| message.created_at < before && !message.status.is_on_its_way());
        let old: Vec<_> =
            old.take(size(limit)).map(|(key, message)| (*key, message.message_id.clone())).collect();
        for (key, message_id) in &old {
            self.messages.remove(key);
            self.receipts.remove(key);
            if let Some(keys) = self.by_message_id.get_mut(message_id) {
                keys.retain(|other| other != key);
            }
        }
        self.early.retain(|early| early.at >= before);
        old.len() as u64
    }
}
