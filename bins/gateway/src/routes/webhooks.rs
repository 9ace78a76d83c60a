use actix_web::{HttpResponse, web};

use crate::ApiError;
use crate::dto::webhook::{DeadLettersQuery, DeadLettersResponse, ReplayRequest, ReplayResponse};
use crate::extract::{Authenticated, InstancePath, Json, Query};
use crate::state::AppState;

pub(super) async fn dead_letters(
    state: web::Data<AppState>,
    Authenticated(caller): Authenticated,
    InstancePath(id): InstancePath,
    Query(DeadLettersQuery(window)): Query<DeadLettersQuery>,
) -> Result<web::Json<DeadLettersResponse>, ApiError> {
    let page = state.services.events.dead_letters(&caller, id, window.limit, window.skip).await?;
    Ok(web::Json(DeadLettersResponse::new(page, window)))
}

pub(super) async fn replay(
    state: web::Data<AppState>,
    Authenticated(caller): Authenticated,
    InstancePath(id): InstancePath,
    Json(request): Json<ReplayRequest>,
) -> Result<HttpResponse, ApiError> {
    let seqs = request.into_seqs()?;
    let events = state.services.events.clone();
    let replayed = state.complete(async move { events.replay(&caller, id, seqs).await }).await?;
    Ok(HttpResponse::Accepted().json(ReplayResponse::new(replayed)))
}
