use actix_web::{HttpRequest, HttpResponse, web};
use services::{Progress, SendText};

use crate::ApiError;
use crate::dto::instance::ConnectionResponse;
use crate::dto::message::{SendRequest, SendResponse};
use crate::dto::outcome::Outcome;
use crate::extract::{InstanceCall, JsonBody};

const IDEMPOTENCY_KEY: &str = "idempotency-key";

pub(super) async fn status(call: InstanceCall) -> Result<web::Json<ConnectionResponse>, ApiError> {
    let status = call.services().instances.status(&call.caller, call.subject).await?;
    Ok(web::Json(ConnectionResponse::from(status)))
}

pub(super) async fn send(
    call: InstanceCall,
    request: HttpRequest,
    JsonBody(body): JsonBody<SendRequest>,
) -> Result<HttpResponse, ApiError> {
    // A key that isn't text can't be a good one; the service says so.
    let key = request.headers().get(IDEMPOTENCY_KEY).map(|key| key.to_str().unwrap_or_default().to_owned());
    let text = SendText { phone: body.phone, message: body.message, idempotency_key: key };
    let send = |call: InstanceCall| async move {
        call.services().messages.send_text(&call.caller, call.subject, text).await
    };
    let sent = call.complete(send).await?;
    Ok(match sent.progress {
        Progress::Sent => HttpResponse::Ok().json(SendResponse::acknowledged(sent.id)),
        Progress::Pending => HttpResponse::Accepted().json(SendResponse::pending(sent.id)),
    })
}

pub(super) async fn logout(call: InstanceCall) -> Result<web::Json<Outcome>, ApiError> {
    let logout = |call: InstanceCall| async move {
        call.services().instances.logout(&call.caller, call.subject).await
    };
    call.complete(logout).await?;
    Ok(web::Json(Outcome::done()))
}
