use actix_web::{HttpResponse, web};

use crate::ApiError;
use crate::dto::page::Window;
use crate::dto::path::InstancePath;
use crate::dto::webhook::{DeadLettersResponse, ReplayRequest, ReplayResponse};
use crate::error::Refused;
use crate::extract::{InstanceCall, JsonBody, Query};

/// Webhook deliveries that were given up, oldest first.
#[utoipa::path(
    get,
    path = "/api/instances/{id}/webhook/dead-letters",
    tag = "webhooks",
    params(InstancePath, Window),
    responses((status = 200, description = "A page of them.", body = DeadLettersResponse), Refused)
)]
pub(super) async fn dead_letters(
    call: InstanceCall,
    Query(window): Query<Window>,
) -> Result<web::Json<DeadLettersResponse>, ApiError> {
    let events = &call.services().events;
    let page = events.dead_letters(&call.caller, call.subject, window.limit, window.skip).await?;
    Ok(web::Json(DeadLettersResponse::new(page, window)))
}

/// Makes given-up deliveries due again: those named, or all.
#[utoipa::path(
    post,
    path = "/api/instances/{id}/webhook/dead-letters/replay",
    tag = "webhooks",
    params(InstancePath),
    request_body = ReplayRequest,
    responses((status = 202, description = "They are due again.", body = ReplayResponse), Refused)
)]
pub(super) async fn replay(
    call: InstanceCall,
    JsonBody(request): JsonBody<ReplayRequest>,
) -> Result<HttpResponse, ApiError> {
    let seqs = request.into_seqs()?;
    let replay = |call: InstanceCall| async move {
        call.services().events.replay(&call.caller, call.subject, seqs).await
    };
    let replayed = call.complete(replay).await?;
    Ok(HttpResponse::Accepted().json(ReplayResponse::new(replayed)))
}
