use std::time::Duration;

use async_trait::async_trait;
use diesel::prelude::*;
use storage::{
    Amendment, ContactChange, Entry, Epoch, Fleet, Instance, InstanceCounts, InstanceId, InstanceStatus,
    MediaUpdate, Message, MessageStatus, Missing, NewMessage, Outcome, Record, Recorded, StatusUpdate,
    StorageError, StoredMessageId, Timestamp, Write,
};
use storage_sql::rows::{count, time};
use storage_sql::schema;
use storage_sql::{Fault, Sealer};

use super::contacts::ContactsOf;
use super::events::Appender;
use super::ownership::key_of;
use super::{burial, claims, early, events, instances, messages, prune, receipts, scheduled, search};
use crate::database::SqliteDatabase;
use crate::sqlite::Tx;
use crate::sqlite::statement::AdvanceStatus;

#[async_trait]
impl Fleet for SqliteDatabase {
    async fn fleet_instance(&self, id: InstanceId) -> Result<Option<Instance>, StorageError> {
        let sealer = self.sealer();
        let found = self.read(move |db| match key_of(db, id)? {
            Some(key) => instances::load(db, key, &sealer),
            None => Ok(None),
        });
        Ok(found.await?)
    }

    fn forget_buried(&self, id: InstanceId, epoch: Epoch) -> Write<()> {
        self.write(move |tx| burial::forget_buried(tx, id, epoch))
    }

    async fn instance_counts(&self) -> Result<InstanceCounts, StorageError> {
        use schema::instances;
        let counts = self.read(|db| {
            let by_status: Vec<(String, i64)> = instances::table
                .filter(instances::buried_at.is_null())
                .group_by(instances::status)
                .select((instances::status, diesel::dsl::count_star()))
                .load(db)?;
            let mut counts = InstanceCounts::default();
            for (status, instances) in by_status {
                counts.total += count(instances);
                let status = status.parse().unwrap_or(InstanceStatus::Disconnected);
                *counts.by_status.entry(status).or_default() += count(instances);
            }
            Ok(counts)
        });
        Ok(counts.await?)
    }

    fn record(&self, record: Record) -> Write<Recorded> {
        let sealer = self.sealer();
        self.write_by(record.urgency, move |tx| store(tx, record, &sealer))
    }

    fn hurry(&self) {
        self.shared.queue.hurry();
    }

    async fn pending_messages(&self, instance: InstanceId, limit: u64) -> Result<Vec<Message>, StorageError> {
        let pending = self.read(move |db| {
            let key = key_of(db, instance)?.ok_or(Fault::NotFound(Missing::Instance))?;
            messages::pending(db, key, instance, limit)
        });
        let (pending, unreadable) = pending.await?;
        if !unreadable.is_empty() {
            self.write(move |tx| messages::give_up(tx, &unreadable)).await?;
        }
        Ok(pending)
    }

    async fn pending_media(
        &self,
        instance: InstanceId,
        after: i64,
        limit: u64,
    ) -> Result<Vec<(i64, Message)>, StorageError> {
        let pending = self.read(move |db| {
            let key = key_of(db, instance)?.ok_or(Fault::NotFound(Missing::Instance))?;
            messages::pending_media(db, key, instance, after, limit)
        });
        Ok(pending.await?)
    }

    async fn has_file(&self, instance: InstanceId, message: StoredMessageId) -> Result<bool, StorageError> {
        let found = self.read(move |db| {
            let key = key_of(db, instance)?.ok_or(Fault::NotFound(Missing::Instance))?;
            Ok(messages::has_file(db, key, message)? || scheduled::has_file(db, key, message)?)
        });
        Ok(found.await?)
    }

    async fn fleet_messages_by_id(
        &self,
        instance: InstanceId,
        message_id: &str,
    ) -> Result<Vec<Message>, StorageError> {
        let message_id = message_id.to_owned();
        let found = self.read(move |db| {
            let key = key_of(db, instance)?.ok_or(Fault::NotFound(Missing::Instance))?;
            messages::by_id(db, key, instance, &message_id)
        });
        Ok(found.await?)
    }

