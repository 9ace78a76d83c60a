//! What an instance is to be.

use serde::Deserialize;
use serde_with::rust::double_option;
use services::{CreateInstance, UpdateInstance};
use std::collections::BTreeMap;
use storage::{
    ConnectionSettings, DeviceIcon, DeviceLook, LimitsPatch, MediaDownload, Retention, SecretText,
    WebhookPatch,
};
use utoipa::ToSchema;

use super::{Download, Icon};
use crate::dto::limits::LimitsRequest;
use crate::forms::{
    Description, DeviceName, HookHeaders, HookSecretOrSame, HookUrl, Name, ProxyUrl, PushName, RetentionDays,
    Retries, RetryInterval, Tags,
};

/// `POST /api/instances`.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct CreateRequest {
    #[schema(value_type = Name)]
    name: String,
    #[schema(value_type = Option<Description>)]
    description: Option<String>,
    /// What it is sorted by: 20 at most, of 50 characters.
    #[serde(default)]
    #[schema(value_type = Tags)]
    tags: Vec<String>,
    /// Its name in the phone's list of linked devices, told when it is linked; `null`: the gateway's.
    #[schema(value_type = Option<DeviceName>)]
    device_name: Option<String>,
    /// Its icon there; `null`: the gateway's.
    #[schema(value_type = Option<Icon>)]
    device_icon: Option<DeviceIcon>,
    /// Days that events are kept which every webhook has had; `null`: as long as the gateway's `EVENT_RETENTION` says.
    #[schema(value_type = Option<RetentionDays>)]
    event_retention_days: Option<u32>,
    /// Days that messages are kept; `null`: as long as the gateway's `MESSAGE_RETENTION` says.
    #[schema(value_type = Option<RetentionDays>)]
    message_retention_days: Option<u32>,
    /// Days that the files of messages are kept; `null`: as long as the gateway's `MEDIA_RETENTION` says.
    #[schema(value_type = Option<RetentionDays>)]
    media_retention_days: Option<u32>,
    /// When the files of messages are fetched; `null`: as the gateway's `MEDIA_DOWNLOAD` says.
    #[schema(value_type = Option<Download>)]
    media_download: Option<MediaDownload>,
    /// `socks5://` or `http://[user:password@]host:port`: what its connections to WhatsApp go through, instead of the
    /// gateway's `WHATSAPP_PROXY`. One at a private address needs `OUTBOUND_ALLOW`.
    #[schema(value_type = Option<ProxyUrl>)]
    proxy: Option<String>,
    /// Whether senders see at once that their messages were delivered; by default they do.
    show_delivery: Option<bool>,
    /// What it may do in a period.
    limits: Option<LimitsRequest>,
    #[schema(value_type = Option<HookUrl>)]
    webhook_url: Option<String>,
    webhook_enabled: Option<bool>,
    notify_received: Option<bool>,
    notify_sent: Option<bool>,
    notify_delivery: Option<bool>,
    notify_read: Option<bool>,
    #[schema(value_type = Option<Retries>)]
    max_retries: Option<u32>,
    /// Milliseconds before the first retry; doubled for each further one.
    #[schema(value_type = Option<RetryInterval>)]
    retry_interval: Option<u64>,
    #[schema(value_type = Option<HookSecretOrSame>)]
    webhook_secret: Option<String>,
    #[schema(value_type = Option<HookHeaders>)]
    headers: Option<BTreeMap<String, String>>,
}

