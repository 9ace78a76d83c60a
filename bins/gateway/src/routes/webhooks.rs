use actix_web::{HttpResponse, web};
use storage::{DeliveryState, InstanceId, Webhook};

use crate::dto::done::Done;
use crate::dto::page::Window;
use crate::dto::path::{InstancePath, WebhookPath};
use crate::dto::webhook::{
    DeadLettersResponse, NewWebhookRequest, PendingResponse, ReplayRequest, ReplayResponse, WebhookRequest,
    WebhookResponse, WebhooksResponse,
};
use crate::error::ApiError;
use crate::error::Refused;
use crate::extract::{Call, InstanceCall, JsonBody, Query, WebhookOf};
use crate::field;

/// The webhooks of an instance, by name.
#[utoipa::path(
    get,
    path = "/api/instances/{id}/webhooks",
    tag = "webhooks",
    params(InstancePath),
    responses((status = 200, description = "The webhooks.", body = WebhooksResponse), Refused)
)]
pub(super) async fn list(call: InstanceCall) -> Result<web::Json<WebhooksResponse>, ApiError> {
    let webhooks = call.services().webhooks.list(&call.caller, call.subject).await?;
    Ok(web::Json(WebhooksResponse::from(webhooks)))
}

/// Adds a webhook, which is told of what happens from now on.
#[utoipa::path(
    post,
    path = "/api/instances/{id}/webhooks",
    tag = "webhooks",
    params(InstancePath),
    request_body = NewWebhookRequest,
    responses((status = 201, description = "The webhook.", body = WebhookResponse), Refused)
)]
pub(super) async fn create(
    call: InstanceCall,
    JsonBody(request): JsonBody<NewWebhookRequest>,
) -> Result<HttpResponse, ApiError> {
    let (name, patch) = request.into_parts();
    let create = |call: InstanceCall| async move {
        call.services().webhooks.create(&call.caller, call.subject, &name, patch).await
    };
    let webhook = call.complete(create).await.map_err(ApiError::named(field::of_webhook))?;
    Ok(HttpResponse::Created().json(WebhookResponse::from(webhook)))
}

/// A webhook, with what is known of its receiver.
#[utoipa::path(
    get,
    path = "/api/instances/{id}/webhooks/{name}",
    tag = "webhooks",
    params(WebhookPath),
    responses((status = 200, description = "The webhook.", body = WebhookResponse), Refused)
)]
pub(super) async fn find(call: Call<WebhookOf>) -> Result<web::Json<WebhookResponse>, ApiError> {
    let WebhookOf { instance, name } = &call.subject;
    let webhooks = &call.services().webhooks;
    let webhook = webhooks.find(&call.caller, *instance, name).await?;
    let reachability = webhooks.reachability(&call.caller, &webhook);
    Ok(web::Json(WebhookResponse::from(webhook).with(reachability)))
}

/// Changes a webhook: what isn't named stays as it is, `null` removes.
#[utoipa::path(
    put,
    path = "/api/instances/{id}/webhooks/{name}",
    tag = "webhooks",
    params(WebhookPath),
    request_body = WebhookRequest,
    responses((status = 200, description = "The webhook.", body = WebhookResponse), Refused)
)]
pub(super) async fn update(
    call: Call<WebhookOf>,
    JsonBody(request): JsonBody<WebhookRequest>,
) -> Result<web::Json<WebhookResponse>, ApiError> {
    let update = |call: Call<WebhookOf>| async move {
        let WebhookOf { instance, name } = &call.subject;
        call.services().webhooks.update(&call.caller, *instance, name, request.into()).await
    };
    let webhook = call.complete(update).await.map_err(ApiError::named(field::of_webhook))?;
    Ok(web::Json(WebhookResponse::from(webhook)))
}

/// Removes a webhook with all that it is still owed. `default`, which every instance has, is switched off and emptied
/// instead.
#[utoipa::path(
    delete,
    path = "/api/instances/{id}/webhooks/{name}",
    tag = "webhooks",
    params(WebhookPath),
    responses((status = 200, description = "It is gone.", body = Done), Refused)
)]
pub(super) async fn delete(call: Call<WebhookOf>) -> Result<web::Json<Done>, ApiError> {
    let delete = |call: Call<WebhookOf>| async move {
        let WebhookOf { instance, name } = &call.subject;
        call.services().webhooks.delete(&call.caller, *instance, name).await
    };
    call.complete(delete).await?;
    Ok(web::Json(Done::new()))
}

