use std::collections::BTreeMap;

use async_trait::async_trait;
use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Nullable};
use storage::{
    Instance, InstanceId, InstancePatch, InstanceStore, SecretText, StateChange, StorageError, Timestamp,
    UserId, WebhookSettings, Write,
};

use super::ownership::{key_of, owned_key};
use super::{count, instance_id, limit, time, user_id};
use crate::SqliteDatabase;
use crate::companion;
use crate::fault::Fault;
use crate::schema::{claims, cursors, deliveries, instances, outbox, retired_instances, users};
use crate::seal::{Place, Sealer};

#[derive(Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = instances, treat_none_as_null = true, treat_none_as_default_value = false)]
pub(super) struct InstanceRow {
    id: Vec<u8>,
    owner: Vec<u8>,
    name: String,
    description: Option<String>,
    webhook_url: Option<String>,
    webhook_enabled: bool,
    notify_received: bool,
    notify_sent: bool,
    notify_delivery: bool,
    notify_read: bool,
    max_retries: i64,
    retry_interval: i64,
    webhook_secret: Option<Vec<u8>>,
    webhook_headers: Option<Vec<u8>>,
    status: String,
    status_cause: Option<String>,
    jid: Option<String>,
    lid: Option<String>,
    phone: Option<String>,
    push_name: Option<String>,
    created_at: i64,
    updated_at: i64,
}

impl InstanceRow {
    fn seal(instance: Instance, sealer: &Sealer) -> Result<Self, Fault> {
        let Instance { id, owner, webhook, .. } = &instance;
        let (webhook_secret, webhook_headers) = seal_webhook(webhook, *id, sealer)?;
        Ok(Self {
            id: id.as_bytes().to_vec(),
            owner: owner.as_bytes().to_vec(),
            name: instance.name,
            description: instance.description,
            webhook_url: instance.webhook.url,
            webhook_enabled: instance.webhook.enabled,
            notify_received: instance.webhook.notify_received,
            notify_sent: instance.webhook.notify_sent,
            notify_delivery: instance.webhook.notify_delivery,
            notify_read: instance.webhook.notify_read,
            max_retries: i64::from(instance.webhook.max_retries),
            retry_interval: limit(instance.webhook.retry_interval),
            webhook_secret,
            webhook_headers,
            status: instance.status.as_str().to_owned(),
            status_cause: instance.status_cause,
            jid: instance.jid,
            lid: instance.lid,
            phone: instance.phone,
            push_name: instance.push_name,
            created_at: instance.created_at.millis(),
            updated_at: instance.updated_at.millis(),
        })
    }

    fn open(self, last_activity: Option<i64>, sealer: &Sealer) -> Result<Instance, Fault> {
        let id = instance_id(&self.id)?;
        let (secret, headers) =
            open_webhook(self.webhook_secret.as_deref(), self.webhook_headers.as_deref(), id, sealer)?;
        Ok(Instance {
            id,
            owner: user_id(&self.owner)?,
            name: self.name,
            description: self.description,
            webhook: WebhookSettings {
                url: self.webhook_url,
                enabled: self.webhook_enabled,
                notify_received: self.notify_received,
                notify_sent: self.notify_sent,
                notify_delivery: self.notify_delivery,
                notify_read: self.notify_read,
                max_retries: u32::try_from(self.max_retries).unwrap_or(u32::MAX),
                retry_interval: count(self.retry_interval),
                secret,
                headers,
            },
            status: self.status.parse()?,
            status_cause: self.status_cause,
            jid: self.jid,
            lid: self.lid,
            phone: self.phone,
            push_name: self.push_name,
            last_activity: last_activity.map(time),
            created_at: time(self.created_at),
            updated_at: time(self.updated_at),
        })
    }
}

const SECRET: &str = "instances.webhook_secret";
const HEADERS: &str = "instances.webhook_headers";

type SealedWebhook = (Option<Vec<u8>>, Option<Vec<u8>>);

fn seal_webhook(webhook: &WebhookSettings, id: InstanceId, sealer: &Sealer) -> Result<SealedWebhook, Fault> {
    let row: &[&[u8]] = &[id.as_bytes()];
    let secret = webhook.secret.as_ref();
    let secret = secret.map(|secret| sealer.seal(&Place { column: SECRET, row }, secret.expose().as_bytes()));
    let headers = (!webhook.headers.is_empty()).then(|| {
        let text = serde_json::to_vec(&webhook.headers).map_err(|error| Fault::corrupt(HEADERS, error))?;
        sealer.seal(&Place { column: HEADERS, row }, &text)
    });
    Ok((secret.transpose()?, headers.transpose()?))
}

fn open_webhook(
    secret: Option<&[u8]>,
    headers: Option<&[u8]>,
    id: InstanceId,
    sealer: &Sealer,
) -> Result<(Option<SecretText>, BTreeMap<String, String>), Fault> {
    let row: &[&[u8]] = &[id.as_bytes()];
    let secret = secret.map(|sealed| {
        let text = sealer.open(&Place { column: SECRET, row }, sealed)?;
        let text = std::str::from_utf8(&text).map_err(|error| Fault::corrupt(SECRET, error))?;
        Ok::<_, Fault>(SecretText::new(text))
    });
    let headers = headers.map(|sealed| {
        let text = sealer.open(&Place { column: HEADERS, row }, sealed)?;
        serde_json::from_slice(&text).map_err(|error| Fault::corrupt(HEADERS, error))
    });
    Ok((secret.transpose()?, headers.transpose()?.unwrap_or_default()))
}

