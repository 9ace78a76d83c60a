use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_with::rust::double_option;
use storage::{Clock, EventKind, OnGiveUp, SecretText, Webhook, WebhookFormat, WebhookPatch};
use utoipa::ToSchema;
use webhook::Reachability;

use super::time::Time;
use crate::field;
use crate::forms::{
    EventKinds, HookHeaders, HookSecret, HookSecretOrSame, HookUrl, Retries, RetryInterval, WebhookName,
};

/// `POST …/webhooks`.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct NewWebhookRequest {
    /// 1 to 64 characters of `a-z`, `0-9`, `-` and `_`, unique within the instance.
    #[schema(value_type = WebhookName)]
    name: String,
    #[schema(value_type = Option<HookUrl>)]
    url: Option<String>,
    enabled: Option<bool>,
    #[schema(value_type = Option<Format>)]
    format: Option<WebhookFormat>,
    notify_received: Option<bool>,
    notify_sent: Option<bool>,
    notify_delivery: Option<bool>,
    notify_read: Option<bool>,
    /// Only events of these types; without it, of all.
    #[schema(value_type = Option<EventKinds>)]
    events: Option<Vec<EventKind>>,
    #[schema(value_type = Option<Retries>)]
    max_retries: Option<u32>,
    /// Milliseconds before the first retry; doubled for each further one.
    #[schema(value_type = Option<RetryInterval>)]
    retry_interval: Option<u64>,
    /// What follows when a call was repeated `maxRetries` times; `wait` unless `maxRetries` is given.
    #[schema(value_type = Option<GiveUp>)]
    on_give_up: Option<OnGiveUp>,
    #[schema(value_type = Option<HookSecretOrSame>)]
    secret: Option<String>,
    #[schema(value_type = Option<HookHeaders>)]
    headers: Option<BTreeMap<String, String>>,
}

/// `PUT …/webhooks/{name}`: what isn't there stays as it is, `null` removes.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[allow(clippy::option_option, reason = "absent, null and a value are three different wishes")]
pub(crate) struct WebhookRequest {
    #[serde(default, with = "double_option")]
    #[schema(value_type = Option<HookUrl>)]
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
    #[schema(value_type = Option<EventKinds>)]
    events: Option<Option<Vec<EventKind>>>,
    #[schema(value_type = Option<Retries>)]
    max_retries: Option<u32>,
    /// Milliseconds before the first retry; doubled for each further one.
    #[schema(value_type = Option<RetryInterval>)]
    retry_interval: Option<u64>,
    /// What follows when a call was repeated `maxRetries` times.
    #[schema(value_type = Option<GiveUp>)]
    on_give_up: Option<OnGiveUp>,
    #[serde(default, with = "double_option")]
    #[schema(value_type = Option<HookSecretOrSame>)]
    secret: Option<Option<String>>,
    #[schema(value_type = Option<HookHeaders>)]
    headers: Option<BTreeMap<String, String>>,
}

/// What becomes of a call that is not taken.
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
#[allow(dead_code, reason = "only described")]
enum GiveUp {
    /// After `maxRetries` repeats it is a dead letter, and its chat goes on.
    DeadLetter,
    /// It is repeated, ever more rarely up to once an hour, until it is taken; its chat waits. `maxRetries` doesn't count.
    Wait,
}

