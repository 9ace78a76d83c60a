use async_trait::async_trait;
use diesel::connection::DefaultLoadingMode;
use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool};
use diesel::sqlite::Sqlite;
use storage::{
    ChatSummary, Cursor, InstanceId, ListFrom, MediaUpdate, Message, MessageFilter, MessageQuery,
    MessageStatus, MessageStore, Page, Receipt, SearchTerms, Slice, StorageError, StoredMessageId, UserId,
};
use storage_sql::rows::message::{ContentRow, MessageRow, NewMessageRow};
use storage_sql::rows::{count, limit};
use storage_sql::schema::messages;
use storage_sql::{Fault, Filling};

use super::ownership::owned_key;
use super::{prune, receipts, search};
use crate::database::SqliteDatabase;
use crate::sqlite::Tx;
use crate::words;

/// Stores a message unless its identity is known. Tells whether it was new.
pub(super) fn insert(db: &mut SqliteConnection, instance: i64, message: &Message) -> Result<bool, Fault> {
    let row = NewMessageRow::of(instance, message)?;
    // No column but those of the identity has a constraint that a row could break.
    Ok(diesel::insert_or_ignore_into(messages::table).values(row).execute(db)? > 0)
}

/// Stores what a [`storage::Change`] can have changed in a message.
pub(super) fn update_content(db: &mut SqliteConnection, key: i64, message: &Message) -> Result<(), Fault> {
    words::change(db, key, (message.kind.amends(), message.text.as_deref()))?;
    diesel::update(messages::table.find(key)).set(ContentRow::of(message)?).execute(db)?;
    Ok(())
}

/// Stores how far the file of a message has come. Tells whether the message is there.
pub(super) fn update_media(db: &mut SqliteConnection, key: i64, update: &MediaUpdate) -> Result<bool, Fault> {
    let MediaUpdate { message: (id, message_id), media, at, .. } = update;
    let text = serde_json::to_string(media).map_err(|error| Fault::corrupt("file of a message", error))?;
    let concerned = messages::table
        .filter(messages::instance.eq(key))
        .filter(messages::message_id.eq(message_id))
        .filter(messages::id.eq(&id.as_bytes()[..]))
        .filter(messages::revoked_at.is_null());
    let content = (
        messages::media_state.eq(media.state.as_str()),
        messages::media.eq(text),
        messages::updated_at.eq(sql::<BigInt>("max(updated_at, ").bind::<BigInt, _>(at.millis()).sql(")")),
    );
    Ok(diesel::update(concerned).set(content).execute(db)? > 0)
}

/// Messages whose file is to be fetched, in the order they were stored in, with their keys. Those that can't be read are left
/// out.
pub(super) fn pending_media(
    db: &mut SqliteConnection,
    key: i64,
    instance: InstanceId,
    after: i64,
    most: u64,
) -> Result<Vec<(i64, Message)>, Fault> {
    let rows = messages::table
        .filter(messages::instance.eq(key))
        // Literally as in the index `messages_media_pending`, which SQLite uses only then.
        .filter(sql::<Bool>("media_state = 'pending'"))
        .filter(messages::key.gt(after))
        .order(messages::key)
        .limit(limit(most))
        .select((messages::key, MessageRow::as_select()))
        .load::<(i64, MessageRow)>(db)?;
    Ok(rows.into_iter().filter_map(|(key, row)| Some((key, row.open(instance).ok()?))).collect())
}

/// Whether the message is there with its file.
pub(super) fn has_file(db: &mut SqliteConnection, key: i64, message: StoredMessageId) -> Result<bool, Fault> {
    let found: Option<i64> = messages::table
        .filter(messages::instance.eq(key))
        .filter(messages::id.eq(&message.as_bytes()[..]))
        // Literally as in the index `messages_with_file`, which SQLite uses only then.
        .filter(sql::<Bool>("media_state = 'ready'"))
        .select(messages::key)
        .first(db)
        .optional()?;
    Ok(found.is_some())
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

    async fn list_messages(
        &self,
        owner: UserId,
        instance: InstanceId,
        filter: &MessageFilter,
        from: ListFrom,
        limit: u64,
    ) -> Result<Slice<Message>, StorageError> {
        let filter = filter.clone();
        let slice = self.read_for(owner, move |db| {
            db.transaction(|db| {
                let key = owned_key(db, owner, instance)?;
                search::list(db, key, instance, &filter, from, limit)
            })
        });
        Ok(slice.await?)
    }

    async fn search_messages(
        &self,
        owner: UserId,
        instance: InstanceId,
        terms: &SearchTerms,
        filter: &MessageFilter,
        before: Option<Cursor>,
        limit: u64,
    ) -> Result<Slice<Message>, StorageError> {
        let (terms, filter) = (terms.clone(), filter.clone());
        let slice = self.read_for(owner, move |db| {
            db.transaction(|db| {
                let key = owned_key(db, owner, instance)?;
                search::search(db, key, instance, (&terms, &filter), before, limit)
            })
        });
        Ok(slice.await?)
    }

    async fn chats(
        &self,
        owner: UserId,
        instance: InstanceId,
        before: Option<Cursor>,
        limit: u64,
    ) -> Result<Slice<ChatSummary>, StorageError> {
        let slice = self.read_for(owner, move |db| {
            db.transaction(|db| {
                let key = owned_key(db, owner, instance)?;
                search::chats(db, key, instance, before, limit)
            })
        });
        Ok(slice.await?)
    }

    async fn receipts(
        &self,
        owner: UserId,
        instance: InstanceId,
        message_id: &str,
    ) -> Result<Vec<Receipt>, StorageError> {
        let message_id = message_id.to_owned();
        let found = self.read_for(owner, move |db| {
            let key = owned_key(db, owner, instance)?;
            receipts::of_message(db, key, &message_id)
        });
        Ok(found.await?)
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

    async fn clear_messages(
        &self,
        owner: UserId,
        instance: InstanceId,
        limit: u64,
    ) -> Result<u64, StorageError> {
        prune::of_instance(self, owner, instance, limit).await
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
    let mut filling = Filling::of(query.limit);
    for row in rows.load_iter::<(i64, MessageRow), DefaultLoadingMode>(db)? {
        let (key, row) = row?;
        if filling.is_full() {
            return Ok(filling.cut(total));
        }
        let message = row.shown(instance);
        let (size, place) = (message.size(), Cursor { major: message.created_at.millis(), minor: key });
        filling.take(message, size, place);
    }
    Ok(filling.whole(total))
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
