use actix_web::{HttpResponse, web};

use super::instances;
use crate::dto::connection::ConnectionResponse;
use crate::dto::done::Done;
use crate::dto::linking::QrResponse;
use crate::dto::path::InstancePath;
use crate::error::ApiError;
use crate::error::Refused;
use crate::extract::InstanceCall;

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
