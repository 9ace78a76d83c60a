use actix_web::{HttpResponse, web};

use crate::ApiError;
use crate::dto::webhook::{DeadLettersQuery, DeadLettersResponse, ReplayRequest, ReplayResponse};
use crate::extract::{InstanceCall, JsonBody, Query};

pub(super) async fn dead_letters(
    call: InstanceCall,
    Query(DeadLettersQuery(window)): Query<DeadLettersQuery>,
) -> Result<web::Json<DeadLettersResponse>, ApiError> {
    let events = &call.services().events;
    let page = events.dead_letters(&call.caller, call.subject, window.limit, window.skip).await?;
    Ok(web::Json(DeadLettersResponse::new(page, window)))
}

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
