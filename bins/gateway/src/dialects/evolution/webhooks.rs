//! Where the events of an instance are told.

use std::collections::BTreeMap;

use actix_web::{HttpResponse, web};
use serde::{Deserialize, Serialize};
use services::ServiceError;
use storage::{EventKind, InstanceId, Missing, OnGiveUp, Webhook, WebhookFormat, WebhookPatch};
use utoipa::ToSchema;

use super::access::{EvoCall, Refused};
use super::text::instance_of;
use crate::error::ApiError;
use crate::extract::JsonBody;
use crate::field;
use crate::forms::HookUrl;

/// The webhook that this API has.
const WEBHOOK: &str = "evolution";
/// Attempts after the first one, and milliseconds before the first of them, as at Evolution.
const RETRIES: u32 = 9;
const FIRST_WAIT: u64 = 5_000;

/// The events that there are here, and what of the log they tell.
const EVENTS: &[(&str, &[EventKind])] = &[
    ("QRCODE_UPDATED", &[EventKind::QrReceived]),
    ("CONNECTION_UPDATE", &[EventKind::Connected, EventKind::Disconnected]),
    ("MESSAGES_UPSERT", &[EventKind::MessageReceived]),
    ("MESSAGES_EDITED", &[EventKind::MessageReceived]),
    ("MESSAGES_DELETE", &[EventKind::MessageReceived]),
    ("MESSAGES_UPDATE", &[EventKind::MessageStatus]),
    ("SEND_MESSAGE", &[EventKind::MessageSent]),
    ("PRESENCE_UPDATE", &[EventKind::PresenceUpdated, EventKind::ChatState]),
    ("GROUPS_UPSERT", &[EventKind::GroupUpdated]),
    ("GROUP_UPDATE", &[EventKind::GroupUpdated]),
    ("GROUP_PARTICIPANTS_UPDATE", &[EventKind::GroupUpdated]),
    ("CALL", &[EventKind::Call]),
];

/// Where events are told.
#[derive(Clone, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct EvoHook {
    /// Whether they are; with a URL, unless told otherwise.
    enabled: Option<bool>,
    #[schema(value_type = Option<HookUrl>)]
    pub(super) url: Option<String>,
    /// Only `false`: all events are told at one address.
    #[serde(alias = "webhookByEvents")]
    by_events: bool,
    /// Only `false`: files are told by their addresses.
    #[serde(alias = "webhookBase64")]
    base64: bool,
    headers: Option<BTreeMap<String, String>>,
    /// Which events; without any, all that there are. Those are `QRCODE_UPDATED`, `CONNECTION_UPDATE`, `MESSAGES_UPSERT`,
    /// `MESSAGES_EDITED`, `MESSAGES_DELETE`, `MESSAGES_UPDATE`, `SEND_MESSAGE`, `PRESENCE_UPDATE`, `GROUPS_UPSERT`,
    /// `GROUP_UPDATE`, `GROUP_PARTICIPANTS_UPDATE` and `CALL`; others of Evolution are read, and there are none of them.
    /// What the account's other devices write comes with `SEND_MESSAGE`.
    events: Option<Vec<String>>,
}

/// `POST /webhook/set/{instance}`: the same in a `webhook`, or by itself as older versions have it.
#[derive(Deserialize, ToSchema)]
pub(super) struct EvoSetHook {
    webhook: Option<EvoHook>,
    #[serde(flatten)]
    flat: EvoHook,
}

/// Where events are told.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct EvoShownHook {
    enabled: bool,
    url: Option<String>,
    webhook_by_events: bool,
    webhook_base64: bool,
    events: Vec<&'static str>,
}

