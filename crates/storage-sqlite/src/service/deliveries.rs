use async_trait::async_trait;
use diesel::connection::DefaultLoadingMode;
use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool, Nullable, Text};
use diesel::sqlite::Sqlite;
use storage::{
    Consumer, ConsumerWork, Cursor, Delivery, DeliveryQuery, DeliveryState, DeliveryStore, Event, InstanceId,
    Page, Settlement, StorageError, Timestamp, Urgency, UserId, Write,
};
use storage_sql::rows::delivery::{self, DeliveryRow, condition};
use storage_sql::rows::event::EventRow;
use storage_sql::rows::{count, limit};
use storage_sql::schema::{cursors, deliveries, events, webhooks};
use storage_sql::{Fault, Filling, Sealer};

use super::attempts;
use super::events::{after, last_seq, one};
use super::ownership::{key_of, owned_key};
use crate::database::SqliteDatabase;

#[async_trait]
impl DeliveryStore for SqliteDatabase {
    async fn work(&self, instance: InstanceId) -> Result<Vec<ConsumerWork>, StorageError> {
        let found = self.read(move |db| match key_of(db, instance)? {
            Some(key) => work(db, key, instance),
            None => Ok(Vec::new()),
        });
        Ok(found.await?)
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
        let sealer = self.sealer();
        let found = self.read(move |db| {
            let Some(key) = key_of(db, instance)? else { return Ok(Vec::new()) };
            after(db, key, instance, seq, limit, &sealer)
        });
        Ok(found.await?)
    }

    async fn event(&self, instance: InstanceId, seq: i64) -> Result<Option<Event>, StorageError> {
        let sealer = self.sealer();
        let found = self.read(move |db| {
            let Some(key) = key_of(db, instance)? else { return Ok(None) };
            one(db, key, instance, seq, &sealer)
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
            Ok(rows.into_iter().map(|row: DeliveryRow| row.open(instance)).collect())
        });
        Ok(pending.await?)
    }

    fn settle(&self, settlements: Vec<Settlement>) -> Write<Vec<InstanceId>> {
        self.write_by(Urgency::Soon, move |tx| {
            let mut fenced = Vec::new();
            for settlement in settlements {
                let instance = settlement.consumer.instance;
                match tx.check_epoch(instance, settlement.epoch) {
                    Ok(key) => settle(&mut tx.db, key, settlement)?,
                    Err(Fault::NotFound(_)) => {}
                    Err(Fault::Fenced) if fenced.contains(&instance) => {}
                    Err(Fault::Fenced) => fenced.push(instance),
                    Err(fault) => return Err(fault),
                }
            }
            Ok(fenced)
        })
    }

    async fn deliveries(
        &self,
        owner: UserId,
        consumer: &Consumer,
        query: &DeliveryQuery,
    ) -> Result<Page<(Delivery, Option<Event>)>, StorageError> {
        let Consumer { instance, name } = consumer.clone();
        let (query, sealer) = (*query, self.sealer());
        let page = self.read_for(owner, move |db| {
            db.transaction(|db| {
                let key = owned_key(db, owner, instance)?;
                page(db, key, &Consumer { instance, name }, &query, &sealer)
            })
        });
        Ok(page.await?)
    }

    fn replay(
        &self,
        owner: UserId,
        consumer: Consumer,
        seqs: Option<Vec<i64>>,
        after_seq: i64,
        count: u64,
        now: Timestamp,
    ) -> Write<Vec<i64>> {
        self.write(move |tx| {
            let key = owned_key(&mut tx.db, owner, consumer.instance)?;
            let dead = in_state(key, &consumer.name, DeliveryState::Dead)
                .filter(deliveries::seq.gt(after_seq))
                .order(deliveries::seq)
                .limit(limit(count))
                .select(deliveries::seq);
            let dead: Vec<i64> = match seqs {
                Some(seqs) => dead.filter(deliveries::seq.eq_any(seqs)).load(&mut tx.db)?,
                None => dead.load(&mut tx.db)?,
            };
            for seq in &dead {
                revive(&mut tx.db, key, &consumer.name, *seq, now)?;
            }
            Ok(dead)
        })
    }

