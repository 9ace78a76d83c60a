use async_trait::async_trait;

use super::instances::oldest_first;
use super::messages::size;
use super::{Account, MemoryStorage, StoredMessage};
use crate::{
    Entry, Event, Fleet, Instance, InstanceId, Message, MessageStatus, NewEvent, NewMessage, Outcome,
    PendingMessage, Record, Recorded, StatusUpdate, StorageError, StoredClaim, Timestamp, Write,
};

#[async_trait]
impl Fleet for MemoryStorage {
    async fn fleet(&self) -> Result<Vec<Instance>, StorageError> {
        Ok(oldest_first(self.lock().accounts.values()))
    }

    async fn fleet_instance(&self, id: InstanceId) -> Result<Option<Instance>, StorageError> {
        Ok(self.lock().accounts.get(&id).map(Account::view))
    }

    fn record(&self, record: Record) -> Write<Recorded> {
        self.write(|tables| {
            tables.account(record.instance)?;
            if let Some(claim) = record.claim {
                let key = (claim.scope, claim.key);
                if let Some((_, earlier)) = tables.claims.get(&key) {
                    return Ok(Recorded { taken: Some(earlier.clone()), ..Recorded::default() });
                }
                let taken =
                    StoredClaim { fingerprint: claim.fingerprint, answer: claim.answer, at: claim.at };
                tables.claims.insert(key, (record.instance, taken));
            }
            let account = tables.account_mut(record.instance)?;
            if let Some(change) = record.state {
                change.apply(&mut account.instance);
            }
            let mut log = LogEnd::of(account);
            let outcomes = record.entries.into_iter().map(|entry| account.enter(entry, &mut log)).collect();
            Ok(Recorded { outcomes, last_seq: log.last_seq, taken: None })
        })
    }

    async fn pending_messages(
        &self,
        instance: InstanceId,
        limit: u64,
    ) -> Result<Vec<PendingMessage>, StorageError> {
        let tables = self.lock();
        let pending = tables.account(instance)?.messages.iter().filter_map(|stored| {
            let payload = stored.payload.clone()?;
            Some(PendingMessage { message: stored.message.clone(), payload })
        });
        Ok(pending.take(size(limit)).collect())
    }

    async fn fleet_messages_by_id(
        &self,
        instance: InstanceId,
        message_id: &str,
    ) -> Result<Vec<Message>, StorageError> {
        Ok(self.lock().account(instance)?.messages_by_id(message_id))
    }

    fn merge_chats(&self, instance: InstanceId, from: String, into: String) -> Write<u64> {
        self.write(|tables| {
            let messages = tables.account_mut(instance)?.messages.iter_mut();
            let moved = messages.map(|stored| &mut stored.message).filter(|message| message.chat == from);
            Ok(moved.map(|message| message.chat.clone_from(&into)).count() as u64)
        })
    }

    fn prune_events(&self, before: Timestamp, limit: u64) -> Write<u64> {
        self.write(|tables| {
            let mut pruned = 0;
            for account in tables.accounts.values_mut() {
                pruned += account.prune_events(before, limit - pruned);
            }
            Ok(pruned)
        })
    }
}

/// Where the log ended before a record, and what the record has appended so far.
struct LogEnd {
    next_seq: i64,
    /// No event of this record is older: later than all that were visible before.
    floor: Timestamp,
    last_seq: Option<i64>,
}

impl LogEnd {
    fn of(account: &Account) -> Self {
        let floor = account
            .events
            .last()
            .map_or(Timestamp::from_millis(i64::MIN), |last| last.timestamp.plus_millis(1));
        Self { next_seq: account.last_seq() + 1, floor, last_seq: None }
    }
}

impl Account {
    fn enter(&mut self, entry: Entry, log: &mut LogEnd) -> Outcome {
        match entry {
            Entry::Message(new) => self.add_message(*new, log),
            Entry::Status(update) => self.update_status(update, log),
            Entry::Event(event) => {
                self.append(event, log);
                Outcome::Added
            }
        }
    }

    fn add_message(&mut self, new: NewMessage, log: &mut LogEnd) -> Outcome {
        let NewMessage { message, payload, event } = new;
        let known = self.by_message_id.entry(message.message_id.clone()).or_default();
        if known.iter().any(|at| is_same(&self.messages[*at].message, &message)) {
            return Outcome::Duplicate;
        }
        known.push(self.messages.len());
        let payload = payload.filter(|_| message.status == MessageStatus::Pending);
        self.messages.push(StoredMessage { message, payload });
        if let Some(event) = event {
            self.append(event, log);
        }
        Outcome::Added
    }

    fn update_status(&mut self, update: StatusUpdate, log: &mut LogEnd) -> Outcome {
        let mut outcome = Outcome::Unknown;
        for at in self.by_message_id.get(&update.message_id).into_iter().flatten() {
            let stored = &mut self.messages[*at];
            if !concerns(&update, &stored.message) {
                continue;
            }
            if stored.message.status.may_become(update.status) {
                stored.message.status = update.status;
                stored.message.updated_at = update.at;
                stored.message.status_updated_at = Some(update.at);
                stored.payload = None;
                outcome = Outcome::Advanced;
            } else if outcome == Outcome::Unknown {
                outcome = Outcome::Unchanged;
            }
        }
        if let Some(event) = update.event.filter(|_| outcome == Outcome::Advanced) {
            self.append(event, log);
        }
        outcome
    }

    fn append(&mut self, event: NewEvent, log: &mut LogEnd) {
        let NewEvent { id, kind, chat, timestamp, data } = event;
        let timestamp = timestamp.max(log.floor);
        let seq = log.next_seq;
        self.events.push(Event { seq, id, instance: self.instance.id, kind, chat, timestamp, data });
        *log = LogEnd { next_seq: seq + 1, floor: timestamp, last_seq: Some(seq) };
    }

    fn prune_events(&mut self, before: Timestamp, limit: u64) -> u64 {
        let passed = self.cursors.values().copied().min().unwrap_or(i64::MAX).min(self.last_seq() - 1);
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
}

fn is_same(one: &Message, other: &Message) -> bool {
    one.sender == other.sender && one.wire_chat == other.wire_chat
}

fn concerns(update: &StatusUpdate, message: &Message) -> bool {
    message.from_me == update.from_me
        && (update.chats.is_empty()
            || update.chats.contains(&message.chat)
            || update.chats.contains(&message.wire_chat))
}
