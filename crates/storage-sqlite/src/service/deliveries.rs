use async_trait::async_trait;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Binary, Nullable, Text};
use storage::{
    Consumer, ConsumerWork, Delivery, DeliveryState, DeliveryStore, Event, InstanceId, Page, Settlement,
    StorageError, Timestamp, UserId, Write,
};

use super::events::{self, EventRow};
use super::ownership::{key_of, owned_key};
use super::{count, instance_id, limit, time};
use crate::SqliteDatabase;
use crate::fault::Fault;
use crate::schema::{self, cursors, deliveries};

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = deliveries, treat_none_as_default_value = false)]
struct DeliveryRow {
    instance: i64,
    consumer: String,
    seq: i64,
    chat: Option<String>,
    state: String,
    attempts: i64,
    next_attempt: i64,
    last_error: Option<String>,
    status_code: Option<i64>,
    created_at: i64,
    updated_at: i64,
}

impl DeliveryRow {
    fn new(instance: i64, consumer: &str, delivery: Delivery) -> Self {
        Self {
            instance,
            consumer: consumer.to_owned(),
            seq: delivery.seq,
            chat: delivery.chat,
            state: delivery.state.as_str().to_owned(),
            attempts: i64::from(delivery.attempts),
            next_attempt: delivery.next_attempt.millis(),
            last_error: delivery.last_error,
            status_code: delivery.status_code.map(i64::from),
            created_at: delivery.created_at.millis(),
            updated_at: delivery.updated_at.millis(),
        }
    }

    fn open(self, instance: InstanceId) -> Result<Delivery, Fault> {
        Ok(Delivery {
            consumer: Consumer { instance, name: self.consumer },
            seq: self.seq,
            chat: self.chat,
            state: self.state.parse()?,
            attempts: u32::try_from(self.attempts).unwrap_or(u32::MAX),
            next_attempt: time(self.next_attempt),
            last_error: self.last_error,
            status_code: self.status_code.and_then(|code| u16::try_from(code).ok()),
            created_at: time(self.created_at),
            updated_at: time(self.updated_at),
        })
    }
}

#[async_trait]
impl DeliveryStore for SqliteDatabase {
    async fn work(&self, consumer_name: &str) -> Result<Vec<ConsumerWork>, StorageError> {
        let name = consumer_name.to_owned();
        Ok(self.read(move |db| work(db, &name)).await?)
    }

    async fn cursor(&self, consumer: &Consumer) -> Result<Option<i64>, StorageError> {
        let Consumer { instance, name } = consumer.clone();
        let cursor = self.read(move |db| {
            let Some(key) = key_of(db, instance)? else { return Ok(None) };
            load_cursor(db, key, &name)
        });
        Ok(cursor.await?)
    }

    async fn events_after(
        &self,
        instance: InstanceId,
        seq: i64,
        limit: u64,
    ) -> Result<Vec<Event>, StorageError> {
        let found = self.read(move |db| {
            let Some(key) = key_of(db, instance)? else { return Ok(Vec::new()) };
            events::after(db, key, instance, seq, limit)
        });
        Ok(found.await?)
    }

    async fn event(&self, instance: InstanceId, seq: i64) -> Result<Option<Event>, StorageError> {
        let found = self.read(move |db| {
            let Some(key) = key_of(db, instance)? else { return Ok(None) };
            let row =
                schema::events::table.find((key, seq)).select(EventRow::as_select()).first(db).optional()?;
            row.map(|row| row.open(instance)).transpose()
        });
        Ok(found.await?)
    }

    async fn pending_deliveries(
        &self,
        consumer: &Consumer,
        after_seq: i64,
        count: u64,
    ) -> Result<Vec<Delivery>, StorageError> {
        let Consumer { instance, name } = consumer.clone();
        let pending = self.read(move |db| {
            let Some(key) = key_of(db, instance)? else { return Ok(Vec::new()) };
            let rows = in_state(key, &name, DeliveryState::Pending)
                .filter(deliveries::seq.gt(after_seq))
                .order(deliveries::seq)
                .limit(limit(count))
                .select(DeliveryRow::as_select())
                .load(db)?;
            rows.into_iter().map(|row| row.open(instance)).collect()
        });
        Ok(pending.await?)
    }

    fn settle(&self, settlements: Vec<Settlement>) -> Write<()> {
        self.write(move |tx| {
            for settlement in settlements {
                match tx.instance_key(settlement.consumer.instance) {
                    Ok(key) => settle(&mut tx.db, key, settlement)?,
                    Err(Fault::NotFound(_)) => {}
                    Err(fault) => return Err(fault),
                }
            }
            Ok(())
        })
    }

    async fn deliveries(
        &self,
        owner: UserId,
        consumer: &Consumer,
        state: DeliveryState,
        take: u64,
        skip: u64,
    ) -> Result<Page<Delivery>, StorageError> {
        let Consumer { instance, name } = consumer.clone();
        let page = self.read(move |db| {
            db.transaction(|db| {
                let key = owned_key(db, owner, instance)?;
                let total = in_state(key, &name, state).count().get_result(db)?;
                let rows = in_state(key, &name, state)
                    .order(deliveries::seq)
                    .limit(limit(take))
                    .offset(limit(skip))
                    .select(DeliveryRow::as_select())
                    .load(db)?;
                let items = rows.into_iter().map(|row| row.open(instance)).collect::<Result<_, Fault>>()?;
                Ok(Page { items, total: count(total) })
            })
        });
        Ok(page.await?)
    }