#[async_trait]
impl InstanceStore for SqliteDatabase {
    fn create_instance(&self, instance: Instance) -> Write<()> {
        let sealer = self.sealer();
        self.write(move |tx| {
            let owner = users::table.find(&instance.owner.as_bytes()[..]).select(users::id);
            owner.first::<Vec<u8>>(&mut tx.db).optional()?.ok_or(Fault::NotFound("user"))?;
            if key_of(&mut tx.db, instance.id)?.is_some() {
                return Err(Fault::Conflict("id"));
            }
            let row = InstanceRow::seal(instance, &sealer)?;
            diesel::insert_into(instances::table).values(row).execute(&mut tx.db)?;
            Ok(())
        })
    }

    async fn instance(&self, owner: UserId, id: InstanceId) -> Result<Option<Instance>, StorageError> {
        let sealer = self.sealer();
        let found = self.read(move |db| match owned_key(db, owner, id) {
            Ok(key) => load(db, key, &sealer),
            Err(Fault::NotFound(_)) => Ok(None),
            Err(fault) => Err(fault),
        });
        Ok(found.await?)
    }

    async fn instances(&self, owner: UserId) -> Result<Vec<Instance>, StorageError> {
        let sealer = self.sealer();
        Ok(self.read(move |db| load_all(db, Some(owner), &sealer)).await?)
    }

    fn update_instance(
        &self,
        owner: UserId,
        id: InstanceId,
        patch: InstancePatch,
        now: Timestamp,
    ) -> Write<Instance> {
        let sealer = self.sealer();
        self.write(move |tx| {
            let key = owned_key(&mut tx.db, owner, id)?;
            change(&mut tx.db, key, &sealer, |instance| patch.apply(instance, now))
        })
    }

    fn delete_instance(&self, owner: UserId, id: InstanceId) -> Write<()> {
        self.write(move |tx| {
            let key = owned_key(&mut tx.db, owner, id)?;
            delete(&mut tx.db, key)?;
            tx.retire_account(id);
            Ok(())
        })
    }
}

/// The row with the time of the newest event.
fn view() -> (
    diesel::dsl::AsSelect<InstanceRow, diesel::sqlite::Sqlite>,
    diesel::expression::SqlLiteral<Nullable<BigInt>>,
) {
    let newest =
        "(SELECT timestamp FROM events WHERE events.instance = instances.key ORDER BY seq DESC LIMIT 1)";
    (InstanceRow::as_select(), sql(newest))
}

pub(super) fn load(db: &mut SqliteConnection, key: i64, sealer: &Sealer) -> Result<Option<Instance>, Fault> {
    let row: Option<(InstanceRow, Option<i64>)> =
        instances::table.find(key).select(view()).first(db).optional()?;
    row.map(|(row, last_activity)| row.open(last_activity, sealer)).transpose()
}

pub(super) fn load_all(
    db: &mut SqliteConnection,
    owner: Option<UserId>,
    sealer: &Sealer,
) -> Result<Vec<Instance>, Fault> {
    let mut query =
        instances::table.order((instances::created_at, instances::id)).select(view()).into_boxed();
    if let Some(owner) = owner {
        query = query.filter(instances::owner.eq(owner.as_bytes().to_vec()));
    }
    let rows: Vec<(InstanceRow, Option<i64>)> = query.load(db)?;
    rows.into_iter().map(|(row, last_activity)| row.open(last_activity, sealer)).collect()
}

pub(super) fn change_state(
    db: &mut SqliteConnection,
    key: i64,
    sealer: &Sealer,
    state: StateChange,
) -> Result<(), Fault> {
    change(db, key, sealer, |instance| state.apply(instance)).map(|_| ())
}

fn change(
    db: &mut SqliteConnection,
    key: i64,
    sealer: &Sealer,
    change: impl FnOnce(&mut Instance),
) -> Result<Instance, Fault> {
    let mut instance = load(db, key, sealer)?.ok_or(Fault::NotFound("instance"))?;
    change(&mut instance);
    let row = InstanceRow::seal(instance.clone(), sealer)?;
    diesel::update(instances::table.find(key)).set(row).execute(db)?;
    Ok(instance)
}

/// Removes what identifies the instance and all secrets; messages and events follow, see `sqlite::purge`.
fn delete(db: &mut SqliteConnection, key: i64) -> Result<(), Fault> {
    companion::wipe(db, key)?;
    diesel::delete(outbox::table.filter(outbox::instance.eq(key))).execute(db)?;
    diesel::delete(cursors::table.filter(cursors::instance.eq(key))).execute(db)?;
    diesel::delete(deliveries::table.filter(deliveries::instance.eq(key))).execute(db)?;
    diesel::delete(claims::table.filter(claims::instance.eq(key))).execute(db)?;
    diesel::delete(instances::table.find(key)).execute(db)?;
    diesel::insert_into(retired_instances::table).values(retired_instances::instance.eq(key)).execute(db)?;
    Ok(())
}
