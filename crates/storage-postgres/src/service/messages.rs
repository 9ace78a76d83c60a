use async_trait::async_trait;
use diesel::dsl::sql;
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use futures_util::TryStreamExt as _;
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
use crate::database::PostgresDatabase;
use crate::postgres::Tx;
use crate::text;
use crate::words;

/// The message in a row, if all of it can be read.
pub(super) fn open(row: MessageRow, instance: InstanceId) -> Result<Message, Fault> {
    MessageRow { text: row.text.map(text::held), ..row }.open(instance)
}

/// The message in a row, to be shown.
pub(super) fn shown(row: MessageRow, instance: InstanceId) -> Message {
    MessageRow { text: row.text.map(text::held), ..row }.shown(instance)
}

/// Stores a message unless its identity is known. Tells whether it was new.
pub(super) async fn insert(
    db: &mut AsyncPgConnection,
    instance: i64,
    message: &Message,
) -> Result<bool, Fault> {
    let text = message.text.as_deref().map(text::to_hold);
    let row = NewMessageRow { text: text.as_deref(), ..NewMessageRow::of(instance, message)? };
    // No column but those of the identity has a constraint that a row could break.
    Ok(diesel::insert_into(messages::table).values(row).on_conflict_do_nothing().execute(db).await? > 0)
}

/// Stores what a [`storage::Change`] can have changed in a message.
pub(super) async fn update_content(
    db: &mut AsyncPgConnection,
    key: i64,
    message: &Message,
) -> Result<(), Fault> {
    let text = message.text.as_deref().map(text::to_hold);
    let content = ContentRow { text: text.as_deref(), ..ContentRow::of(message)? };
    diesel::update(messages::table.find(key)).set(content).execute(db).await?;
    words::change(db, key, (message.kind.amends(), message.text.as_deref())).await
}

/// Stores how far the file of a message has come. Tells whether the message is there.
pub(super) async fn update_media(
    db: &mut AsyncPgConnection,
    key: i64,
    update: &MediaUpdate,
) -> Result<bool, Fault> {
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
        messages::updated_at
            .eq(sql::<BigInt>("greatest(updated_at, ").bind::<BigInt, _>(at.millis()).sql(")")),
    );
    Ok(diesel::update(concerned).set(content).execute(db).await? > 0)
}

/// Messages whose file is to be fetched, in the order they were stored in, with their keys. Those that can't be read are left
/// out.
pub(super) async fn pending_media(
    db: &mut AsyncPgConnection,
    key: i64,
    instance: InstanceId,
    after: i64,
    most: u64,
) -> Result<Vec<(i64, Message)>, Fault> {
    let rows = messages::table
        .filter(messages::instance.eq(key))
        // Literally as in the index `messages_media_pending`, which PostgreSQL uses only then.
        .filter(sql::<Bool>("media_state = 'pending'"))
        .filter(messages::key.gt(after))
        .order(messages::key)
        .limit(limit(most))
        .select((messages::key, MessageRow::as_select()))
        .load::<(i64, MessageRow)>(db)
        .await?;
    Ok(rows.into_iter().filter_map(|(key, row)| Some((key, open(row, instance).ok()?))).collect())
}

/// Whether the message is there with its file.
pub(super) async fn has_file(
    db: &mut AsyncPgConnection,
    key: i64,
    message: StoredMessageId,
) -> Result<bool, Fault> {
    let found: Option<i64> = messages::table
        .filter(messages::instance.eq(key))
        .filter(messages::id.eq(&message.as_bytes()[..]))
        // Literally as in the index `messages_with_file`, which PostgreSQL uses only then.
        .filter(sql::<Bool>("media_state = 'ready'"))
        .select(messages::key)
        .first(db)
        .await
        .optional()?;
    Ok(found.is_some())
}

/// The rows with this message id and their keys, in the order they were stored in.
pub(super) async fn rows_with_id(
    db: &mut AsyncPgConnection,
    key: i64,
    message_id: &str,
) -> Result<Vec<(i64, MessageRow)>, Fault> {
    let mut found: Vec<(i64, MessageRow)> = messages::table
        .filter(messages::instance.eq(key))
        .filter(messages::message_id.eq(message_id))
        .select((messages::key, MessageRow::as_select()))
        .load(db)
        .await?;
    found.sort_unstable_by_key(|(key, _)| *key);
    Ok(found)
}

pub(super) async fn by_id(
    db: &mut AsyncPgConnection,
    key: i64,
    instance: InstanceId,
    message_id: &str,
) -> Result<Vec<Message>, Fault> {
    let found = rows_with_id(db, key, message_id).await?;
    found.into_iter().map(|(_, row)| open(row, instance)).collect()
}

