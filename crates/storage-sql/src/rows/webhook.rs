//! Webhooks.

use std::collections::BTreeMap;

use diesel::prelude::*;
use storage::{
    EventFilter, EventKind, InstanceId, NextSecret, OnGiveUp, Part, SecretText, Timestamp, Webhook,
    WebhookFormat,
};

use super::{count, limit, time};
use crate::fault::Fault;
use crate::schema::webhooks;
use crate::seal::{Place, Sealer};
use crate::unreadable;

#[derive(Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = webhooks, treat_none_as_null = true, treat_none_as_default_value = false)]
pub struct WebhookRow {
    pub name: String,
    pub url: Option<String>,
    pub enabled: bool,
    pub format: String,
    pub received: bool,
    pub sent: bool,
    pub delivery: bool,
    pub read: bool,
    pub kinds: Option<String>,
    pub max_retries: i64,
    pub retry_interval: i64,
    pub secret: Option<Vec<u8>>,
    pub headers: Option<Vec<u8>>,
    pub created_at: i64,
    pub updated_at: i64,
    pub next_secret: Option<Vec<u8>>,
    pub next_secret_at: Option<i64>,
    pub on_give_up: String,
    pub failing_since: Option<i64>,
    pub paused_at: Option<i64>,
}

impl WebhookRow {
    pub fn seal(webhook: &Webhook, sealer: &Sealer) -> Result<Self, Fault> {
        let kinds = webhook.filter.kinds.as_ref().map(serde_json::to_string);
        let seal = |column, text: &[u8]| {
            at(column, webhook.instance, &webhook.name, |place| sealer.seal(place, text))
        };
        let secret = webhook.secret.as_ref().map(|secret| seal(SECRET, secret.expose().as_bytes()));
        let next = webhook.next_secret.as_ref();
        let next_secret = next.map(|next| seal(NEXT_SECRET, next.secret.expose().as_bytes()));
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
            next_secret: next_secret.transpose()?,
            next_secret_at: next.map(|next| next.from.millis()),
            on_give_up: webhook.on_give_up.as_str().to_owned(),
            failing_since: webhook.failing_since.map(Timestamp::millis),
            paused_at: webhook.paused_at.map(Timestamp::millis),
        })
    }

    /// The webhook, without the parts that can't be read.
    pub fn open(self, instance: InstanceId, sealer: &Sealer) -> Webhook {
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
        let secrets = self.open_secrets(instance, sealer);
        let (secret, next_secret) = secrets.unwrap_or_else(|fault| {
            without(Part::Secret, fault);
            (None, None)
        });
        let headers = self.open_headers(instance, sealer).unwrap_or_else(|fault| {
            without(Part::Headers, fault);
            BTreeMap::new()
        });
        // What isn't known gives nothing up.
        let on_give_up = self.on_give_up.parse().unwrap_or(OnGiveUp::Wait);
        let Self { received, sent, delivery, read, .. } = self;
        Webhook {
            instance,
            url: self.url,
            enabled: self.enabled,
            format,
            filter: EventFilter { received, sent, delivery, read, kinds },
            max_retries: u32::try_from(self.max_retries).unwrap_or(u32::MAX),
            retry_interval: count(self.retry_interval),
            on_give_up,
            secret,
            next_secret,
            headers,
            failing_since: self.failing_since.map(time),
            paused_at: self.paused_at.map(time),
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

    fn open_secrets(
        &self,
        instance: InstanceId,
        sealer: &Sealer,
    ) -> Result<(Option<SecretText>, Option<NextSecret>), Fault> {
        let open = |column, sealed: &Vec<u8>| {
            let text = at(column, instance, &self.name, |place| sealer.open(place, sealed))?;
            let text = std::str::from_utf8(&text).map_err(|error| Fault::corrupt(column, error))?;
            Ok::<_, Fault>(SecretText::new(text))
        };
        let secret = self.secret.as_ref().map(|sealed| open(SECRET, sealed)).transpose()?;
        let next = self.next_secret.as_ref().map(|sealed| open(NEXT_SECRET, sealed)).transpose()?;
        let next = next.zip(self.next_secret_at);
        Ok((secret, next.map(|(secret, from)| NextSecret { secret, from: time(from) })))
    }

    fn open_headers(&self, instance: InstanceId, sealer: &Sealer) -> Result<BTreeMap<String, String>, Fault> {
        let Some(sealed) = &self.headers else { return Ok(BTreeMap::new()) };
        let text = at(HEADERS, instance, &self.name, |place| sealer.open(place, sealed))?;
        serde_json::from_slice(&text).map_err(|error| Fault::corrupt(HEADERS, error))
    }

    /// Leaves what can't be read as it is stored: whoever changes something else doesn't destroy it.
    pub fn keep(&mut self, stored: &Self, unreadable: &[Part]) {
        for part in unreadable {
            match part {
                Part::Format => self.format.clone_from(&stored.format),
                Part::Kinds => self.kinds.clone_from(&stored.kinds),
                Part::Secret => {
                    self.secret.clone_from(&stored.secret);
                    self.next_secret.clone_from(&stored.next_secret);
                    self.next_secret_at = stored.next_secret_at;
                }
                Part::Headers => self.headers.clone_from(&stored.headers),
                Part::State | Part::Proxy | Part::DeviceIcon | Part::Limits | Part::MediaDownload => {}
            }
        }
    }
}

// The first version kept the one webhook of an instance in its row. What was sealed there opens only as being there, so
// the default webhook's place stays that of the instance's row, and others add their name to it.
pub const SECRET: &str = "instances.webhook_secret";
pub const HEADERS: &str = "instances.webhook_headers";
pub const NEXT_SECRET: &str = "webhooks.next_secret";

pub fn at<T>(column: &'static str, instance: InstanceId, name: &str, f: impl FnOnce(&Place<'_>) -> T) -> T {
    let row: &[&[u8]] = &[instance.as_bytes(), name.as_bytes()];
    let row = if name == Webhook::DEFAULT { &row[..1] } else { row };
    f(&Place { column, row })
}
