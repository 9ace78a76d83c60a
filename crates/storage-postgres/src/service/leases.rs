use std::time::Duration;

use async_trait::async_trait;
use diesel::dsl::sql;
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::sql_types::Bool;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use storage::{
    Epoch, InstanceId, LeaseStore, Leased, MAX_LEASE, Missing, NodeId, StorageError, Timestamp, Write,
};
use storage_sql::Fault;
use storage_sql::rows::{count, instance_id, limit, time};
use storage_sql::schema::{instances, nodes};

use super::instances as rows;
use super::present;
use crate::database::PostgresDatabase;
use crate::postgres::Tx;

#[async_trait]
impl LeaseStore for PostgresDatabase {
    fn acquire(&self, node: NodeId, anew: bool, limit: u64, lease: Duration) -> Write<Vec<Leased>> {
        let sealer = self.sealer();
        self.write(async move |tx| {
            tx.forget_epochs();
            let now = tx.now();
            if anew {
                let_go(tx, node, None).await?;
                forget_losses(&mut tx.db, node).await?;
            }
            prolong(&mut tx.db, node, now, lease).await?;
            let mut leased = Vec::new();
            for key in free(&mut tx.db, node, now, limit).await? {
                let epoch = take(&mut tx.db, key, node).await?;
                let instance =
                    rows::load(&mut tx.db, key, &sealer).await?.ok_or(Fault::NotFound(Missing::Instance))?;
                let buried_at: Option<i64> =
                    instances::table.find(key).select(instances::buried_at).first(&mut tx.db).await?;
                leased.push(Leased { instance, epoch, buried_at: buried_at.map(time) });
            }
            Ok(leased)
        })
    }

    fn renew(&self, node: NodeId, lease: Duration) -> Write<Vec<InstanceId>> {
        self.write(async move |tx| {
            let now = tx.now();
            prolong(&mut tx.db, node, now, lease).await?;
            forget_losses(&mut tx.db, node).await
        })
    }

    fn release(&self, node: NodeId, instance: Option<InstanceId>) -> Write<()> {
        self.write(async move |tx| let_go(tx, node, instance).await)
    }

    async fn held_by_others(&self, node: NodeId) -> Result<(u64, Option<Timestamp>), StorageError> {
        let clock = self.clock();
        let held = self.read(async move |db| {
            let now = present(db, clock.as_ref()).await?;
            let held = instances::table
                .inner_join(nodes::table.on(instances::node.eq(nodes::id.nullable())))
                .filter(nodes::id.ne(&node.as_bytes()[..]))
                .filter(nodes::until.gt(now.millis()))
                .select((diesel::dsl::count_star(), diesel::dsl::max(nodes::until)));
            let (held, until): (i64, Option<i64>) = held.first(db).await?;
            Ok((count(held), until.map(time)))
        });
        Ok(held.await?)
    }
}

/// Gives an instance to a node; answers the new epoch.
pub(super) async fn take(db: &mut AsyncPgConnection, key: i64, node: NodeId) -> Result<Epoch, Fault> {
    // So that every node that holds something has a row, if only one whose lease has run out.
    diesel::insert_into(nodes::table)
        .values((nodes::id.eq(&node.as_bytes()[..]), nodes::until.eq(0)))
        .on_conflict_do_nothing()
        .execute(db)
        .await?;
    let (epoch, holder, loser): (i64, Option<Vec<u8>>, Option<Vec<u8>>) = instances::table
        .find(key)
        .select((instances::epoch, instances::node, instances::lost_by))
        .first(db)
        .await?;
    let loser = holder.or(loser).filter(|loser| loser[..] != node.as_bytes()[..]);
    let epoch = Epoch::new(epoch).next();
    let change = (
        instances::epoch.eq(epoch.number()),
        instances::node.eq(&node.as_bytes()[..]),
        instances::lost_by.eq(loser),
    );
    diesel::update(instances::table.find(key)).set(change).execute(db).await?;
    Ok(epoch)
}

/// The keys of instances that nobody holds, oldest first.
async fn free(
    db: &mut AsyncPgConnection,
    node: NodeId,
    now: Timestamp,
    most: u64,
) -> Result<Vec<i64>, Fault> {
    let gone = nodes::table
        .filter(nodes::until.le(now.millis()))
        .filter(nodes::id.ne(&node.as_bytes()[..]))
        .select(nodes::id)
        .load::<Vec<u8>>(db)
        .await?;
    let mut free = Vec::new();
    for holder in gone.into_iter().map(Some).chain([None]) {
        let of_holder: instances::BoxedQuery<'_, Pg> = instances::table.into_boxed();
        let of_holder = match holder {
            Some(holder) => of_holder.filter(instances::node.eq(holder)),
            None => of_holder.filter(instances::node.is_null()),
        };
        let held = of_holder
            // One whose id is damaged can't be named by anybody.
            .filter(sql::<Bool>("length(instances.id) = 16"))
            .order((instances::created_at, instances::id))
            .limit(limit(most))
            .select((instances::created_at, instances::id, instances::key));
        free.extend(held.load::<(i64, Vec<u8>, i64)>(db).await?);
    }
    free.sort_unstable();
    free.truncate(usize::try_from(most).unwrap_or(usize::MAX));
    Ok(free.into_iter().map(|(_, _, key)| key).collect())
}

/// Prolongs the lease of a node, and cuts those of others that are too long to be true.
async fn prolong(
    db: &mut AsyncPgConnection,
    node: NodeId,
    now: Timestamp,
    lease: Duration,
) -> Result<(), Fault> {
    let until = now.after(lease);
    let too_long = nodes::table.filter(nodes::until.gt(now.after(MAX_LEASE).millis()));
    diesel::update(too_long).set(nodes::until.eq(until.millis())).execute(db).await?;
    let row = (nodes::id.eq(&node.as_bytes()[..]), nodes::until.eq(until.millis()));
    let put = diesel::insert_into(nodes::table).values(row).on_conflict(nodes::id);
    put.do_update().set(nodes::until.eq(until.millis())).execute(db).await?;
    Ok(())
}

async fn let_go(tx: &mut Tx, node: NodeId, instance: Option<InstanceId>) -> Result<(), Fault> {
    tx.forget_epochs();
    let held = diesel::update(instances::table.filter(instances::node.eq(&node.as_bytes()[..])));
    let nobody = (instances::node.eq(None::<Vec<u8>>), instances::epoch.eq(instances::epoch + 1));
    match instance {
        Some(id) => held.filter(instances::id.eq(&id.as_bytes()[..])).set(nobody).execute(&mut tx.db).await?,
        None => held.set(nobody).execute(&mut tx.db).await?,
    };
    Ok(())
}

/// The instances that the node has lost without knowing; from now on it knows.
async fn forget_losses(db: &mut AsyncPgConnection, node: NodeId) -> Result<Vec<InstanceId>, Fault> {
    let lost = || instances::table.filter(instances::lost_by.eq(&node.as_bytes()[..]));
    let ids = lost().select(instances::id).load::<Vec<u8>>(db).await?;
    if !ids.is_empty() {
        diesel::update(lost()).set(instances::lost_by.eq(None::<Vec<u8>>)).execute(db).await?;
    }
    Ok(ids.iter().filter_map(|id| instance_id(id).ok()).collect())
}
