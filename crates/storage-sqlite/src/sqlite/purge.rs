//! Removes what deleted instances leave behind, a few rows at a time, while nothing else is to be written.
//!
//! Deleting an instance takes away at once what identifies it and all its secrets; its messages, its events and whom its
//! companion knows may be many, so they follow. Keys of instances are never used again, so nobody sees them meanwhile.

use std::time::Duration;

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use tokio::time::Instant;

use super::statement::FreePages;
use super::tx::Tx;
use crate::fault::Fault;
use crate::records;
use crate::schema::{events, messages, retired_instances};

/// Rows of each table removed in one commit: a few milliseconds, so that no write waits long.
const CHUNK: i64 = 500;

/// Pages that nothing uses and that stay in the file all the same: what comes next needs some.
const SPARE_PAGES: i64 = 256;
/// Pages given back in one commit.
const PAGES: i64 = 256;
/// How long what is left may hold up the end of the process; the next start does the rest.
const LAST_TIME: Duration = Duration::from_millis(800);

/// What deleted instances have left behind.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Leftovers {
    /// There may be some.
    Likely,
    /// None that this process knows of.
    None,
}

/// Removes the next few rows. Tells whether there may be more.
pub(super) fn step(tx: &mut Tx) -> Leftovers {
    let purged = tx.begin().map_err(Fault::from).and_then(|()| {
        let leftovers = match purge(&mut tx.db)? {
            Leftovers::Likely => Leftovers::Likely,
            Leftovers::None => shrink(&mut tx.db)?,
        };
        tx.commit()?;
        Ok(leftovers)
    });
    purged.unwrap_or_else(|fault| {
        tracing::error!(error = ?fault, "leftovers of deleted instances could not be removed");
        tx.rollback();
        Leftovers::None
    })
}

fn purge(db: &mut SqliteConnection) -> Result<Leftovers, Fault> {
    let next = retired_instances::table.select(retired_instances::instance).first::<i64>(db).optional()?;
    let Some(instance) = next else { return Ok(Leftovers::None) };
    let some_messages =
        messages::table.filter(messages::instance.eq(instance)).select(messages::key).limit(CHUNK);
    let some_messages = some_messages.load::<i64>(db)?;
    let some_events = events::table.filter(events::instance.eq(instance)).select(events::seq);
    let last_event = some_events.order(events::seq).limit(CHUNK).load::<i64>(db)?.last().copied();
    if let Some(seq) = last_event {
        diesel::delete(events::table.filter(events::instance.eq(instance)).filter(events::seq.le(seq)))
            .execute(db)?;
    }
    for message in &some_messages {
        diesel::delete(messages::table.find(message)).execute(db)?;
    }
    let records = records::wipe_some(db, instance, CHUNK)?;
    if some_messages.is_empty() && last_event.is_none() && records == 0 {
        diesel::delete(retired_instances::table.find(instance)).execute(db)?;
    }
    Ok(Leftovers::Likely)
}

/// Gives some pages back to the file system, where the file lets it.
fn shrink(db: &mut SqliteConnection) -> Result<Leftovers, Fault> {
    let free: i64 = FreePages.get_result(db)?;
    if free <= SPARE_PAGES {
        return Ok(Leftovers::None);
    }
    db.batch_execute(&format!("PRAGMA incremental_vacuum({})", PAGES.min(free - SPARE_PAGES)))?;
    let left: i64 = FreePages.get_result(db)?;
    Ok(if left < free { Leftovers::Likely } else { Leftovers::None })
}

/// The last thing that is done: removes what is left as far as that is soon done, and folds the log in.
pub(super) fn finish(tx: &mut Tx) {
    let until = Instant::now() + LAST_TIME;
    while step(tx) == Leftovers::Likely && Instant::now() < until {}
    finish_log(&mut tx.db);
}

/// Leaves a database without a log beside it, when no other connection holds on to it.
fn finish_log(db: &mut SqliteConnection) {
    if let Err(error) = db.batch_execute("PRAGMA optimize; PRAGMA wal_checkpoint(TRUNCATE);") {
        tracing::warn!(?error, "the database's log could not be folded in; the next start will do it");
    }
}
