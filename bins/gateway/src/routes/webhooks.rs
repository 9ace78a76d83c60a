use std::time::Duration;

use actix_web::{HttpResponse, web};
use services::Owed;
use storage::{DeliveryQuery, DeliveryState, InstanceId, Page, SecretText, Webhook};

use crate::dto::delivery::{
    DeadLettersResponse, LettersQuery, PendingResponse, ReplayRequest, ReplayResponse,
};
use crate::dto::done::Done;
use crate::dto::page::Window;
use crate::dto::path::{InstancePath, WebhookPath};
use crate::dto::webhook::{
    NewWebhookRequest, RotateRequest, WebhookRequest, WebhookResponse, WebhooksResponse,
};
use crate::error::ApiError;
use crate::error::Refused;
use crate::extract::{Call, IfMatch, InstanceCall, JsonBody, Query, WebhookOf, tagged};
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
    responses((status = 201, description = "The webhook.", body = WebhookResponse, headers(("ETag" = String, description = "The state of the settings, for `If-Match`."))), Refused)
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
    Ok(tagged(HttpResponse::Created(), &webhook.version()).json(WebhookResponse::from(webhook)))
}

/// A webhook, with what is known of its receiver.
#[utoipa::path(
    get,
    path = "/api/instances/{id}/webhooks/{name}",
    tag = "webhooks",
    params(WebhookPath),
    responses((status = 200, description = "The webhook.", body = WebhookResponse, headers(("ETag" = String, description = "The state of the settings, for `If-Match`."))), Refused)
)]
pub(super) async fn find(call: Call<WebhookOf>) -> Result<HttpResponse, ApiError> {
    let WebhookOf { instance, name } = &call.subject;
    let webhooks = &call.services().webhooks;
    let webhook = webhooks.find(&call.caller, *instance, name).await?;
    let (reachability, version) = (webhooks.reachability(&call.caller, &webhook), webhook.version());
    Ok(tagged(HttpResponse::Ok(), &version).json(WebhookResponse::from(webhook).with(reachability)))
}

/// Changes a webhook: what isn't named stays as it is, `null` removes.
#[utoipa::path(
    put,
    path = "/api/instances/{id}/webhooks/{name}",
    tag = "webhooks",
    params(WebhookPath, IfMatch),
    request_body = WebhookRequest,
    responses((status = 200, description = "The webhook.", body = WebhookResponse, headers(("ETag" = String, description = "The state of the settings, for `If-Match`."))), Refused)
)]
pub(super) async fn update(
    call: Call<WebhookOf>,
    IfMatch(expected): IfMatch,
    JsonBody(request): JsonBody<WebhookRequest>,
) -> Result<HttpResponse, ApiError> {
    let update = |call: Call<WebhookOf>| async move {
        let WebhookOf { instance, name } = &call.subject;
        let webhooks = &call.services().webhooks;
        webhooks.update(&call.caller, *instance, name, request.into(), expected).await
    };
    let webhook = call.complete(update).await.map_err(ApiError::named(field::of_webhook))?;
    Ok(tagged(HttpResponse::Ok(), &webhook.version()).json(WebhookResponse::from(webhook)))
}

/// Ends the pause of a webhook whose receiver has taken nothing for long: what waits is due. One that isn't paused stays as
/// it is.
#[utoipa::path(
    post,
    path = "/api/instances/{id}/webhooks/{name}/resume",
    tag = "webhooks",
    params(WebhookPath),
    responses((status = 200, description = "The webhook.", body = WebhookResponse, headers(("ETag" = String, description = "The state of the settings, for `If-Match`."))), Refused)
)]
pub(super) async fn resume(call: Call<WebhookOf>) -> Result<HttpResponse, ApiError> {
    let resume = |call: Call<WebhookOf>| async move {
        let WebhookOf { instance, name } = &call.subject;
        call.services().webhooks.resume(&call.caller, *instance, name).await
    };
    let webhook = call.complete(resume).await.map_err(ApiError::named(field::of_webhook))?;
    Ok(tagged(HttpResponse::Ok(), &webhook.version()).json(WebhookResponse::from(webhook)))
}

/// Gives a webhook another secret. For the time of the overlap its calls are signed with both: `X-Webhook-Signature` with
/// the present one, as before, and `X-Webhook-Signature-Next` with the new one.
#[utoipa::path(
    post,
    path = "/api/instances/{id}/webhooks/{name}/secret/rotate",
    tag = "webhooks",
    params(WebhookPath),
    request_body = RotateRequest,
    responses((status = 200, description = "The webhook, with both secrets.", body = WebhookResponse, headers(("ETag" = String, description = "The state of the settings, for `If-Match`."))), Refused)
)]
pub(super) async fn rotate_secret(
    call: Call<WebhookOf>,
    JsonBody(request): JsonBody<RotateRequest>,
) -> Result<HttpResponse, ApiError> {
    let RotateRequest { secret, overlap } = request;
    let rotate = |call: Call<WebhookOf>| async move {
        let WebhookOf { instance, name } = &call.subject;
        let (secret, overlap) = (secret.map(SecretText::new), Duration::from_secs(overlap.into()));
        let webhooks = &call.services().webhooks;
        webhooks.rotate_secret(&call.caller, *instance, name, secret, overlap).await
    };
    let webhook = call.complete(rotate).await.map_err(ApiError::named(field::of_webhook))?;
    Ok(tagged(HttpResponse::Ok(), &webhook.version()).json(WebhookResponse::from(webhook)))
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
    params(WebhookPath, Window, LettersQuery),
    responses((status = 200, description = "A page of them.", body = PendingResponse), Refused)
)]
pub(super) async fn pending(
    call: Call<WebhookOf>,
    Query(query): Query<LettersQuery>,
) -> Result<HttpResponse, ApiError> {
    let page = owed(&call, query.of_state(DeliveryState::Pending)).await?;
    call.answer(PendingResponse::of(page, query.window))
}

/// Deliveries to a webhook that were given up, oldest first.
#[utoipa::path(
    get,
    path = "/api/instances/{id}/webhooks/{name}/dead-letters",
    tag = "webhooks",
    params(WebhookPath, Window, LettersQuery),
    responses((status = 200, description = "A page of them.", body = DeadLettersResponse), Refused)
)]
pub(super) async fn dead_letters(
    call: Call<WebhookOf>,
    Query(query): Query<LettersQuery>,
) -> Result<HttpResponse, ApiError> {
    let page = owed(&call, query.of_state(DeliveryState::Dead)).await?;
    call.answer(DeadLettersResponse::of(page, query.window, call.codes()))
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
    params(InstancePath, Window, LettersQuery),
    responses((status = 200, description = "A page of them.", body = DeadLettersResponse), Refused)
)]
pub(super) async fn default_dead_letters(
    call: InstanceCall,
    query: Query<LettersQuery>,
) -> Result<HttpResponse, ApiError> {
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

async fn owed(call: &Call<WebhookOf>, wanted: DeliveryQuery) -> Result<Page<Owed>, ApiError> {
    Ok(call.services().events.owed(&call.caller, &call.subject.consumer(), &wanted).await?)
}

fn default_of(instance: InstanceId) -> WebhookOf {
    WebhookOf { instance, name: Webhook::DEFAULT.to_owned() }
}
