//! Deleting an instance, or burying it: what of it goes at once, and what stays until it is unlinked.

use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use storage::{Epoch, InstanceId, Missing, Timestamp};
use storage_sql::rows::instance::InstanceRow;
use storage_sql::schema::{claims, cursors, deliveries, early_changes, instances, retired_instances};
use storage_sql::{Fault, Sealer};

use super::instances::{load, stored};
use super::ownership::key_of;
use super::{attempts, consumers, dialects, scheduled, webhooks};
use crate::postgres::Tx;
use crate::records;

/// Gives the companion's credentials a row of their own, with the same id and another key, and removes the rest.
pub(super) async fn bury(
    db: &mut AsyncPgConnection,
    key: i64,
    now: Timestamp,
    sealer: &Sealer,
) -> Result<Epoch, Fault> {
    let (epoch, node): (i64, Option<Vec<u8>>) =
        instances::table.find(key).select((instances::epoch, instances::node)).first(db).await?;
    let buried = load(db, key, sealer).await?.ok_or(Fault::NotFound(Missing::Instance))?.buried();
    let (id, epoch) = (buried.id, Epoch::new(epoch).next());
    let unreadable = buried.unreadable.clone();
    let mut row = InstanceRow::new(buried, sealer)?;
    row.keep(stored(db, key).await?, &unreadable);
    let credentials = records::credentials(db, key).await?;
    delete(db, key).await?;
    let row = (
        row,
        instances::epoch.eq(epoch.number()),
        instances::node.eq(node),
        instances::buried_at.eq(now.millis()),
    );
    diesel::insert_into(instances::table).values(row).execute(db).await?;
    let key = key_of(db, id).await?.ok_or(Fault::NotFound(Missing::Instance))?;
    records::put_credentials(db, key, credentials).await?;
    Ok(epoch)
}

/// Removes what is left of a buried instance.
pub(super) async fn forget_buried(tx: &mut Tx, id: InstanceId, epoch: Epoch) -> Result<(), Fault> {
    let key = tx.check_epoch(id, epoch).await?;
    let buried_at: Option<i64> =
        instances::table.find(key).select(instances::buried_at).first(&mut tx.db).await?;
    buried_at.ok_or(Fault::NotFound(Missing::Instance))?;
    delete(&mut tx.db, key).await?;
    tx.retire_instance();
    Ok(())
}

/// Removes what identifies the instance and all secrets; messages and events follow, see `postgres::purge`.
pub(super) async fn delete(db: &mut AsyncPgConnection, key: i64) -> Result<(), Fault> {
    records::wipe_secrets(db, key).await?;
    webhooks::delete_all(db, key).await?;
    attempts::delete_all(db, key).await?;
    dialects::delete_all(db, key).await?;
    consumers::delete_all(db, key).await?;
    scheduled::delete_all(db, key).await?;
    diesel::delete(cursors::table.filter(cursors::instance.eq(key))).execute(db).await?;
    diesel::delete(early_changes::table.filter(early_changes::instance.eq(key))).execute(db).await?;
    diesel::delete(deliveries::table.filter(deliveries::instance.eq(key))).execute(db).await?;
    diesel::delete(claims::table.filter(claims::instance.eq(key))).execute(db).await?;
    diesel::delete(instances::table.find(key)).execute(db).await?;
    diesel::insert_into(retired_instances::table)
        .values(retired_instances::instance.eq(key))
        .execute(db)
        .await?;
    Ok(())
}
