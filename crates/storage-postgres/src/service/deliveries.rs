use async_trait::async_trait;
use diesel::dsl::sql;
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::sql_types::Bool;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use futures_util::TryStreamExt as _;
use storage::{
    Consumer, ConsumerWork, Cursor, Delivery, DeliveryQuery, DeliveryState, DeliveryStore, Event, InstanceId,
    Page, Settlement, StorageError, Timestamp, Urgency, UserId, Write,
};
use storage_sql::rows::delivery::{self, DeliveryRow, WorkRow, condition};
use storage_sql::rows::event::EventRow;
use storage_sql::rows::{count, limit};
use storage_sql::schema::{cursors, deliveries, events, webhooks};
use storage_sql::{Fault, Filling, Sealer};

use super::attempts;
use super::events::{after, last_seq, one};
use super::ownership::{key_of, owned_key};
use crate::database::PostgresDatabase;
use crate::statement::WorkOf;

#[async_trait]
impl DeliveryStore for PostgresDatabase {
    async fn work(&self, instance: InstanceId) -> Result<Vec<ConsumerWork>, StorageError> {
        let found = self.read(async move |db| match key_of(db, instance).await? {
            Some(key) => work(db, key, instance).await,
            None => Ok(Vec::new()),
        });
        Ok(found.await?)
    }

