//! Lists of messages that nobody counts, and what is found by its words. No question reads more than a bounded stretch of
//! an instance's messages, or of the index.

use std::collections::HashMap;

use diesel::dsl::{max, sql};
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::sql_types::Bool;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use futures_util::TryStreamExt as _;
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
use super::messages::shown;
use crate::database::PostgresDatabase;
use crate::statement::Matching;
use crate::words;

/// Messages in the order they were stored in.
pub(super) async fn list(
    db: &mut AsyncPgConnection,
    key: i64,
    instance: InstanceId,
    filter: &MessageFilter,
    from: ListFrom,
    most: u64,
) -> Result<Slice<Message>, Fault> {
    let end = end_of_stretch(db, key, from).await?;
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
    let mut rows = wanted
        .select((messages::key, MessageRow::as_select()))
        .limit(limit(most.saturating_add(1)))
        .load_stream::<(i64, MessageRow)>(db)
        .await?;
    let mut filling = Filling::of(most);
    while let Some((key, row)) = rows.try_next().await? {
        if filling.is_full() {
            return Ok(filling.cut_slice());
        }
        let message = shown(row, instance);
        let size = message.size();
        filling.take(message, size, place(key));
    }
    Ok(filling.slice(end.map(place)))
}

/// The key behind which one question doesn't look, if there is so much.
async fn end_of_stretch(db: &mut AsyncPgConnection, key: i64, from: ListFrom) -> Result<Option<i64>, Fault> {
    let all = messages::table.filter(messages::instance.eq(key)).select(messages::key).into_boxed();
    let ahead = match from {
        ListFrom::Newest => all.order(messages::key.desc()),
        ListFrom::Before(place) => all.filter(messages::key.lt(place.minor)).order(messages::key.desc()),
        ListFrom::After(place) => all.filter(messages::key.gt(place.minor)).order(messages::key.asc()),
    };
    Ok(ahead.offset(STRETCH - 1).limit(1).first(db).await.optional()?)
}

