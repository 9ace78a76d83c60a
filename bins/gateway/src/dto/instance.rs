use std::collections::BTreeMap;

use outbound::Proxy;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_with::rust::double_option;
use services::{
    ConnectionStatus, CreateInstance, InstanceView, MAX_INSTANCES, PairingCode, PasskeyStep, ShownPasskey,
    Status, UpdateInstance,
};
use storage::{
    CauseKind, ConnectionCause, ConnectionSettings, DeviceIcon, DeviceLook, Page, Retention, SecretText,
    Timestamp, Webhook, WebhookPatch,
};
use utoipa::{IntoParams, ToSchema};
use wa_client::Limits;

use super::page::{Pagination, Window};
use super::time::Time;
use crate::error::ApiError;
use crate::extract::{FromQuery, Parameters};

/// The words of [`DeviceIcon`].
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
#[allow(dead_code, reason = "for the description alone")]
pub(crate) enum Icon {
    Chrome,
    Firefox,
    Edge,
    Safari,
    Opera,
    Desktop,
}

/// `POST /api/instances`.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct CreateRequest {
    name: String,
    description: Option<String>,
    /// Its name in the phone's list of linked devices, told when it is linked; `null`: the gateway's.
    device_name: Option<String>,
    /// Its icon there; `null`: the gateway's.
    #[schema(value_type = Option<Icon>)]
    device_icon: Option<DeviceIcon>,
    /// Days that events are kept which every webhook has had; `null`: as long as the gateway's `EVENT_RETENTION` says.
    event_retention_days: Option<u32>,
    /// Days that messages are kept; `null`: as long as the gateway's `MESSAGE_RETENTION` says.
    message_retention_days: Option<u32>,
    /// `socks5://` or `http://[user:password@]host:port`: what its connections to WhatsApp go through, instead of the
    /// gateway's `WHATSAPP_PROXY`. One at a private address needs `OUTBOUND_ALLOW`.
    proxy: Option<String>,
    /// Whether senders see at once that their messages were delivered; by default they do.
    show_delivery: Option<bool>,
    webhook_url: Option<String>,
    webhook_enabled: Option<bool>,
    notify_received: Option<bool>,
    notify_sent: Option<bool>,
    notify_delivery: Option<bool>,
    notify_read: Option<bool>,
    max_retries: Option<u32>,
    /// Milliseconds before the first retry; doubled for each further one.
    retry_interval: Option<u64>,
    webhook_secret: Option<String>,
    headers: Option<BTreeMap<String, String>>,
}

/// `PUT /api/instances/{id}`: what isn't there stays as it is, `null` removes.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[allow(clippy::option_option, reason = "absent, null and a value are three different wishes")]
pub(crate) struct UpdateRequest {
    name: Option<String>,
    #[serde(default, with = "double_option")]
    #[schema(value_type = Option<String>)]
    description: Option<Option<String>>,
    /// The name that those who are written to see instead of the one that the phone's owner gave the account; `null`
    /// ends that. Needs a connected instance: it is announced at once.
    #[serde(default, with = "double_option")]
    #[schema(value_type = Option<String>)]
    push_name: Option<Option<String>>,
    #[serde(default, with = "double_option")]
    #[schema(value_type = Option<String>)]
    device_name: Option<Option<String>>,
    #[serde(default, with = "double_option")]
    #[schema(value_type = Option<Icon>)]
    device_icon: Option<Option<DeviceIcon>>,
    #[serde(default, with = "double_option")]
    #[schema(value_type = Option<u32>)]
    event_retention_days: Option<Option<u32>>,
    #[serde(default, with = "double_option")]
    #[schema(value_type = Option<u32>)]
    message_retention_days: Option<Option<u32>>,
    /// Another proxy; the instance connects anew through it.
    #[serde(default, with = "double_option")]
    #[schema(value_type = Option<String>)]
    proxy: Option<Option<String>>,
    /// Whether senders see at once that their messages were delivered; the instance connects anew.
    show_delivery: Option<bool>,
    #[serde(default, with = "double_option")]
    #[schema(value_type = Option<String>)]
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
    max_retries: Option<u32>,
    /// Milliseconds before the first retry; doubled for each further one.
    retry_interval: Option<u64>,
    #[serde(default, with = "double_option")]
    #[schema(value_type = Option<String>)]
    secret: Option<Option<String>>,
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
        };
        let connection = ConnectionSettings {
            proxy: request.proxy.map(SecretText::new),
            shows_delivery: request.show_delivery.unwrap_or(true),
        };
        let look = DeviceLook { name: request.device_name, icon: request.device_icon };
        let (name, description) = (request.name, request.description);
        Self { name, description, look, retention, connection, webhook }
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
            device_name: request.device_name,
            device_icon: request.device_icon,
            push_name: request.push_name,
            event_days: request.event_retention_days,
            message_days: request.message_retention_days,
            proxy: request.proxy,
            shows_delivery: request.show_delivery,
            webhook,
        }
    }
}

