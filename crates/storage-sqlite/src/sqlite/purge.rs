//! Removes what deleted instances leave behind, a few rows at a time, while nothing else is to be written.
//!
//! Deleting an instance takes away at once what identifies it and all its secrets; its messages, its events and whom its
//! companion knows may be many, so they follow. Keys of instances are never used again, so nobody sees them meanwhile.

use diesel::connection::SimpleConnection;
use diesel::prelude::*;

use super::tx::Tx;
use crate::fault::Fault;
use crate::records;
use crate::schema::{events, messages, retired_instances};

/// Rows of each table removed in one commit: a few milliseconds, so that no write waits long.
const CHUNK: i64 = 500;

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
        let leftovers = purge(&mut tx.db)?;
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

/// Leaves a database without a log beside it, when no other connection holds on to it.
pub(super) fn finish_log(db: &mut SqliteConnection) {
    if let Err(error) = db.batch_execute("PRAGMA optimize; PRAGMA wal_checkpoint(TRUNCATE);") {
        tracing::warn!(?error, "the database's log could not be folded in; the next start will do it");
    }
}
