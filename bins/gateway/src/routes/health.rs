use actix_web::{HttpResponse, web};

use crate::dto::health::{Alive, HealthResponse};
use crate::error::ApiError;
use crate::error::Refused;
use crate::state::AppState;

/// The process answers.
#[utoipa::path(
    method(get, head),
    path = "/livez",
    tag = "gateway",
    security(()),
    responses((status = 200, description = "It does.", body = Alive))
)]
pub(super) async fn live() -> web::Json<Alive> {
    web::Json(Alive::new())
}

/// The instances have been taken up.
#[utoipa::path(
    method(get, head),
    path = "/readyz",
    tag = "gateway",
    security(()),
    responses((status = 200, description = "They have.", body = Alive), Refused)
)]
pub(super) async fn ready(state: web::Data<AppState>) -> Result<web::Json<Alive>, ApiError> {
    if state.is_ready() {
        return Ok(web::Json(Alive::new()));
    }
    Err(ApiError::unavailable("The gateway is starting or stopping."))
}

/// How the gateway is, for people and monitors.
#[utoipa::path(
    method(get, head),
    path = "/health",
    tag = "gateway",
    security(()),
    responses(
        (status = 200, description = "The database answers.", body = HealthResponse),
        (status = 503, description = "It does not.", body = HealthResponse)
    )
)]
pub(super) async fn health(state: web::Data<AppState>) -> HttpResponse {
    let counts = state.counts().await;
    let is_sound = counts.is_some();
    let health =
        HealthResponse::new(state.is_ready(), state.provider, counts, state.services.versions.status());
    if is_sound { HttpResponse::Ok().json(health) } else { HttpResponse::ServiceUnavailable().json(health) }
}
