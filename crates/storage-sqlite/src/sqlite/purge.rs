//! Removes what deleted instances leave behind, a few rows at a time, while nothing else is to be written.
//!
//! Deleting an instance takes away at once what identifies it and all its secrets; its messages, its events, what it was
//! owed, its claims and whom its companion knows may be many, so they follow. Keys of instances are never used again, so
//! nobody sees them meanwhile.

use std::time::Duration;

use diesel::connection::SimpleConnection;
use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::BigInt;
use storage_sql::Fault;
use storage_sql::schema::{
    claims, contacts, deliveries, events, messages, receipts, retired_instances, usage_days,
};
use tokio::time::Instant;

use super::statement::FreePages;
use super::tx::Tx;
use crate::records;
use crate::words;

/// Rows of each table removed in one commit: a few milliseconds, so that no write waits long.
const CHUNK: i64 = 500;
/// Bytes of content after which no more rows are: what is removed is overwritten, and its words leave the index one by one.
const PIECE_BYTES: i64 = 1 << 20;

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
    let removed = forget_messages(db, instance)?
        + forget_events(db, instance)?
        + forget_contacts(db, instance)?
        + forget_deliveries(db, instance)?
        + forget_claims(db, instance)?
        + records::wipe_some(db, instance, CHUNK)?;
    // A row for each day that it lived.
    diesel::delete(usage_days::table.filter(usage_days::instance.eq(instance))).execute(db)?;
    if removed == 0 {
        diesel::delete(retired_instances::table.find(instance)).execute(db)?;
    }
    Ok(Leftovers::Likely)
}

fn forget_messages(db: &mut SqliteConnection, instance: i64) -> Result<usize, Fault> {
    let some = messages::table.filter(messages::instance.eq(instance));
    let some = some.select((messages::key, sql::<BigInt>("length(raw) + coalesce(length(text), 0)")));
    let some = piece(some.limit(CHUNK).load(db)?);
    words::forget(db, &some)?;
    for message in &some {
        diesel::delete(receipts::table.filter(receipts::message.eq(message))).execute(db)?;
        diesel::delete(messages::table.find(message)).execute(db)?;
    }
    words::go_back(db)?;
    Ok(some.len())
}

fn forget_events(db: &mut SqliteConnection, instance: i64) -> Result<usize, Fault> {
    let of_instance = || events::table.filter(events::instance.eq(instance));
    let some = of_instance().order(events::seq).select((events::seq, sql::<BigInt>("length(data)")));
    let some = piece(some.limit(CHUNK).load(db)?);
    if let Some(last) = some.last() {
        diesel::delete(of_instance().filter(events::seq.le(last))).execute(db)?;
    }
    Ok(some.len())
}

fn forget_contacts(db: &mut SqliteConnection, instance: i64) -> Result<usize, Fault> {
    let some = contacts::table.filter(contacts::instance.eq(instance)).select(contacts::jid).limit(CHUNK);
    let some = some.load::<String>(db)?;
    for contact in &some {
        diesel::delete(contacts::table.find((instance, contact))).execute(db)?;
    }
    Ok(some.len())
}

fn forget_deliveries(db: &mut SqliteConnection, instance: i64) -> Result<usize, Fault> {
    let some = deliveries::table.filter(deliveries::instance.eq(instance));
    let some = some.select((deliveries::consumer, deliveries::seq)).limit(CHUNK);
    let some = some.load::<(String, i64)>(db)?;
    for (consumer, seq) in &some {
        diesel::delete(deliveries::table.find((instance, consumer, seq))).execute(db)?;
    }
    Ok(some.len())
}

fn forget_claims(db: &mut SqliteConnection, instance: i64) -> Result<usize, Fault> {
    let some = claims::table.filter(claims::instance.eq(instance));
    let some = some.select((claims::scope, claims::key)).limit(CHUNK);
    let some = some.load::<(String, String)>(db)?;
    for claim in &some {
        diesel::delete(claims::table.find((&claim.0, &claim.1))).execute(db)?;
    }
    Ok(some.len())
}

/// Of rows, each with its key and its length, as many as are removed in one commit: one at least.
fn piece(rows: Vec<(i64, i64)>) -> Vec<i64> {
    let mut bytes = 0;
    let fits = |(_, length): &(i64, i64)| {
        let has_room = bytes < PIECE_BYTES;
        bytes += *length;
        has_room
    };
    rows.into_iter().take_while(fits).map(|(key, _)| key).collect()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_piece_ends_at_its_bytes_and_has_a_row_at_least() {
        let rows = |length: i64| (0..CHUNK).map(|key| (key, length)).collect::<Vec<_>>();
        assert_eq!(piece(rows(10)).len(), 500);
        assert_eq!(piece(rows(PIECE_BYTES / 4)), [0, 1, 2, 3]);
        assert_eq!(piece(rows(2 * PIECE_BYTES)), [0]);
        assert_eq!(piece(Vec::new()), Vec::<i64>::new());
    }
}
