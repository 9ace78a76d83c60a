use async_trait::async_trait;
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use storage::{
    Consumer, Edit, Edited, Epoch, InstanceId, Missing, NewEvent, Recorded, StorageError, Timestamp, UserId,
    Webhook, WebhookMark, WebhookPatch, WebhookStore, Write,
};
use storage_sql::rows::webhook::WebhookRow;
use storage_sql::schema::webhooks;
use storage_sql::{Fault, Sealer};

use super::deliveries;
use super::events::Appender;
use super::ownership::{key_of, owned_key};
use crate::database::PostgresDatabase;
use crate::postgres::Tx;

#[async_trait]
impl WebhookStore for PostgresDatabase {
    async fn webhooks(&self, owner: UserId, instance: InstanceId) -> Result<Vec<Webhook>, StorageError> {
        let sealer = self.sealer();
        let found = self.read_for(owner, async move |db| {
            let key = owned_key(db, owner, instance).await?;
            load_all(db, key, instance, &sealer).await
        });
        Ok(found.await?)
    }

    fn create_webhook(&self, owner: UserId, webhook: Webhook, limit: u64, edit: Edit) -> Write<Recorded> {
        let sealer = self.sealer();
        self.write_of(webhook.instance, async move |tx| {
            let key = owned_key(&mut tx.db, owner, webhook.instance).await?;
            let present = webhooks::table.filter(webhooks::instance.eq(key)).select(webhooks::name);
            let present = present.load::<String>(&mut tx.db).await?;
            if present.contains(&webhook.name) {
                return Err(Fault::Conflict("name"));
            }
            if present.len() as u64 >= limit {
                return Err(Fault::LimitReached("webhooks"));
            }
            check_terms(tx, webhook.instance, &edit).await?;
            insert(&mut tx.db, key, &webhook, &sealer).await?;
            start_at_end(tx, key, webhook.instance, &webhook.name).await?;
            record(tx, key, webhook.instance, webhook.told(false), &edit, &sealer).await
        })
    }

    fn update_webhook(
        &self,
        owner: UserId,
        instance: InstanceId,
        name: String,
        patch: WebhookPatch,
        edit: Edit,
    ) -> Write<Edited<Webhook>> {
        let sealer = self.sealer();
        self.write_of(instance, async move |tx| {
            let key = owned_key(&mut tx.db, owner, instance).await?;
            let before = load(&mut tx.db, key, instance, &name, &sealer).await?.ok_or(NO_WEBHOOK)?;
            edit.check(&before.version())?;
            let mut now = before.clone();
            patch.apply(&mut now, edit.now)?;
            let recorded = replace(tx, key, &before, &now, &edit, &sealer).await?;
            Ok(Edited { before, now, recorded })
        })
    }

    fn delete_webhook(
        &self,
        owner: UserId,
        instance: InstanceId,
        name: String,
        edit: Edit,
    ) -> Write<Recorded> {
        let sealer = self.sealer();
        self.write_of(instance, async move |tx| {
            let key = owned_key(&mut tx.db, owner, instance).await?;
            let before = load(&mut tx.db, key, instance, &name, &sealer).await?.ok_or(NO_WEBHOOK)?;
            edit.check(&before.version())?;
            check_terms(tx, instance, &edit).await?;
            diesel::delete(webhooks::table.find((key, &name))).execute(&mut tx.db).await?;
            deliveries::forget(&mut tx.db, key, &name).await?;
            if name == Webhook::DEFAULT {
                let anew = before.anew(tx.now());
                insert(&mut tx.db, key, &anew, &sealer).await?;
                start_at_end(tx, key, instance, &name).await?;
            }
            record(tx, key, instance, before.told(true), &edit, &sealer).await
        })
    }

    fn mark_webhook(
        &self,
        consumer: Consumer,
        epoch: Epoch,
        mark: WebhookMark,
        now: Timestamp,
    ) -> Write<Recorded> {
        let sealer = self.sealer();
        let Consumer { instance, name } = consumer;
        self.write_of(instance, async move |tx| {
            let key = tx.check_epoch(instance, epoch).await?;
            let mut webhook = load(&mut tx.db, key, instance, &name, &sealer).await?.ok_or(NO_WEBHOOK)?;
            let event = webhook.mark(mark, now);
            let stands = (
                webhooks::failing_since.eq(webhook.failing_since.map(Timestamp::millis)),
                webhooks::paused_at.eq(webhook.paused_at.map(Timestamp::millis)),
            );
            diesel::update(webhooks::table.find((key, &name))).set(stands).execute(&mut tx.db).await?;
            let edit = Edit::at(now).told_by(epoch);
            match event {
                Some(event) => record(tx, key, instance, event, &edit, &sealer).await,
                None => Ok(Recorded::default()),
            }
        })
    }