/// What creating answers.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CreatedResponse {
    id: String,
    name: String,
    description: Option<String>,
    user_id: String,
    /// `connecting`: that is what a new instance begins with, however far it is by now.
    status: &'static str,
    webhook_url: Option<String>,
    webhook_enabled: bool,
    created_at: Time,
    updated_at: Time,
}

impl From<InstanceView> for CreatedResponse {
    fn from(InstanceView { instance, webhook, .. }: InstanceView) -> Self {
        Self {
            id: instance.id.to_string(),
            name: instance.name,
            description: instance.description,
            user_id: instance.owner.to_string(),
            status: Status::Connecting.as_str(),
            webhook_url: webhook.url,
            webhook_enabled: webhook.enabled,
            created_at: instance.created_at.into(),
            updated_at: instance.updated_at.into(),
        }
    }
}

/// What an update answers.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct UpdatedResponse {
    id: String,
    name: String,
    description: Option<String>,
    webhook_url: Option<String>,
    webhook_enabled: bool,
    updated_at: Time,
}

impl From<InstanceView> for UpdatedResponse {
    fn from(InstanceView { instance, webhook, .. }: InstanceView) -> Self {
        Self {
            id: instance.id.to_string(),
            name: instance.name,
            description: instance.description,
            webhook_url: webhook.url,
            webhook_enabled: webhook.enabled,
            updated_at: instance.updated_at.into(),
        }
    }
}

/// `GET /api/instances?limit&skip`.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListQuery {
    /// How many to show at most; by default all that a user can have.
    #[param(required = false, minimum = 1, maximum = 10_000, default = 10_000)]
    limit: u64,
    /// How many to leave out first.
    #[param(required = false, default = 0)]
    skip: u64,
}

impl FromQuery for ListQuery {
    fn from_query(parameters: &mut Parameters) -> Result<Self, ApiError> {
        let Window { limit, skip } = Window::up_to(MAX_INSTANCES, MAX_INSTANCES, parameters)?;
        Ok(Self { limit, skip })
    }
}

impl ListQuery {
    pub(crate) fn window(&self) -> Window {
        Window { limit: self.limit, skip: self.skip }
    }
}

/// A page of the caller's instances.
#[derive(Serialize, ToSchema)]
pub(crate) struct ListResponse {
    instances: Vec<InstanceSummary>,
    pagination: Pagination,
}

impl ListResponse {
    pub(crate) fn new(page: Page<InstanceView>, window: Window) -> Self {
        let pagination = Pagination::of(&page, window);
        Self { instances: page.items.into_iter().map(InstanceSummary::from).collect(), pagination }
    }
}

/// An instance as a list shows it.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct InstanceSummary {
    id: String,
    name: String,
    description: Option<String>,
    status: &'static str,
    /// The name that those who are written to see, once it is known.
    push_name: Option<String>,
    webhook_url: Option<String>,
    webhook_enabled: bool,
    created_at: Time,
    updated_at: Time,
    connection_status: ConnectionResponse,
    limits: LimitsResponse,
}

impl From<InstanceView> for InstanceSummary {
    fn from(InstanceView { instance, webhook, connection, limits }: InstanceView) -> Self {
        Self {
            id: instance.id.to_string(),
            name: instance.name,
            description: instance.description,
            status: connection.status.as_str(),
            push_name: instance.push_name,
            webhook_url: webhook.url,
            webhook_enabled: webhook.enabled,
            created_at: instance.created_at.into(),
            updated_at: instance.updated_at.into(),
            connection_status: connection.into(),
            limits: limits.into(),
        }
    }
}

