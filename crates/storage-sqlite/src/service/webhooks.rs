use std::collections::BTreeMap;

use async_trait::async_trait;
use diesel::prelude::*;
use storage::{
    Edit, Edited, EventFilter, EventKind, InstanceId, Missing, NewEvent, Part, Recorded, SecretText,
    StorageError, UserId, Webhook, WebhookFormat, WebhookPatch, WebhookStore, Write,
};

use super::events::Appender;
use super::ownership::{key_of, owned_key};
use super::{count, deliveries, limit, time};
use crate::database::SqliteDatabase;
use crate::fault::Fault;
use crate::schema::webhooks;
use crate::seal::{Place, Sealer};
use crate::sqlite::Tx;
use crate::unreadable;

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

    /// The webhook, without the parts that can't be read.
    fn open(self, instance: InstanceId, sealer: &Sealer) -> Webhook {
        let mut unreadable = Vec::new();
        let mut without = |part, fault| {
            unreadable::tell("webhooks", instance, &format_args!("{} ({part})", self.name), &fault);
            unreadable.push(part);
        };
        let format = self.format.parse().unwrap_or_else(|word| {
            without(Part::Format, Fault::from(word));
            WebhookFormat::Seed1
        });
        let kinds = self.open_kinds().unwrap_or_else(|fault| {
            without(Part::Kinds, fault);
            None
        });
        let secret = self.open_secret(instance, sealer).unwrap_or_else(|fault| {
            without(Part::Secret, fault);
            None
        });
        let headers = self.open_headers(instance, sealer).unwrap_or_else(|fault| {
            without(Part::Headers, fault);
            BTreeMap::new()
        });
        let Self { received, sent, delivery, read, .. } = self;
        Webhook {
            instance,
            url: self.url,
            enabled: self.enabled,
            format,
            filter: EventFilter { received, sent, delivery, read, kinds },
            max_retries: u32::try_from(self.max_retries).unwrap_or(u32::MAX),
            retry_interval: count(self.retry_interval),
            secret,
            headers,
            created_at: time(self.created_at),
            updated_at: time(self.updated_at),
            name: self.name,
            unreadable,
        }
    }

    fn open_kinds(&self) -> Result<Option<Vec<EventKind>>, Fault> {
        let kinds = self.kinds.as_deref().map(serde_json::from_str).transpose();
        kinds.map_err(|error| Fault::corrupt("webhooks.kinds", error))
    }

    fn open_secret(&self, instance: InstanceId, sealer: &Sealer) -> Result<Option<SecretText>, Fault> {
        let Some(sealed) = &self.secret else { return Ok(None) };
        let text = at(SECRET, instance, &self.name, |place| sealer.open(place, sealed))?;
        let text = std::str::from_utf8(&text).map_err(|error| Fault::corrupt(SECRET, error))?;
        Ok(Some(SecretText::new(text)))
    }

    fn open_headers(&self, instance: InstanceId, sealer: &Sealer) -> Result<BTreeMap<String, String>, Fault> {
        let Some(sealed) = &self.headers else { return Ok(BTreeMap::new()) };
        let text = at(HEADERS, instance, &self.name, |place| sealer.open(place, sealed))?;
        serde_json::from_slice(&text).map_err(|error| Fault::corrupt(HEADERS, error))
    }

    /// Leaves what can't be read as it is stored: whoever changes something else doesn't destroy it.
    fn keep(&mut self, stored: &Self, unreadable: &[Part]) {
        for part in unreadable {
            match part {
                Part::Format => self.format.clone_from(&stored.format),
                Part::Kinds => self.kinds.clone_from(&stored.kinds),
                Part::Secret => self.secret.clone_from(&stored.secret),
                Part::Headers => self.headers.clone_from(&stored.headers),
                Part::State | Part::Proxy | Part::DeviceIcon => {}
            }
        }
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
fn record(
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
