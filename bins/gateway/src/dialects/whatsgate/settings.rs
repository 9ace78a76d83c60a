//! The name and the callback of a session.

use actix_web::web;
use serde::{Deserialize, Serialize};
use services::{ServiceError, UpdateInstance};
use storage::{InstanceId, Missing, WebhookFormat, WebhookPatch};
use utoipa::ToSchema;
use webhook::session_webhook;

use super::access::Refused;
use super::session::named;
use super::text::instance_of;
use crate::error::ApiError;
use crate::extract::{Call, JsonBody};
use crate::forms::{HookUrl, Name};

/// Attempts after the first one, and milliseconds before each.
const RETRIES: u32 = 3;
const RETRY_INTERVAL: u64 = 20_000;

/// `set-name`.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct WgName {
    #[serde(rename = "WhatsappID")]
    whatsapp_id: String,
    #[schema(value_type = Name)]
    name: String,
}

/// `set-hook`.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct WgHook {
    #[serde(rename = "WhatsappID")]
    whatsapp_id: String,
    /// Where events are told; empty or `null` for nowhere.
    #[schema(value_type = Option<HookUrl>)]
    callback: Option<String>,
}

/// That it was done.
#[derive(Serialize, ToSchema)]
pub(super) struct WgDone {
    result: &'static str,
}

impl WgDone {
    pub(super) const OK: Self = Self { result: "OK" };
}

/// Gives a session another name.
#[utoipa::path(
    post,
    path = "/api/v1/set-name",
    tag = "whatsgate",
    security(("apiKey" = [])),
    request_body = WgName,
    responses((status = 200, description = "It is called so.", body = WgDone), Refused)
)]
pub(super) async fn set_name(
    call: Call,
    JsonBody(body): JsonBody<WgName>,
) -> Result<web::Json<WgDone>, ApiError> {
    let id = instance_of(&call, &body.whatsapp_id).await?;
    let update = UpdateInstance { name: Some(body.name), ..UpdateInstance::default() };
    call.complete(move |call: Call| async move {
        call.services().instances.update(&call.caller, id, update).await
    })
    .await?;
    Ok(web::Json(WgDone::OK))
}

/// Has the events of a session told to another address. A call is a delivery only when it is answered with
/// `{"result": "OK", "id": <its id>}`; otherwise it is repeated three times, 20 s apart.
#[utoipa::path(
    post,
    path = "/api/v1/set-hook",
    tag = "whatsgate",
    security(("apiKey" = [])),
    request_body = WgHook,
    responses((status = 200, description = "They are told there.", body = WgDone), Refused)
)]
pub(super) async fn set_hook(
    call: Call,
    JsonBody(body): JsonBody<WgHook>,
) -> Result<web::Json<WgDone>, ApiError> {
    let id = instance_of(&call, &body.whatsapp_id).await?;
    let callback = body.callback.filter(|callback| !callback.is_empty());
    let set = move |call: Call| async move { hook(&call, id, callback).await };
    call.complete(set).await.map_err(ApiError::named(named))?;
    Ok(web::Json(WgDone::OK))
}

/// Sets the callback of a session, or takes it away.
pub(super) async fn hook(call: &Call, id: InstanceId, callback: Option<String>) -> Result<(), ServiceError> {
    let services = call.services();
    let name = session_webhook(&services.qr_pages.unique_id(&call.caller, id).await?);
    let is_on = callback.is_some();
    let patch = WebhookPatch { enabled: Some(is_on), url: Some(callback), ..WebhookPatch::default() };
    match services.webhooks.find(&call.caller, id, &name).await {
        Ok(_) => services.webhooks.update(&call.caller, id, &name, patch, None).await.map(drop),
        Err(ServiceError::NotFound { what: Missing::Webhook }) if is_on => {
            let all = Some(true);
            let patch = WebhookPatch {
                format: Some(WebhookFormat::Whatsgate),
                received: all,
                sent: all,
                delivery: all,
                read: all,
                max_retries: Some(RETRIES),
                retry_interval: Some(RETRY_INTERVAL),
                ..patch
            };
            services.webhooks.create(&call.caller, id, &name, patch).await.map(drop)
        }
        Err(ServiceError::NotFound { what: Missing::Webhook }) => Ok(()),
        Err(error) => Err(error),
    }
}
