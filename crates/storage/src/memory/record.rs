use async_trait::async_trait;

use super::messages::size;
use super::{EarlyChange, InstanceTables, MemoryStorage, prune};
use crate::{
    Amendment, Day, Entry, Epoch, Event, Fleet, Instance, InstanceCounts, InstanceId, MAX_RECEIPTS,
    MediaState, MediaUpdate, Message, Missing, NewEvent, NewMessage, Outcome, Receipt, Record, Recorded,
    StatusUpdate, StorageError, StoredClaim, StoredMessageId, Timestamp, Usage, Write,
};

#[async_trait]
impl Fleet for MemoryStorage {
    async fn fleet_instance(&self, id: InstanceId) -> Result<Option<Instance>, StorageError> {
        Ok(self.lock().instances.get(&id).map(InstanceTables::view))
    }

    fn forget_buried(&self, id: InstanceId, epoch: Epoch) -> Write<()> {
        self.write(|tables| {
            let buried = tables.instance(id)?;
            if buried.epoch != epoch {
                return Err(StorageError::Fenced);
            }
            if buried.buried_at.is_none() {
                return Err(StorageError::NotFound { what: Missing::Instance });
            }
            tables.instances.remove(&id);
            Ok(())
        })
    }

    async fn instance_counts(&self) -> Result<InstanceCounts, StorageError> {
        let tables = self.lock();
        let mut counts = InstanceCounts::default();
        for tables in tables.instances.values().filter(|tables| tables.buried_at.is_none()) {
            counts.total += 1;
            *counts.by_status.entry(tables.instance.status).or_default() += 1;
        }
        Ok(counts)
    }

    fn record(&self, record: Record) -> Write<Recorded> {
        let now = self.clock.now();
        self.write(|tables| {
            if tables.instance(record.instance)?.epoch != record.epoch {
                return Err(StorageError::Fenced);
            }
            if let Some(claim) = record.claim {
                let key = (claim.scope, claim.key);
                if let Some((_, earlier)) = tables.claims.get(&key) {
                    return Ok(Recorded { taken: Some(earlier.clone()), ..Recorded::default() });
                }
                let taken =
                    StoredClaim { fingerprint: claim.fingerprint, answer: claim.answer, at: claim.at };
                tables.claims.insert(key, (record.instance, taken));
            }
            let tables = tables.instance_mut(record.instance)?;
            if let Some(due) = &record.due {
                tables.take_due(due)?;
            }
            if let Some(change) = record.state {
                change.apply(&mut tables.instance);
            }
            let mut log = Log::after(tables, now);
            let outcomes = record.entries.into_iter().map(|entry| tables.enter(entry, &mut log)).collect();
            Ok(Recorded { outcomes, ..tables.keep(log) })
        })
    }

    async fn pending_messages(&self, instance: InstanceId, limit: u64) -> Result<Vec<Message>, StorageError> {
        let tables = self.lock();
        let messages = tables.instance(instance)?.messages.values();
        let pending = messages.filter(|message| message.status.is_on_its_way());
        Ok(pending.take(size(limit)).cloned().collect())
    }

    async fn pending_media(
        &self,
        instance: InstanceId,
        after: i64,
        limit: u64,
    ) -> Result<Vec<(i64, Message)>, StorageError> {
        let tables = self.lock();
        let is_pending = |message: &Message| {
            message.media.as_ref().is_some_and(|media| media.state == MediaState::Pending)
        };
        let messages = tables.instance(instance)?.messages.iter();
        // Places begin with 1, as in a database.
        let placed = messages.map(|(key, message)| (*key as i64 + 1, message));
        let pending = placed.filter(|(place, message)| *place > after && is_pending(message));
        Ok(pending.take(size(limit)).map(|(place, message)| (place, message.clone())).collect())
    }

    async fn has_file(&self, instance: InstanceId, message: StoredMessageId) -> Result<bool, StorageError> {
        let tables = self.lock();
        let is_it = |stored: &Message| {
            let is_ready = stored.media.as_ref().is_some_and(|media| media.state == MediaState::Ready);
            stored.id == message && is_ready
        };
        let tables = tables.instance(instance)?;
        Ok(tables.messages.values().any(is_it) || tables.has_scheduled_file(message))
    }

