//! How a session is set up: above all where its events are told.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use services::{ServiceError, UpdateInstance};
use storage::{
    ApiKey, DeviceIcon, DialectAccess, EventKind, InstanceId, Json, OnGiveUp, SecretText, WebhookFormat,
    WebhookPatch,
};
use utoipa::ToSchema;

use super::text::DIALECT;
use crate::error::ApiError;
use crate::extract::Call;
use crate::field;
use crate::forms::HookUrl;

/// What the webhooks of this API are called: this and a number, and with `-any` the one for `message.any`.
const PREFIX: &str = "waha-";
/// Attempts after the first one, and seconds before each, unless told otherwise.
const ATTEMPTS: u32 = 15;
const DELAY: u64 = 2;
/// Most entries of `metadata`, and longest key or value, in bytes.
const MOST_METADATA: usize = 50;
const LONGEST_METADATA: usize = 500;

/// The events that there are here, and what of the log they tell; `message.any` has a webhook of its own.
const EVENTS: &[(&str, &[EventKind])] = &[
    ("message", &[EventKind::MessageReceived]),
    ("message.reaction", &[EventKind::MessageReceived, EventKind::MessageSent]),
    ("message.revoked", &[EventKind::MessageReceived, EventKind::MessageSent]),
    ("message.edited", &[EventKind::MessageReceived, EventKind::MessageSent]),
    ("message.waiting", &[EventKind::MessageUndecryptable]),
    ("message.ack", &[EventKind::MessageStatus]),
    ("session.status", &[EventKind::Connected, EventKind::Disconnected, EventKind::QrReceived]),
    ("presence.update", &[EventKind::PresenceUpdated, EventKind::ChatState]),
    ("call.received", &[EventKind::Call]),
    ("call.accepted", &[EventKind::Call]),
    ("call.rejected", &[EventKind::Call]),
];

/// How a session is set up. What WAHA sets of its engines is read and changes nothing.
#[derive(Clone, Default, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct WahaConfig {
    #[serde(skip_serializing_if = "Option::is_none")]
    metadata: Option<BTreeMap<String, String>>,
    proxy: Option<WahaProxy>,
    webhooks: Option<Vec<WahaHook>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client: Option<WahaClient>,
    #[serde(skip_serializing)]
    #[schema(value_type = Option<Object>)]
    debug: Ignored,
    #[serde(skip_serializing)]
    #[schema(value_type = Option<Object>)]
    noweb: Ignored,
    #[serde(skip_serializing)]
    #[schema(value_type = Option<Object>)]
    gows: Ignored,
    #[serde(skip_serializing)]
    #[schema(value_type = Option<Object>)]
    webjs: Ignored,
    #[serde(skip_serializing)]
    #[schema(value_type = Option<Object>)]
    ignore: Ignored,
}

/// Any value, which says nothing.
#[derive(Clone, Default)]
struct Ignored;

impl<'de> Deserialize<'de> for Ignored {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        serde::de::IgnoredAny::deserialize(deserializer).map(|_| Self)
    }
}

/// A proxy to WhatsApp.
#[derive(Clone, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct WahaProxy {
    /// Host and port.
    #[schema(example = "localhost:3128")]
    server: String,
    username: Option<String>,
    /// It is never shown.
    #[serde(skip_serializing)]
    password: Option<String>,
}

/// How the session shows itself on the phone.
#[derive(Clone, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct WahaClient {
    device_name: Option<String>,
    browser_name: Option<String>,
}

/// Somewhere that events are told.
#[derive(Clone, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct WahaHook {
    #[schema(value_type = HookUrl)]
    url: String,
    /// `message`, `message.any`, `message.reaction`, `message.revoked`, `message.edited`, `message.waiting`, `message.ack`,
    /// `session.status`, `presence.update`, `call.received`, `call.accepted`, `call.rejected`; `*` for all. Other events of
    /// WAHA are read, and there are none of them.
    events: Vec<String>,
    hmac: Option<WahaHmac>,
    retries: Option<WahaRetries>,
    /// They may hold credentials, and are never shown.
    #[serde(skip_serializing)]
    custom_headers: Option<Vec<WahaHeader>>,
}