/// Up to `most` messages that are still pending or held, in the order they were stored in; and the keys of those among them
/// that can't be read.
pub(super) async fn pending(
    db: &mut AsyncPgConnection,
    key: i64,
    instance: InstanceId,
    most: u64,
) -> Result<(Vec<Message>, Vec<i64>), Fault> {
    let mut rows = Vec::new();
    // Literally as in the indexes `messages_pending` and `messages_held`, which PostgreSQL uses only then.
    for status in ["status = 'pending'", "status = 'held'"] {
        let found = messages::table
            .filter(messages::instance.eq(key))
            .filter(sql::<Bool>(status))
            .order(messages::key)
            .limit(limit(most))
            .select((messages::key, MessageRow::as_select()))
            .load::<(i64, MessageRow)>(db)
            .await?;
        rows.extend(found);
    }
    rows.sort_unstable_by_key(|(key, _)| *key);
    rows.truncate(usize::try_from(most).unwrap_or(usize::MAX));
    let (mut readable, mut unreadable) = (Vec::with_capacity(rows.len()), Vec::new());
    for (key, row) in rows {
        match open(row, instance) {
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
pub(super) async fn give_up(tx: &mut Tx, keys: &[i64]) -> Result<(), Fault> {
    let now = tx.now().millis();
    let failed = (
        messages::status.eq(MessageStatus::Failed.as_str()),
        messages::status_updated_at.eq(now),
        messages::updated_at.eq(now),
    );
    diesel::update(messages::table.filter(messages::key.eq_any(keys)))
        .set(failed)
        .execute(&mut tx.db)
        .await?;
    Ok(())
}

#[async_trait]
impl MessageStore for PostgresDatabase {
    async fn messages(
        &self,
        owner: UserId,
        instance: InstanceId,
        query: &MessageQuery,
    ) -> Result<Page<Message>, StorageError> {
        let query = query.clone();
        let page = self.snapshot_for(owner, async move |db| {
            let key = owned_key(db, owner, instance).await?;
            page(db, key, instance, &query).await
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
        let slice = self.snapshot_for(owner, async move |db| {
            let key = owned_key(db, owner, instance).await?;
            search::list(db, key, instance, &filter, from, limit).await
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
        let slice = self.snapshot_for(owner, async move |db| {
            let key = owned_key(db, owner, instance).await?;
            search::search(db, key, instance, (&terms, &filter), before, limit).await
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
        let slice = self.snapshot_for(owner, async move |db| {
            let key = owned_key(db, owner, instance).await?;
            search::chats(db, key, instance, before, limit).await
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
        let found = self.read_for(owner, async move |db| {
            let key = owned_key(db, owner, instance).await?;
            receipts::of_message(db, key, &message_id).await
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
        let found = self.read_for(owner, async move |db| {
            let key = owned_key(db, owner, instance).await?;
            let found = rows_with_id(db, key, &message_id).await?;
            Ok(found.into_iter().map(|(_, row)| shown(row, instance)).collect())
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

async fn page(
    db: &mut AsyncPgConnection,
    key: i64,
    instance: InstanceId,
    query: &MessageQuery,
) -> Result<Page<Message>, Fault> {
    let total = count(of_chat(key, query).count().get_result(db).await?);
    let rows = from_place(of_chat(key, query), query.before)
        .select((messages::key, MessageRow::as_select()))
        .order((messages::created_at.desc(), messages::key.desc()))
        .limit(limit(query.limit.saturating_add(1)))
        .offset(limit(query.skip));
    let mut filling = Filling::of(query.limit);
    let mut rows = rows.load_stream::<(i64, MessageRow)>(db).await?;
    while let Some(row) = rows.try_next().await? {
        let (key, row) = row;
        if filling.is_full() {
            return Ok(filling.cut(total));
        }
        let message = shown(row, instance);
        let (size, place) = (message.size(), Cursor { major: message.created_at.millis(), minor: key });
        filling.take(message, size, place);
    }
    Ok(filling.whole(total))
}

fn from_place(found: messages::BoxedQuery<'_, Pg>, before: Option<Cursor>) -> messages::BoxedQuery<'_, Pg> {
    let Some(Cursor { major, minor }) = before else { return found };
    // The first condition is what the index is searched by.
    found
        .filter(messages::created_at.le(major))
        .filter(messages::created_at.lt(major).or(messages::key.lt(minor)))
}

fn of_chat(key: i64, query: &MessageQuery) -> messages::BoxedQuery<'_, Pg> {
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