    async fn fleet_messages_by_id(
        &self,
        instance: InstanceId,
        message_id: &str,
    ) -> Result<Vec<Message>, StorageError> {
        Ok(self.lock().instance(instance)?.messages_by_id(message_id))
    }

    async fn index_messages(&self, _limit: u64) -> Result<u64, StorageError> {
        Ok(0)
    }

    async fn prune_events(
        &self,
        default: Option<std::time::Duration>,
        limit: u64,
    ) -> Result<u64, StorageError> {
        Ok(prune::events(&mut self.lock(), self.clock.now(), default, limit))
    }

    async fn prune_media(
        &self,
        default: Option<std::time::Duration>,
        limit: u64,
    ) -> Result<u64, StorageError> {
        Ok(prune::media(&mut self.lock(), self.clock.now(), default, limit))
    }

    async fn prune_messages(
        &self,
        default: Option<std::time::Duration>,
        limit: u64,
    ) -> Result<u64, StorageError> {
        Ok(prune::messages(&mut self.lock(), self.clock.now(), default, limit))
    }

    async fn prune_dead(&self, kept: std::time::Duration, limit: u64) -> Result<u64, StorageError> {
        Ok(prune::dead(&mut self.lock(), self.clock.now().before(kept), limit))
    }

    fn forget_codes(&self, before: Timestamp) -> Write<u64> {
        self.write(|tables| {
            let events = tables.instances.values_mut().flat_map(|tables| &mut tables.events);
            let old = events.filter(|event| event.timestamp < before);
            Ok(old.map(|event| u64::from(event.data.forget_code())).sum())
        })
    }
}

/// The events of one record.
pub(super) struct Log {
    instance: InstanceId,
    /// Where the log ended before.
    after: i64,
    /// The time of all of them: later than all that were visible before.
    timestamp: Timestamp,
    events: Vec<Event>,
}

impl Log {
    pub(super) fn after(tables: &mut InstanceTables, now: Timestamp) -> Self {
        tables.pull_back(now);
        let floor = tables.events.last().map(|last| last.timestamp.plus_millis(1));
        let timestamp = floor.map_or(now, |floor| floor.max(now));
        Self { instance: tables.instance.id, after: tables.last_seq(), timestamp, events: Vec::new() }
    }

    pub(super) fn append(&mut self, event: Option<NewEvent>) {
        if let Some(NewEvent { id, chat, data }) = event {
            let seq = self.after + 1 + self.events.len() as i64;
            self.events.push(Event {
                seq,
                id,
                instance: self.instance,
                chat,
                timestamp: self.timestamp,
                data,
            });
        }
    }
}

impl InstanceTables {
    /// Appends the events to those that there are; codes that they make void are forgotten.
    pub(super) fn keep(&mut self, log: Log) -> Recorded {
        for event in &log.events {
            self.count(Day::of(event.timestamp), Usage::of(&event.data));
        }
        self.events.extend_from_slice(&log.events);
        if let Some(last) = self.events.iter().rposition(|event| event.data.voids_codes()) {
            self.events.iter_mut().take(last).for_each(|event| {
                event.data.forget_code();
            });
        }
        Recorded { outcomes: Vec::new(), after: log.after, events: log.events, taken: None }
    }

    fn enter(&mut self, entry: Entry, log: &mut Log) -> Outcome {
        match entry {
            Entry::Message(new) => self.add_message(*new, log),
            Entry::Status(update) => self.update_status(update, log),
            Entry::Amend(amendment) => self.amend(*amendment, log),
            Entry::MergeChats { from, into } => {
                self.merge_contacts(&from, &into, log.timestamp);
                self.merge_chats(&from, &into)
            }
            Entry::Contact(change) => self.change_contact(&change, log.timestamp),
            Entry::Media(update) => self.update_media(*update, log),
            Entry::Event(event) => {
                log.append(Some(event));
                Outcome::Added
            }
        }
    }

