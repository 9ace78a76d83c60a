use async_trait::async_trait;
use bytes::Bytes;
use diesel::prelude::*;
use storage::{
    Entry, Fleet, Instance, InstanceId, Message, MessageStatus, NewEvent, NewMessage, Outcome,
    PendingMessage, Record, Recorded, StatusUpdate, StorageError, Timestamp, Write,
};

use super::messages::MessageRow;
use super::ownership::key_of;
use super::{claims, events, instances, limit, messages};
use crate::SqliteDatabase;
use crate::fault::Fault;
use crate::schema;
use crate::schema::outbox;
use crate::seal::Sealer;
use crate::sqlite::Tx;
use crate::sqlite::statement::AdvanceStatus;

diesel::define_sql_function! {
    /// SQLite's key of the row that this connection inserted last.
    fn last_insert_rowid() -> diesel::sql_types::BigInt;
}

#[async_trait]
impl Fleet for SqliteDatabase {
    async fn fleet(&self) -> Result<Vec<Instance>, StorageError> {
        let sealer = self.sealer();
        Ok(self.read(move |db| instances::load_all(db, None, &sealer)).await?)
    }

    async fn fleet_instance(&self, id: InstanceId) -> Result<Option<Instance>, StorageError> {
        let sealer = self.sealer();
        let found = self.read(move |db| match key_of(db, id)? {
            Some(key) => instances::load(db, key, &sealer),
            None => Ok(None),
        });
        Ok(found.await?)
    }

    fn record(&self, record: Record) -> Write<Recorded> {
        let sealer = self.sealer();
        self.write(move |tx| store(tx, record, &sealer))
    }

    async fn pending_messages(
        &self,
        instance: InstanceId,
        limit: u64,
    ) -> Result<Vec<PendingMessage>, StorageError> {
        let pending = self.read(move |db| {
            let key = key_of(db, instance)?.ok_or(Fault::NotFound("instance"))?;
            pending(db, key, instance, limit)
        });
        Ok(pending.await?)
    }

    async fn fleet_messages_by_id(
        &self,
        instance: InstanceId,
        message_id: &str,
    ) -> Result<Vec<Message>, StorageError> {
        let message_id = message_id.to_owned();
        let found = self.read(move |db| {
            let key = key_of(db, instance)?.ok_or(Fault::NotFound("instance"))?;
            messages::by_id(db, key, instance, &message_id)
        });
        Ok(found.await?)
    }

    fn merge_chats(&self, instance: InstanceId, from: String, into: String) -> Write<u64> {
        use schema::messages;
        self.write(move |tx| {
            let key = tx.instance_key(instance)?;
            let of_chat = messages::table.filter(messages::instance.eq(key)).filter(messages::chat.eq(&from));
            let moved = diesel::update(of_chat).set(messages::chat.eq(&into)).execute(&mut tx.db)?;
            Ok(moved as u64)
        })
    }

    fn prune_events(&self, before: Timestamp, limit: u64) -> Write<u64> {
        self.write(move |tx| {
            let keys = schema::instances::table.select(schema::instances::key).load::<i64>(&mut tx.db)?;
            let mut pruned = 0;
            for key in keys {
                pruned += events::prune(&mut tx.db, key, before, limit - pruned)?;
            }
            Ok(pruned)
        })
    }
}

fn store(tx: &mut Tx, record: Record, sealer: &Sealer) -> Result<Recorded, Fault> {
    let instance = record.instance;
    let key = tx.instance_key(instance)?;
    if let Some(claim) = record.claim {
        if let Some(earlier) = claims::load(&mut tx.db, &claim.scope, &claim.key)? {
            return Ok(Recorded { taken: Some(earlier), ..Recorded::default() });
        }
        claims::insert(&mut tx.db, key, &claim)?;
    }
    if let Some(change) = record.state {
        instances::change_state(&mut tx.db, key, sealer, change)?;
    }
    let mut recorded = Recorded::default();
    for entry in &record.entries {
        let (outcome, event) = match entry {
            Entry::Message(new) => (add_message(tx, key, new)?, new.event.as_ref()),
            Entry::Status(update) => (update_status(tx, key, update)?, update.event.as_ref()),
            Entry::Event(event) => (Outcome::Added, Some(event)),
        };
        if let Some(event) = event.filter(|_| matches!(outcome, Outcome::Added | Outcome::Advanced)) {
            recorded.last_seq = Some(append(tx, instance, event)?);
        }
        recorded.outcomes.push(outcome);
    }
    Ok(recorded)
}

fn append(tx: &mut Tx, instance: InstanceId, event: &NewEvent) -> Result<i64, Fault> {
    events::append(tx, instance, event)
}

fn add_message(tx: &mut Tx, key: i64, new: &NewMessage) -> Result<Outcome, Fault> {
    if !messages::insert(&mut tx.db, key, &new.message)? {
        return Ok(Outcome::Duplicate);
    }
    if let (Some(payload), MessageStatus::Pending) = (&new.payload, new.message.status) {
        let message: i64 = diesel::select(last_insert_rowid()).get_result(&mut tx.db)?;
        let row = (outbox::instance.eq(key), outbox::message.eq(message), outbox::payload.eq(&payload[..]));
        diesel::insert_into(outbox::table).values(row).execute(&mut tx.db)?;
    }
    Ok(Outcome::Added)
}

fn update_status(tx: &mut Tx, key: i64, update: &StatusUpdate) -> Result<Outcome, Fault> {
    use schema::messages;
    let mut concerned: Vec<(i64, String, String, String)> = messages::table
        .filter(messages::instance.eq(key))
        .filter(messages::message_id.eq(&update.message_id))
        .filter(messages::from_me.eq(update.from_me))
        .select((messages::key, messages::status, messages::chat, messages::wire_chat))
        .load(&mut tx.db)?;
    concerned.sort_unstable_by_key(|(key, ..)| *key);
    let mut outcome = Outcome::Unknown;
    for (message, status, chat, wire_chat) in concerned {
        if !(update.chats.is_empty() || update.chats.contains(&chat) || update.chats.contains(&wire_chat)) {
            continue;
        }
        let status: MessageStatus = status.parse()?;
        if status.may_become(update.status) {
            advance(&mut tx.db, key, message, status, update)?;
            outcome = Outcome::Advanced;
        } else if outcome == Outcome::Unknown {
            outcome = Outcome::Unchanged;
        }
    }
    Ok(outcome)
}

fn advance(
    db: &mut SqliteConnection,
    instance: i64,
    message: i64,
    from: MessageStatus,
    update: &StatusUpdate,
) -> Result<(), Fault> {
    AdvanceStatus { key: message, status: update.status.as_str(), at: update.at.millis() }.execute(db)?;
    if from == MessageStatus::Pending {
        diesel::delete(outbox::table.find((instance, message))).execute(db)?;
    }
    Ok(())
}

fn pending(
    db: &mut SqliteConnection,
    key: i64,
    instance: InstanceId,
    count: u64,
) -> Result<Vec<PendingMessage>, Fault> {
    let rows: Vec<(MessageRow, Vec<u8>)> = outbox::table
        .inner_join(schema::messages::table.on(schema::messages::key.eq(outbox::message)))
        .filter(outbox::instance.eq(key))
        .order(outbox::message)
        .limit(limit(count))
        .select((MessageRow::as_select(), outbox::payload))
        .load(db)?;
    let open = |(row, payload): (MessageRow, Vec<u8>)| {
        Ok(PendingMessage { message: row.open(instance)?, payload: Bytes::from(payload) })
    };
    rows.into_iter().map(open).collect()
}
