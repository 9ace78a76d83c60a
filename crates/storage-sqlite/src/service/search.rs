//! Lists of messages that nobody counts, and what is found by its words. No question reads more than a bounded stretch of
//! an instance's messages, or of the index.

use std::collections::HashMap;

use diesel::dsl::{max, sql, sql_query};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool, Text};
use diesel::sqlite::Sqlite;
use storage::{
    Budget, ChatSummary, Cursor, InstanceId, ListFrom, MAX_UNREAD, Message, MessageFilter, SearchTerms,
    Slice, StorageError,
};
use storage_sql::rows::limit;
use storage_sql::rows::message::MessageRow;
use storage_sql::schema::messages;
use storage_sql::search::{MATCHES, PATIENCE, PIECE, STRETCH, WINDOW, place, unread};
use storage_sql::{Fault, Filling};
use tokio::time::Instant;

use super::contacts::ContactsOf;
use crate::database::SqliteDatabase;
use crate::words;

/// Messages in the order they were stored in.
pub(super) fn list(
    db: &mut SqliteConnection,
    key: i64,
    instance: InstanceId,
    filter: &MessageFilter,
    from: ListFrom,
    most: u64,
) -> Result<Slice<Message>, Fault> {
    let end = end_of_stretch(db, key, from)?;
    let mut wanted = filtered(key, filter);
    wanted = match from {
        ListFrom::Newest => wanted.order(messages::key.desc()),
        ListFrom::Before(place) => wanted.filter(messages::key.lt(place.minor)).order(messages::key.desc()),
        ListFrom::After(place) => wanted.filter(messages::key.gt(place.minor)).order(messages::key.asc()),
    };
    wanted = match (from, end) {
        (ListFrom::After(_), Some(end)) => wanted.filter(messages::key.le(end)),
        (_, Some(end)) => wanted.filter(messages::key.ge(end)),
        (_, None) => wanted,
    };
    let rows = wanted
        .select((messages::key, MessageRow::as_select()))
        .limit(limit(most.saturating_add(1)))
        .load_iter::<(i64, MessageRow), diesel::connection::DefaultLoadingMode>(db)?;
    let mut filling = Filling::of(most);
    for row in rows {
        let (key, row) = row?;
        if filling.is_full() {
            return Ok(filling.cut_slice());
        }
        let message = row.shown(instance);
        let size = message.size();
        filling.take(message, size, place(key));
    }
    Ok(filling.slice(end.map(place)))
}

/// The key behind which one question doesn't look, if there is so much.
fn end_of_stretch(db: &mut SqliteConnection, key: i64, from: ListFrom) -> Result<Option<i64>, Fault> {
    let all = messages::table.filter(messages::instance.eq(key)).select(messages::key).into_boxed();
    let ahead = match from {
        ListFrom::Newest => all.order(messages::key.desc()),
        ListFrom::Before(place) => all.filter(messages::key.lt(place.minor)).order(messages::key.desc()),
        ListFrom::After(place) => all.filter(messages::key.gt(place.minor)).order(messages::key.asc()),
    };
    Ok(ahead.offset(STRETCH - 1).limit(1).first(db).optional()?)
}

/// What a filter admits. Only the instance and the key are searched by: a `+` keeps SQLite from other indexes, which would
/// have it sort.
fn filtered(key: i64, filter: &MessageFilter) -> messages::BoxedQuery<'_, Sqlite> {
    let mut wanted = messages::table.filter(messages::instance.eq(key)).into_boxed();
    wanted = match &filter.kinds[..] {
        [] => wanted.filter(sql::<Bool>("+amends = 0")),
        kinds => wanted.filter(messages::kind.eq_any(kinds.iter().map(|kind| kind.as_str()))),
    };
    if let Some(chat) = &filter.chat {
        wanted = wanted.filter(sql::<Bool>("+chat = ").bind::<Text, _>(chat));
    }
    if let Some(from_me) = filter.from_me {
        wanted = wanted.filter(messages::from_me.eq(from_me));
    }
    if !filter.statuses.is_empty() {
        wanted = wanted.filter(messages::status.eq_any(filter.statuses.iter().map(|status| status.as_str())));
    }
    if let Some(start) = filter.start {
        wanted = wanted.filter(messages::created_at.ge(start.millis()));
    }
    if let Some(end) = filter.end {
        wanted = wanted.filter(messages::created_at.le(end.millis()));
    }
    wanted
}

/// Messages that have these words, the last stored first.
pub(super) fn search(
    db: &mut SqliteConnection,
    key: i64,
    instance: InstanceId,
    (terms, filter): (&SearchTerms, &MessageFilter),
    before: Option<Cursor>,
    most: u64,
) -> Result<Slice<Message>, Fault> {
    let (began, expression) = (Instant::now(), expression(key, terms));
    let newest: Option<i64> =
        messages::table.filter(messages::instance.eq(key)).select(max(messages::key)).first(db)?;
    let mut end = before.map_or(newest.unwrap_or(0).saturating_add(1), |place| place.minor);
    let oldest: Option<i64> = messages::table
        .filter(messages::instance.eq(key))
        .order(messages::key)
        .select(messages::key)
        .first(db)
        .optional()?;
    let Some(oldest) = oldest else { return Ok(Slice { items: Vec::new(), has_more: false, next: before }) };
    let (mut items, mut budget) = (Vec::new(), Budget::default());
    while end > oldest {
        let start = end.saturating_sub(WINDOW);
        let found = matches(db, &expression, start, end)?;
        // There may be more in the window than were read.
        end = match found.last() {
            Some(last) if found.len() as i64 == MATCHES => *last,
            _ => start,
        };
        for (key, message) in opened(db, instance, &found)? {
            if !filter.admits(&message) {
                continue;
            }
            budget.take(message.size());
            items.push(message);
            if items.len() as u64 == most || !budget.has_room() {
                return Ok(Slice { items, has_more: key > oldest, next: Some(place(key)) });
            }
        }
        if began.elapsed() > PATIENCE {
            break;
        }
    }
    Ok(Slice { items, has_more: end > oldest, next: Some(place(end.max(oldest))) })
}