/// What calls are signed with: `X-Webhook-Hmac` is the HMAC-SHA512 of the body.
#[derive(Clone, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct WahaHmac {
    /// 16 to 256 bytes. It is never shown.
    #[serde(skip_serializing)]
    key: Option<String>,
}

/// How often a call is repeated. It waits equally long each time, whatever the policy.
#[derive(Clone, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct WahaRetries {
    policy: Option<WahaPolicy>,
    delay_seconds: Option<u64>,
    attempts: Option<u32>,
}

/// How the waits grow at WAHA.
#[derive(Clone, Copy, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum WahaPolicy {
    Constant,
    Linear,
    Exponential,
}

#[derive(Clone, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct WahaHeader {
    name: String,
    value: String,
}

impl WahaConfig {
    /// As it was given last; of an instance that another API made, nothing is known.
    pub(super) async fn of<S>(call: &Call<S>, instance: InstanceId) -> Result<Self, ApiError> {
        let access = call.services().dialects.access(&call.caller, instance, DIALECT, fresh).await?;
        Ok(access.notes.parse::<Option<Self>>().ok().flatten().unwrap_or_default())
    }

    /// What of it can be wrong before anything is done.
    pub(super) fn check(&self) -> Result<(), ApiError> {
        let metadata = self.metadata.iter().flatten();
        let is_long = |text: &String| text.len() > LONGEST_METADATA;
        if metadata.clone().count() > MOST_METADATA
            || metadata.into_iter().any(|(key, value)| is_long(key) || is_long(value))
        {
            let message = format!(
                "\"config.metadata\" has at most {MOST_METADATA} entries of {LONGEST_METADATA} bytes each."
            );
            return Err(ApiError::invalid(message).with_field("config.metadata"));
        }
        Ok(())
    }

    /// What it says of the instance.
    pub(super) fn of_the_instance(&self) -> UpdateInstance {
        let proxy = self.proxy.as_ref().map(WahaProxy::address);
        let client = self.client.as_ref();
        let browser = client.and_then(|client| client.browser_name.as_deref());
        UpdateInstance {
            proxy: Some(proxy),
            device_name: client.map(|client| client.device_name.clone()),
            device_icon: client.map(|_| browser.and_then(icon_of)),
            ..UpdateInstance::default()
        }
    }

    /// Keeps it, and has events told as it says.
    pub(super) async fn apply(self, call: &Call, instance: InstanceId) -> Result<(), ServiceError> {
        let (webhooks, caller) = (&call.services().webhooks, &call.caller);
        let wanted: Vec<_> = self.webhooks.iter().flatten().enumerate().flat_map(hooks_of).collect();
        for known in webhooks.list(caller, instance).await? {
            if known.name.starts_with(PREFIX) && !wanted.iter().any(|(name, _)| *name == known.name) {
                webhooks.delete(caller, instance, &known.name).await?;
            }
        }
        for (name, patch) in wanted {
            match webhooks.find(caller, instance, &name).await {
                Ok(_) => webhooks.update(caller, instance, &name, patch, None).await.map(drop)?,
                Err(ServiceError::NotFound { what: storage::Missing::Webhook }) => {
                    webhooks.create(caller, instance, &name, patch).await.map(drop)?;
                }
                Err(error) => return Err(error),
            }
        }
        let notes = Json::of(&self).unwrap_or_default();
        let noted = |access: DialectAccess| DialectAccess { notes: notes.clone(), ..access };
        call.services().dialects.change(caller, instance, DIALECT, fresh, noted).await.map(drop)
    }
}

