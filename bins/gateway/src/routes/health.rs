use actix_web::{HttpRequest, HttpResponse, web};

use crate::dto::health::{Alive, HealthResponse};
use crate::error::ApiError;
use crate::error::Refused;
use crate::extract::{ClientAddress, identify};
use crate::state::AppState;

/// The process answers, with each of its threads, and what everything rests on goes on: the database was written and read
/// within the last minutes.
#[utoipa::path(
    method(get, head),
    path = "/livez",
    tag = "gateway",
    security(()),
    responses((status = 200, description = "It does.", body = Alive), Refused)
)]
pub(super) async fn live(state: web::Data<AppState>) -> Result<web::Json<Alive>, ApiError> {
    match state.watchdog.hangs().or_else(|| state.workers.hangs()) {
        Some(what) => Err(ApiError::unavailable(format!("The gateway hangs: it waits for {what}."))),
        None => Ok(web::Json(Alive::new())),
    }
}

/// The instances have been taken up, and what they tell can be stored.
#[utoipa::path(
    method(get, head),
    path = "/readyz",
    tag = "gateway",
    security(()),
    responses((status = 200, description = "They have.", body = Alive), Refused)
)]
pub(super) async fn ready(state: web::Data<AppState>) -> Result<web::Json<Alive>, ApiError> {
    if !state.is_ready() {
        return Err(ApiError::unavailable("The gateway is starting or stopping."));
    }
    match state.failure() {
        Some(_) => Err(ApiError::unavailable("The database can't be used at present.")),
        None => Ok(web::Json(Alive::new())),
    }
}

/// How the gateway is, for people and monitors. Whoever shows no credential learns its status alone.
#[utoipa::path(
    method(get, head),
    path = "/health",
    tag = "gateway",
    security((), ("token" = []), ("apiKey" = [])),
    responses(
        (status = 200, description = "The database can be used.", body = HealthResponse),
        (status = 503, description = "It can't.", body = HealthResponse)
    )
)]
pub(super) async fn health(
    request: HttpRequest,
    from: ClientAddress,
    state: web::Data<AppState>,
) -> HttpResponse {
    let failure = state.failure();
    let brief = HealthResponse::brief(state.is_ready(), failure.is_none());
    let is_sound = failure.is_none();
    let health = if identify(request.headers(), from, &state.services).await.is_ok() {
        let (counts, versions) = (state.counts().await, state.services.versions.status());
        let waiting = state.services.supervisor.waiting();
        brief.with_details(state.backend.provider(), failure, counts, versions, waiting)
    } else {
        brief
    };
    if is_sound { HttpResponse::Ok().json(health) } else { HttpResponse::ServiceUnavailable().json(health) }
}
