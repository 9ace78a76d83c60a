use actix_web::{HttpResponse, web};

use crate::ApiError;
use crate::dto::health::HealthResponse;
use crate::state::AppState;

/// The process answers.
pub(super) async fn live() -> HttpResponse {
    HttpResponse::Ok().json(serde_json::json!({"status": "ok"}))
}

/// The instances have been taken up.
pub(super) async fn ready(state: web::Data<AppState>) -> Result<HttpResponse, ApiError> {
    if state.is_ready() {
        return Ok(HttpResponse::Ok().json(serde_json::json!({"status": "ok"})));
    }
    Err(ApiError::unavailable("The gateway is starting or stopping."))
}

/// How it is, for people and monitors.
pub(super) async fn health(state: web::Data<AppState>) -> HttpResponse {
    let counts = state.counts().await;
    let health = HealthResponse::new(state.is_ready(), counts.as_ref());
    if counts.is_some() {
        HttpResponse::Ok().json(health)
    } else {
        HttpResponse::ServiceUnavailable().json(health)
    }
}
