//! Changes that came before the message that they are about.

use diesel::prelude::*;
use storage::{AmendTarget, Change, InstanceId, Message, Timestamp};
use storage_sql::Fault;
use storage_sql::rows::early::{EarlyRow, NewEarlyRow};
use storage_sql::schema::early_changes;

/// Keeps a change for its message, if it is one that [waits](Change::is_kept).
pub(super) fn keep(
    db: &mut SqliteConnection,
    instance: i64,
    target: &AmendTarget,
    change: &Change,
    at: Timestamp,
) -> Result<(), Fault> {
    if let Some(row) = NewEarlyRow::of(instance, target, change, at)? {
        diesel::insert_into(early_changes::table).values(row).execute(db)?;
    }
    Ok(())
}

/// Applies what waits for this message to it, in the order it came in. Answers the keys of what was applied, which is to
/// be removed when the message is stored.
pub(super) fn apply(
    db: &mut SqliteConnection,
    key: i64,
    instance: InstanceId,
    message: &mut Message,
) -> Result<Vec<i64>, Fault> {
    let mut waiting: Vec<EarlyRow> = early_changes::table
        .filter(early_changes::instance.eq(key))
        .filter(early_changes::message_id.eq(&message.message_id))
        .select(EarlyRow::as_select())
        .load(db)?;
    waiting.sort_unstable_by_key(|row| row.key);
    let mut applied = Vec::new();
    for row in waiting {
        let key = row.key;
        match row.open() {
            Ok((target, change, at)) if target.concerns(message) => {
                change.apply(message, at);
                applied.push(key);
            }
            Ok(_) => {}
            Err(error) => {
                tracing::error!(%instance, %error, "a change that waits for its message is left out")
            }
        }
    }
    Ok(applied)
}

/// Removes changes by their keys.
pub(super) fn remove(db: &mut SqliteConnection, keys: &[i64]) -> Result<(), Fault> {
    for key in keys {
        diesel::delete(early_changes::table.find(key)).execute(db)?;
    }
    Ok(())
}

/// Keys of changes of one instance from before a time.
pub(super) fn before(db: &mut SqliteConnection, instance: i64, at: Timestamp) -> Result<Vec<i64>, Fault> {
    let old = early_changes::table
        .filter(early_changes::instance.eq(instance))
        .filter(early_changes::at.lt(at.millis()))
        .select(early_changes::key);
    Ok(old.load(db)?)
}
