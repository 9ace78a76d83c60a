use async_trait::async_trait;
use diesel::prelude::*;
use storage::{
    CONSUMER_PATIENCE, ConsumerChange, ConsumerStore, InstanceId, Missing, NamedConsumer, StorageError,
    Timestamp, UserId, Write,
};
use storage_sql::Fault;
use storage_sql::rows::consumer::ConsumerRow;
use storage_sql::rows::count;
use storage_sql::schema::consumers;

use super::events::last_seq;
use super::ownership::owned_key;
use crate::database::SqliteDatabase;

#[async_trait]
impl ConsumerStore for SqliteDatabase {
    async fn consumers(
        &self,
        owner: UserId,
        instance: InstanceId,
    ) -> Result<Vec<NamedConsumer>, StorageError> {
        let found = self.read_for(owner, move |db| {
            let key = owned_key(db, owner, instance)?;
            let rows = consumers::table.filter(consumers::instance.eq(key)).order(consumers::name);
            let rows = rows.select(ConsumerRow::as_select()).load(db)?;
            Ok(rows.into_iter().map(|row: ConsumerRow| row.open(instance)).collect())
        });
        Ok(found.await?)
    }

    fn put_consumer(
        &self,
        owner: UserId,
        instance: InstanceId,
        name: String,
        change: ConsumerChange,
        limit: u64,
        now: Timestamp,
    ) -> Write<(NamedConsumer, bool)> {
        self.write(move |tx| {
            let key = owned_key(&mut tx.db, owner, instance)?;
            let present = load(&mut tx.db, key, instance, &name)?;
            let is_new = present.is_none();
            if is_new && count_of(&mut tx.db, key)? >= limit {
                return Err(Fault::LimitReached("consumers"));
            }
            let end = last_seq(&mut tx.db, key)?;
            let changed = change.applied(present, (instance, &name), end, now).ok_or(BEYOND)?;
            put(&mut tx.db, key, &changed)?;
            Ok((changed, is_new))
        })
    }

    fn acknowledge(
        &self,
        owner: UserId,
        instance: InstanceId,
        name: String,
        position: i64,
        now: Timestamp,
    ) -> Write<NamedConsumer> {
        self.write(move |tx| {
            let key = owned_key(&mut tx.db, owner, instance)?;
            let mut consumer = load(&mut tx.db, key, instance, &name)?.ok_or(NO_CONSUMER)?;
            if position > last_seq(&mut tx.db, key)? {
                return Err(BEYOND);
            }
            consumer.position = position.max(consumer.position);
            consumer.seen_at = now;
            let place = consumers::table.find((key, &name));
            let stands =
                (consumers::position.eq(consumer.position), consumers::seen_at.eq(consumer.seen_at.millis()));
            diesel::update(place).set(stands).execute(&mut tx.db)?;
            Ok(consumer)
        })
    }

    fn delete_consumer(&self, owner: UserId, instance: InstanceId, name: String) -> Write<()> {
        self.write(move |tx| {
            let key = owned_key(&mut tx.db, owner, instance)?;
            match diesel::delete(consumers::table.find((key, &name))).execute(&mut tx.db)? {
                0 => Err(NO_CONSUMER),
                _ => Ok(()),
            }
        })
    }
}

const NO_CONSUMER: Fault = Fault::NotFound(Missing::Consumer);
const BEYOND: Fault = Fault::Invalid("position beyond the end of the log");

/// The last position that all named consumers have acknowledged for which events wait.
pub(super) fn passed_by_all(db: &mut SqliteConnection, key: i64, now: Timestamp) -> Result<i64, Fault> {
    let alive = now.before(CONSUMER_PATIENCE).millis();
    let stands = consumers::table
        .filter(consumers::instance.eq(key))
        .filter(consumers::seen_at.ge(alive))
        .select(consumers::position)
        .load::<i64>(db)?;
    Ok(stands.into_iter().min().unwrap_or(i64::MAX))
}

pub(super) fn delete_all(db: &mut SqliteConnection, key: i64) -> Result<(), Fault> {
    diesel::delete(consumers::table.filter(consumers::instance.eq(key))).execute(db)?;
    Ok(())
}

fn load(
    db: &mut SqliteConnection,
    key: i64,
    instance: InstanceId,
    name: &str,
) -> Result<Option<NamedConsumer>, Fault> {
    let row = consumers::table.find((key, name)).select(ConsumerRow::as_select()).first(db).optional()?;
    Ok(row.map(|row: ConsumerRow| row.open(instance)))
}

fn put(db: &mut SqliteConnection, key: i64, consumer: &NamedConsumer) -> Result<(), Fault> {
    let row = (consumers::instance.eq(key), ConsumerRow::new(consumer)?);
    diesel::replace_into(consumers::table).values(row).execute(db)?;
    Ok(())
}

fn count_of(db: &mut SqliteConnection, key: i64) -> Result<u64, Fault> {
    let of_instance = consumers::table.filter(consumers::instance.eq(key));
    Ok(count(of_instance.count().get_result(db)?))
}