    async fn index_messages(&self, limit: u64) -> Result<u64, StorageError> {
        search::index_more(self, limit).await
    }

    async fn prune_events(&self, default: Option<Duration>, limit: u64) -> Result<u64, StorageError> {
        prune::events(self, default, limit).await
    }

    async fn prune_media(&self, default: Option<Duration>, limit: u64) -> Result<u64, StorageError> {
        prune::media(self, default, limit).await
    }

    async fn prune_messages(&self, default: Option<Duration>, limit: u64) -> Result<u64, StorageError> {
        prune::messages(self, default, limit).await
    }

    async fn prune_dead(&self, kept: Duration, limit: u64) -> Result<u64, StorageError> {
        prune::dead(self, kept, limit).await
    }

    fn forget_codes(&self, before: Timestamp) -> Write<u64> {
        self.write(move |tx| events::forget_codes(&mut tx.db, before))
    }
}

fn store(tx: &mut Tx, record: Record, sealer: &Sealer) -> Result<Recorded, Fault> {
    let instance = record.instance;
    let key = tx.check_epoch(instance, record.epoch)?;
    if let Some(claim) = record.claim {
        if let Some(earlier) = claims::load(&mut tx.db, &claim.scope, &claim.key)? {
            return Ok(Recorded { taken: Some(earlier), ..Recorded::default() });
        }
        claims::insert(&mut tx.db, key, &claim)?;
    }
    if let Some(due) = &record.due {
        scheduled::take(&mut tx.db, key, due)?;
    }
    if let Some(change) = record.state {
        instances::change_state(&mut tx.db, key, change, sealer)?;
    }
    let log = Appender::start(tx, instance, key, sealer)?;
    let mut entering = Entering { tx, instance, key, log };
    let mut outcomes = Vec::with_capacity(record.entries.len());
    for entry in record.entries {
        outcomes.push(entering.enter(entry)?);
    }
    Ok(Recorded { outcomes, after: entering.log.after, events: entering.log.events, taken: None })
}

/// A record on its way into the tables.
struct Entering<'a> {
    tx: &'a mut Tx,
    instance: InstanceId,
    key: i64,
    log: Appender<'a>,
}