/// The same, after a change.
#[derive(Serialize, ToSchema)]
pub(super) struct EvoHookSet {
    webhook: EvoHookSetOf,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct EvoHookSetOf {
    instance_name: String,
    webhook: EvoShownHook,
}

impl EvoHook {
    /// What it changes.
    ///
    /// # Errors
    /// 400 for what there isn't here.
    pub(super) fn patch(&self) -> Result<WebhookPatch, ApiError> {
        if self.by_events {
            let message = "Events have no addresses of their own here: \"byEvents\" must be false.";
            return Err(ApiError::invalid(message).with_field("byEvents"));
        }
        if self.base64 {
            let message = "Files are told by their addresses here: \"base64\" must be false.";
            return Err(ApiError::invalid(message).with_field("base64"));
        }
        let url = self.url.clone().filter(|url| !url.trim().is_empty());
        let wanted = self.events.iter().flatten().collect::<Vec<_>>();
        let wants = |event: &str| wanted.is_empty() || wanted.iter().any(|wanted| *wanted == event);
        let known = EVENTS.iter().filter(|(event, _)| wants(event));
        let mut kinds: Vec<EventKind> = known.flat_map(|(_, kinds)| kinds.iter().copied()).collect();
        kinds.sort_unstable();
        kinds.dedup();
        // Whoever wants only what there isn't is told nothing.
        let is_on = self.enabled.unwrap_or(url.is_some()) && url.is_some() && !kinds.is_empty();
        let all = Some(true);
        Ok(WebhookPatch {
            url: Some(url),
            enabled: Some(is_on),
            format: Some(WebhookFormat::Evolution),
            received: all,
            sent: all,
            delivery: all,
            read: all,
            kinds: (!kinds.is_empty()).then_some(Some(kinds)),
            max_retries: Some(RETRIES),
            retry_interval: Some(FIRST_WAIT),
            on_give_up: Some(OnGiveUp::DeadLetter),
            secret: None,
            rotation: None,
            headers: self.headers.clone(),
            ends_pause: false,
        })
    }
}

/// Has events told so.
pub(super) async fn set_hook(
    call: &EvoCall,
    id: InstanceId,
    patch: WebhookPatch,
) -> Result<(), ServiceError> {
    let webhooks = &call.services().webhooks;
    match webhooks.find(&call.caller, id, WEBHOOK).await {
        Ok(_) => webhooks.update(&call.caller, id, WEBHOOK, patch, None).await.map(drop),
        Err(ServiceError::NotFound { what: Missing::Webhook }) => {
            webhooks.create(&call.caller, id, WEBHOOK, patch).await.map(drop)
        }
        Err(error) => Err(error),
    }
}

impl EvoShownHook {
    fn of(webhook: Webhook) -> Self {
        let kinds = webhook.filter.kinds.as_deref();
        let is_told = |of: &[EventKind]| kinds.is_none_or(|kinds| of.iter().all(|kind| kinds.contains(kind)));
        Self {
            enabled: webhook.enabled,
            url: webhook.url,
            webhook_by_events: false,
            webhook_base64: false,
            events: EVENTS.iter().filter(|(_, of)| is_told(of)).map(|(event, _)| *event).collect(),
        }
    }
}

/// Has events told at another address, or others of them.
#[utoipa::path(
    post,
    path = "/webhook/set/{instance}",
    tag = "evolution",
    security(("evolutionKey" = [])),
    params(("instance" = String, Path, description = "The instance's name.")),
    request_body = EvoSetHook,
    responses((status = 201, description = "They are.", body = EvoHookSet), Refused)
)]
pub(super) async fn set(
    call: EvoCall,
    name: web::Path<String>,
    JsonBody(body): JsonBody<EvoSetHook>,
) -> Result<HttpResponse, ApiError> {
    let id = instance_of(&call, &name).await?;
    let patch = body.webhook.unwrap_or(body.flat).patch()?;
    let names = |field| match field {
        services::Field::WebhookUrl => "url",
        other => field::of_webhook(other),
    };
    let set = move |call: EvoCall| async move { set_hook(&call, id, patch).await };
    call.clone().complete(set).await.map_err(ApiError::named(names))?;
    let webhook = call.services().webhooks.find(&call.caller, id, WEBHOOK).await?;
    let webhook = EvoShownHook::of(webhook);
    let webhook = EvoHookSetOf { instance_name: name.into_inner(), webhook };
    Ok(HttpResponse::Created().json(EvoHookSet { webhook }))
}

/// Where events are told; `null` where they never were.
#[utoipa::path(
    get,
    path = "/webhook/find/{instance}",
    tag = "evolution",
    security(("evolutionKey" = [])),
    params(("instance" = String, Path, description = "The instance's name.")),
    responses((status = 200, description = "The webhook.", body = Option<EvoShownHook>), Refused)
)]
pub(super) async fn find(
    call: EvoCall,
    name: web::Path<String>,
) -> Result<web::Json<Option<EvoShownHook>>, ApiError> {
    let id = instance_of(&call, &name).await?;
    match call.services().webhooks.find(&call.caller, id, WEBHOOK).await {
        Ok(webhook) => Ok(web::Json(Some(EvoShownHook::of(webhook)))),
        Err(ServiceError::NotFound { what: Missing::Webhook }) => Ok(web::Json(None)),
        Err(error) => Err(error.into()),
    }
}