/// `GET /api/instances/{id}`.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct InstanceResponse {
    #[serde(flatten)]
    summary: InstanceSummary,
    device_name: Option<String>,
    #[schema(value_type = Option<Icon>)]
    device_icon: Option<DeviceIcon>,
    event_retention_days: Option<u32>,
    message_retention_days: Option<u32>,
    /// Without its credentials.
    proxy: Option<String>,
    show_delivery: bool,
    webhook_settings: SettingsResponse,
}

impl From<InstanceView> for InstanceResponse {
    fn from(view: InstanceView) -> Self {
        let Retention { event_days, message_days } = view.instance.retention;
        let ConnectionSettings { proxy, shows_delivery } = &view.instance.connection;
        let proxy = proxy.as_ref().and_then(|proxy| proxy.expose().parse::<Proxy>().ok());
        let DeviceLook { name, icon } = view.instance.look.clone();
        Self {
            device_name: name,
            device_icon: icon,
            proxy: proxy.map(|proxy| proxy.to_string()),
            show_delivery: *shows_delivery,
            event_retention_days: event_days,
            message_retention_days: message_days,
            webhook_settings: SettingsResponse::of(&view.webhook),
            summary: view.into(),
        }
    }
}

/// The default webhook, as far as the instance itself doesn't show it.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct SettingsResponse {
    instance_id: String,
    notify_received: bool,
    notify_sent: bool,
    notify_delivery: bool,
    notify_read: bool,
    max_retries: u32,
    /// Milliseconds before the first retry; doubled for each further one.
    retry_interval: u64,
    secret: Option<String>,
    headers: BTreeMap<String, String>,
}

impl SettingsResponse {
    fn of(webhook: &Webhook) -> Self {
        Self {
            instance_id: webhook.instance.to_string(),
            notify_received: webhook.filter.received,
            notify_sent: webhook.filter.sent,
            notify_delivery: webhook.filter.delivery,
            notify_read: webhook.filter.read,
            max_retries: webhook.max_retries,
            retry_interval: webhook.retry_interval,
            secret: webhook.secret.as_ref().map(|secret| secret.expose().to_owned()),
            headers: webhook.headers.clone(),
        }
    }
}

/// `GET /api/instances/{id}/status`.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct StatusResponse {
    instance_id: String,
    status: &'static str,
    ready: bool,
    has_qr: bool,
    last_activity: Option<Time>,
    connection_details: ConnectionResponse,
    limits: LimitsResponse,
}

impl From<InstanceView> for StatusResponse {
    fn from(InstanceView { instance, connection, limits, .. }: InstanceView) -> Self {
        Self {
            instance_id: instance.id.to_string(),
            status: connection.status.as_str(),
            ready: connection.ready(),
            has_qr: connection.has_qr,
            last_activity: instance.last_activity.map(Time::from),
            connection_details: connection.into(),
            limits: limits.into(),
        }
    }
}

/// Whom WhatsApp lets the account write to, as far as it said. What doesn't hold is left out.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LimitsResponse {
    /// Only people who trust the account may be written to.
    #[serde(skip_serializing_if = "Option::is_none")]
    time_lock: Option<TimeLockResponse>,
    /// So many people may be written to for the first time.
    #[serde(skip_serializing_if = "Option::is_none")]
    new_chats: Option<NewChatsResponse>,
}

#[derive(Serialize, ToSchema)]
struct TimeLockResponse {
    /// WhatsApp's name for it.
    kind: String,
    /// When it ends; `null` if WhatsApp doesn't say.
    until: Option<Time>,
}

#[derive(Serialize, ToSchema)]
struct NewChatsResponse {
    total: Option<u32>,
    used: Option<u32>,
    /// When they are counted anew; `null` if WhatsApp doesn't say.
    until: Option<Time>,
    /// Whether there may be no more.
    reached: bool,
}

impl From<Limits> for LimitsResponse {
    fn from(limits: Limits) -> Self {
        let time = |millis: Option<i64>| millis.map(|millis| Time::from(Timestamp::from_millis(millis)));
        Self {
            time_lock: limits
                .time_lock
                .map(|lock| TimeLockResponse { kind: lock.kind, until: time(lock.until) }),
            new_chats: limits.new_chats.map(|chats| NewChatsResponse {
                total: chats.total,
                used: chats.used,
                until: time(chats.until),
                reached: chats.is_reached,
            }),
        }
    }
}

/// Where a connection stands. What isn't known or doesn't apply is left out.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ConnectionResponse {
    ready: bool,
    status: &'static str,
    has_qr: bool,
    /// Why it isn't connected, for programs.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    cause: Option<CauseKind>,
    /// When the next try is due.
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_at: Option<Time>,
    /// When a temporary ban ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    banned_until: Option<Time>,
}

