use async_trait::async_trait;
use diesel::prelude::*;
use diesel::sqlite::Sqlite;
use storage::{
    InstanceId, Message, MessageQuery, MessageStore, Page, StorageError, StoredMessageId, Timestamp, UserId,
};

use super::ownership::owned_key;
use super::{count, json, limit, sixteen, time};
use crate::SqliteDatabase;
use crate::fault::Fault;
use crate::schema::messages;

#[derive(Queryable, Selectable)]
#[diesel(table_name = messages)]
pub(super) struct MessageRow {
    id: Vec<u8>,
    chat: String,
    wire_chat: String,
    sender: String,
    from_me: bool,
    message_type: String,
    content: Option<String>,
    message_id: String,
    has_media: bool,
    media_url: Option<String>,
    caption: Option<String>,
    mime_type: Option<String>,
    file_name: Option<String>,
    status: String,
    metadata: String,
    created_at: i64,
    updated_at: i64,
    status_updated_at: Option<i64>,
}

impl MessageRow {
    pub(super) fn open(self, instance: InstanceId) -> Result<Message, Fault> {
        Ok(Message {
            id: StoredMessageId::from_bytes(sixteen(&self.id)?),
            instance,
            chat: self.chat,
            wire_chat: self.wire_chat,
            sender: self.sender,
            from_me: self.from_me,
            message_type: self.message_type,
            content: self.content,
            message_id: self.message_id,
            has_media: self.has_media,
            media_url: self.media_url,
            caption: self.caption,
            mime_type: self.mime_type,
            file_name: self.file_name,
            status: self.status.parse()?,
            metadata: json(self.metadata)?,
            created_at: time(self.created_at),
            updated_at: time(self.updated_at),
            status_updated_at: self.status_updated_at.map(time),
        })
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
    from_me: bool,
    message_type: &'a str,
    content: Option<&'a str>,
    message_id: &'a str,
    has_media: bool,
    media_url: Option<&'a str>,
    caption: Option<&'a str>,
    mime_type: Option<&'a str>,
    file_name: Option<&'a str>,
    status: &'a str,
    metadata: &'a str,
    created_at: i64,
    updated_at: i64,
    status_updated_at: Option<i64>,
}

/// Stores a message unless its identity is known. Tells whether it was new.
pub(super) fn insert(db: &mut SqliteConnection, instance: i64, message: &Message) -> Result<bool, Fault> {
    let row = NewMessageRow {
        instance,
        id: message.id.as_bytes(),
        chat: &message.chat,
        wire_chat: &message.wire_chat,
        sender: &message.sender,
        from_me: message.from_me,
        message_type: &message.message_type,
        content: message.content.as_deref(),
        message_id: &message.message_id,
        has_media: message.has_media,
        media_url: message.media_url.as_deref(),
        caption: message.caption.as_deref(),
        mime_type: message.mime_type.as_deref(),
        file_name: message.file_name.as_deref(),
        status: message.status.as_str(),
        metadata: message.metadata.text(),
        created_at: message.created_at.millis(),
        updated_at: message.updated_at.millis(),
        status_updated_at: message.status_updated_at.map(Timestamp::millis),
    };
    // No column but those of the identity has a constraint that a row could break.
    Ok(diesel::insert_or_ignore_into(messages::table).values(row).execute(db)? > 0)
}

pub(super) fn by_id(
    db: &mut SqliteConnection,
    key: i64,
    instance: InstanceId,
    message_id: &str,
) -> Result<Vec<Message>, Fault> {
    let mut found: Vec<(i64, MessageRow)> = messages::table
        .filter(messages::instance.eq(key))
        .filter(messages::message_id.eq(message_id))
        .select((messages::key, MessageRow::as_select()))
        .load(db)?;
    found.sort_unstable_by_key(|(key, _)| *key);
    found.into_iter().map(|(_, row)| row.open(instance)).collect()
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
        let page = self.read(move |db| {
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
        let found = self.read(move |db| {
            let key = owned_key(db, owner, instance)?;
            by_id(db, key, instance, &message_id)
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
    let rows = of_chat(key, query)
        .select(MessageRow::as_select())
        .order((messages::created_at.desc(), messages::key.desc()))
        .limit(limit(query.limit))
        .offset(limit(query.skip))
        .load(db)?;
    let total = of_chat(key, query).count().get_result(db)?;
    let items = rows.into_iter().map(|row| row.open(instance)).collect::<Result<_, _>>()?;
    Ok(Page { items, total: count(total) })
}

fn of_chat(key: i64, query: &MessageQuery) -> messages::BoxedQuery<'_, Sqlite> {
    let mut matching = messages::table
        .filter(messages::instance.eq(key))
        .filter(messages::chat.eq(&query.chat))
        .into_boxed();
    if let Some(start) = query.start {
        matching = matching.filter(messages::created_at.ge(start.millis()));
    }
    if let Some(end) = query.end {
        matching = matching.filter(messages::created_at.le(end.millis()));
    }
    matching
}
