use async_trait::async_trait;
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use storage::{Day, InstanceId, StorageError, Usage, UsageStore, UserId, Write};
use storage_sql::Fault;
use storage_sql::rows::instance_id;
use storage_sql::rows::usage::{Counts, columns, sums, usage};
use storage_sql::schema::{instances, usage_days};

use super::ownership::{key_of, owned_key};
use crate::database::PostgresDatabase;

/// Sums of integers are no integers here.
const CAST: &str = "::bigint";

#[async_trait]
impl UsageStore for PostgresDatabase {
    async fn usage_by_day(
        &self,
        owner: UserId,
        instance: InstanceId,
        from: Day,
    ) -> Result<Vec<(Day, Usage)>, StorageError> {
        let days = self.read_for(owner, async move |db| {
            let key = owned_key(db, owner, instance).await?;
            let rows = usage_days::table
                .filter(usage_days::instance.eq(key))
                .filter(usage_days::day.ge(from.number()))
                .order(usage_days::day)
                .select((usage_days::day, columns()))
                .load::<(i64, Counts)>(db)
                .await?;
            Ok(rows.into_iter().map(|(day, counts)| (Day::from_number(day), usage(counts))).collect())
        });
        Ok(days.await?)
    }

    async fn usage_of_owner(
        &self,
        owner: UserId,
        from: Day,
    ) -> Result<Vec<(InstanceId, String, Usage)>, StorageError> {
        let of_all = self.snapshot_for(owner, async move |db| {
            let owned = instances::table
                .filter(instances::owner.eq(&owner.as_bytes()[..]))
                .order((instances::created_at, instances::id))
                .select((instances::key, instances::id, instances::name))
                .load::<(i64, Vec<u8>, String)>(db)
                .await?;
            let mut of_each = Vec::with_capacity(owned.len());
            for (key, id, name) in owned {
                // Without an id it can't be named: left out, as in lists.
                let Ok(id) = instance_id(&id) else { continue };
                of_each.push((id, name, sum(db, key, from).await?));
            }
            Ok(of_each)
        });
        Ok(of_all.await?)
    }

    async fn usage_since(&self, instance: InstanceId, from: Day) -> Result<Usage, StorageError> {
        let usage = self.read(async move |db| match key_of(db, instance).await? {
            Some(key) => sum(db, key, from).await,
            None => Ok(Usage::default()),
        });
        Ok(usage.await?)
    }

    async fn usage_of_all(&self) -> Result<Usage, StorageError> {
        let total =
            self.read(async move |db| Ok(usage(usage_days::table.select(sums(CAST)).first(db).await?)));
        Ok(total.await?)
    }

    fn add_usage(&self, counts: Vec<(InstanceId, Day, Usage)>) -> Write<()> {
        let instances = counts.iter().map(|(instance, ..)| *instance).collect();
        self.write_by(storage::Urgency::Soon, instances, async move |tx| {
            for (instance, day, usage) in counts {
                if let Some(key) = key_of(&mut tx.db, instance).await? {
                    tx.count(key, day, usage);
                }
            }
            Ok(())
        })
    }
}

async fn sum(db: &mut AsyncPgConnection, key: i64, from: Day) -> Result<Usage, Fault> {
    let days = usage_days::table
        .filter(usage_days::instance.eq(key))
        .filter(usage_days::day.ge(from.number()))
        .select(sums(CAST));
    Ok(usage(days.first(db).await?))
}