impl From<ConnectionStatus> for ConnectionResponse {
    fn from(connection: ConnectionStatus) -> Self {
        Self {
            ready: connection.ready(),
            status: connection.status.as_str(),
            has_qr: connection.has_qr,
            cause: connection.cause.map(|cause| cause.kind),
            retry_at: connection.retry_at.map(Time::from),
            banned_until: connection.cause.and_then(|cause| cause.until).map(Time::from),
        }
    }
}

/// `POST …/pairing-code`.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PairingCodeRequest {
    /// The number of the phone that is to enter the code, with the country code.
    pub(crate) phone: String,
}

/// What that answers.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PairingCodeResponse {
    /// Eight characters; the dash in the middle doesn't count.
    #[schema(example = "ABCD-1234")]
    code: String,
    /// Until when the phone can use it.
    expires_at: Time,
}

impl From<PairingCode> for PairingCodeResponse {
    fn from(code: PairingCode) -> Self {
        Self { code: code.code, expires_at: Timestamp::from_millis(code.expires_at).into() }
    }
}

/// `POST …/passkey`.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PasskeyRequest {
    credential: Credential,
}

/// A `PublicKeyCredential` as its `toJSON()` writes it; what isn't listed here is not looked at.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Credential {
    raw_id: String,
    response: Assertion,
}

/// The authenticator's part of it, in base64url.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Assertion {
    #[serde(rename = "clientDataJSON")]
    client_data_json: String,
    authenticator_data: String,
    signature: String,
    user_handle: Option<String>,
}

impl From<PasskeyRequest> for ShownPasskey {
    fn from(PasskeyRequest { credential }: PasskeyRequest) -> Self {
        let Credential { raw_id, response } = credential;
        Self {
            raw_id,
            client_data_json: response.client_data_json,
            authenticator_data: response.authenticator_data,
            signature: response.signature,
            user_handle: response.user_handle,
        }
    }
}

/// `GET …/passkey`: `asked` (with `options`), `answered`, `compare` (with `code` and `optional`), `confirmed`.
#[derive(Serialize, ToSchema)]
pub(crate) struct PasskeyResponse {
    step: &'static str,
    /// WebAuthn's request, for `PublicKeyCredential.parseRequestOptionsFromJSON`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    options: Option<Value>,
    /// The code that the phone has to show, too.
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<String>,
    /// Whether the phone may show no code, because it knows already whom it links.
    #[serde(skip_serializing_if = "Option::is_none")]
    optional: Option<bool>,
}

impl From<PasskeyStep> for PasskeyResponse {
    fn from(step: PasskeyStep) -> Self {
        let plain = |step| Self { step, options: None, code: None, optional: None };
        match step {
            PasskeyStep::Asked { options } => {
                Self { options: serde_json::from_str(&options).ok(), ..plain("asked") }
            }
            PasskeyStep::Compare { code, is_optional } => {
                Self { code: Some(code), optional: Some(is_optional), ..plain("compare") }
            }
            PasskeyStep::Confirmed => plain("confirmed"),
            _ => plain("answered"),
        }
    }
}

/// `GET …/qr`.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
pub(crate) enum QrResponse {
    /// The text to show as a QR code, for the phone to scan.
    #[serde(rename_all = "camelCase")]
    Code { qr_code: String },
    /// There is no code yet. Without `cause` there will be one in a few seconds.
    #[serde(rename_all = "camelCase")]
    Generating {
        message: &'static str,
        status: &'static str,
        /// Why the last try to reach WhatsApp failed, for programs.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schema(value_type = Option<String>)]
        cause: Option<CauseKind>,
        /// When the next try is due.
        #[serde(skip_serializing_if = "Option::is_none")]
        retry_at: Option<Time>,
    },
}

impl QrResponse {
    pub(crate) fn generating(cause: Option<ConnectionCause>, retry_at: Option<Timestamp>) -> Self {
        let message = match cause {
            None => "QR code generation in progress. Please try again in a few seconds.",
            Some(_) => "There is no QR code yet: WhatsApp could not be reached. It is tried again.",
        };
        Self::Generating {
            message,
            status: "generating",
            cause: cause.map(|cause| cause.kind),
            retry_at: retry_at.map(Time::from),
        }
    }
}
