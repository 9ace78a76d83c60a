use actix_web::{HttpResponse, web};

use crate::dto::attempt::{
    AttemptsQuery, AttemptsResponse, RangeRequest, RangeResponse, TestResponse, named,
};
use crate::dto::done::Done;
use crate::dto::path::{DeliveryPath, WebhookPath};
use crate::error::{ApiError, Refused};
use crate::extract::{Call, DeliveryOf, JsonBody, Query, WebhookOf};

/// The last attempts to call a webhook, newest first, with what became of each: 500 at most, of seven days.
#[utoipa::path(
    get,
    path = "/api/instances/{id}/webhooks/{name}/deliveries",
    tag = "deliveries",
    params(WebhookPath, AttemptsQuery),
    responses((status = 200, description = "A page of them.", body = AttemptsResponse), Refused)
)]
pub(super) async fn list(
    call: Call<WebhookOf>,
    Query(query): Query<AttemptsQuery>,
) -> Result<HttpResponse, ApiError> {
    let WebhookOf { instance, name } = &call.subject;
    let webhooks = &call.services().webhooks;
    let page = webhooks.attempts(&call.caller, *instance, name, &query.to_query()).await?;
    call.answer(AttemptsResponse::of(page, &query))
}

/// Delivers an event to a webhook once more, whatever became of it. The call has the header `X-Webhook-Replayed: true`.
#[utoipa::path(
    post,
    path = "/api/instances/{id}/webhooks/{name}/deliveries/{event}/redeliver",
    tag = "deliveries",
    params(DeliveryPath),
    responses((status = 202, description = "It is due again.", body = Done), Refused)
)]
pub(super) async fn redeliver(call: Call<DeliveryOf>) -> Result<HttpResponse, ApiError> {
    let event = named(&call.subject.event)?;
    let redeliver = |call: Call<DeliveryOf>| async move {
        let WebhookOf { instance, name } = &call.subject.webhook;
        call.services().webhooks.redeliver(&call.caller, *instance, name, event).await
    };
    call.complete(redeliver).await?;
    Ok(HttpResponse::Accepted().json(Done::new()))
}

/// Delivers a part of the log to a webhook once more: what it wants of it, in the order of the log, and before what is
/// newer in the same chats. The calls have the header `X-Webhook-Replayed: true`.
#[utoipa::path(
    post,
    path = "/api/instances/{id}/webhooks/{name}/replay",
    tag = "deliveries",
    params(WebhookPath),
    request_body = RangeRequest,
    responses((status = 202, description = "They are due again.", body = RangeResponse), Refused)
)]
pub(super) async fn replay(
    call: Call<WebhookOf>,
    JsonBody(request): JsonBody<RangeRequest>,
) -> Result<HttpResponse, ApiError> {
    let (from, to) = request.into_places();
    let replay = |call: Call<WebhookOf>| async move {
        let WebhookOf { instance, name } = &call.subject;
        call.services().webhooks.replay_range(&call.caller, *instance, name, from, to).await
    };
    Ok(HttpResponse::Accepted().json(RangeResponse::from(call.complete(replay).await?)))
}

/// Calls a webhook with an event `webhook_test`, signed and guarded as all calls, and tells what the receiver says.
#[utoipa::path(
    post,
    path = "/api/instances/{id}/webhooks/{name}/test",
    tag = "deliveries",
    params(WebhookPath),
    responses((status = 200, description = "What came of it.", body = TestResponse), Refused)
)]
pub(super) async fn test(call: Call<WebhookOf>) -> Result<web::Json<TestResponse>, ApiError> {
    let WebhookOf { instance, name } = &call.subject;
    let tested = call.services().webhooks.test(&call.caller, *instance, name).await?;
    Ok(web::Json(tested.into()))
}
