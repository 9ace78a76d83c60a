use std::time::Duration;

use async_trait::async_trait;
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use storage::{
    Attempt, AttemptQuery, AttemptStore, Consumer, InstanceId, KEPT_ATTEMPTS, Missing, Page, StorageError,
    Timestamp, UserId, Write,
};
use storage_sql::rows::limit;
use storage_sql::schema::{attempts, instances, webhooks};
use storage_sql::{Fault, unreadable};

use super::deliveries::deliver_again;
use super::ownership::owned_key;
use super::present;
use crate::database::PostgresDatabase;

#[async_trait]
impl AttemptStore for PostgresDatabase {
    async fn attempts(
        &self,
        owner: UserId,
        consumer: &Consumer,
        query: &AttemptQuery,
    ) -> Result<Page<Attempt>, StorageError> {
        let (Consumer { instance, name }, query) = (consumer.clone(), *query);
        let kept = self.read_for(owner, async move |db| {
            let key = owned_key(db, owner, instance).await?;
            Ok(query.page(load(db, key, instance, &name).await?))
        });
        Ok(kept.await?)
    }

    fn redeliver(
        &self,
        owner: UserId,
        consumer: Consumer,
        seqs: Vec<i64>,
        now: Timestamp,
    ) -> Write<Vec<i64>> {
        self.write_of(consumer.instance, async move |tx| {
            let key = owned_key(&mut tx.db, owner, consumer.instance).await?;
            let webhook = webhooks::table.find((key, &consumer.name)).select(webhooks::instance);
            webhook.first::<i64>(&mut tx.db).await.optional()?.ok_or(Fault::NotFound(Missing::Webhook))?;
            let mut again = Vec::new();
            for seq in seqs {
                if deliver_again(&mut tx.db, key, &consumer, seq, now).await? {
                    again.push(seq);
                }
            }
            Ok(again)
        })
    }

    async fn prune_attempts(&self, kept: Duration, most: u64) -> Result<u64, StorageError> {
        let clock = self.clock();
        let old = self.read(async move |db| {
            let before = present(db, clock.as_ref()).await?.before(kept).millis();
            old_rows(db, before, most).await
        });
        let old = old.await?;
        if old.is_empty() {
            return Ok(0);
        }
        let removal = self.write(async move |tx| {
            let mut removed = 0;
            for (key, name, last) in &old {
                removed +=
                    diesel::delete(attempts::table.find((key, name, last))).execute(&mut tx.db).await?;
            }
            Ok(removed as u64)
        });
        removal.await
    }
}

/// Adds what was tried as one row, and removes those that hold none of the last ones.
pub(super) async fn note(
    db: &mut AsyncPgConnection,
    key: i64,
    name: &str,
    tried: &[Attempt],
) -> Result<(), Fault> {
    let Some(newest) = tried.last() else { return Ok(()) };
    let text = serde_json::to_string(tried).map_err(|error| Fault::corrupt("attempts", error))?;
    let of_webhook =
        || attempts::table.filter(attempts::instance.eq(key)).filter(attempts::consumer.eq(name));
    let before =
        of_webhook().order(attempts::last.desc()).select(attempts::last).first::<i64>(db).await.optional()?;
    let last = before.unwrap_or(0) + limit(tried.len() as u64);
    let row = (
        attempts::instance.eq(key),
        attempts::consumer.eq(name),
        attempts::last.eq(last),
        attempts::at.eq(newest.at.millis()),
        attempts::tried.eq(text),
    );
    diesel::insert_into(attempts::table).values(row).execute(db).await?;
    let surplus = of_webhook().filter(attempts::last.le(last - limit(KEPT_ATTEMPTS as u64)));
    diesel::delete(surplus).execute(db).await?;
    Ok(())
}

/// Forgets all that was tried of a webhook.
pub(super) async fn forget(db: &mut AsyncPgConnection, key: i64, name: &str) -> Result<(), Fault> {
    let of_webhook = attempts::table.filter(attempts::instance.eq(key)).filter(attempts::consumer.eq(name));
    diesel::delete(of_webhook).execute(db).await?;
    Ok(())
}

/// Forgets all that was tried of an instance's webhooks.
pub(super) async fn delete_all(db: &mut AsyncPgConnection, key: i64) -> Result<(), Fault> {
    diesel::delete(attempts::table.filter(attempts::instance.eq(key))).execute(db).await?;
    Ok(())
}

/// All attempts of a webhook that are kept, each with its number, oldest first. A row that can't be read is left out.
async fn load(
    db: &mut AsyncPgConnection,
    key: i64,
    instance: InstanceId,
    name: &str,
) -> Result<Vec<(i64, Attempt)>, Fault> {
    let rows = attempts::table.filter(attempts::instance.eq(key)).filter(attempts::consumer.eq(name));
    let rows = rows.order(attempts::last).select((attempts::last, attempts::tried));
    let mut all = Vec::new();
    for (last, text) in rows.load::<(i64, String)>(db).await? {
        match serde_json::from_str::<Vec<Attempt>>(&text) {
            Ok(tried) => {
                let first = last - limit(tried.len() as u64) + 1;
                all.extend((first..).zip(tried));
            }
            Err(error) => {
                unreadable::tell("attempts", instance, &last, &Fault::corrupt("attempts", error));
            }
        }
    }
    let surplus = all.len().saturating_sub(KEPT_ATTEMPTS);
    Ok(all.split_off(surplus))
}

/// Rows whose attempts are all from before a time, webhook by webhook.
async fn old_rows(
    db: &mut AsyncPgConnection,
    before: i64,
    most: u64,
) -> Result<Vec<(i64, String, i64)>, Fault> {
    let mut old = Vec::new();
    for key in instances::table.select(instances::key).load::<i64>(db).await? {
        let mut name = String::new();
        while (old.len() as u64) < most {
            let rows = || attempts::table.filter(attempts::instance.eq(key));
            let next =
                rows().filter(attempts::consumer.gt(&name)).order((attempts::consumer, attempts::last));
            let next = next
                .select((attempts::consumer, attempts::at))
                .first::<(String, i64)>(db)
                .await
                .optional()?;
            let Some((consumer, oldest)) = next else { break };
            name = consumer;
            if oldest < before {
                let left = limit(most - old.len() as u64);
                let rows = rows().filter(attempts::consumer.eq(&name)).order(attempts::last).limit(left);
                let rows = rows.select((attempts::last, attempts::at)).load::<(i64, i64)>(db).await?;
                let passed = rows.into_iter().take_while(|(_, at)| *at < before);
                old.extend(passed.map(|(last, _)| (key, name.clone(), last)));
            }
        }
    }
    Ok(old)
}
