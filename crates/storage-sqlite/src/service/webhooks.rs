use std::collections::BTreeMap;

use async_trait::async_trait;
use diesel::prelude::*;
use storage::{
    EventFilter, EventKind, InstanceId, Missing, SecretText, StorageError, Timestamp, UserId, Webhook,
    WebhookPatch, WebhookStore, Write,
};

use super::ownership::{key_of, owned_key};
use super::{count, deliveries, limit, time};
use crate::database::SqliteDatabase;
use crate::fault::Fault;
use crate::schema::webhooks;
use crate::seal::{Place, Sealer};
use crate::sqlite::Tx;

#[derive(Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = webhooks, treat_none_as_null = true, treat_none_as_default_value = false)]
struct WebhookRow {
    name: String,
    url: Option<String>,
    enabled: bool,
    format: String,
    received: bool,
    sent: bool,
    delivery: bool,
    read: bool,
    kinds: Option<String>,
    max_retries: i64,
    retry_interval: i64,
    secret: Option<Vec<u8>>,
    headers: Option<Vec<u8>>,
    created_at: i64,
    updated_at: i64,
}

impl WebhookRow {
    fn seal(webhook: &Webhook, sealer: &Sealer) -> Result<Self, Fault> {
        let kinds = webhook.filter.kinds.as_ref().map(serde_json::to_string);
        let seal = |column, text: &[u8]| {
            at(column, webhook.instance, &webhook.name, |place| sealer.seal(place, text))
        };
        let secret = webhook.secret.as_ref().map(|secret| seal(SECRET, secret.expose().as_bytes()));
        let headers = (!webhook.headers.is_empty()).then(|| {
            let text =
                serde_json::to_vec(&webhook.headers).map_err(|error| Fault::corrupt(HEADERS, error))?;
            seal(HEADERS, &text)
        });
        Ok(Self {
            name: webhook.name.clone(),
            url: webhook.url.clone(),
            enabled: webhook.enabled,
            format: webhook.format.as_str().to_owned(),
            received: webhook.filter.received,
            sent: webhook.filter.sent,
            delivery: webhook.filter.delivery,
            read: webhook.filter.read,
            kinds: kinds.transpose().map_err(|error| Fault::corrupt("webhook", error))?,
            max_retries: i64::from(webhook.max_retries),
            retry_interval: limit(webhook.retry_interval),
            secret: secret.transpose()?,
            headers: headers.transpose()?,
            created_at: webhook.created_at.millis(),
            updated_at: webhook.updated_at.millis(),
        })
    }

    fn open(self, instance: InstanceId, sealer: &Sealer) -> Result<Webhook, Fault> {
        let kinds = self.kinds.as_deref().map(serde_json::from_str::<Vec<EventKind>>);
        let open =
            |column, sealed: &[u8]| at(column, instance, &self.name, |place| sealer.open(place, sealed));
        let secret = self.secret.as_deref().map(|sealed| {
            let text = open(SECRET, sealed)?;
            let text = std::str::from_utf8(&text).map_err(|error| Fault::corrupt(SECRET, error))?;
            Ok::<_, Fault>(SecretText::new(text))
        });
        let headers = self.headers.as_deref().map(|sealed| {
            let text = open(HEADERS, sealed)?;
            serde_json::from_slice::<BTreeMap<_, _>>(&text).map_err(|error| Fault::corrupt(HEADERS, error))
        });
        Ok(Webhook {
            instance,
            url: self.url,
            enabled: self.enabled,
            format: self.format.parse()?,
            filter: EventFilter {
                received: self.received,
                sent: self.sent,
                delivery: self.delivery,
                read: self.read,
                kinds: kinds.transpose().map_err(|error| Fault::corrupt("webhook", error))?,
            },
            max_retries: u32::try_from(self.max_retries).unwrap_or(u32::MAX),
            retry_interval: count(self.retry_interval),
            secret: secret.transpose()?,
            headers: headers.transpose()?.unwrap_or_default(),
            created_at: time(self.created_at),
            updated_at: time(self.updated_at),
            name: self.name,
        })
    }
}