    async fn fleet_webhooks(&self, instance: InstanceId) -> Result<Vec<Webhook>, StorageError> {
        let sealer = self.sealer();
        let found = self.read(async move |db| match key_of(db, instance).await? {
            Some(key) => load_all(db, key, instance, &sealer).await,
            None => Ok(Vec::new()),
        });
        Ok(found.await?)
    }
}

const NO_WEBHOOK: Fault = Fault::NotFound(Missing::Webhook);

pub(super) async fn load(
    db: &mut AsyncPgConnection,
    key: i64,
    instance: InstanceId,
    name: &str,
    sealer: &Sealer,
) -> Result<Option<Webhook>, Fault> {
    let row = webhooks::table.find((key, name)).select(WebhookRow::as_select()).first(db).await.optional()?;
    Ok(row.map(|row: WebhookRow| row.open(instance, sealer)))
}

async fn load_all(
    db: &mut AsyncPgConnection,
    key: i64,
    instance: InstanceId,
    sealer: &Sealer,
) -> Result<Vec<Webhook>, Fault> {
    let rows = webhooks::table.filter(webhooks::instance.eq(key)).order(webhooks::name);
    let rows = rows.select(WebhookRow::as_select()).load(db).await?;
    Ok(rows.into_iter().map(|row: WebhookRow| row.open(instance, sealer)).collect())
}

/// `Conflict` when the name is taken.
pub(super) async fn insert(
    db: &mut AsyncPgConnection,
    key: i64,
    webhook: &Webhook,
    sealer: &Sealer,
) -> Result<(), Fault> {
    let row = (webhooks::instance.eq(key), WebhookRow::seal(webhook, sealer)?);
    // The key is the only constraint that a row could break.
    match diesel::insert_into(webhooks::table).values(row).on_conflict_do_nothing().execute(db).await? {
        0 => Err(Fault::Conflict("name")),
        _ => Ok(()),
    }
}

/// `Fenced` when this node doesn't hold the instance as the edit says it does.
pub(super) async fn check_terms(tx: &mut Tx, instance: InstanceId, edit: &Edit) -> Result<(), Fault> {
    match edit.epoch {
        Some(epoch) => tx.check_epoch(instance, epoch).await.map(drop),
        None => Ok(()),
    }
}

/// Puts a changed webhook in the place of another one, and tells of it.
pub(super) async fn replace(
    tx: &mut Tx,
    key: i64,
    before: &Webhook,
    changed: &Webhook,
    edit: &Edit,
    sealer: &Sealer,
) -> Result<Recorded, Fault> {
    if before == changed {
        return Ok(Recorded::default());
    }
    check_terms(tx, changed.instance, edit).await?;
    let mut row = WebhookRow::seal(changed, sealer)?;
    let place = webhooks::table.find((key, &changed.name));
    let stored = place.select(WebhookRow::as_select()).first(&mut tx.db).await.optional()?;
    if let Some(stored) = stored {
        row.keep(&stored, &changed.unreadable);
    }
    let put = diesel::insert_into(webhooks::table).values((webhooks::instance.eq(key), &row));
    let put = put.on_conflict((webhooks::instance, webhooks::name));
    put.do_update().set(&row).execute(&mut tx.db).await?;
    if !before.is_on() && changed.is_on() {
        start_at_end(tx, key, changed.instance, &changed.name).await?;
    }
    record(tx, key, changed.instance, changed.told(false), edit, sealer).await
}

/// Tells of a change in the commit that makes it, if the edit says under which epoch.
pub(super) async fn record(
    tx: &mut Tx,
    key: i64,
    instance: InstanceId,
    event: NewEvent,
    edit: &Edit,
    sealer: &Sealer,
) -> Result<Recorded, Fault> {
    let mut log = Appender::start(tx, instance, key, sealer).await?;
    if edit.epoch.is_some() {
        log.append(tx, event).await?;
    }
    Ok(Recorded { after: log.after, events: log.events, ..Recorded::default() })
}

pub(super) async fn delete_all(db: &mut AsyncPgConnection, key: i64) -> Result<(), Fault> {
    diesel::delete(webhooks::table.filter(webhooks::instance.eq(key))).execute(db).await?;
    Ok(())
}

async fn start_at_end(tx: &mut Tx, key: i64, instance: InstanceId, name: &str) -> Result<(), Fault> {
    let (end, _) = tx.log_end(instance).await?;
    deliveries::put_cursor(&mut tx.db, key, name, end).await
}