    fn replay(
        &self,
        owner: UserId,
        consumer: Consumer,
        seqs: Option<Vec<i64>>,
        now: Timestamp,
    ) -> Write<u64> {
        self.write(move |tx| {
            let key = owned_key(&mut tx.db, owner, consumer.instance)?;
            let seqs = match seqs {
                Some(seqs) => seqs,
                None => in_state(key, &consumer.name, DeliveryState::Dead)
                    .select(deliveries::seq)
                    .load(&mut tx.db)?,
            };
            let mut replayed = 0;
            for seq in seqs {
                replayed += revive(&mut tx.db, key, &consumer.name, seq, now)?;
            }
            Ok(replayed as u64)
        })
    }
}

fn settle(db: &mut SqliteConnection, key: i64, settlement: Settlement) -> Result<(), Fault> {
    let Settlement { consumer, cursor, put, done } = settlement;
    if let Some(cursor) = cursor {
        let stands = load_cursor(db, key, &consumer.name)?;
        if stands.is_none_or(|stands| stands < cursor) {
            let row =
                (cursors::instance.eq(key), cursors::consumer.eq(&consumer.name), cursors::seq.eq(cursor));
            diesel::replace_into(cursors::table).values(row).execute(db)?;
        }
    }
    for delivery in put {
        let row = DeliveryRow::new(key, &consumer.name, delivery);
        diesel::replace_into(deliveries::table).values(row).execute(db)?;
    }
    for seq in done {
        diesel::delete(deliveries::table.find((key, &consumer.name, seq))).execute(db)?;
    }
    Ok(())
}

fn revive(db: &mut SqliteConnection, key: i64, name: &str, seq: i64, now: Timestamp) -> Result<usize, Fault> {
    let dead =
        deliveries::table.find((key, name, seq)).filter(deliveries::state.eq(DeliveryState::Dead.as_str()));
    let revived = diesel::update(dead).set((
        deliveries::state.eq(DeliveryState::Pending.as_str()),
        deliveries::attempts.eq(0),
        deliveries::next_attempt.eq(now.millis()),
        deliveries::updated_at.eq(now.millis()),
    ));
    Ok(revived.execute(db)?)
}

fn load_cursor(db: &mut SqliteConnection, key: i64, name: &str) -> Result<Option<i64>, Fault> {
    Ok(cursors::table.find((key, name)).select(cursors::seq).first(db).optional()?)
}

#[diesel::dsl::auto_type(no_type_alias)]
fn in_state<'a>(key: i64, name: &'a str, state: DeliveryState) -> _ {
    let state: &'static str = state.as_str();
    deliveries::table
        .filter(deliveries::instance.eq(key))
        .filter(deliveries::consumer.eq(name))
        .filter(deliveries::state.eq(state))
}

#[derive(QueryableByName)]
struct WorkRow {
    #[diesel(sql_type = Binary)]
    id: Vec<u8>,
    #[diesel(sql_type = BigInt)]
    cursor: i64,
    #[diesel(sql_type = BigInt)]
    last_seq: i64,
    #[diesel(sql_type = BigInt)]
    pending: i64,
    #[diesel(sql_type = Nullable<BigInt>)]
    next_attempt: Option<i64>,
}

fn work(db: &mut SqliteConnection, name: &str) -> Result<Vec<ConsumerWork>, Fault> {
    let rows = diesel::sql_query(
        "SELECT id, cursor, last_seq, pending, next_attempt FROM (
             SELECT i.id AS id,
                    coalesce((SELECT c.seq FROM cursors c WHERE c.instance = i.key AND c.consumer = ?), 0) AS cursor,
                    coalesce((SELECT e.seq FROM events e WHERE e.instance = i.key ORDER BY e.seq DESC LIMIT 1), 0)
                        AS last_seq,
                    (SELECT count(*) FROM deliveries d
                     WHERE d.instance = i.key AND d.consumer = ? AND d.state = 'pending') AS pending,
                    (SELECT min(d.next_attempt) FROM deliveries d
                     WHERE d.instance = i.key AND d.consumer = ? AND d.state = 'pending') AS next_attempt
             FROM instances i) AS work
         WHERE last_seq > cursor OR pending > 0",
    );
    let rows = rows.bind::<Text, _>(name).bind::<Text, _>(name).bind::<Text, _>(name).load::<WorkRow>(db)?;
    let open = |row: WorkRow| {
        Ok(ConsumerWork {
            instance: instance_id(&row.id)?,
            cursor: row.cursor,
            last_seq: row.last_seq,
            pending: count(row.pending),
            next_attempt: row.next_attempt.map(time),
        })
    };
    rows.into_iter().map(open).collect()
}