/// In whose words a webhook is told.
#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
#[allow(dead_code, reason = "only described")]
enum Format {
    Seed1,
    Seed0,
    Witi,
    #[schema(rename = "witi-bulk")]
    WitiBulk,
    #[schema(rename = "witi-bulkgz")]
    WitiBulkGz,
    Whatsgate,
    Waha,
    #[schema(rename = "waha-any")]
    WahaAny,
    Evolution,
    #[schema(rename = "standard-webhooks")]
    Standard,
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
            on_give_up: self.on_give_up,
            secret: self.secret.map(|secret| Some(SecretText::new(secret))),
            rotation: None,
            headers: self.headers,
            ends_pause: false,
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
            on_give_up: request.on_give_up,
            secret: request.secret.map(|secret| secret.map(SecretText::new)),
            rotation: None,
            headers: request.headers,
            ends_pause: false,
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
    #[schema(value_type = GiveUp)]
    on_give_up: OnGiveUp,
    secret: Option<String>,
    /// The secret that is to follow; until then both sign. Left out where none is.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_secret: Option<NextSecretResponse>,
    headers: BTreeMap<String, String>,
    /// Since when its receiver has taken nothing, if that is for longer than a minute.
    failing_since: Option<Time>,
    /// Since when it is paused, because its receiver has taken nothing for 72 hours: probes are made, events wait.
    paused_at: Option<Time>,
    created_at: Time,
    updated_at: Time,
    /// What of it can't be read, by the names of the fields that set it anew. Until then it calls nobody, and what happens
    /// waits. Left out where all can.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Option<Vec<String>>)]
    unreadable: Vec<&'static str>,
    /// What is known of the receiver; `null` before this process has called it, and where the webhook isn't asked for by
    /// itself.
    receiver: Option<ReceiverResponse>,
}

/// The secret that is to follow the present one.
#[derive(Serialize, ToSchema)]
struct NextSecretResponse {
    secret: String,
    /// From when on it is the only one.
    from: Time,
}

/// `POST …/secret/rotate`.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RotateRequest {
    /// 12 to 256 bytes; without it, one is generated.
    #[schema(value_type = Option<HookSecret>)]
    pub(crate) secret: Option<String>,
    /// For how many seconds calls have the signatures of both.
    #[serde(default = "RotateRequest::day")]
    #[schema(required = false, minimum = 0, maximum = 2_592_000, default = 86_400)]
    pub(crate) overlap: u32,
}

impl RotateRequest {
    const fn day() -> u32 {
        24 * 60 * 60
    }
}

/// Whether a receiver answers, as far as this process has called it.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct ReceiverResponse {
    state: ReceiverState,
    /// Attempts in a row that were not answered, those of other webhooks of the caller to the same host and port
    /// included.
    failures_in_a_row: u32,
    /// When the next attempt is made at the earliest, while the state is `paused`.
    next_attempt: Option<Time>,
    /// How many attempts wait for their turn.
    waiting: u64,
}

/// Whether a receiver answers.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum ReceiverState {
    /// It answered the last attempt, whatever it said.
    Answering,
    /// It did not answer the last attempt.
    Failing,
    /// It did not answer so often that only one attempt at a time is made, after growing pauses.
    Paused,
}

impl From<Reachability> for ReceiverResponse {
    fn from(known: Reachability) -> Self {
        let state = match (known.is_paused, known.failures) {
            (true, _) => ReceiverState::Paused,
            (false, 1..) => ReceiverState::Failing,
            (false, 0) => ReceiverState::Answering,
        };
        Self {
            state,
            failures_in_a_row: known.failures,
            next_attempt: known.next_attempt.map(Time::from),
            waiting: u64::try_from(known.waiting).unwrap_or(u64::MAX),
        }
    }
}

impl WebhookResponse {
    /// The same with what is known of the receiver.
    pub(crate) fn with(self, known: Option<Reachability>) -> Self {
        Self { receiver: known.map(ReceiverResponse::from), ..self }
    }
}

impl From<Webhook> for WebhookResponse {
    fn from(webhook: Webhook) -> Self {
        let (secret, next) = webhook.secrets(Clock::system().now());
        let secret = secret.map(|secret| secret.expose().to_owned());
        let next_secret = next.map(|next| NextSecretResponse {
            secret: next.secret.expose().to_owned(),
            from: next.from.into(),
        });
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
            on_give_up: webhook.on_give_up,
            secret,
            next_secret,
            headers: webhook.headers,
            failing_since: webhook.failing_since.map(Time::from),
            paused_at: webhook.paused_at.map(Time::from),
            created_at: webhook.created_at.into(),
            updated_at: webhook.updated_at.into(),
            unreadable: webhook.unreadable.into_iter().map(field::part).collect(),
            receiver: None,
        }
    }
}
