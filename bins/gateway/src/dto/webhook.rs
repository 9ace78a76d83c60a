use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_with::rust::double_option;
use services::DeadLetter;
use storage::{EventKind, Json, Page, SecretText, Webhook, WebhookFormat, WebhookPatch};
use utoipa::ToSchema;
use webhook::{Dialect as _, Seed1};

use super::page::{Pagination, Window};
use super::time::Time;
use crate::error::ApiError;

/// `POST …/webhooks`.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct NewWebhookRequest {
    /// 1 to 64 characters of `a-z`, `0-9`, `-` and `_`, unique within the instance.
    name: String,
    url: Option<String>,
    enabled: Option<bool>,
    #[schema(value_type = Option<Format>)]
    format: Option<WebhookFormat>,
    notify_received: Option<bool>,
    notify_sent: Option<bool>,
    notify_delivery: Option<bool>,
    notify_read: Option<bool>,
    /// Only events of these types; without it, of all.
    #[schema(value_type = Option<Vec<String>>)]
    events: Option<Vec<EventKind>>,
    max_retries: Option<u32>,
    /// Milliseconds before the first retry; doubled for each further one.
    retry_interval: Option<u64>,
    secret: Option<String>,
    headers: Option<BTreeMap<String, String>>,
}

/// `PUT …/webhooks/{name}`: what isn't there stays as it is, `null` removes.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[allow(clippy::option_option, reason = "absent, null and a value are three different wishes")]
pub(crate) struct WebhookRequest {
    #[serde(default, with = "double_option")]
    #[schema(value_type = Option<String>)]
    url: Option<Option<String>>,
    enabled: Option<bool>,
    #[schema(value_type = Option<Format>)]
    format: Option<WebhookFormat>,
    notify_received: Option<bool>,
    notify_sent: Option<bool>,
    notify_delivery: Option<bool>,
    notify_read: Option<bool>,
    /// Only events of these types; `null` means all.
    #[serde(default, with = "double_option")]
    #[schema(value_type = Option<Vec<String>>)]
    events: Option<Option<Vec<EventKind>>>,
    max_retries: Option<u32>,
    /// Milliseconds before the first retry; doubled for each further one.
    retry_interval: Option<u64>,
    #[serde(default, with = "double_option")]
    #[schema(value_type = Option<String>)]
    secret: Option<Option<String>>,
    headers: Option<BTreeMap<String, String>>,
}

/// In whose words a webhook is told.
#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
#[allow(dead_code, reason = "only described")]
enum Format {
    Seed1,
    Seed0,
}

impl NewWebhookRequest {
    /// The name, and everything else.
    pub(crate) fn into_parts(self) -> (String, WebhookPatch) {
        let patch = WebhookPatch {
            url: self.url.map(Some),
            enabled: self.enabled,
            format: self.format,
            received: self.notify_received,
            sent: self.notify_sent,
            delivery: self.notify_delivery,
            read: self.notify_read,
            kinds: self.events.map(Some),
            max_retries: self.max_retries,
            retry_interval: self.retry_interval,
            secret: self.secret.map(|secret| Some(SecretText::new(secret))),
            headers: self.headers,
        };
        (self.name, patch)
    }
}

impl From<WebhookRequest> for WebhookPatch {
    fn from(request: WebhookRequest) -> Self {
        Self {
            url: request.url,
            enabled: request.enabled,
            format: request.format,
            received: request.notify_received,
            sent: request.notify_sent,
            delivery: request.notify_delivery,
            read: request.notify_read,
            kinds: request.events,
            max_retries: request.max_retries,
            retry_interval: request.retry_interval,
            secret: request.secret.map(|secret| secret.map(SecretText::new)),
            headers: request.headers,
        }
    }
}

/// The webhooks of an instance, by name.
#[derive(Serialize, ToSchema)]
pub(crate) struct WebhooksResponse {
    webhooks: Vec<WebhookResponse>,
}

impl From<Vec<Webhook>> for WebhooksResponse {
    fn from(webhooks: Vec<Webhook>) -> Self {
        Self { webhooks: webhooks.into_iter().map(WebhookResponse::from).collect() }
    }
}

