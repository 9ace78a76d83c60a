use async_trait::async_trait;
use diesel::prelude::*;
use storage::{Day, InstanceId, StorageError, Usage, UsageStore, UserId, Write};
use storage_sql::Fault;
use storage_sql::rows::instance_id;
use storage_sql::rows::usage::{Counts, columns, sums, usage};
use storage_sql::schema::{instances, usage_days};

use super::ownership::{key_of, owned_key};
use crate::database::SqliteDatabase;

#[async_trait]
impl UsageStore for SqliteDatabase {
    async fn usage_by_day(
        &self,
        owner: UserId,
        instance: InstanceId,
        from: Day,
    ) -> Result<Vec<(Day, Usage)>, StorageError> {
        let days = self.read_for(owner, move |db| {
            let key = owned_key(db, owner, instance)?;
            let rows = usage_days::table
                .filter(usage_days::instance.eq(key))
                .filter(usage_days::day.ge(from.number()))
                .order(usage_days::day)
                .select((usage_days::day, columns()))
                .load::<(i64, Counts)>(db)?;
            Ok(rows.into_iter().map(|(day, counts)| (Day::from_number(day), usage(counts))).collect())
        });
        Ok(days.await?)
    }

    async fn usage_of_owner(
        &self,
        owner: UserId,
        from: Day,
    ) -> Result<Vec<(InstanceId, String, Usage)>, StorageError> {
        let of_all = self.read_for(owner, move |db| {
            db.transaction(|db| {
                let owned = instances::table
                    .filter(instances::owner.eq(&owner.as_bytes()[..]))
                    .order((instances::created_at, instances::id))
                    .select((instances::key, instances::id, instances::name))
                    .load::<(i64, Vec<u8>, String)>(db)?;
                let of_each = owned.into_iter().map(|(key, id, name)| {
                    let usage = sum(db, key, from)?;
                    // Without an id it can't be named: left out, as in lists.
                    Ok(instance_id(&id).ok().map(|id| (id, name, usage)))
                });
                of_each.filter_map(Result::transpose).collect::<Result<Vec<_>, Fault>>()
            })
        });
        Ok(of_all.await?)
    }

    async fn usage_since(&self, instance: InstanceId, from: Day) -> Result<Usage, StorageError> {
        let usage = self.read(move |db| match key_of(db, instance)? {
            Some(key) => sum(db, key, from),
            None => Ok(Usage::default()),
        });
        Ok(usage.await?)
    }

    async fn usage_of_all(&self) -> Result<Usage, StorageError> {
        let total = self.read(|db| Ok(usage(usage_days::table.select(sums("")).first(db)?)));
        Ok(total.await?)
    }

    fn add_usage(&self, counts: Vec<(InstanceId, Day, Usage)>) -> Write<()> {
        self.write_by(storage::Urgency::Soon, move |tx| {
            for (instance, day, usage) in counts {
                if let Some(key) = key_of(&mut tx.db, instance)? {
                    tx.count(key, day, usage);
                }
            }
            Ok(())
        })
    }
}

fn sum(db: &mut SqliteConnection, key: i64, from: Day) -> Result<Usage, Fault> {
    let days = usage_days::table
        .filter(usage_days::instance.eq(key))
        .filter(usage_days::day.ge(from.number()))
        .select(sums(""));
    Ok(usage(days.first(db)?))
}