    async fn cursor(&self, consumer: &Consumer) -> Result<Option<i64>, StorageError> {
        let Consumer { instance, name } = consumer.clone();
        let cursor = self.read(async move |db| {
            let Some(key) = key_of(db, instance).await? else { return Ok(None) };
            load_cursor(db, key, &name).await
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
        let found = self.read(async move |db| {
            let Some(key) = key_of(db, instance).await? else { return Ok(Vec::new()) };
            after(db, key, instance, seq, limit, &sealer).await
        });
        Ok(found.await?)
    }

    async fn event(&self, instance: InstanceId, seq: i64) -> Result<Option<Event>, StorageError> {
        let sealer = self.sealer();
        let found = self.read(async move |db| {
            let Some(key) = key_of(db, instance).await? else { return Ok(None) };
            one(db, key, instance, seq, &sealer).await
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
        let pending = self.read(async move |db| {
            let Some(key) = key_of(db, instance).await? else { return Ok(Vec::new()) };
            let rows = in_state(key, &name, DeliveryState::Pending)
                .filter(deliveries::seq.gt(after_seq))
                .order(deliveries::seq)
                .limit(limit(count))
                .select(DeliveryRow::as_select())
                .load(db)
                .await?;
            Ok(rows.into_iter().map(|row: DeliveryRow| row.open(instance)).collect())
        });
        Ok(pending.await?)
    }

    fn settle(&self, settlements: Vec<Settlement>) -> Write<Vec<InstanceId>> {
        let instances = settlements.iter().map(|settlement| settlement.consumer.instance).collect();
        self.write_by(Urgency::Soon, instances, async move |tx| {
            let mut fenced = Vec::new();
            for settlement in settlements {
                let instance = settlement.consumer.instance;
                match tx.check_epoch(instance, settlement.epoch).await {
                    Ok(key) => settle(&mut tx.db, key, settlement).await?,
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
        let page = self.snapshot_for(owner, async move |db| {
            let key = owned_key(db, owner, instance).await?;
            page(db, key, &Consumer { instance, name }, &query, &sealer).await
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
        self.write_of(consumer.instance, async move |tx| {
            let key = owned_key(&mut tx.db, owner, consumer.instance).await?;
            let dead = in_state(key, &consumer.name, DeliveryState::Dead)
                .filter(deliveries::seq.gt(after_seq))
                .order(deliveries::seq)
                .limit(limit(count))
                .select(deliveries::seq);
            let dead: Vec<i64> = match seqs {
                Some(seqs) => dead.filter(deliveries::seq.eq_any(seqs)).load(&mut tx.db).await?,
                None => dead.load(&mut tx.db).await?,
            };
            for seq in &dead {
                revive(&mut tx.db, key, &consumer.name, *seq, now).await?;
            }
            Ok(dead)
        })
    }

    fn hasten(&self, consumer: Consumer, after_seq: i64, count: u64, now: Timestamp) -> Write<Vec<i64>> {
        self.write_of(consumer.instance, async move |tx| {
            let Some(key) = key_of(&mut tx.db, consumer.instance).await? else { return Ok(Vec::new()) };
            let later: Vec<i64> = in_state(key, &consumer.name, DeliveryState::Pending)
                .filter(deliveries::seq.gt(after_seq))
                .filter(deliveries::next_attempt.gt(now.millis()))
                .order(deliveries::seq)
                .limit(limit(count))
                .select(deliveries::seq)
                .load(&mut tx.db)
                .await?;
            for seq in &later {
                let row = deliveries::table.find((key, &consumer.name, *seq));
                diesel::update(row)
                    .set(deliveries::next_attempt.eq(now.millis()))
                    .execute(&mut tx.db)
                    .await?;
            }
            Ok(later)
        })
    }
}

async fn settle(db: &mut AsyncPgConnection, key: i64, settlement: Settlement) -> Result<(), Fault> {
    let Settlement { consumer, epoch: _, cursor, put, done, attempts } = settlement;
    let webhook = webhooks::table.find((key, &consumer.name)).select(webhooks::instance);
    if webhook.first::<i64>(db).await.optional()?.is_none() {
        return Ok(());
    }
    if let Some(cursor) = cursor {
        let stands = load_cursor(db, key, &consumer.name).await?;
        if stands.is_none_or(|stands| stands < cursor) {
            put_cursor(db, key, &consumer.name, cursor).await?;
        }
    }
    for delivery in put {
        let row = DeliveryRow::new(key, &consumer.name, delivery);
        put_row(db, &row).await?;
    }
    let of_consumer = deliveries::table
        .filter(deliveries::instance.eq(key))
        .filter(deliveries::consumer.eq(&consumer.name));
    diesel::delete(of_consumer.filter(deliveries::seq.eq_any(done))).execute(db).await?;
    attempts::note(db, key, &consumer.name, &attempts).await
}

async fn revive(
    db: &mut AsyncPgConnection,
    key: i64,
    name: &str,
    seq: i64,
    now: Timestamp,
) -> Result<(), Fault> {
    let revived = diesel::update(deliveries::table.find((key, name, seq))).set((
        deliveries::state.eq(DeliveryState::Pending.as_str()),
        deliveries::attempts.eq(0),
        deliveries::next_attempt.eq(now.millis()),
        deliveries::updated_at.eq(now.millis()),
        deliveries::replayed.eq(true),
    ));
    revived.execute(db).await?;
    Ok(())
}

async fn put_row(db: &mut AsyncPgConnection, row: &DeliveryRow) -> Result<(), Fault> {
    let place = (deliveries::instance, deliveries::consumer, deliveries::seq);
    let put = diesel::insert_into(deliveries::table).values(row).on_conflict(place);
    put.do_update().set(row).execute(db).await?;
    Ok(())
}

/// Makes a delivery of an event due, whatever became of it; answers whether the log has it, and the consumer came to it.
pub(super) async fn deliver_again(
    db: &mut AsyncPgConnection,
    key: i64,
    consumer: &Consumer,
    seq: i64,
    now: Timestamp,
) -> Result<bool, Fault> {
    let chat =
        events::table.find((key, seq)).select(events::chat).first::<Option<String>>(db).await.optional()?;
    let Some(chat) = chat else { return Ok(false) };
    if load_cursor(db, key, &consumer.name).await?.is_none_or(|cursor| cursor < seq) {
        return Ok(false);
    }
    let again = Delivery::again(consumer.clone(), seq, chat, now);
    let row = DeliveryRow::new(key, &consumer.name, again);
    put_row(db, &row).await?;
    Ok(true)
}

/// Puts a consumer's cursor somewhere, wherever it was.
pub(super) async fn put_cursor(
    db: &mut AsyncPgConnection,
    key: i64,
    name: &str,
    seq: i64,
) -> Result<(), Fault> {
    let row = (cursors::instance.eq(key), cursors::consumer.eq(name), cursors::seq.eq(seq));
    let put =
        diesel::insert_into(cursors::table).values(row).on_conflict((cursors::instance, cursors::consumer));
    put.do_update().set(cursors::seq.eq(seq)).execute(db).await?;
    Ok(())
}

/// Removes a consumer's cursor and deliveries.
pub(super) async fn forget(db: &mut AsyncPgConnection, key: i64, name: &str) -> Result<(), Fault> {
    diesel::delete(cursors::table.find((key, name))).execute(db).await?;
    let owed = deliveries::table.filter(deliveries::instance.eq(key)).filter(deliveries::consumer.eq(name));
    diesel::delete(owed).execute(db).await?;
    attempts::forget(db, key, name).await
}

async fn load_cursor(db: &mut AsyncPgConnection, key: i64, name: &str) -> Result<Option<i64>, Fault> {
    Ok(cursors::table.find((key, name)).select(cursors::seq).first(db).await.optional()?)
}

/// A page of a consumer's deliveries: first where it begins, which is read from an index, then all in one pass that ends
/// when the page is full.
async fn page(
    db: &mut AsyncPgConnection,
    key: i64,
    consumer: &Consumer,
    query: &DeliveryQuery,
    sealer: &Sealer,
) -> Result<Page<(Delivery, Option<Event>)>, Fault> {
    let of_state = || in_state(key, &consumer.name, query.state);
    let total = count(of_state().count().get_result(db).await?);
    let mut filling = Filling::of(query.limit);
    let begin = of_state()
        .filter(deliveries::seq.gt(query.after.map_or(i64::MIN, |after| after.major)))
        .order(deliveries::seq)
        .offset(limit(query.skip))
        .select(deliveries::seq)
        .first::<i64>(db)
        .await
        .optional()?;
    let Some(begin) = begin else { return Ok(filling.whole(total)) };
    let told =
        events::table.on(events::instance.eq(deliveries::instance).and(events::seq.eq(deliveries::seq)));
    let mut rows = deliveries::table
        .left_join(told)
        .filter(deliveries::instance.eq(key))
        .filter(deliveries::consumer.eq(&consumer.name))
        .filter(sql::<Bool>(condition(query.state)))
        .filter(deliveries::seq.ge(begin))
        .order(deliveries::seq)
        .limit(limit(query.limit.saturating_add(1)))
        .select((DeliveryRow::as_select(), Option::<EventRow>::as_select()))
        .load_stream::<(DeliveryRow, Option<EventRow>)>(db)
        .await?;
    while let Some(row) = rows.try_next().await? {
        if filling.is_full() {
            return Ok(filling.cut(total));
        }
        let (delivery, event) = row;
        let delivery = delivery.open(consumer.instance);
        let size =
            event.as_ref().map_or(0, EventRow::size) + delivery.last_error.as_ref().map_or(0, String::len);
        let place = Cursor { major: delivery.seq, minor: 0 };
        filling.take((delivery, event.map(|event| event.open(consumer.instance, sealer))), size, place);
    }
    Ok(filling.whole(total))
}

fn in_state(key: i64, name: &str, state: DeliveryState) -> deliveries::BoxedQuery<'_, Pg> {
    deliveries::table
        .filter(deliveries::instance.eq(key))
        .filter(deliveries::consumer.eq(name))
        .filter(sql::<Bool>(condition(state)))
        .into_boxed()
}

async fn work(
    db: &mut AsyncPgConnection,
    key: i64,
    instance: InstanceId,
) -> Result<Vec<ConsumerWork>, Fault> {
    let rows: Vec<WorkRow> = WorkOf { instance: key }.load(db).await?;
    let last_seq = last_seq(db, key).await?;
    Ok(delivery::work(rows, instance, last_seq))
}