/// What a filter admits.
fn filtered(key: i64, filter: &MessageFilter) -> messages::BoxedQuery<'_, Pg> {
    let mut wanted = messages::table.filter(messages::instance.eq(key)).into_boxed();
    wanted = match &filter.kinds[..] {
        [] => wanted.filter(sql::<Bool>("NOT amends")),
        kinds => wanted.filter(messages::kind.eq_any(kinds.iter().map(|kind| kind.as_str()))),
    };
    if let Some(chat) = &filter.chat {
        wanted = wanted.filter(messages::chat.eq(chat));
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
pub(super) async fn search(
    db: &mut AsyncPgConnection,
    key: i64,
    instance: InstanceId,
    (terms, filter): (&SearchTerms, &MessageFilter),
    before: Option<Cursor>,
    most: u64,
) -> Result<Slice<Message>, Fault> {
    let (began, expression) = (Instant::now(), expression(key, terms));
    let newest: Option<i64> =
        messages::table.filter(messages::instance.eq(key)).select(max(messages::key)).first(db).await?;
    let mut end = before.map_or(newest.unwrap_or(0).saturating_add(1), |place| place.minor);
    let oldest: Option<i64> = messages::table
        .filter(messages::instance.eq(key))
        .order(messages::key)
        .select(messages::key)
        .first(db)
        .await
        .optional()?;
    let Some(oldest) = oldest else { return Ok(Slice { items: Vec::new(), has_more: false, next: before }) };
    let (mut items, mut budget) = (Vec::new(), Budget::default());
    while end > oldest {
        let start = end.saturating_sub(WINDOW);
        let found = matches(db, &expression, start, end).await?;
        // There may be more in the window than were read.
        end = match found.last() {
            Some(last) if found.len() as i64 == MATCHES => *last,
            _ => start,
        };
        for (key, message) in opened(db, instance, &found).await? {
            // The index knows which words are there, and not in which order.
            let has_terms = message.text.as_ref().is_some_and(|text| terms.are_in(text));
            if !has_terms || !filter.admits(&message) {
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

/// What is asked of the index: all of the words, wherever they stand. Words hold nothing but letters and digits, so that
/// nothing in them means anything else.
fn expression(key: i64, terms: &SearchTerms) -> String {
    let mut all = vec![format!("'{}'", words::scope(key))];
    for phrase in terms.phrases() {
        let last = phrase.words.len().saturating_sub(1);
        for (n, word) in phrase.words.iter().enumerate() {
            let word_there = words::cut(word.clone());
            let beginning = if phrase.is_open && n == last { ":*" } else { "" };
            all.push(format!("'{word_there}'{beginning}"));
        }
    }
    all.join(" & ")
}

/// Keys of messages that match, the newest first: from `start` on, before `end`.
async fn matches(
    db: &mut AsyncPgConnection,
    expression: &str,
    start: i64,
    end: i64,
) -> Result<Vec<i64>, Fault> {
    let matching = Matching { query: expression.to_owned(), start, end, most: MATCHES };
    Ok(matching.load(db).await?)
}

async fn opened(
    db: &mut AsyncPgConnection,
    instance: InstanceId,
    keys: &[i64],
) -> Result<Vec<(i64, Message)>, Fault> {
    if keys.is_empty() {
        return Ok(Vec::new());
    }
    let rows: Vec<(i64, MessageRow)> = messages::table
        .filter(messages::key.eq_any(keys))
        .select((messages::key, MessageRow::as_select()))
        .load(db)
        .await?;
    let mut found: Vec<_> = rows.into_iter().map(|(key, row)| (key, shown(row, instance))).collect();
    found.sort_unstable_by_key(|(key, _)| std::cmp::Reverse(*key));
    Ok(found)
}

/// Chats by their last messages: each is told where the message stands that its own list begins with.
pub(super) async fn chats(
    db: &mut AsyncPgConnection,
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
            .filter(sql::<Bool>("NOT amends"))
            .order(messages::key.desc())
            .limit(PIECE)
            .select((messages::key, messages::chat))
            .load(db)
            .await?;
        let is_last = (piece.len() as i64) < PIECE;
        for (message, chat) in piece {
            let head = match heads.get(&chat) {
                Some(head) => *head,
                None => {
                    let head = head_of(db, key, &chat).await?;
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
            let summary = summary(db, (key, instance), chat, message).await?;
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
async fn head_of(db: &mut AsyncPgConnection, key: i64, chat: &str) -> Result<Option<i64>, Fault> {
    let newest = of_chat(key, chat).select(messages::key).limit(1);
    Ok(newest.first(db).await.optional()?)
}

fn of_chat(key: i64, chat: &str) -> messages::BoxedQuery<'_, Pg> {
    messages::table
        .filter(messages::instance.eq(key))
        .filter(messages::chat.eq(chat))
        .filter(messages::amends.eq(false))
        .order((messages::created_at.desc(), messages::key.desc()))
        .into_boxed()
}

async fn summary(
    db: &mut AsyncPgConnection,
    (key, instance): (i64, InstanceId),
    chat: String,
    head: i64,
) -> Result<ChatSummary, Fault> {
    let last: MessageRow = messages::table.find(head).select(MessageRow::as_select()).first(db).await?;
    let newest: Vec<(bool, bool, String)> = of_chat(key, &chat)
        .select((messages::from_me, messages::history, messages::status))
        .limit(limit(MAX_UNREAD))
        .load(db)
        .await?;
    let unread = unread(&newest);
    let contact = ContactsOf { key, instance }.find(db, &chat).await?;
    let name = contact.map(|contact| contact.name().to_owned());
    Ok(ChatSummary { chat, name, last: shown(last, instance), unread })
}

/// As [`storage::Fleet::index_messages`] says.
pub(super) async fn index_more(database: &PostgresDatabase, most: u64) -> Result<u64, StorageError> {
    let is_behind = database.read(async move |db| words::is_behind(db).await).await?;
    if !is_behind {
        return Ok(0);
    }
    database.write(async move |tx| words::index_piece(&mut tx.db, most).await).await
}