    fn hasten(&self, consumer: Consumer, after_seq: i64, count: u64, now: Timestamp) -> Write<Vec<i64>> {
        self.write(move |tx| {
            let Some(key) = key_of(&mut tx.db, consumer.instance)? else { return Ok(Vec::new()) };
            let later: Vec<i64> = in_state(key, &consumer.name, DeliveryState::Pending)
                .filter(deliveries::seq.gt(after_seq))
                .filter(deliveries::next_attempt.gt(now.millis()))
                .order(deliveries::seq)
                .limit(limit(count))
                .select(deliveries::seq)
                .load(&mut tx.db)?;
            for seq in &later {
                let row = deliveries::table.find((key, &consumer.name, *seq));
                diesel::update(row).set(deliveries::next_attempt.eq(now.millis())).execute(&mut tx.db)?;
            }
            Ok(later)
        })
    }
}

fn settle(db: &mut SqliteConnection, key: i64, settlement: Settlement) -> Result<(), Fault> {
    let Settlement { consumer, epoch: _, cursor, put, done, attempts } = settlement;
    let webhook = webhooks::table.find((key, &consumer.name)).select(webhooks::instance);
    if webhook.first::<i64>(db).optional()?.is_none() {
        return Ok(());
    }
    if let Some(cursor) = cursor {
        let stands = load_cursor(db, key, &consumer.name)?;
        if stands.is_none_or(|stands| stands < cursor) {
            put_cursor(db, key, &consumer.name, cursor)?;
        }
    }
    for delivery in put {
        let row = DeliveryRow::new(key, &consumer.name, delivery);
        diesel::replace_into(deliveries::table).values(row).execute(db)?;
    }
    for seq in done {
        diesel::delete(deliveries::table.find((key, &consumer.name, seq))).execute(db)?;
    }
    attempts::note(db, key, &consumer.name, &attempts)
}

fn revive(db: &mut SqliteConnection, key: i64, name: &str, seq: i64, now: Timestamp) -> Result<(), Fault> {
    let revived = diesel::update(deliveries::table.find((key, name, seq))).set((
        deliveries::state.eq(DeliveryState::Pending.as_str()),
        deliveries::attempts.eq(0),
        deliveries::next_attempt.eq(now.millis()),
        deliveries::updated_at.eq(now.millis()),
        deliveries::replayed.eq(true),
    ));
    revived.execute(db)?;
    Ok(())
}

/// Makes a delivery of an event due, whatever became of it; answers whether the log has it, and the consumer came to it.
pub(super) fn deliver_again(
    db: &mut SqliteConnection,
    key: i64,
    consumer: &Consumer,
    seq: i64,
    now: Timestamp,
) -> Result<bool, Fault> {
    let chat = events::table.find((key, seq)).select(events::chat).first::<Option<String>>(db).optional()?;
    let Some(chat) = chat else { return Ok(false) };
    if load_cursor(db, key, &consumer.name)?.is_none_or(|cursor| cursor < seq) {
        return Ok(false);
    }
    let again = Delivery::again(consumer.clone(), seq, chat, now);
    let row = DeliveryRow::new(key, &consumer.name, again);
    diesel::replace_into(deliveries::table).values(row).execute(db)?;
    Ok(true)
}

/// Puts a consumer's cursor somewhere, wherever it was.
pub(super) fn put_cursor(db: &mut SqliteConnection, key: i64, name: &str, seq: i64) -> Result<(), Fault> {
    let row = (cursors::instance.eq(key), cursors::consumer.eq(name), cursors::seq.eq(seq));
    diesel::replace_into(cursors::table).values(row).execute(db)?;
    Ok(())
}

/// Removes a consumer's cursor and deliveries.
pub(super) fn forget(db: &mut SqliteConnection, key: i64, name: &str) -> Result<(), Fault> {
    diesel::delete(cursors::table.find((key, name))).execute(db)?;
    let owed = deliveries::table.filter(deliveries::instance.eq(key)).filter(deliveries::consumer.eq(name));
    diesel::delete(owed).execute(db)?;
    attempts::forget(db, key, name)
}

