use actix_web::{HttpRequest, HttpResponse, web};
use services::{Progress, SendText};

use crate::ApiError;
use crate::dto::instance::ConnectionResponse;
use crate::dto::message::{SendRequest, SendResponse};
use crate::dto::outcome::Outcome;
use crate::extract::{Authenticated, InstancePath, Json};
use crate::state::AppState;

const IDEMPOTENCY_KEY: &str = "idempotency-key";

pub(super) async fn status(
    state: web::Data<AppState>,
    Authenticated(caller): Authenticated,
    InstancePath(id): InstancePath,
) -> Result<web::Json<ConnectionResponse>, ApiError> {
    let status = state.services.instances.status(&caller, id).await?;
    Ok(web::Json(ConnectionResponse::from(status)))
}

pub(super) async fn send(
    state: web::Data<AppState>,
    Authenticated(caller): Authenticated,
    InstancePath(id): InstancePath,
    request: HttpRequest,
    Json(body): Json<SendRequest>,
) -> Result<HttpResponse, ApiError> {
    // A key that isn't text can't be a good one; the service says so.
    let key = request.headers().get(IDEMPOTENCY_KEY).map(|key| key.to_str().unwrap_or_default().to_owned());
    let text = SendText { phone: body.phone, message: body.message, idempotency_key: key };
    let messages = state.services.messages.clone();
    let sent = state.complete(async move { messages.send_text(&caller, id, text).await }).await?;
    Ok(match sent.progress {
        Progress::Sent => HttpResponse::Ok().json(SendResponse::acknowledged(sent.id)),
        Progress::Pending => HttpResponse::Accepted().json(SendResponse::pending(sent.id)),
    })
}

pub(super) async fn logout(
    state: web::Data<AppState>,
    Authenticated(caller): Authenticated,
    InstancePath(id): InstancePath,
) -> Result<web::Json<Outcome>, ApiError> {
    let instances = state.services.instances.clone();
    state.complete(async move { instances.logout(&caller, id).await }).await?;
    Ok(web::Json(Outcome::done()))
}
