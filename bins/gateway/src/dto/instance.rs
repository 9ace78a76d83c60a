use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_with::rust::double_option;
use services::{ChangeWebhook, ConnectionStatus, CreateInstance, InstanceView, Status, UpdateInstance};
use storage::{Instance, SecretText};
use utoipa::ToSchema;

use super::time::Time;

/// `POST /api/instances`.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct CreateRequest {
    name: String,
    description: Option<String>,
    webhook_url: Option<String>,
    webhook_enabled: Option<bool>,
    notify_received: Option<bool>,
    notify_sent: Option<bool>,
    notify_delivery: Option<bool>,
    notify_read: Option<bool>,
    max_retries: Option<u32>,
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
    #[serde(default, with = "double_option")]
    #[schema(value_type = Option<String>)]
    webhook_url: Option<Option<String>>,
    webhook_enabled: Option<bool>,
    webhook_settings: Option<SettingsRequest>,
}

/// The part of an update that concerns deliveries.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[allow(clippy::option_option, reason = "absent, null and a value are three different wishes")]
pub(crate) struct SettingsRequest {
    notify_received: Option<bool>,
    notify_sent: Option<bool>,
    notify_delivery: Option<bool>,
    notify_read: Option<bool>,
    max_retries: Option<u32>,
    retry_interval: Option<u64>,
    #[serde(default, with = "double_option")]
    #[schema(value_type = Option<String>)]
    secret: Option<Option<String>>,
    headers: Option<BTreeMap<String, String>>,
}

impl From<CreateRequest> for CreateInstance {
    fn from(request: CreateRequest) -> Self {
        let webhook = ChangeWebhook {
            notify_received: request.notify_received,
            notify_sent: request.notify_sent,
            notify_delivery: request.notify_delivery,
            notify_read: request.notify_read,
            max_retries: request.max_retries,
            retry_interval: request.retry_interval,
            secret: request.webhook_secret.map(|secret| Some(SecretText::new(secret))),
            headers: request.headers,
        };
        Self {
            name: request.name,
            description: request.description,
            webhook_url: request.webhook_url,
            webhook_enabled: request.webhook_enabled,
            webhook,
        }
    }
}

impl From<UpdateRequest> for UpdateInstance {
    fn from(request: UpdateRequest) -> Self {
        Self {
            name: request.name,
            description: request.description,
            webhook_url: request.webhook_url,
            webhook_enabled: request.webhook_enabled,
            webhook: request.webhook_settings.map(ChangeWebhook::from).unwrap_or_default(),
        }
    }
}

impl From<SettingsRequest> for ChangeWebhook {
    fn from(request: SettingsRequest) -> Self {
        Self {
            notify_received: request.notify_received,
            notify_sent: request.notify_sent,
            notify_delivery: request.notify_delivery,
            notify_read: request.notify_read,
            max_retries: request.max_retries,
            retry_interval: request.retry_interval,
            secret: request.secret.map(|secret| secret.map(SecretText::new)),
            headers: request.headers,
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
    fn from(InstanceView { instance, .. }: InstanceView) -> Self {
        Self {
            id: instance.id.to_string(),
            name: instance.name,
            description: instance.description,
            user_id: instance.owner.to_string(),
            status: Status::Connecting.as_str(),
            webhook_url: instance.webhook.url,
            webhook_enabled: instance.webhook.enabled,
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
    fn from(InstanceView { instance, .. }: InstanceView) -> Self {
        Self {
            id: instance.id.to_string(),
            name: instance.name,
            description: instance.description,
            webhook_url: instance.webhook.url,
            webhook_enabled: instance.webhook.enabled,
            updated_at: instance.updated_at.into(),
        }
    }
}

/// `GET /api/instances`.
#[derive(Serialize, ToSchema)]
pub(crate) struct ListResponse {
    instances: Vec<InstanceSummary>,
}

impl From<Vec<InstanceView>> for ListResponse {
    fn from(instances: Vec<InstanceView>) -> Self {
        let instances = instances
            .into_iter()
            .map(|InstanceView { instance, connection }| InstanceSummary::new(instance, connection));
        Self { instances: instances.collect() }
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
    webhook_url: Option<String>,
    webhook_enabled: bool,
    created_at: Time,
    updated_at: Time,
    connection_status: ConnectionResponse,
}

impl InstanceSummary {
    fn new(instance: Instance, connection: ConnectionStatus) -> Self {
        Self {
            id: instance.id.to_string(),
            name: instance.name,
            description: instance.description,
            status: connection.status.as_str(),
            webhook_url: instance.webhook.url,
            webhook_enabled: instance.webhook.enabled,
            created_at: instance.created_at.into(),
            updated_at: instance.updated_at.into(),
            connection_status: connection.into(),
        }
    }
}

/// `GET /api/instances/{id}`.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct InstanceResponse {
    #[serde(flatten)]
    summary: InstanceSummary,
    webhook_settings: SettingsResponse,
}

impl From<InstanceView> for InstanceResponse {
    fn from(InstanceView { instance, connection }: InstanceView) -> Self {
        let webhook_settings = SettingsResponse::of(&instance);
        Self { summary: InstanceSummary::new(instance, connection), webhook_settings }
    }
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct SettingsResponse {
    instance_id: String,
    notify_received: bool,
    notify_sent: bool,
    notify_delivery: bool,
    notify_read: bool,
    max_retries: u32,
    /// Milliseconds.
    retry_interval: u64,
    secret: Option<String>,
    headers: BTreeMap<String, String>,
}

impl SettingsResponse {
    fn of(instance: &Instance) -> Self {
        let webhook = &instance.webhook;
        Self {
            instance_id: instance.id.to_string(),
            notify_received: webhook.notify_received,
            notify_sent: webhook.notify_sent,
            notify_delivery: webhook.notify_delivery,
            notify_read: webhook.notify_read,
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
}

impl From<InstanceView> for StatusResponse {
    fn from(InstanceView { instance, connection }: InstanceView) -> Self {
        Self {
            instance_id: instance.id.to_string(),
            status: connection.status.as_str(),
            ready: connection.ready(),
            has_qr: connection.has_qr,
            last_activity: instance.last_activity.map(Time::from),
            connection_details: connection.into(),
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
    cause: Option<String>,
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
            cause: connection.cause,
            retry_at: connection.retry_at.map(Time::from),
            banned_until: connection.banned_until.map(Time::from),
        }
    }
}

/// `GET …/qr`.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
pub(crate) enum QrResponse {
    /// Scan this.
    #[serde(rename_all = "camelCase")]
    Code { qr_code: String },
    /// Ask again.
    Generating { message: &'static str, status: &'static str },
}

impl QrResponse {
    pub(crate) fn generating() -> Self {
        Self::Generating {
            message: "QR code generation in progress. Please try again in a few seconds.",
            status: "generating",
        }
    }
}
