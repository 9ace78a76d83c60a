use async_trait::async_trait;
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
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
use crate::database::PostgresDatabase;

#[async_trait]
impl ConsumerStore for PostgresDatabase {
    async fn consumers(
        &self,
        owner: UserId,
        instance: InstanceId,
    ) -> Result<Vec<NamedConsumer>, StorageError> {
        let found = self.read_for(owner, async move |db| {
            let key = owned_key(db, owner, instance).await?;
            let rows = consumers::table.filter(consumers::instance.eq(key)).order(consumers::name);
            let rows = rows.select(ConsumerRow::as_select()).load(db).await?;
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
        self.write_of(instance, async move |tx| {
            let key = owned_key(&mut tx.db, owner, instance).await?;
            let present = load(&mut tx.db, key, instance, &name).await?;
            let is_new = present.is_none();
            if is_new && count_of(&mut tx.db, key).await? >= limit {
                return Err(Fault::LimitReached("consumers"));
            }
            let end = last_seq(&mut tx.db, key).await?;
            let changed = change.applied(present, (instance, &name), end, now).ok_or(BEYOND)?;
            put(&mut tx.db, key, &changed).await?;
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
        self.write_of(instance, async move |tx| {
            let key = owned_key(&mut tx.db, owner, instance).await?;
            let mut consumer = load(&mut tx.db, key, instance, &name).await?.ok_or(NO_CONSUMER)?;
            if position > last_seq(&mut tx.db, key).await? {
                return Err(BEYOND);
            }
            consumer.position = position.max(consumer.position);
            consumer.seen_at = now;
            let place = consumers::table.find((key, &name));
            let stands =
                (consumers::position.eq(consumer.position), consumers::seen_at.eq(consumer.seen_at.millis()));
            diesel::update(place).set(stands).execute(&mut tx.db).await?;
            Ok(consumer)
        })
    }

    fn delete_consumer(&self, owner: UserId, instance: InstanceId, name: String) -> Write<()> {
        self.write_of(instance, async move |tx| {
            let key = owned_key(&mut tx.db, owner, instance).await?;
            match diesel::delete(consumers::table.find((key, &name))).execute(&mut tx.db).await? {
                0 => Err(NO_CONSUMER),
                _ => Ok(()),
            }
        })
    }
}

const NO_CONSUMER: Fault = Fault::NotFound(Missing::Consumer);
const BEYOND: Fault = Fault::Invalid("position beyond the end of the log");

/// The last position that all named consumers have acknowledged for which events wait.
pub(super) async fn passed_by_all(
    db: &mut AsyncPgConnection,
    key: i64,
    now: Timestamp,
) -> Result<i64, Fault> {
    let alive = now.before(CONSUMER_PATIENCE).millis();
    let stands = consumers::table
        .filter(consumers::instance.eq(key))
        .filter(consumers::seen_at.ge(alive))
        .select(consumers::position)
        .load::<i64>(db)
        .await?;
    Ok(stands.into_iter().min().unwrap_or(i64::MAX))
}

pub(super) async fn delete_all(db: &mut AsyncPgConnection, key: i64) -> Result<(), Fault> {
    diesel::delete(consumers::table.filter(consumers::instance.eq(key))).execute(db).await?;
    Ok(())
}

async fn load(
    db: &mut AsyncPgConnection,
    key: i64,
    instance: InstanceId,
    name: &str,
) -> Result<Option<NamedConsumer>, Fault> {
    let row =
        consumers::table.find((key, name)).select(ConsumerRow::as_select()).first(db).await.optional()?;
    Ok(row.map(|row: ConsumerRow| row.open(instance)))
}

async fn put(db: &mut AsyncPgConnection, key: i64, consumer: &NamedConsumer) -> Result<(), Fault> {
    let row = ConsumerRow::new(consumer)?;
    let put = diesel::insert_into(consumers::table)
        .values((consumers::instance.eq(key), &row))
        .on_conflict((consumers::instance, consumers::name));
    put.do_update().set(&row).execute(db).await?;
    Ok(())
}

async fn count_of(db: &mut AsyncPgConnection, key: i64) -> Result<u64, Fault> {
    let of_instance = consumers::table.filter(consumers::instance.eq(key));
    Ok(count(of_instance.count().get_result(db).await?))
}