impl Entering<'_> {
    fn enter(&mut self, entry: Entry) -> Result<Outcome, Fault> {
        match entry {
            Entry::Message(new) => self.add_message(*new),
            Entry::Status(update) => self.update_status(update),
            Entry::Amend(amendment) => self.amend(*amendment),
            Entry::Media(update) => self.update_media(*update),
            Entry::MergeChats { from, into } => self.merge_chats(&from, &into),
            Entry::Contact(change) => self.change_contact(&change),
            Entry::Event(event) => {
                self.log.append(self.tx, event)?;
                Ok(Outcome::Added)
            }
        }
    }

    fn add_message(&mut self, new: NewMessage) -> Result<Outcome, Fault> {
        let mut message = new.message.with_sound_times();
        // Nobody can know one of ours before it has left.
        let applied = match message.status {
            status if status.is_on_its_way() => Vec::new(),
            _ => early::apply(&mut self.tx.db, self.key, self.instance, &mut message)?,
        };
        if !messages::insert(&mut self.tx.db, self.key, &message)? {
            return Ok(Outcome::Duplicate);
        }
        early::remove(&mut self.tx.db, &applied)?;
        if let Some(event) = new.event {
            self.log.append(self.tx, event)?;
        }
        Ok(Outcome::Added)
    }

    fn update_status(&mut self, update: StatusUpdate) -> Result<Outcome, Fault> {
        use schema::messages;
        let mut known: Vec<(i64, String, String, String, bool, i64)> = messages::table
            .filter(messages::instance.eq(self.key))
            .filter(messages::message_id.eq(&update.message_id))
            .select((
                messages::key,
                messages::status,
                messages::chat,
                messages::wire_chat,
                messages::from_me,
                messages::created_at,
            ))
            .load(&mut self.tx.db)?;
        known.sort_unstable_by_key(|(key, ..)| *key);
        let mut outcome = Outcome::Unknown;
        for (key, status, chat, wire_chat, from_me, created_at) in known {
            if !update.concerns(&chat, &wire_chat, from_me) {
                continue;
            }
            if let Some(member) = &update.member {
                receipts::learn(
                    &mut self.tx.db,
                    key,
                    member,
                    update.status,
                    update.at.max(time(created_at)),
                )?;
            }
            let advances = match status.parse::<MessageStatus>() {
                Ok(status) => status.may_become(update.status),
                Err(error) => self.left_out(&error.into()),
            };
            if advances {
                AdvanceStatus { key, status: update.status.as_str(), at: update.at.millis() }
                    .execute(&mut self.tx.db)?;
            }
            outcome = outcome_of(outcome, advances);
        }
        if let (Some(event), Outcome::Advanced) = (update.event, outcome) {
            self.log.append(self.tx, event)?;
        }
        Ok(outcome)
    }

    fn amend(&mut self, amendment: Amendment) -> Result<Outcome, Fault> {
        let Amendment { target, change, at, carrier, event } = amendment;
        let carried = carrier.map(|carrier| self.add_message(*carrier)).transpose()?;
        if carried == Some(Outcome::Duplicate) {
            return Ok(Outcome::Duplicate);
        }
        let mut outcome = Outcome::Unknown;
        for (key, row) in messages::rows_with_id(&mut self.tx.db, self.key, &target.message_id)? {
            let changes = match row.open(self.instance) {
                Ok(message) if !target.concerns(&message) => continue,
                Ok(mut message) => {
                    let changes = change.apply(&mut message, at);
                    if changes {
                        messages::update_content(&mut self.tx.db, key, &message)?;
                    }
                    changes
                }
                Err(error) => self.left_out(&error),
            };
            outcome = outcome_of(outcome, changes);
        }
        if let (Some(event), Outcome::Advanced) = (event, outcome) {
            self.log.append(self.tx, event)?;
        }
        if outcome == Outcome::Unknown {
            early::keep(&mut self.tx.db, self.key, &target, &change, at)?;
        }
        Ok(carried.unwrap_or(outcome))
    }

    fn update_media(&mut self, update: MediaUpdate) -> Result<Outcome, Fault> {
        if !messages::update_media(&mut self.tx.db, self.key, &update)? {
            return Ok(Outcome::Unknown);
        }
        if let Some(event) = update.event {
            self.log.append(self.tx, event)?;
        }
        Ok(Outcome::Advanced)
    }

    /// A stored message that can't be read isn't changed: it must not keep what comes after it from being recorded.
    fn left_out(&self, error: &Fault) -> bool {
        tracing::error!(instance = %self.instance, %error, "a stored message is unreadable and stays as it is");
        false
    }

    fn change_contact(&mut self, change: &ContactChange) -> Result<Outcome, Fault> {
        let now = self.tx.now();
        self.contacts().change(&mut self.tx.db, change, now)
    }

    fn contacts(&self) -> ContactsOf {
        ContactsOf { key: self.key, instance: self.instance }
    }

    fn merge_chats(&mut self, from: &str, into: &str) -> Result<Outcome, Fault> {
        use schema::messages;
        let now = self.tx.now();
        self.contacts().merge(&mut self.tx.db, from, into, now)?;
        let of_chat = messages::table.filter(messages::instance.eq(self.key)).filter(messages::chat.eq(from));
        let moved = diesel::update(of_chat).set(messages::chat.eq(into)).execute(&mut self.tx.db)?;
        Ok(if moved > 0 { Outcome::Advanced } else { Outcome::Unchanged })
    }
}

/// What became of the messages so far, with one more that was changed or stayed as it was.
fn outcome_of(so_far: Outcome, changed: bool) -> Outcome {
    match (so_far, changed) {
        (_, true) | (Outcome::Advanced, _) => Outcome::Advanced,
        _ => Outcome::Unchanged,
    }
}
