//! Deleting an instance, or burying it: what of it goes at once, and what stays until it is unlinked.

use diesel::prelude::*;
use storage::{Epoch, InstanceId, Missing, Timestamp};
use storage_sql::rows::instance::InstanceRow;
use storage_sql::schema::{cursors, early_changes, instances, retired_instances};
use storage_sql::{Fault, Sealer};

use super::instances::{load, stored};
use super::ownership::key_of;
use super::{attempts, consumers, dialects, scheduled, webhooks};
use crate::records;
use crate::sqlite::Tx;

/// Gives the companion's credentials a row of their own, with the same id and another key, and removes the rest.
pub(super) fn bury(
    db: &mut SqliteConnection,
    key: i64,
    now: Timestamp,
    sealer: &Sealer,
) -> Result<Epoch, Fault> {
    let (epoch, node): (i64, Option<Vec<u8>>) =
        instances::table.find(key).select((instances::epoch, instances::node)).first(db)?;
    let buried = load(db, key, sealer)?.ok_or(Fault::NotFound(Missing::Instance))?.buried();
    let (id, epoch) = (buried.id, Epoch::new(epoch).next());
    let unreadable = buried.unreadable.clone();
    let mut row = InstanceRow::new(buried, sealer)?;
    row.keep(stored(db, key)?, &unreadable);
    let credentials = records::credentials(db, key)?;
    delete(db, key)?;
    let row = (
        row,
        instances::epoch.eq(epoch.number()),
        instances::node.eq(node),
        instances::buried_at.eq(now.millis()),
    );
    diesel::insert_into(instances::table).values(row).execute(db)?;
    let key = key_of(db, id)?.ok_or(Fault::NotFound(Missing::Instance))?;
    records::put_credentials(db, key, credentials)?;
    Ok(epoch)
}

/// Removes what is left of a buried instance.
pub(super) fn forget_buried(tx: &mut Tx, id: InstanceId, epoch: Epoch) -> Result<(), Fault> {
    let key = tx.check_epoch(id, epoch)?;
    let buried_at: Option<i64> = instances::table.find(key).select(instances::buried_at).first(&mut tx.db)?;
    buried_at.ok_or(Fault::NotFound(Missing::Instance))?;
    delete(&mut tx.db, key)?;
    tx.retire_instance();
    Ok(())
}

/// Removes what identifies the instance and all secrets; what may be many rows follows, see `sqlite::purge`.
pub(super) fn delete(db: &mut SqliteConnection, key: i64) -> Result<(), Fault> {
    records::wipe_secrets(db, key)?;
    webhooks::delete_all(db, key)?;
    attempts::delete_all(db, key)?;
    dialects::delete_all(db, key)?;
    consumers::delete_all(db, key)?;
    scheduled::delete_all(db, key)?;
    diesel::delete(cursors::table.filter(cursors::instance.eq(key))).execute(db)?;
    diesel::delete(early_changes::table.filter(early_changes::instance.eq(key))).execute(db)?;
    diesel::delete(instances::table.find(key)).execute(db)?;
    diesel::insert_into(retired_instances::table).values(retired_instances::instance.eq(key)).execute(db)?;
    Ok(())
}
