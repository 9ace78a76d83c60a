//! What is to be sent later.

use actix_web::{HttpResponse, web};

use crate::dto::done::Done;
use crate::dto::path::{InstancePath, MessagePath};
use crate::dto::scheduled::{RescheduleRequest, ScheduledListResponse, ScheduledQuery, ScheduledResponse};
use crate::error::ApiError;
use crate::error::Refused;
use crate::extract::{Call, InstanceCall, JsonBody, MessageById, Query};

/// The messages that are to be sent later, by their time.
#[utoipa::path(
    get,
    path = "/api/instances/{id}/scheduled",
    tag = "scheduled",
    params(InstancePath, ScheduledQuery),
    responses((status = 200, description = "A page of them.", body = ScheduledListResponse), Refused)
)]
pub(super) async fn list(
    call: InstanceCall,
    Query(query): Query<ScheduledQuery>,
) -> Result<HttpResponse, ApiError> {
    let messages = &call.services().messages;
    let page = messages.scheduled(&call.caller, call.subject, query.after, query.limit).await?;
    call.answer(ScheduledListResponse::of(page))
}

/// One of them, by the id that it will have. Once it has left it is a message like any other, and not found here.
#[utoipa::path(
    get,
    path = "/api/instances/{id}/scheduled/{message}",
    tag = "scheduled",
    params(MessagePath),
    responses((status = 200, description = "It.", body = ScheduledResponse), Refused)
)]
pub(super) async fn find(call: Call<MessageById>) -> Result<web::Json<ScheduledResponse>, ApiError> {
    let MessageById { instance, message } = &call.subject;
    let found = call.services().messages.scheduled_message(&call.caller, *instance, message).await?;
    Ok(web::Json(found.into()))
}

/// Changes the time or the text of one of them.
#[utoipa::path(
    put,
    path = "/api/instances/{id}/scheduled/{message}",
    tag = "scheduled",
    params(MessagePath),
    request_body = RescheduleRequest,
    responses((status = 200, description = "It, as it is now.", body = ScheduledResponse), Refused)
)]
pub(super) async fn change(
    call: Call<MessageById>,
    JsonBody(request): JsonBody<RescheduleRequest>,
) -> Result<web::Json<ScheduledResponse>, ApiError> {
    let change = request.checked()?;
    let reschedule = |call: Call<MessageById>| async move {
        let MessageById { instance, message } = &call.subject;
        call.services().messages.reschedule(&call.caller, *instance, message, change).await
    };
    Ok(web::Json(call.complete(reschedule).await?.into()))
}

/// Cancels one of them: it is not sent.
#[utoipa::path(
    delete,
    path = "/api/instances/{id}/scheduled/{message}",
    tag = "scheduled",
    params(MessagePath),
    responses((status = 200, description = "It is cancelled.", body = Done), Refused)
)]
pub(super) async fn cancel(call: Call<MessageById>) -> Result<web::Json<Done>, ApiError> {
    let cancel = |call: Call<MessageById>| async move {
        let MessageById { instance, message } = &call.subject;
        call.services().messages.unschedule(&call.caller, *instance, message).await
    };
    call.complete(cancel).await?;
    Ok(web::Json(Done::new()))
}