/// A webhook with all its settings.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct WebhookResponse {
    instance_id: String,
    name: String,
    url: Option<String>,
    enabled: bool,
    #[schema(value_type = Format)]
    format: WebhookFormat,
    notify_received: bool,
    notify_sent: bool,
    notify_delivery: bool,
    notify_read: bool,
    /// Only events of these types; `null` means all.
    #[schema(value_type = Option<Vec<String>>)]
    events: Option<Vec<EventKind>>,
    max_retries: u32,
    /// Milliseconds before the first retry; doubled for each further one.
    retry_interval: u64,
    secret: Option<String>,
    headers: BTreeMap<String, String>,
    created_at: Time,
    updated_at: Time,
}

impl From<Webhook> for WebhookResponse {
    fn from(webhook: Webhook) -> Self {
        Self {
            instance_id: webhook.instance.to_string(),
            name: webhook.name,
            url: webhook.url,
            enabled: webhook.enabled,
            format: webhook.format,
            notify_received: webhook.filter.received,
            notify_sent: webhook.filter.sent,
            notify_delivery: webhook.filter.delivery,
            notify_read: webhook.filter.read,
            events: webhook.filter.kinds,
            max_retries: webhook.max_retries,
            retry_interval: webhook.retry_interval,
            secret: webhook.secret.map(|secret| secret.expose().to_owned()),
            headers: webhook.headers,
            created_at: webhook.created_at.into(),
            updated_at: webhook.updated_at.into(),
        }
    }
}

/// Deliveries that were given up, oldest first.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DeadLettersResponse {
    dead_letters: Vec<DeadLetterResponse>,
    pagination: Pagination,
}

/// A delivery that was given up. What is told of the event is `null` where the log has it no more.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct DeadLetterResponse {
    /// Names the letter in a replay.
    id: String,
    /// The id that the webhook carried.
    event_id: Option<String>,
    #[schema(value_type = Option<String>)]
    event: Option<EventKind>,
    timestamp: Option<Time>,
    #[schema(value_type = Option<Object>)]
    data: Option<Json>,
    attempts: u32,
    last_status: Option<u16>,
    last_error: Option<String>,
    failed_at: Time,
}

impl DeadLettersResponse {
    pub(crate) fn new(page: Page<DeadLetter>, window: Window) -> Self {
        let pagination = Pagination::of(&page, window);
        Self { dead_letters: page.items.into_iter().map(DeadLetterResponse::from).collect(), pagination }
    }
}

impl From<DeadLetter> for DeadLetterResponse {
    fn from(DeadLetter { delivery, event }: DeadLetter) -> Self {
        Self {
            id: delivery.seq.to_string(),
            event_id: event.as_ref().map(|event| event.id.to_string()),
            event: event.as_ref().map(storage::Event::kind),
            timestamp: event.as_ref().map(|event| event.timestamp.into()),
            data: event.as_ref().map(|event| Seed1.data(event)),
            attempts: delivery.attempts,
            last_status: delivery.status_code,
            last_error: delivery.last_error,
            failed_at: delivery.updated_at.into(),
        }
    }
}

/// `POST …/dead-letters/replay`: those named, or all.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ReplayRequest {
    ids: Option<Vec<String>>,
}

impl ReplayRequest {
    const MAX_IDS: usize = 1000;

    pub(crate) fn into_seqs(self) -> Result<Option<Vec<i64>>, ApiError> {
        let Some(ids) = self.ids else { return Ok(None) };
        if ids.len() > Self::MAX_IDS {
            let message = format!("\"ids\" must name at most {} letters.", Self::MAX_IDS);
            return Err(ApiError::invalid(message).with_field("ids"));
        }
        // A text that can't be an id is a letter that doesn't exist: like one that is gone, it isn't replayed.
        Ok(Some(ids.iter().filter_map(|id| id.parse().ok()).collect()))
    }
}

/// What a replay answers.
#[derive(Serialize, ToSchema)]
pub(crate) struct ReplayResponse {
    success: bool,
    /// How many letters are due again.
    replayed: u64,
}

impl ReplayResponse {
    pub(crate) fn new(replayed: u64) -> Self {
        Self { success: true, replayed }
    }
}
