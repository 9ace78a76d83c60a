mod request;

use std::collections::BTreeMap;

use outbound::Proxy;
use serde::Serialize;
use services::{InstanceView, MAX_INSTANCES, Status};
use storage::{
    Clock, ConnectionSettings, DeviceIcon, DeviceLook, MediaDownload, Page, Part, Retention, Webhook,
};
use utoipa::{IntoParams, ToSchema};

use super::connection::ConnectionResponse;
use super::limits::InstanceLimits;
use super::page::{ListEnd, Pagination, Window};
use super::time::Time;
use crate::error::ApiError;
use crate::extract::{FromQuery, Parameters};
use crate::field;
use crate::listing::Listing;

pub(crate) use request::{CreateRequest, UpdateRequest};

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

/// The words of [`MediaDownload`].
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
#[allow(dead_code, reason = "for the description alone")]
pub(crate) enum Download {
    Arrival,
    Demand,
    Never,
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
    #[param(required = false, maximum = 100_000_000, default = 0)]
    skip: u64,
    /// Only those with this tag.
    #[param(value_type = Option<String>)]
    pub(crate) tag: Option<String>,
}

impl FromQuery for ListQuery {
    fn from_query(parameters: &mut Parameters) -> Result<Self, ApiError> {
        let Window { limit, skip } = Window::up_to(MAX_INSTANCES, MAX_INSTANCES, parameters)?;
        Ok(Self { limit, skip, tag: parameters.parsed("tag", "must be a tag")? })
    }
}

impl ListQuery {
    pub(crate) fn window(&self) -> Window {
        Window { limit: self.limit, skip: self.skip }
    }
}

/// A page of the caller's instances.
#[derive(ToSchema)]
#[allow(dead_code, reason = "only described")]
pub(crate) struct InstancesResponse {
    instances: Vec<InstanceSummary>,
    pagination: Pagination,
}

impl InstancesResponse {
    pub(crate) fn of(
        page: Page<InstanceView>,
        window: Window,
    ) -> Listing<impl Iterator<Item = impl Serialize> + 'static> {
        let end = ListEnd { pagination: Pagination::of(&page, window) };
        Listing::new("instances", page.items.into_iter().map(InstanceSummary::from), &end)
    }
}

/// An instance as a list shows it.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct InstanceSummary {
    id: String,
    name: String,
    description: Option<String>,
    /// What it is sorted by.
    tags: Vec<String>,
    status: &'static str,
    /// The name that those who are written to see, once it is known.
    push_name: Option<String>,
    webhook_url: Option<String>,
    webhook_enabled: bool,
    created_at: Time,
    updated_at: Time,
    connection_status: ConnectionResponse,
    limits: InstanceLimits,
    /// What of it can't be read, by the names of the fields that set it anew: `status` (by a new connection), `proxy`,
    /// `deviceIcon`, `webhookSettings.secret` … Left out where all can.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Option<Vec<String>>)]
    unreadable: Vec<&'static str>,
}

impl From<InstanceView> for InstanceSummary {
    fn from(InstanceView { instance, webhook, connection, limits }: InstanceView) -> Self {
        let of_webhook = webhook.unreadable.iter().map(|part| field::nested_part(*part));
        Self {
            unreadable: instance.unreadable.iter().map(|part| field::part(*part)).chain(of_webhook).collect(),
            id: instance.id.to_string(),
            name: instance.name,
            description: instance.description,
            tags: instance.tags,
            status: connection.status.as_str(),
            push_name: instance.push_name,
            webhook_url: webhook.url,
            webhook_enabled: webhook.enabled,
            created_at: instance.created_at.into(),
            updated_at: instance.updated_at.into(),
            connection_status: connection.into(),
            limits: InstanceLimits::of(limits.into(), &instance.limits),
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
    media_retention_days: Option<u32>,
    #[schema(value_type = Option<Download>)]
    media_download: Option<MediaDownload>,
    /// Without its credentials.
    proxy: Option<String>,
    show_delivery: bool,
    webhook_settings: SettingsResponse,
}

impl From<InstanceView> for InstanceResponse {
    fn from(view: InstanceView) -> Self {
        let Retention { event_days, message_days, media_days } = view.instance.retention;
        let ConnectionSettings { proxy, shows_delivery } = &view.instance.connection;
        let can_be_read = !view.instance.unreadable.contains(&Part::MediaDownload);
        let proxy = proxy.as_ref().and_then(|proxy| proxy.expose().parse::<Proxy>().ok());
        let DeviceLook { name, icon } = view.instance.look.clone();
        Self {
            device_name: name,
            device_icon: icon,
            proxy: proxy.map(|proxy| proxy.to_string()),
            show_delivery: *shows_delivery,
            event_retention_days: event_days,
            message_retention_days: message_days,
            media_retention_days: media_days,
            // What can't be read is named as such, and isn't what it is taken for meanwhile.
            media_download: view.instance.media_download.filter(|_| can_be_read),
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
        let (secret, _) = webhook.secrets(Clock::system().now());
        Self {
            instance_id: webhook.instance.to_string(),
            notify_received: webhook.filter.received,
            notify_sent: webhook.filter.sent,
            notify_delivery: webhook.filter.delivery,
            notify_read: webhook.filter.read,
            max_retries: webhook.max_retries,
            retry_interval: webhook.retry_interval,
            secret: secret.map(|secret| secret.expose().to_owned()),
            headers: webhook.headers.clone(),
        }
    }
}
