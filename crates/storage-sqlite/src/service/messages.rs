use async_trait::async_trait;
use diesel::connection::DefaultLoadingMode;
use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::Bool;
use diesel::sqlite::Sqlite;
use storage::{
    Budget, Cursor, InstanceId, Message, MessageKind, MessageQuery, MessageStatus, MessageStore, Page,
    StorageError, StoredMessageId, Timestamp, UserId,
};

use super::ownership::owned_key;
use super::{count, limit, sixteen, time};
use crate::database::SqliteDatabase;
use crate::fault::Fault;
use crate::schema::messages;
use crate::sqlite::Tx;
use crate::unreadable;

#[derive(Queryable, Selectable)]
#[diesel(table_name = messages)]
pub(super) struct MessageRow {
    id: Vec<u8>,
    chat: String,
    wire_chat: String,
    sender: String,
    participant: Option<String>,
    from_me: bool,
    message_id: String,
    target: Option<String>,
    kind: String,
    text: Option<String>,
    push_name: Option<String>,
    status: String,
    created_at: i64,
    updated_at: i64,
    status_updated_at: Option<i64>,
    edited_at: Option<i64>,
    revoked_at: Option<i64>,
    raw: Vec<u8>,
}

/// How a row is told whose words can't be read.
struct Words {
    id: [u8; 16],
    kind: MessageKind,
    status: MessageStatus,
}

impl MessageRow {
    /// The message, if all of it can be read: what is sent, or changed and written back.
    pub(super) fn open(self, instance: InstanceId) -> Result<Message, Fault> {
        let words = Words { id: sixteen(&self.id)?, kind: self.kind.parse()?, status: self.status.parse()? };
        Ok(self.told_as(&words, instance))
    }

    /// The message, to be shown: what can't be read is told as that.
    fn shown(self, instance: InstanceId) -> Message {
        let tell = |fault| unreadable::tell("messages", instance, &self.message_id, &fault);
        let kind = self.kind.parse().map_err(Fault::from).map_err(tell);
        let status = self.status.parse().map_err(Fault::from).map_err(tell);
        let words = Words {
            id: sixteen(&self.id).map_err(tell).unwrap_or_default(),
            kind: kind.unwrap_or(MessageKind::Unreadable),
            status: status.unwrap_or(MessageStatus::Unreadable),
        };
        self.told_as(&words, instance)
    }

    fn told_as(self, words: &Words, instance: InstanceId) -> Message {
        Message {
            id: StoredMessageId::from_bytes(words.id),
            instance,
            chat: self.chat,
            wire_chat: self.wire_chat,
            sender: self.sender,
            participant: self.participant,
            from_me: self.from_me,
            message_id: self.message_id,
            target: self.target,
            kind: words.kind,
            text: self.text,
            push_name: self.push_name,
            status: words.status,
            created_at: time(self.created_at),
            updated_at: time(self.updated_at),
            status_updated_at: self.status_updated_at.map(time),
            edited_at: self.edited_at.map(time),
            revoked_at: self.revoked_at.map(time),
            raw: self.raw.into(),
        }
    }
}

#[derive(Insertable)]
#[diesel(table_name = messages, treat_none_as_default_value = false)]
struct NewMessageRow<'a> {
    instance: i64,
    id: &'a [u8],
    chat: &'a str,
    wire_chat: &'a str,
    sender: &'a str,
    participant: Option<&'a str>,
    from_me: bool,
    message_id: &'a str,
    target: Option<&'a str>,
    kind: &'a str,
    amends: bool,
    text: Option<&'a str>,
    push_name: Option<&'a str>,
    status: &'a str,
    created_at: i64,
    updated_at: i64,
    status_updated_at: Option<i64>,
    edited_at: Option<i64>,
    revoked_at: Option<i64>,
    raw: &'a [u8],
}

/// Stores a message unless its identity is known. Tells whether it was new.
pub(super) fn insert(db: &mut SqliteConnection, instance: i64, message: &Message) -> Result<bool, Fault> {
    let row = NewMessageRow {
        instance,
        id: message.id.as_bytes(),
        chat: &message.chat,
        wire_chat: &message.wire_chat,
        sender: &message.sender,
        participant: message.participant.as_deref(),
        from_me: message.from_me,
        message_id: &message.message_id,
        target: message.target.as_deref(),
        kind: message.kind.as_str(),
        amends: message.kind.amends(),
        text: message.text.as_deref(),
        push_name: message.push_name.as_deref(),
        status: message.status.as_str(),
        created_at: message.created_at.millis(),
        updated_at: message.updated_at.millis(),
        status_updated_at: message.status_updated_at.map(Timestamp::millis),
        edited_at: message.edited_at.map(Timestamp::millis),
        revoked_at: message.revoked_at.map(Timestamp::millis),
        raw: &message.raw,
    };
    // No column but those of the identity has a constraint that a row could break.
    Ok(diesel::insert_or_ignore_into(messages::table).values(row).execute(db)? > 0)
}

/// Stores what a [`storage::Change`] can have changed in a message.
pub(super) fn update_content(db: &mut SqliteConnection, key: i64, message: &Message) -> Result<(), Fault> {
    let content = (
        messages::kind.eq(message.kind.as_str()),
        messages::amends.eq(message.kind.amends()),
        messages::target.eq(message.target.as_deref()),
        messages::text.eq(message.text.as_deref()),
        messages::raw.eq(&message.raw[..]),
        messages::edited_at.eq(message.edited_at.map(Timestamp::millis)),
        messages::revoked_at.eq(message.revoked_at.map(Timestamp::millis)),
        messages::updated_at.eq(message.updated_at.millis()),
    );
    diesel::update(messages::table.find(key)).set(content).execute(db)?;
    Ok(())
}