/// What this API calls the fields of a configuration.
pub(super) fn named(field: services::Field) -> &'static str {
    match field {
        services::Field::WebhookUrl => "config.webhooks.url",
        services::Field::WebhookSecret => "config.webhooks.hmac.key",
        services::Field::WebhookHeaders => "config.webhooks.customHeaders",
        services::Field::WebhookRetries => "config.webhooks.retries.attempts",
        services::Field::WebhookInterval => "config.webhooks.retries.delaySeconds",
        services::Field::WebhookKinds => "config.webhooks.events",
        services::Field::Proxy => "config.proxy",
        services::Field::DeviceName => "config.client.deviceName",
        other => field::flat(other),
    }
}

/// Until a session is asked for by its name, nothing reaches it by this key.
fn fresh() -> DialectAccess {
    DialectAccess { key: ApiKey::new(uuid::Uuid::new_v4().to_string()), notes: Json::default() }
}

impl WahaProxy {
    fn address(&self) -> String {
        let server = self.server.trim();
        let server = server.strip_prefix("http://").unwrap_or(server);
        match (&self.username, &self.password) {
            (Some(name), Some(password)) => {
                format!("http://{}:{}@{server}", escaped(name), escaped(password))
            }
            _ => format!("http://{server}"),
        }
    }
}

/// As the part of an address that stands before its host.
fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                escaped.push(char::from(byte));
            }
            _ => escaped.push_str(&format!("%{byte:02X}")),
        }
    }
    escaped
}

fn icon_of(browser: &str) -> Option<DeviceIcon> {
    let known = [
        ("edge", DeviceIcon::Edge),
        ("opera", DeviceIcon::Opera),
        ("firefox", DeviceIcon::Firefox),
        ("chrome", DeviceIcon::Chrome),
        ("safari", DeviceIcon::Safari),
        ("desktop", DeviceIcon::Desktop),
    ];
    let browser = browser.to_lowercase();
    known.into_iter().find(|(name, _)| browser.contains(name)).map(|(_, icon)| icon)
}

/// The webhooks that one of this API becomes: each event is told by one.
fn hooks_of((place, hook): (usize, &WahaHook)) -> Vec<(String, WebhookPatch)> {
    let name = format!("{PREFIX}{}", place + 1);
    let wants = |event: &str| hook.events.iter().any(|wanted| wanted == event || wanted == "*");
    let mut kinds: Vec<EventKind> = EVENTS
        .iter()
        .filter(|(event, _)| wants(event))
        .flat_map(|(_, kinds)| kinds.iter().copied())
        .collect();
    kinds.sort_unstable();
    kinds.dedup();
    let mut hooks = Vec::new();
    if !kinds.is_empty() {
        hooks.push((name.clone(), hook.patch(WebhookFormat::Waha, kinds)));
    }
    if wants("message.any") {
        let kinds = vec![EventKind::MessageReceived, EventKind::MessageSent];
        hooks.push((format!("{name}-any"), hook.patch(WebhookFormat::WahaAny, kinds)));
    }
    hooks
}

impl WahaHook {
    fn patch(&self, format: WebhookFormat, kinds: Vec<EventKind>) -> WebhookPatch {
        let all = Some(true);
        let key = self.hmac.as_ref().and_then(|hmac| hmac.key.clone()).filter(|key| !key.is_empty());
        let retries = self.retries.as_ref();
        let delay = retries.and_then(|retries| retries.delay_seconds).unwrap_or(DELAY);
        let headers = self.custom_headers.iter().flatten();
        WebhookPatch {
            url: Some(Some(self.url.clone())),
            enabled: all,
            format: Some(format),
            received: all,
            sent: all,
            delivery: all,
            read: all,
            kinds: Some(Some(kinds)),
            max_retries: Some(retries.and_then(|retries| retries.attempts).unwrap_or(ATTEMPTS)),
            retry_interval: Some(delay.saturating_mul(1_000)),
            on_give_up: Some(OnGiveUp::DeadLetter),
            secret: Some(key.map(SecretText::new)),
            rotation: None,
            headers: Some(headers.map(|header| (header.name.clone(), header.value.clone())).collect()),
            ends_pause: false,
        }
    }
}
