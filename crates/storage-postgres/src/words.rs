//! The words of messages, by their keys. What is stored is added later, in pieces, so that no message waits for it; what
//! changes is changed in the same commit, and what goes takes its words along.

use diesel::dsl::max;
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use storage::{Budget, words};
use storage_sql::Fault;
use storage_sql::schema::{messages, search_state};

use crate::statement::{AddWords, RemoveWords};
use crate::text;

/// The word by which all messages of an instance are found. No word of a text has such a beginning.
pub(crate) fn scope(key: i64) -> String {
    format!("@{key}")
}

/// Whether there are messages that can't be found yet.
pub(crate) async fn is_behind(db: &mut AsyncPgConnection) -> Result<bool, Fault> {
    let newest = messages::table.select(max(messages::key)).first::<Option<i64>>(db).await?;
    Ok(indexed(db).await? < newest.unwrap_or(0))
}

/// Adds the words of the next messages; answers how many there were. To be called while nobody else writes: then no message
/// with a lower key can come later.
pub(crate) async fn index_piece(db: &mut AsyncPgConnection, most: u64) -> Result<u64, Fault> {
    let behind = messages::table
        .filter(messages::key.gt(indexed(db).await?))
        .order(messages::key)
        .limit(i64::try_from(most).unwrap_or(i64::MAX))
        .select((messages::key, messages::instance, messages::amends, messages::text));
    let behind: Vec<(i64, i64, bool, Option<String>)> = behind.load(db).await?;
    let (mut piece, mut added, mut budget) =
        (0, AddWords { messages: vec![], words: vec![] }, Budget::default());
    let mut last = None;
    for (key, instance, amends, text) in behind {
        let text = text.map(text::held);
        budget.take(text.as_ref().map_or(0, String::len));
        if let Some(words) = indexed_words(instance, amends, text.as_deref()) {
            added.messages.push(key);
            added.words.push(words);
        }
        (piece, last) = (piece + 1, Some(key));
        if !budget.has_room() {
            break;
        }
    }
    added.execute(db).await?;
    if let Some(last) = last {
        let state = diesel::update(search_state::table.find(INDEXED));
        state.set(search_state::value.eq(last)).execute(db).await?;
    }
    Ok(piece)
}

/// The content of a message has changed: its old words go, and its new ones come.
pub(crate) async fn change(
    db: &mut AsyncPgConnection,
    key: i64,
    (amends, text): (bool, Option<&str>),
) -> Result<(), Fault> {
    if key > indexed(db).await? {
        return Ok(());
    }
    let instance: i64 = messages::table.find(key).select(messages::instance).first(db).await?;
    match indexed_words(instance, amends, text) {
        Some(words) => AddWords { messages: vec![key], words: vec![words] }.execute(db).await?,
        None => RemoveWords { message: key }.execute(db).await?,
    };
    Ok(())
}

/// What of a message is in the index, parted by spaces: each word once, and that of its instance.
fn indexed_words(instance: i64, amends: bool, text: Option<&str>) -> Option<String> {
    let text = text.filter(|_| !amends)?;
    let mut room = MOST_BYTES;
    let fits = |word: &String| {
        room = room.saturating_sub(word.len());
        room > 0
    };
    let mut all: Vec<String> = words(text).map(|(_, word)| cut(word)).take_while(fits).collect();
    if all.is_empty() {
        return None;
    }
    all.push(scope(instance));
    all.sort_unstable();
    all.dedup();
    Some(all.join(" "))
}

/// Bytes of all words of a message that the index keeps: half of what PostgreSQL takes, and more than anybody has written.
const MOST_BYTES: usize = 512 * 1_024;
/// Bytes of a word that the index keeps: PostgreSQL takes no longer ones. What is found is looked at again.
const MAX_WORD: usize = 1_024;

/// As much of a word as the index keeps.
pub(crate) fn cut(mut word: String) -> String {
    let mut end = MAX_WORD.min(word.len());
    while !word.is_char_boundary(end) {
        end -= 1;
    }
    word.truncate(end);
    word
}

const INDEXED: &str = "indexed";

/// The words of all messages up to this key are in the index.
async fn indexed(db: &mut AsyncPgConnection) -> Result<i64, Fault> {
    Ok(search_state::table.find(INDEXED).select(search_state::value).first(db).await?)
}
