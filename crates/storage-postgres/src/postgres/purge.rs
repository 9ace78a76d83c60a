//! Removes what deleted instances leave behind, a few rows at a time, while nothing else is to be written.
//!
//! Deleting an instance takes away at once what identifies it and all its secrets; its messages, its events and whom its
//! companion knows may be many, so they follow. Keys of instances are never used again, so nobody sees them meanwhile.

use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use storage_sql::Fault;
use storage_sql::schema::{contacts, events, messages, receipts, retired_instances, usage_days};

use super::Touches;
use super::tx::Tx;
use crate::records;
use crate::statement::NextRetired;

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
pub(super) async fn step(tx: &mut Tx) -> Result<Leftovers, Fault> {
    tx.begin(Touches::Instances(Vec::new())).await?;
    let leftovers = purge(&mut tx.db).await?;
    tx.commit().await?;
    Ok(leftovers)
}

async fn purge(db: &mut AsyncPgConnection) -> Result<Leftovers, Fault> {
    let Some(instance) = NextRetired {}.get_result::<i64>(db).await.optional()? else {
        return Ok(Leftovers::None);
    };
    let some_messages =
        messages::table.filter(messages::instance.eq(instance)).select(messages::key).limit(CHUNK);
    let some_messages = some_messages.load::<i64>(db).await?;
    let some_events = events::table.filter(events::instance.eq(instance)).select(events::seq);
    let last_event = some_events.order(events::seq).limit(CHUNK).load::<i64>(db).await?.last().copied();
    if let Some(seq) = last_event {
        let gone = events::table.filter(events::instance.eq(instance)).filter(events::seq.le(seq));
        diesel::delete(gone).execute(db).await?;
    }
    // Their words go with them.
    diesel::delete(receipts::table.filter(receipts::message.eq_any(&some_messages))).execute(db).await?;
    diesel::delete(messages::table.filter(messages::key.eq_any(&some_messages))).execute(db).await?;
    let some_contacts =
        contacts::table.filter(contacts::instance.eq(instance)).select(contacts::jid).limit(CHUNK);
    let some_contacts = some_contacts.load::<String>(db).await?;
    let of_instance = contacts::table.filter(contacts::instance.eq(instance));
    diesel::delete(of_instance.filter(contacts::jid.eq_any(&some_contacts))).execute(db).await?;
    // A row for each day that it lived.
    diesel::delete(usage_days::table.filter(usage_days::instance.eq(instance))).execute(db).await?;
    let records = records::wipe_some(db, instance, CHUNK).await?;
    if some_messages.is_empty() && some_contacts.is_empty() && last_event.is_none() && records == 0 {
        diesel::delete(retired_instances::table.find(instance)).execute(db).await?;
    }
    Ok(Leftovers::Likely)
}