/// The rows with this message id and their keys, in the order they were stored in.
pub(super) fn rows_with_id(
    db: &mut SqliteConnection,
    key: i64,
    message_id: &str,
) -> Result<Vec<(i64, MessageRow)>, Fault> {
    let mut found: Vec<(i64, MessageRow)> = messages::table
        .filter(messages::instance.eq(key))
        .filter(messages::message_id.eq(message_id))
        .select((messages::key, MessageRow::as_select()))
        .load(db)?;
    found.sort_unstable_by_key(|(key, _)| *key);
    Ok(found)
}

pub(super) fn by_id(
    db: &mut SqliteConnection,
    key: i64,
    instance: InstanceId,
    message_id: &str,
) -> Result<Vec<Message>, Fault> {
    let found = rows_with_id(db, key, message_id)?;
    found.into_iter().map(|(_, row)| row.open(instance)).collect()
}

/// Up to `most` messages that are still pending or held, in the order they were stored in; and the keys of those among them
/// that can't be read.
pub(super) fn pending(
    db: &mut SqliteConnection,
    key: i64,
    instance: InstanceId,
    most: u64,
) -> Result<(Vec<Message>, Vec<i64>), Fault> {
    let mut rows = Vec::new();
    // Literally as in the indexes `messages_pending` and `messages_held`, which SQLite uses only then.
    for status in ["status = 'pending'", "status = 'held'"] {
        let found = messages::table
            .filter(messages::instance.eq(key))
            .filter(sql::<Bool>(status))
            .order(messages::key)
            .limit(limit(most))
            .select((messages::key, MessageRow::as_select()))
            .load::<(i64, MessageRow)>(db)?;
        rows.extend(found);
    }
    rows.sort_unstable_by_key(|(key, _)| *key);
    rows.truncate(usize::try_from(most).unwrap_or(usize::MAX));
    let (mut readable, mut unreadable) = (Vec::with_capacity(rows.len()), Vec::new());
    for (key, row) in rows {
        match row.open(instance) {
            Ok(message) => readable.push(message),
            Err(error) => {
                tracing::error!(%instance, %error, "a message to be sent is unreadable and has failed");
                unreadable.push(key);
            }
        }
    }
    Ok((readable, unreadable))
}

/// Gives up pending messages that can't be read.
pub(super) fn give_up(tx: &mut Tx, keys: &[i64]) -> Result<(), Fault> {
    let now = tx.now().millis();
    let failed = (
        messages::status.eq(MessageStatus::Failed.as_str()),
        messages::status_updated_at.eq(now),
        messages::updated_at.eq(now),
    );
    diesel::update(messages::table.filter(messages::key.eq_any(keys))).set(failed).execute(&mut tx.db)?;
    Ok(())
}

#[async_trait]
impl MessageStore for SqliteDatabase {
    async fn messages(
        &self,
        owner: UserId,
        instance: InstanceId,
        query: &MessageQuery,
    ) -> Result<Page<Message>, StorageError> {
        let query = query.clone();
        let page = self.read_for(owner, move |db| {
            db.transaction(|db| {
                let key = owned_key(db, owner, instance)?;
                page(db, key, instance, &query)
            })
        });
        Ok(page.await?)
    }

    async fn messages_by_id(
        &self,
        owner: UserId,
        instance: InstanceId,
        message_id: &str,
    ) -> Result<Vec<Message>, StorageError> {
        let message_id = message_id.to_owned();
        let found = self.read_for(owner, move |db| {
            let key = owned_key(db, owner, instance)?;
            let found = rows_with_id(db, key, &message_id)?;
            Ok(found.into_iter().map(|(_, row)| row.shown(instance)).collect())
        });
        Ok(found.await?)
    }
}

fn page(
    db: &mut SqliteConnection,
    key: i64,
    instance: InstanceId,
    query: &MessageQuery,
) -> Result<Page<Message>, Fault> {
    let total = count(of_chat(key, query).count().get_result(db)?);
    // What is left out is passed over in the index: SQLite looks up the rows of what is told alone.
    let rows = from_place(of_chat(key, query), query.before)
        .select((messages::key, MessageRow::as_select()))
        .order((messages::created_at.desc(), messages::key.desc()))
        .limit(limit(query.limit.saturating_add(1)))
        .offset(limit(query.skip));
    let (mut items, mut budget, mut next) = (Vec::new(), Budget::default(), None);
    for row in rows.load_iter::<(i64, MessageRow), DefaultLoadingMode>(db)? {
        let (key, row) = row?;
        if items.len() as u64 == query.limit || !budget.has_room() {
            return Ok(Page { items, total, has_more: true, next });
        }
        let message = row.shown(instance);
        budget.take(message.size());
        next = Some(Cursor { major: message.created_at.millis(), minor: key });
        items.push(message);
    }
    Ok(Page { items, total, has_more: false, next: None })
}

fn from_place(
    found: messages::BoxedQuery<'_, Sqlite>,
    before: Option<Cursor>,
) -> messages::BoxedQuery<'_, Sqlite> {
    let Some(Cursor { major, minor }) = before else { return found };
    // The first condition is what the index is searched by.
    found
        .filter(messages::created_at.le(major))
        .filter(messages::created_at.lt(major).or(messages::key.lt(minor)))
}

fn of_chat(key: i64, query: &MessageQuery) -> messages::BoxedQuery<'_, Sqlite> {
    let mut matching = messages::table
        .filter(messages::instance.eq(key))
        .filter(messages::chat.eq(&query.chat))
        .filter(messages::amends.eq(false))
        .into_boxed();
    if let Some(start) = query.start {
        matching = matching.filter(messages::created_at.ge(start.millis()));
    }
    if let Some(end) = query.end {
        matching = matching.filter(messages::created_at.le(end.millis()));
    }
    matching
}
