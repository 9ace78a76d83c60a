//! Retention. What is to go is found on a reading connection, so that the writing thread only removes rows by their keys:
//! what may go once may go for ever after.

use std::time::Duration;

use diesel::dsl::{exists, not, sql};
use diesel::prelude::*;
use diesel::sql_types::Bool;
use storage::{InstanceId, MediaState, Retention, StorageError, Timestamp, UserId, Write};
use storage_sql::Fault;
use storage_sql::rows::instance::days;
use storage_sql::rows::limit;
use storage_sql::rows::message::forgotten_file;
use storage_sql::schema::{cursors, deliveries, events, instances, messages, webhooks};

use super::events::{last_seq, seq_at};
use super::ownership::owned_key;
use super::{consumers, early, receipts};
use crate::database::SqliteDatabase;
use crate::words;

/// As [`storage::Fleet::prune_events`] says.
pub(super) async fn events(
    database: &SqliteDatabase,
    default: Option<Duration>,
    most: u64,
) -> Result<u64, StorageError> {
    let now = database.clock().now();
    let old = database.read(move |db| {
        let mut old = Vec::new();
        for (key, retention) in retentions(db)? {
            let (Some(kept), left) = (retention.events(default), most - old.len() as u64) else { continue };
            old.extend(old_events(db, key, now, kept, left)?.into_iter().map(|seq| (key, seq)));
        }
        Ok(old)
    });
    let old = old.await?;
    if old.is_empty() {
        return Ok(0);
    }
    let removal = database.write(move |tx| {
        let mut removed = 0;
        for key in old {
            removed += diesel::delete(events::table.find(key)).execute(&mut tx.db)?;
        }
        tx.leave_room();
        Ok(removed as u64)
    });
    removal.await
}

/// As [`storage::Fleet::prune_messages`] says.
pub(super) async fn messages(
    database: &SqliteDatabase,
    default: Option<Duration>,
    most: u64,
) -> Result<u64, StorageError> {
    let now = database.clock().now();
    let old = database.read(move |db| {
        let (mut old, mut old_early) = (Vec::new(), Vec::new());
        for (key, retention) in retentions(db)? {
            let (Some(kept), left) = (retention.messages(default), most - old.len() as u64) else { continue };
            old.extend(old_messages(db, key, now.before(kept), left)?);
            old_early.extend(early::before(db, key, now.before(kept))?);
        }
        Ok((old, old_early))
    });
    let (old, old_early) = old.await?;
    if old.is_empty() && old_early.is_empty() {
        return Ok(0);
    }
    let removal = database.write(move |tx| {
        let mut removed = 0;
        words::forget(&mut tx.db, &old)?;
        receipts::forget(&mut tx.db, &old)?;
        for key in old {
            removed += diesel::delete(messages::table.find(key)).execute(&mut tx.db)?;
        }
        words::go_back(&mut tx.db)?;
        early::remove(&mut tx.db, &old_early)?;
        tx.leave_room();
        Ok(removed as u64)
    });
    removal.await
}

/// As [`storage::Fleet::prune_media`] says.
pub(super) async fn media(
    database: &SqliteDatabase,
    default: Option<Duration>,
    most: u64,
) -> Result<u64, StorageError> {
    let now = database.clock().now();
    let old = database.read(move |db| {
        let mut old = Vec::new();
        for (key, retention) in retentions(db)? {
            let (Some(kept), left) = (retention.media(default), most - old.len() as u64) else { continue };
            old.extend(old_files(db, key, now.before(kept), left)?);
        }
        Ok(old)
    });
    let old = old.await?;
    if old.is_empty() {
        return Ok(0);
    }
    let removal = database.write(move |tx| {
        let mut removed = 0;
        for (key, media) in old {
            // It may have been taken back since.
            let there = messages::table.find(key).filter(sql::<Bool>("media_state = 'ready'"));
            let content = (messages::media_state.eq(MediaState::Failed.as_str()), messages::media.eq(media));
            removed += diesel::update(there).set(content).execute(&mut tx.db)?;
        }
        Ok(removed as u64)
    });
    removal.await
}

/// As [`storage::MessageStore::clear_messages`] says.
pub(super) fn of_instance(
    database: &SqliteDatabase,
    owner: UserId,
    instance: InstanceId,
    most: u64,
) -> Write<u64> {
    database.write(move |tx| {
        let key = owned_key(&mut tx.db, owner, instance)?;
        let all = old_messages(&mut tx.db, key, Timestamp::from_millis(i64::MAX), most)?;
        words::forget(&mut tx.db, &all)?;
        receipts::forget(&mut tx.db, &all)?;
        for message in &all {
            diesel::delete(messages::table.find(message)).execute(&mut tx.db)?;
        }
        words::go_back(&mut tx.db)?;
        tx.leave_room();
        Ok(all.len() as u64)
    })
}

