use actix_web::{HttpRequest, HttpResponse, web};
use services::{Progress, SendText};

use super::instances;
use crate::dto::connection::ConnectionResponse;
use crate::dto::done::Done;
use crate::dto::linking::QrResponse;
use crate::dto::message::{SendRequest, SendResponse};
use crate::dto::path::InstancePath;
use crate::error::ApiError;
use crate::error::Refused;
use crate::extract::{InstanceCall, JsonBody};

const IDEMPOTENCY_KEY: &str = "idempotency-key";

/// Sends a text.
#[utoipa::path(
    post,
    path = "/api/whatsapp/{id}/send",
    tag = "whatsapp",
    params(
        InstancePath,
        ("Idempotency-Key" = Option<String>, Header, description = "A repeat of the call under the same key answers \
            what the first one did, without a second message.")
    ),
    request_body = SendRequest,
    responses(
        (status = 200, description = "WhatsApp has it.", body = SendResponse),
        (status = 202, description = "WhatsApp did not say so within 10 s, and it goes on; or it is held.",
            body = SendResponse),
        Refused
    )
)]
pub(super) async fn send(
    call: InstanceCall,
    request: HttpRequest,
    JsonBody(body): JsonBody<SendRequest>,
) -> Result<HttpResponse, ApiError> {
    // A key that isn't text can't be a good one; the service says so.
    let key = request.headers().get(IDEMPOTENCY_KEY).map(|key| key.to_str().unwrap_or_default().to_owned());
    let given = services::parse_recipient(&body.phone).map(|jid| jid.to_string()).ok();
    let on_limit = body.on_limit.into();
    let text = SendText { phone: body.phone, message: body.message, idempotency_key: key, on_limit };
    let send = |call: InstanceCall| async move {
        call.services().messages.send_text(&call.caller, call.subject, text).await
    };
    let sent = call.complete(send).await?;
    // Only what the caller didn't know.
    let remote_jid = sent.chat.filter(|chat| given.as_ref() != Some(chat));
    Ok(match sent.progress {
        Progress::Sent => HttpResponse::Ok().json(SendResponse::acknowledged(sent.id, remote_jid)),
        Progress::Pending => HttpResponse::Accepted().json(SendResponse::pending(sent.id, remote_jid)),
        Progress::Held { retry_at } => {
            HttpResponse::Accepted().json(SendResponse::held(sent.id, remote_jid, retry_at))
        }
    })
}

/// Where an instance's connection stands, in short.
#[utoipa::path(
    get,
    path = "/api/whatsapp/{id}/status",
    tag = "whatsapp",
    params(InstancePath),
    responses((status = 200, description = "The connection.", body = ConnectionResponse), Refused)
)]
pub(super) async fn status(call: InstanceCall) -> Result<web::Json<ConnectionResponse>, ApiError> {
    let status = call.services().instances.status(&call.caller, call.subject).await?;
    Ok(web::Json(ConnectionResponse::from(status)))
}

/// The QR code to scan, as `/api/instances/{id}/qr` tells it.
#[utoipa::path(
    get,
    path = "/api/whatsapp/{id}/qr",
    tag = "whatsapp",
    params(InstancePath),
    responses(
        (status = 200, description = "Scan this.", body = QrResponse),
        (status = 202, description = "Ask again in a few seconds.", body = QrResponse),
        Refused
    )
)]
pub(super) async fn qr(call: InstanceCall) -> Result<HttpResponse, ApiError> {
    instances::qr(call).await
}

/// Unlinks an instance from its phone; it stays, and can be paired again.
#[utoipa::path(
    post,
    path = "/api/whatsapp/{id}/logout",
    tag = "whatsapp",
    params(InstancePath),
    responses((status = 200, description = "It is unlinked.", body = Done), Refused)
)]
pub(super) async fn logout(call: InstanceCall) -> Result<web::Json<Done>, ApiError> {
    instances::unlink(call).await?;
    Ok(web::Json(Done::new()))
}
