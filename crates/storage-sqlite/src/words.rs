//! The index of the words of messages. It keeps no texts: what is taken out of it has to be told as it was put in.

use diesel::connection::DefaultLoadingMode;
use diesel::dsl::{max, sql_query};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text};
use storage::{Budget, words};
use storage_sql::Fault;
use storage_sql::schema::{messages, search_state};

/// The word by which all messages of an instance are found.
pub(crate) fn scope(key: i64) -> String {
    format!("i{key}")
}

/// Whether there are messages that can't be found yet.
pub(crate) fn is_behind(db: &mut SqliteConnection) -> Result<bool, Fault> {
    Ok(indexed(db)? < newest_key(db)?)
}

/// Adds the words of the next messages; answers how many there were.
pub(crate) fn index_piece(db: &mut SqliteConnection, most: u64) -> Result<u64, Fault> {
    let behind = messages::table
        .filter(messages::key.gt(indexed(db)?))
        .order(messages::key)
        .limit(i64::try_from(most).unwrap_or(i64::MAX))
        .select((messages::key, messages::instance, messages::amends, messages::text));
    let (mut piece, mut budget) = (Vec::new(), Budget::default());
    for row in behind.load_iter::<(i64, i64, bool, Option<String>), DefaultLoadingMode>(db)? {
        let row = row?;
        budget.take(row.3.as_ref().map_or(0, String::len));
        piece.push(row);
        if !budget.has_room() {
            break;
        }
    }
    for (key, instance, amends, text) in &piece {
        add(db, *key, *instance, *amends, text.as_deref())?;
    }
    if let Some((last, ..)) = piece.last() {
        set_indexed(db, *last)?;
    }
    Ok(piece.len() as u64)
}

/// The content of a message changes: its old words go, and its new ones come.
pub(crate) fn change(db: &mut SqliteConnection, key: i64, new: (bool, Option<&str>)) -> Result<(), Fault> {
    if key > indexed(db)? {
        return Ok(());
    }
    let old: (i64, bool, Option<String>) =
        messages::table.find(key).select((messages::instance, messages::amends, messages::text)).first(db)?;
    let (instance, amends, text) = old;
    if (amends, text.as_deref()) != new {
        remove(db, key, instance, amends, text.as_deref())?;
        add(db, key, instance, new.0, new.1)?;
    }
    Ok(())
}

/// Messages are about to go: their words go with them. To be followed by [`go_back`].
pub(crate) fn forget(db: &mut SqliteConnection, keys: &[i64]) -> Result<(), Fault> {
    let indexed = indexed(db)?;
    for key in keys.iter().filter(|key| **key <= indexed) {
        let old: Option<(i64, bool, Option<String>)> = messages::table
            .find(key)
            .select((messages::instance, messages::amends, messages::text))
            .first(db)
            .optional()?;
        if let Some((instance, amends, text)) = old {
            remove(db, *key, instance, amends, text.as_deref())?;
        }
    }
    Ok(())
}

/// Messages are gone: should the last of them be, its key is given again, to one that is not indexed yet.
pub(crate) fn go_back(db: &mut SqliteConnection) -> Result<(), Fault> {
    let newest = newest_key(db)?;
    if newest < indexed(db)? {
        set_indexed(db, newest)?;
    }
    Ok(())
}

fn add(
    db: &mut SqliteConnection,
    key: i64,
    instance: i64,
    amends: bool,
    text: Option<&str>,
) -> Result<(), Fault> {
    let Some(words) = indexed_words(amends, text) else { return Ok(()) };
    let row = sql_query("INSERT INTO message_words (rowid, scope, words) VALUES (?, ?, ?)");
    row.bind::<BigInt, _>(key).bind::<Text, _>(scope(instance)).bind::<Text, _>(words).execute(db)?;
    Ok(())
}

/// An index that keeps no texts has to be told what it was given.
fn remove(
    db: &mut SqliteConnection,
    key: i64,
    instance: i64,
    amends: bool,
    text: Option<&str>,
) -> Result<(), Fault> {
    let Some(words) = indexed_words(amends, text) else { return Ok(()) };
    let row = sql_query(
        "INSERT INTO message_words (message_words, rowid, scope, words) VALUES ('delete', ?, ?, ?)",
    );
    row.bind::<BigInt, _>(key).bind::<Text, _>(scope(instance)).bind::<Text, _>(words).execute(db)?;
    Ok(())
}

/// What of a message is in the index.
fn indexed_words(amends: bool, text: Option<&str>) -> Option<String> {
    let text = text.filter(|_| !amends)?;
    let mut joined = String::with_capacity(text.len());
    for (_, word) in words(text) {
        if !joined.is_empty() {
            joined.push(' ');
        }
        joined.push_str(&word);
    }
    (!joined.is_empty()).then_some(joined)
}

const INDEXED: &str = "indexed";

/// The words of all messages up to this key are in the index.
fn indexed(db: &mut SqliteConnection) -> Result<i64, Fault> {
    Ok(search_state::table.find(INDEXED).select(search_state::value).first(db).optional()?.unwrap_or(0))
}

fn set_indexed(db: &mut SqliteConnection, key: i64) -> Result<(), Fault> {
    let row = (search_state::name.eq(INDEXED), search_state::value.eq(key));
    diesel::replace_into(search_state::table).values(row).execute(db)?;
    Ok(())
}

fn newest_key(db: &mut SqliteConnection) -> Result<i64, Fault> {
    Ok(messages::table.select(max(messages::key)).first::<Option<i64>>(db)?.unwrap_or(0))
}