/// What is asked of the index. Words hold nothing but letters and digits, so that nothing in them means anything else.
fn expression(key: i64, terms: &SearchTerms) -> String {
    let phrase = |phrase: &storage::Phrase| {
        let beginning = if phrase.is_open { " *" } else { "" };
        format!("\"{}\"{beginning}", phrase.words.join(" "))
    };
    let phrases: Vec<_> = terms.phrases().iter().map(phrase).collect();
    format!("scope : {} AND words : ({})", words::scope(key), phrases.join(" AND "))
}

#[derive(QueryableByName)]
struct Match {
    #[diesel(sql_type = BigInt)]
    key: i64,
}

/// Keys of messages that match, the newest first: from `start` on, before `end`.
fn matches(db: &mut SqliteConnection, expression: &str, start: i64, end: i64) -> Result<Vec<i64>, Fault> {
    let found = sql_query(
        "SELECT rowid AS key FROM message_words WHERE message_words MATCH ? AND rowid >= ? AND rowid < ? \
         ORDER BY rowid DESC LIMIT ?",
    );
    let found = found
        .bind::<Text, _>(expression)
        .bind::<BigInt, _>(start)
        .bind::<BigInt, _>(end)
        .bind::<BigInt, _>(MATCHES);
    Ok(found.load::<Match>(db)?.into_iter().map(|found| found.key).collect())
}

fn opened(
    db: &mut SqliteConnection,
    instance: InstanceId,
    keys: &[i64],
) -> Result<Vec<(i64, Message)>, Fault> {
    if keys.is_empty() {
        return Ok(Vec::new());
    }
    let rows: Vec<(i64, MessageRow)> = messages::table
        .filter(messages::key.eq_any(keys))
        .select((messages::key, MessageRow::as_select()))
        .load(db)?;
    let mut found: Vec<_> = rows.into_iter().map(|(key, row)| (key, row.shown(instance))).collect();
    found.sort_unstable_by_key(|(key, _)| std::cmp::Reverse(*key));
    Ok(found)
}

/// Chats by their last messages: each is told where the message stands that its own list begins with.
pub(super) fn chats(
    db: &mut SqliteConnection,
    key: i64,
    instance: InstanceId,
    before: Option<Cursor>,
    most: u64,
) -> Result<Slice<ChatSummary>, Fault> {
    let mut end = before.map_or(i64::MAX, |place| place.minor);
    let (mut items, mut budget, mut heads) = (Vec::new(), Budget::default(), HashMap::new());
    for _ in 0..STRETCH / PIECE {
        let piece: Vec<(i64, String)> = messages::table
            .filter(messages::instance.eq(key))
            .filter(messages::key.lt(end))
            .filter(sql::<Bool>("+amends = 0"))
            .order(messages::key.desc())
            .limit(PIECE)
            .select((messages::key, messages::chat))
            .load(db)?;
        let is_last = (piece.len() as i64) < PIECE;
        for (message, chat) in piece {
            let head = match heads.get(&chat) {
                Some(head) => *head,
                None => {
                    let head = head_of(db, key, &chat)?;
                    heads.insert(chat.clone(), head);
                    head
                }
            };
            if head != Some(message) {
                end = message;
                continue;
            }
            if items.len() as u64 == most || !budget.has_room() {
                return Ok(Slice { items, has_more: true, next: Some(place(end)) });
            }
            end = message;
            let summary = summary(db, (key, instance), chat, message)?;
            budget.take(summary.last.size());
            items.push(summary);
        }
        if is_last {
            return Ok(Slice { next: Some(place(end)).filter(|_| end < i64::MAX), items, has_more: false });
        }
    }
    Ok(Slice { items, has_more: true, next: Some(place(end)) })
}

/// The key of the message that the list of a chat begins with.
fn head_of(db: &mut SqliteConnection, key: i64, chat: &str) -> Result<Option<i64>, Fault> {
    let newest = of_chat(key, chat).select(messages::key).limit(1);
    Ok(newest.first(db).optional()?)
}

fn of_chat(key: i64, chat: &str) -> messages::BoxedQuery<'_, Sqlite> {
    messages::table
        .filter(messages::instance.eq(key))
        .filter(messages::chat.eq(chat))
        .filter(messages::amends.eq(false))
        .order((messages::created_at.desc(), messages::key.desc()))
        .into_boxed()
}

fn summary(
    db: &mut SqliteConnection,
    (key, instance): (i64, InstanceId),
    chat: String,
    head: i64,
) -> Result<ChatSummary, Fault> {
    let last: MessageRow = messages::table.find(head).select(MessageRow::as_select()).first(db)?;
    let newest: Vec<(bool, bool, String)> = of_chat(key, &chat)
        .select((messages::from_me, messages::history, messages::status))
        .limit(limit(MAX_UNREAD))
        .load(db)?;
    let unread = unread(&newest);
    let contact = ContactsOf { key, instance }.find(db, &chat)?;
    let name = contact.map(|contact| contact.name().to_owned());
    Ok(ChatSummary { chat, name, last: last.shown(instance), unread })
}

/// As [`storage::Fleet::index_messages`] says.
pub(super) async fn index_more(database: &SqliteDatabase, most: u64) -> Result<u64, StorageError> {
    let is_behind = database.read(words::is_behind).await?;
    if !is_behind {
        return Ok(0);
    }
    database.write(move |tx| words::index_piece(&mut tx.db, most)).await
}