// The first version kept the one webhook of an instance in its row. What was sealed there opens only as being there, so
// the default webhook's place stays that of the instance's row, and others add their name to it.
const SECRET: &str = "instances.webhook_secret";
const HEADERS: &str = "instances.webhook_headers";

fn at<T>(column: &'static str, instance: InstanceId, name: &str, f: impl FnOnce(&Place<'_>) -> T) -> T {
    let row: &[&[u8]] = &[instance.as_bytes(), name.as_bytes()];
    let row = if name == Webhook::DEFAULT { &row[..1] } else { row };
    f(&Place { column, row })
}

#[async_trait]
impl WebhookStore for SqliteDatabase {
    async fn webhooks(&self, owner: UserId, instance: InstanceId) -> Result<Vec<Webhook>, StorageError> {
        let sealer = self.sealer();
        let found = self.read(move |db| {
            let key = owned_key(db, owner, instance)?;
            load_all(db, key, instance, &sealer)
        });
        Ok(found.await?)
    }

    fn create_webhook(&self, owner: UserId, webhook: Webhook, limit: u64) -> Write<()> {
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
            insert(&mut tx.db, key, &webhook, &sealer)?;
            start_at_end(tx, key, webhook.instance, &webhook.name)
        })
    }

    fn update_webhook(
        &self,
        owner: UserId,
        instance: InstanceId,
        name: String,
        patch: WebhookPatch,
        now: Timestamp,
    ) -> Write<Webhook> {
        let sealer = self.sealer();
        self.write(move |tx| {
            let key = owned_key(&mut tx.db, owner, instance)?;
            let mut webhook = load(&mut tx.db, key, instance, &name, &sealer)?.ok_or(NO_WEBHOOK)?;
            patch.apply(&mut webhook, now);
            update(&mut tx.db, key, &webhook, &sealer)?;
            Ok(webhook)
        })
    }

    fn delete_webhook(&self, owner: UserId, instance: InstanceId, name: String) -> Write<()> {
        let sealer = self.sealer();
        self.write(move |tx| {
            let key = owned_key(&mut tx.db, owner, instance)?;
            if diesel::delete(webhooks::table.find((key, &name))).execute(&mut tx.db)? == 0 {
                return Err(NO_WEBHOOK);
            }
            deliveries::forget(&mut tx.db, key, &name)?;
            if name == Webhook::DEFAULT {
                let anew = Webhook::new(instance, &*name, tx.now());
                insert(&mut tx.db, key, &anew, &sealer)?;
                start_at_end(tx, key, instance, &name)?;
            }
            Ok(())
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
    row.map(|row| row.open(instance, sealer)).transpose()
}

fn load_all(
    db: &mut SqliteConnection,
    key: i64,
    instance: InstanceId,
    sealer: &Sealer,
) -> Result<Vec<Webhook>, Fault> {
    let rows = webhooks::table.filter(webhooks::instance.eq(key)).order(webhooks::name);
    let rows = rows.select(WebhookRow::as_select()).load(db)?;
    rows.into_iter().map(|row| row.open(instance, sealer)).collect()
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

pub(super) fn update(
    db: &mut SqliteConnection,
    key: i64,
    webhook: &Webhook,
    sealer: &Sealer,
) -> Result<(), Fault> {
    let row = WebhookRow::seal(webhook, sealer)?;
    diesel::update(webhooks::table.find((key, &webhook.name))).set(row).execute(db)?;
    Ok(())
}

pub(super) fn delete_all(db: &mut SqliteConnection, key: i64) -> Result<(), Fault> {
    diesel::delete(webhooks::table.filter(webhooks::instance.eq(key))).execute(db)?;
    Ok(())
}

fn start_at_end(tx: &mut Tx, key: i64, instance: InstanceId, name: &str) -> Result<(), Fault> {
    let (end, _) = tx.log_end(instance)?;
    deliveries::put_cursor(&mut tx.db, key, name, end)
}