    fn add_message(&mut self, new: NewMessage, log: &mut Log) -> Outcome {
        let NewMessage { message, event } = new;
        let known = self.by_message_id.entry(message.message_id.clone()).or_default();
        if known.iter().filter_map(|key| self.messages.get(key)).any(|known| is_same(known, &message)) {
            return Outcome::Duplicate;
        }
        let key = self.messages.last_key_value().map_or(0, |(last, _)| last + 1);
        known.push(key);
        let mut message = message.with_sound_times();
        // Nobody can know one of ours before it has left.
        if !message.status.is_on_its_way() {
            self.early.retain(|early| !early.apply(&mut message));
        }
        self.messages.insert(key, message);
        log.append(event);
        Outcome::Added
    }

    fn update_status(&mut self, update: StatusUpdate, log: &mut Log) -> Outcome {
        let concerned =
            |message: &Message| update.concerns(&message.chat, &message.wire_chat, message.from_me);
        let advance = |message: &mut Message| message.advance(update.status, update.at);
        if let Some(member) = &update.member {
            self.learn_receipt(&update, member);
        }
        let outcome = self.change_all(&update.message_id, concerned, advance);
        log.append(update.event.filter(|_| outcome == Outcome::Advanced));
        outcome
    }

    fn learn_receipt(&mut self, update: &StatusUpdate, member: &str) {
        for key in self.by_message_id.get(&update.message_id).into_iter().flatten() {
            let concerned = self
                .messages
                .get(key)
                .filter(|message| update.concerns(&message.chat, &message.wire_chat, message.from_me));
            let Some(message) = concerned else { continue };
            let of_message = self.receipts.entry(*key).or_default();
            let has_room = (of_message.len() as u64) < MAX_RECEIPTS;
            if has_room || of_message.contains_key(member) {
                let receipt = of_message.entry(member.to_owned()).or_insert_with(|| Receipt::of(member));
                receipt.learn(update.status, update.at.max(message.created_at));
            }
        }
    }

    fn amend(&mut self, amendment: Amendment, log: &mut Log) -> Outcome {
        let Amendment { target, change, at, carrier, event } = amendment;
        let carried = carrier.map(|carrier| self.add_message(*carrier, log));
        if carried == Some(Outcome::Duplicate) {
            return Outcome::Duplicate;
        }
        let concerned = |message: &Message| target.concerns(message);
        let amended = self.change_all(&target.message_id, concerned, |message| change.apply(message, at));
        log.append(event.filter(|_| amended == Outcome::Advanced));
        if amended == Outcome::Unknown && change.is_kept() {
            self.early.push(EarlyChange { target, change, at });
        }
        carried.unwrap_or(amended)
    }

    fn update_media(&mut self, update: MediaUpdate, log: &mut Log) -> Outcome {
        let MediaUpdate { message: (id, message_id), media, at, event } = update;
        let concerned = |message: &Message| message.id == id && message.revoked_at.is_none();
        let outcome = self.change_all(&message_id, concerned, |message| {
            message.media = Some(media.clone());
            message.updated_at = message.updated_at.max(at);
            true
        });
        log.append(event.filter(|_| outcome == Outcome::Advanced));
        outcome
    }

    /// Changes every message with this id that is concerned.
    fn change_all(
        &mut self,
        message_id: &str,
        concerned: impl Fn(&Message) -> bool,
        change: impl Fn(&mut Message) -> bool,
    ) -> Outcome {
        let mut outcome = Outcome::Unknown;
        for key in self.by_message_id.get(message_id).into_iter().flatten() {
            let Some(message) = self.messages.get_mut(key).filter(|message| concerned(message)) else {
                continue;
            };
            if change(message) {
                outcome = Outcome::Advanced;
            } else if outcome == Outcome::Unknown {
                outcome = Outcome::Unchanged;
            }
        }
        outcome
    }

    fn merge_chats(&mut self, from: &str, into: &str) -> Outcome {
        let moved = self.messages.values_mut().filter(|message| message.chat == from);
        let moved = moved.map(|message| into.clone_into(&mut message.chat)).count();
        if moved > 0 { Outcome::Advanced } else { Outcome::Unchanged }
    }
}

impl EarlyChange {
    /// Applies it if this is its message; tells whether it is.
    fn apply(&self, message: &mut Message) -> bool {
        let concerned = self.target.concerns(message);
        if concerned {
            self.change.apply(message, self.at);
        }
        concerned
    }
}

fn is_same(one: &Message, other: &Message) -> bool {
    one.sender == other.sender && one.wire_chat == other.wire_chat
}