/// Deliveries to a webhook that failed or wait behind one that did, and that are still to be tried, oldest first.
#[utoipa::path(
    get,
    path = "/api/instances/{id}/webhooks/{name}/pending",
    tag = "webhooks",
    params(WebhookPath, Window),
    responses((status = 200, description = "A page of them.", body = PendingResponse), Refused)
)]
pub(super) async fn pending(
    call: Call<WebhookOf>,
    Query(window): Query<Window>,
) -> Result<web::Json<PendingResponse>, ApiError> {
    let (consumer, Window { limit, skip }) = (call.subject.consumer(), window);
    let events = &call.services().events;
    let page = events.owed(&call.caller, &consumer, DeliveryState::Pending, limit, skip).await?;
    Ok(web::Json(PendingResponse::new(page, window)))
}

/// Deliveries to a webhook that were given up, oldest first.
#[utoipa::path(
    get,
    path = "/api/instances/{id}/webhooks/{name}/dead-letters",
    tag = "webhooks",
    params(WebhookPath, Window),
    responses((status = 200, description = "A page of them.", body = DeadLettersResponse), Refused)
)]
pub(super) async fn dead_letters(
    call: Call<WebhookOf>,
    Query(window): Query<Window>,
) -> Result<web::Json<DeadLettersResponse>, ApiError> {
    let (consumer, Window { limit, skip }) = (call.subject.consumer(), window);
    let events = &call.services().events;
    let page = events.owed(&call.caller, &consumer, DeliveryState::Dead, limit, skip).await?;
    Ok(web::Json(DeadLettersResponse::new(page, window)))
}

/// Makes given-up deliveries to a webhook due again, those named or all, and with `pending` what would be tried later.
#[utoipa::path(
    post,
    path = "/api/instances/{id}/webhooks/{name}/dead-letters/replay",
    tag = "webhooks",
    params(WebhookPath),
    request_body = ReplayRequest,
    responses((status = 202, description = "They are due again.", body = ReplayResponse), Refused)
)]
pub(super) async fn replay(
    call: Call<WebhookOf>,
    JsonBody(request): JsonBody<ReplayRequest>,
) -> Result<HttpResponse, ApiError> {
    let with_pending = request.with_pending();
    let seqs = request.into_seqs()?;
    let replay = |call: Call<WebhookOf>| async move {
        call.services().events.replay(&call.caller, &call.subject.consumer(), seqs, with_pending).await
    };
    let replayed = call.complete(replay).await?;
    Ok(HttpResponse::Accepted().json(ReplayResponse::new(replayed, with_pending)))
}

/// Deliveries to the webhook `default` that were given up, oldest first.
#[utoipa::path(
    get,
    path = "/api/instances/{id}/webhook/dead-letters",
    tag = "webhooks",
    params(InstancePath, Window),
    responses((status = 200, description = "A page of them.", body = DeadLettersResponse), Refused)
)]
pub(super) async fn default_dead_letters(
    call: InstanceCall,
    query: Query<Window>,
) -> Result<web::Json<DeadLettersResponse>, ApiError> {
    dead_letters(call.about(default_of), query).await
}

/// Makes given-up deliveries to the webhook `default` due again, those named or all, and with `pending` what would be tried
/// later.
#[utoipa::path(
    post,
    path = "/api/instances/{id}/webhook/dead-letters/replay",
    tag = "webhooks",
    params(InstancePath),
    request_body = ReplayRequest,
    responses((status = 202, description = "They are due again.", body = ReplayResponse), Refused)
)]
pub(super) async fn default_replay(
    call: InstanceCall,
    body: JsonBody<ReplayRequest>,
) -> Result<HttpResponse, ApiError> {
    replay(call.about(default_of), body).await
}

fn default_of(instance: InstanceId) -> WebhookOf {
    WebhookOf { instance, name: Webhook::DEFAULT.to_owned() }
}