/// `PUT /api/instances/{id}`: what isn't there stays as it is, `null` removes.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[allow(clippy::option_option, reason = "absent, null and a value are three different wishes")]
pub(crate) struct UpdateRequest {
    #[schema(value_type = Option<Name>)]
    name: Option<String>,
    #[serde(default, with = "double_option")]
    #[schema(value_type = Option<Description>)]
    description: Option<Option<String>>,
    /// Other tags, instead of all that there are.
    #[schema(value_type = Option<Tags>)]
    tags: Option<Vec<String>>,
    /// The name that those who are written to see instead of the one that the phone's owner gave the account; `null`
    /// ends that. Needs a connected instance: it is announced at once.
    #[serde(default, with = "double_option")]
    #[schema(value_type = Option<PushName>)]
    push_name: Option<Option<String>>,
    #[serde(default, with = "double_option")]
    #[schema(value_type = Option<DeviceName>)]
    device_name: Option<Option<String>>,
    #[serde(default, with = "double_option")]
    #[schema(value_type = Option<Icon>)]
    device_icon: Option<Option<DeviceIcon>>,
    #[serde(default, with = "double_option")]
    #[schema(value_type = Option<RetentionDays>)]
    event_retention_days: Option<Option<u32>>,
    #[serde(default, with = "double_option")]
    #[schema(value_type = Option<RetentionDays>)]
    message_retention_days: Option<Option<u32>>,
    #[serde(default, with = "double_option")]
    #[schema(value_type = Option<RetentionDays>)]
    media_retention_days: Option<Option<u32>>,
    #[serde(default, with = "double_option")]
    #[schema(value_type = Option<Download>)]
    media_download: Option<Option<MediaDownload>>,
    /// Another proxy; the instance connects anew through it.
    #[serde(default, with = "double_option")]
    #[schema(value_type = Option<ProxyUrl>)]
    proxy: Option<Option<String>>,
    /// Whether senders see at once that their messages were delivered; the instance connects anew.
    show_delivery: Option<bool>,
    /// What it may do in a period; `null` removes all limits.
    #[serde(default, with = "double_option")]
    #[schema(value_type = Option<LimitsRequest>)]
    limits: Option<Option<LimitsRequest>>,
    #[serde(default, with = "double_option")]
    #[schema(value_type = Option<HookUrl>)]
    webhook_url: Option<Option<String>>,
    webhook_enabled: Option<bool>,
    webhook_settings: Option<SettingsRequest>,
}

/// The part of an update that concerns deliveries.
#[derive(Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[allow(clippy::option_option, reason = "absent, null and a value are three different wishes")]
pub(crate) struct SettingsRequest {
    notify_received: Option<bool>,
    notify_sent: Option<bool>,
    notify_delivery: Option<bool>,
    notify_read: Option<bool>,
    #[schema(value_type = Option<Retries>)]
    max_retries: Option<u32>,
    /// Milliseconds before the first retry; doubled for each further one.
    #[schema(value_type = Option<RetryInterval>)]
    retry_interval: Option<u64>,
    #[serde(default, with = "double_option")]
    #[schema(value_type = Option<HookSecretOrSame>)]
    secret: Option<Option<String>>,
    #[schema(value_type = Option<HookHeaders>)]
    headers: Option<BTreeMap<String, String>>,
}

impl From<CreateRequest> for CreateInstance {
    fn from(request: CreateRequest) -> Self {
        let webhook = WebhookPatch {
            url: request.webhook_url.map(Some),
            enabled: request.webhook_enabled,
            received: request.notify_received,
            sent: request.notify_sent,
            delivery: request.notify_delivery,
            read: request.notify_read,
            max_retries: request.max_retries,
            retry_interval: request.retry_interval,
            secret: request.webhook_secret.map(|secret| Some(SecretText::new(secret))),
            headers: request.headers,
            ..WebhookPatch::default()
        };
        let retention = Retention {
            event_days: request.event_retention_days,
            message_days: request.message_retention_days,
            media_days: request.media_retention_days,
        };
        let connection = ConnectionSettings {
            proxy: request.proxy.map(SecretText::new),
            shows_delivery: request.show_delivery.unwrap_or(true),
        };
        let look = DeviceLook { name: request.device_name, icon: request.device_icon };
        Self {
            name: request.name,
            description: request.description,
            tags: request.tags,
            look,
            retention,
            media_download: request.media_download,
            connection,
            limits: request.limits.map(LimitsRequest::of_new).unwrap_or_default(),
            webhook,
        }
    }
}

impl From<UpdateRequest> for UpdateInstance {
    fn from(request: UpdateRequest) -> Self {
        let settings = request.webhook_settings.unwrap_or_default();
        let webhook = WebhookPatch {
            url: request.webhook_url,
            enabled: request.webhook_enabled,
            received: settings.notify_received,
            sent: settings.notify_sent,
            delivery: settings.notify_delivery,
            read: settings.notify_read,
            max_retries: settings.max_retries,
            retry_interval: settings.retry_interval,
            secret: settings.secret.map(|secret| secret.map(SecretText::new)),
            headers: settings.headers,
            ..WebhookPatch::default()
        };
        Self {
            name: request.name,
            description: request.description,
            tags: request.tags,
            device_name: request.device_name,
            device_icon: request.device_icon,
            push_name: request.push_name,
            event_days: request.event_retention_days,
            message_days: request.message_retention_days,
            media_days: request.media_retention_days,
            media_download: request.media_download,
            proxy: request.proxy,
            shows_delivery: request.show_delivery,
            limits: request.limits.map(|limits| limits.map_or_else(LimitsPatch::none, LimitsPatch::from)),
            webhook,
            expected: None,
        }
    }
}