fn load_cursor(db: &mut SqliteConnection, key: i64, name: &str) -> Result<Option<i64>, Fault> {
    Ok(cursors::table.find((key, name)).select(cursors::seq).first(db).optional()?)
}

/// A page of a consumer's deliveries: first where it begins, which is read from an index, then all in one pass that ends
/// when the page is full.
fn page(
    db: &mut SqliteConnection,
    key: i64,
    consumer: &Consumer,
    query: &DeliveryQuery,
    sealer: &Sealer,
) -> Result<Page<(Delivery, Option<Event>)>, Fault> {
    let of_state = || in_state(key, &consumer.name, query.state);
    let total = count(of_state().count().get_result(db)?);
    let mut filling = Filling::of(query.limit);
    let begin = of_state()
        .filter(deliveries::seq.gt(query.after.map_or(i64::MIN, |after| after.major)))
        .order(deliveries::seq)
        .offset(limit(query.skip))
        .select(deliveries::seq)
        .first::<i64>(db)
        .optional()?;
    let Some(begin) = begin else { return Ok(filling.whole(total)) };
    let told =
        events::table.on(events::instance.eq(deliveries::instance).and(events::seq.eq(deliveries::seq)));
    let rows = deliveries::table
        .left_join(told)
        .filter(deliveries::instance.eq(key))
        .filter(deliveries::consumer.eq(&consumer.name))
        .filter(sql::<Bool>(condition(query.state)))
        .filter(deliveries::seq.ge(begin))
        .order(deliveries::seq)
        .limit(limit(query.limit.saturating_add(1)))
        .select((DeliveryRow::as_select(), Option::<EventRow>::as_select()))
        .load_iter::<(DeliveryRow, Option<EventRow>), DefaultLoadingMode>(db)?;
    for row in rows {
        if filling.is_full() {
            return Ok(filling.cut(total));
        }
        let (delivery, event) = row?;
        let delivery = delivery.open(consumer.instance);
        let size =
            event.as_ref().map_or(0, EventRow::size) + delivery.last_error.as_ref().map_or(0, String::len);
        let place = Cursor { major: delivery.seq, minor: 0 };
        filling.take((delivery, event.map(|event| event.open(consumer.instance, sealer))), size, place);
    }
    Ok(filling.whole(total))
}

fn in_state(key: i64, name: &str, state: DeliveryState) -> deliveries::BoxedQuery<'_, Sqlite> {
    deliveries::table
        .filter(deliveries::instance.eq(key))
        .filter(deliveries::consumer.eq(name))
        .filter(sql::<Bool>(condition(state)))
        .into_boxed()
}

#[derive(QueryableByName)]
struct WorkRow {
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = BigInt)]
    cursor: i64,
    #[diesel(sql_type = BigInt)]
    pending: i64,
    #[diesel(sql_type = Nullable<BigInt>)]
    next_attempt: Option<i64>,
}

fn work(db: &mut SqliteConnection, key: i64, instance: InstanceId) -> Result<Vec<ConsumerWork>, Fault> {
    let rows = diesel::sql_query(
        "SELECT w.name AS name,
                coalesce((SELECT c.seq FROM cursors c WHERE c.instance = w.instance AND c.consumer = w.name), 0) AS cursor,
                (SELECT count(*) FROM deliveries d
                 WHERE d.instance = w.instance AND d.consumer = w.name AND d.state = 'pending') AS pending,
                (SELECT min(d.next_attempt) FROM deliveries d
                 WHERE d.instance = w.instance AND d.consumer = w.name AND d.state = 'pending') AS next_attempt
         FROM webhooks w WHERE w.instance = ? ORDER BY w.name",
    );
    let rows = rows.bind::<BigInt, _>(key).load::<WorkRow>(db)?;
    let last_seq = last_seq(db, key)?;
    let rows = rows.into_iter().map(|row| (row.name, row.cursor, row.pending, row.next_attempt)).collect();
    Ok(delivery::work(rows, instance, last_seq))
}