/// As [`storage::Fleet::prune_dead`] says.
pub(super) async fn dead(database: &SqliteDatabase, kept: Duration, most: u64) -> Result<u64, StorageError> {
    let before = database.clock().now().before(kept);
    let old = database.read(move |db| {
        let mut old: Vec<(i64, String, i64)> = Vec::new();
        for (key, _) in retentions(db)? {
            let left = most - old.len() as u64;
            let of_instance = deliveries::table
                .filter(deliveries::instance.eq(key))
                .filter(sql::<Bool>("state <> 'pending'"))
                .filter(deliveries::updated_at.lt(before.millis()))
                .limit(limit(left))
                .select((deliveries::instance, deliveries::consumer, deliveries::seq));
            old.extend(of_instance.load::<(i64, String, i64)>(db)?);
        }
        Ok(old)
    });
    let old = old.await?;
    if old.is_empty() {
        return Ok(0);
    }
    let removal = database.write(move |tx| {
        let mut removed = 0;
        for key in old {
            // It may have been replayed since.
            let dead = deliveries::table.find(key).filter(sql::<Bool>("state <> 'pending'"));
            removed += diesel::delete(dead).execute(&mut tx.db)?;
        }
        Ok(removed as u64)
    });
    removal.await
}

type RetentionRow = (i64, Option<i64>, Option<i64>, Option<i64>);

fn retentions(db: &mut SqliteConnection) -> Result<Vec<(i64, Retention)>, Fault> {
    let columns = (instances::key, instances::event_days, instances::message_days, instances::media_days);
    let rows: Vec<RetentionRow> = instances::table.select(columns).load(db)?;
    let open = |(key, event_days, message_days, media_days)| {
        let retention = Retention {
            event_days: days(event_days),
            message_days: days(message_days),
            media_days: days(media_days),
        };
        (key, retention)
    };
    Ok(rows.into_iter().map(open).collect())
}

/// Positions of events of one instance from before a time that nobody needs any more, ascending.
fn old_events(
    db: &mut SqliteConnection,
    key: i64,
    now: Timestamp,
    kept: Duration,
    most: u64,
) -> Result<Vec<i64>, Fault> {
    let before = now.before(kept);
    let of_instance = || events::table.filter(events::instance.eq(key));
    let oldest = of_instance().order(events::seq).select(events::timestamp).first::<i64>(db).optional()?;
    if most == 0 || oldest.is_none_or(|oldest| oldest >= before.millis()) {
        return Ok(Vec::new());
    }
    let old = seq_at(db, key, before.millis().saturating_sub(1))?;
    let passed = passed_by_all(db, key)?.min(consumers::passed_by_all(db, key, now)?);
    let bound = old.min(passed).min(last_seq(db, key)? - 1);
    let awaited = deliveries::table
        .filter(deliveries::instance.eq(key))
        .filter(deliveries::seq.eq(events::seq))
        .select(deliveries::seq);
    let unneeded = of_instance().filter(events::seq.le(bound)).filter(not(exists(awaited)));
    Ok(unneeded.order(events::seq).limit(limit(most)).select(events::seq).load(db)?)
}

/// The last position that all webhooks which are switched on have passed.
fn passed_by_all(db: &mut SqliteConnection, key: i64) -> Result<i64, Fault> {
    let stands: Vec<Option<i64>> = webhooks::table
        .left_join(
            cursors::table
                .on(cursors::instance.eq(webhooks::instance).and(cursors::consumer.eq(webhooks::name))),
        )
        .filter(webhooks::instance.eq(key))
        .filter(webhooks::enabled.eq(true))
        .select(cursors::seq.nullable())
        .load(db)?;
    Ok(stands.into_iter().map(|seq| seq.unwrap_or(0)).min().unwrap_or(i64::MAX))
}

/// Keys of messages of one instance that were written before a time and have their file, with what is left of it.
fn old_files(
    db: &mut SqliteConnection,
    key: i64,
    before: Timestamp,
    most: u64,
) -> Result<Vec<(i64, Option<String>)>, Fault> {
    let rows: Vec<(i64, Option<String>)> = messages::table
        .filter(messages::instance.eq(key))
        // Literally as in the index `messages_file_age`, which SQLite uses only then.
        .filter(sql::<Bool>("media_state = 'ready'"))
        .filter(messages::created_at.lt(before.millis()))
        .order(messages::created_at)
        .limit(limit(most))
        .select((messages::key, messages::media))
        .load(db)?;
    Ok(rows.into_iter().map(|(key, text)| (key, forgotten_file(text))).collect())
}

/// Keys of messages of one instance that were written before a time, chat by chat: that is how they are indexed.
fn old_messages(
    db: &mut SqliteConnection,
    key: i64,
    before: Timestamp,
    most: u64,
) -> Result<Vec<i64>, Fault> {
    let mut old = Vec::new();
    let mut chat = String::new();
    while (old.len() as u64) < most {
        let next = messages::table.filter(messages::instance.eq(key)).filter(messages::chat.gt(&chat));
        let next = next.order(messages::chat).select(messages::chat).first(db).optional()?;
        let Some(next) = next else { break };
        chat = next;
        for amends in [false, true] {
            let of_chat = messages::table
                .filter(messages::instance.eq(key))
                .filter(messages::chat.eq(&chat))
                .filter(messages::amends.eq(amends))
                .filter(messages::created_at.lt(before.millis()))
                .filter(not(sql::<Bool>("status IN ('pending', 'held')")))
                .limit(limit(most - old.len() as u64))
                .select(messages::key);
            old.extend(of_chat.load::<i64>(db)?);
        }
    }
    Ok(old)
}
