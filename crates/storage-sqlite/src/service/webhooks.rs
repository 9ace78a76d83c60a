use async_trait::async_trait;
use diesel::prelude::*;
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
use crate::database::SqliteDatabase;
use crate::sqlite::Tx;

#[async_trait]
impl WebhookStore for SqliteDatabase {
    async fn webhooks(&self, owner: UserId, instance: InstanceId) -> Result<Vec<Webhook>, StorageError> {
        let sealer = self.sealer();
        let found = self.read_for(owner, move |db| {
            let key = owned_key(db, owner, instance)?;
            load_all(db, key, instance, &sealer)
        });
        Ok(found.await?)
    }

    fn create_webhook(&self, owner: UserId, webhook: Webhook, limit: u64, edit: Edit) -> Write<Recorded> {
        let sealer = self.sealer();
        self.write(move |tx| {
            let key = owned_key(&mut tx.db, owner, webhook.instance)?;
            let present = webhooks::table.filter(webhooks::instance.eq(key)).select(webhooks::name);
            let present = present.load::<String>(&mut tx.db)?;
            if present.contains(&webhook.name) {
                return Err(Fault::Conflict("name"));
            }
            if present.len() as u64 >= limit {
                return Err(Fault::LimitReached("webhooks"));
            }
            check_terms(tx, webhook.instance, &edit)?;
            insert(&mut tx.db, key, &webhook, &sealer)?;
            start_at_end(tx, key, webhook.instance, &webhook.name)?;
            record(tx, key, webhook.instance, webhook.told(false), &edit, &sealer)
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
        self.write(move |tx| {
            let key = owned_key(&mut tx.db, owner, instance)?;
            let before = load(&mut tx.db, key, instance, &name, &sealer)?.ok_or(NO_WEBHOOK)?;
            edit.check(&before.version())?;
            let mut now = before.clone();
            patch.apply(&mut now, edit.now)?;
            let recorded = replace(tx, key, &before, &now, &edit, &sealer)?;
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
        self.write(move |tx| {
            let key = owned_key(&mut tx.db, owner, instance)?;
            let before = load(&mut tx.db, key, instance, &name, &sealer)?.ok_or(NO_WEBHOOK)?;
            edit.check(&before.version())?;
            check_terms(tx, instance, &edit)?;
            diesel::delete(webhooks::table.find((key, &name))).execute(&mut tx.db)?;
            deliveries::forget(&mut tx.db, key, &name)?;
            if name == Webhook::DEFAULT {
                let anew = before.anew(tx.now());
                insert(&mut tx.db, key, &anew, &sealer)?;
                start_at_end(tx, key, instance, &name)?;
            }
            record(tx, key, instance, before.told(true), &edit, &sealer)
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
        self.write(move |tx| {
            let Consumer { instance, name } = consumer;
            let key = tx.check_epoch(instance, epoch)?;
            let mut webhook = load(&mut tx.db, key, instance, &name, &sealer)?.ok_or(NO_WEBHOOK)?;
            let event = webhook.mark(mark, now);
            let stands = (
                webhooks::failing_since.eq(webhook.failing_since.map(Timestamp::millis)),
                webhooks::paused_at.eq(webhook.paused_at.map(Timestamp::millis)),
            );
            diesel::update(webhooks::table.find((key, &name))).set(stands).execute(&mut tx.db)?;
            let edit = Edit::at(now).told_by(epoch);
            let told = event.map(|event| record(tx, key, instance, event, &edit, &sealer));
            Ok(told.transpose()?.unwrap_or_default())
        })
    }

    async fn fleet_webhooks(&self, instance: InstanceId) -> Result<Vec<Webhook>, StorageError> {
        let sealer = self.sealer();
        let found = self.read(move |db| match key_of(db, instance)? {
            Some(key) => load_all(db, key, instance, &sealer),
            None => Ok(Vec::new()),
        });
        Ok(found.await?)
    }
}

const NO_WEBHOOK: Fault = Fault::NotFound(Missing::Webhook);

pub(super) fn load(
    db: &mut SqliteConnection,
    key: i64,
    instance: InstanceId,
    name: &str,
    sealer: &Sealer,
) -> Result<Option<Webhook>, Fault> {
    let row = webhooks::table.find((key, name)).select(WebhookRow::as_select()).first(db).optional()?;
    Ok(row.map(|row: WebhookRow| row.open(instance, sealer)))
}

fn load_all(
    db: &mut SqliteConnection,
    key: i64,
    instance: InstanceId,
    sealer: &Sealer,
) -> Result<Vec<Webhook>, Fault> {
    let rows = webhooks::table.filter(webhooks::instance.eq(key)).order(webhooks::name);
    let rows = rows.select(WebhookRow::as_select()).load(db)?;
    Ok(rows.into_iter().map(|row: WebhookRow| row.open(instance, sealer)).collect())
}

/// `Conflict` when the name is taken.
pub(super) fn insert(
    db: &mut SqliteConnection,
    key: i64,
    webhook: &Webhook,
    sealer: &Sealer,
) -> Result<(), Fault> {
    let row = (webhooks::instance.eq(key), WebhookRow::seal(webhook, sealer)?);
    // The key is the only constraint that a row could break.
    match diesel::insert_or_ignore_into(webhooks::table).values(row).execute(db)? {
        0 => Err(Fault::Conflict("name")),
        _ => Ok(()),
    }
}

/// `Fenced` when this node doesn't hold the instance as the edit says it does.
pub(super) fn check_terms(tx: &mut Tx, instance: InstanceId, edit: &Edit) -> Result<(), Fault> {
    match edit.epoch {
        Some(epoch) => tx.check_epoch(instance, epoch).map(drop),
        None => Ok(()),
    }
}

/// Puts a changed webhook in the place of another one, and tells of it.
pub(super) fn replace(
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
    check_terms(tx, changed.instance, edit)?;
    let mut row = WebhookRow::seal(changed, sealer)?;
    let place = webhooks::table.find((key, &changed.name));
    let stored = place.select(WebhookRow::as_select()).first(&mut tx.db).optional()?;
    if let Some(stored) = stored {
        row.keep(&stored, &changed.unreadable);
    }
    diesel::replace_into(webhooks::table).values((webhooks::instance.eq(key), row)).execute(&mut tx.db)?;
    if !before.is_on() && changed.is_on() {
        start_at_end(tx, key, changed.instance, &changed.name)?;
    }
    record(tx, key, changed.instance, changed.told(false), edit, sealer)
}

/// Tells of a change in the commit that makes it, if the edit says under which epoch.
pub(super) fn record(
    tx: &mut Tx,
    key: i64,
    instance: InstanceId,
    event: NewEvent,
    edit: &Edit,
    sealer: &Sealer,
) -> Result<Recorded, Fault> {
    let mut log = Appender::start(tx, instance, key, sealer)?;
    if edit.epoch.is_some() {
        log.append(tx, event)?;
    }
    Ok(Recorded { after: log.after, events: log.events, ..Recorded::default() })
}

pub(super) fn delete_all(db: &mut SqliteConnection, key: i64) -> Result<(), Fault> {
    diesel::delete(webhooks::table.filter(webhooks::instance.eq(key))).execute(db)?;
    Ok(())
}

fn start_at_end(tx: &mut Tx, key: i64, instance: InstanceId, name: &str) -> Result<(), Fault> {
    let (end, _) = tx.log_end(instance)?;
    deliveries::put_cursor(&mut tx.db, key, name, end)
}
