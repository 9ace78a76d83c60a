use actix_web::{HttpResponse, web};
use services::Qr;

use crate::ApiError;
use crate::dto::instance::{
    CreateRequest, CreatedResponse, InstanceResponse, ListResponse, QrResponse, StatusResponse,
    UpdateRequest, UpdatedResponse,
};
use crate::dto::outcome::Outcome;
use crate::dto::path::InstancePath;
use crate::error::Refused;
use crate::extract::{Call, InstanceCall, JsonBody};

/// Creates an instance, which begins to connect.
#[utoipa::path(
    post,
    path = "/api/instances",
    tag = "instances",
    request_body = CreateRequest,
    responses((status = 201, description = "The instance.", body = CreatedResponse), Refused)
)]
pub(super) async fn create(
    call: Call,
    JsonBody(request): JsonBody<CreateRequest>,
) -> Result<HttpResponse, ApiError> {
    let create =
        |call: Call| async move { call.services().instances.create(&call.caller, request.into()).await };
    let created = call.complete(create).await?;
    Ok(HttpResponse::Created().json(CreatedResponse::from(created)))
}

/// The caller's instances, oldest first.
#[utoipa::path(
    get,
    path = "/api/instances",
    tag = "instances",
    responses((status = 200, description = "The instances.", body = ListResponse), Refused)
)]
pub(super) async fn list(call: Call) -> Result<web::Json<ListResponse>, ApiError> {
    let instances = call.services().instances.list(&call.caller).await?;
    Ok(web::Json(ListResponse::from(instances)))
}

/// An instance with its settings and its connection.
#[utoipa::path(
    get,
    path = "/api/instances/{id}",
    tag = "instances",
    params(InstancePath),
    responses((status = 200, description = "The instance.", body = InstanceResponse), Refused)
)]
pub(super) async fn find(call: InstanceCall) -> Result<web::Json<InstanceResponse>, ApiError> {
    let instance = call.services().instances.find(&call.caller, call.subject).await?;
    Ok(web::Json(InstanceResponse::from(instance)))
}

/// Changes an instance: what isn't named stays as it is, `null` removes.
#[utoipa::path(
    put,
    path = "/api/instances/{id}",
    tag = "instances",
    params(InstancePath),
    request_body = UpdateRequest,
    responses((status = 200, description = "The instance.", body = UpdatedResponse), Refused)
)]
pub(super) async fn update(
    call: InstanceCall,
    JsonBody(request): JsonBody<UpdateRequest>,
) -> Result<web::Json<UpdatedResponse>, ApiError> {
    let update = |call: InstanceCall| async move {
        call.services().instances.update(&call.caller, call.subject, request.into()).await
    };
    let updated = call.complete(update).await?;
    Ok(web::Json(UpdatedResponse::from(updated)))
}

/// Unlinks an instance from its phone and forgets everything that is stored of it.
#[utoipa::path(
    delete,
    path = "/api/instances/{id}",
    tag = "instances",
    params(InstancePath),
    responses((status = 200, description = "It is gone.", body = Outcome), Refused)
)]
pub(super) async fn delete(call: InstanceCall) -> Result<web::Json<Outcome>, ApiError> {
    let id = call.subject;
    call.complete(|call| async move { call.services().instances.delete(&call.caller, id).await }).await?;
    Ok(web::Json(Outcome::saying(format!("Instance {id} deleted successfully"))))
}

/// Where an instance's connection stands.
#[utoipa::path(
    get,
    path = "/api/instances/{id}/status",
    tag = "instances",
    params(InstancePath),
    responses((status = 200, description = "The connection.", body = StatusResponse), Refused)
)]
pub(super) async fn status(call: InstanceCall) -> Result<web::Json<StatusResponse>, ApiError> {
    let instance = call.services().instances.find(&call.caller, call.subject).await?;
    Ok(web::Json(StatusResponse::from(instance)))
}

/// The QR code to scan. Asking for one begins a new pairing where the last has ended.
#[utoipa::path(
    get,
    path = "/api/instances/{id}/qr",
    tag = "instances",
    params(InstancePath),
    responses(
        (status = 200, description = "Scan this.", body = QrResponse),
        (status = 202, description = "Ask again in a few seconds.", body = QrResponse),
        Refused
    )
)]
pub(super) async fn qr(call: InstanceCall) -> Result<HttpResponse, ApiError> {
    let id = call.subject;
    let qr = call.complete(|call| async move { call.services().instances.qr(&call.caller, id).await });
    Ok(match qr.await? {
        Qr::Code { text, .. } => HttpResponse::Ok().json(QrResponse::Code { qr_code: text }),
        Qr::Generating => HttpResponse::Accepted().json(QrResponse::generating()),
    })
}

/// Closes an instance's connection and opens a new one.
#[utoipa::path(
    post,
    path = "/api/instances/{id}/reconnect",
    tag = "instances",
    params(InstancePath),
    responses((status = 200, description = "It connects again.", body = Outcome), Refused)
)]
pub(super) async fn reconnect(call: InstanceCall) -> Result<web::Json<Outcome>, ApiError> {
    let id = call.subject;
    call.complete(|call| async move { call.services().instances.reconnect(&call.caller, id).await }).await?;
    Ok(web::Json(Outcome::saying(format!("Instance {id} reconnected"))))
}

/// Unlinks an instance from its phone; it stays, and can be paired again.
#[utoipa::path(
    post,
    path = "/api/instances/{id}/logout",
    tag = "instances",
    params(InstancePath),
    responses((status = 200, description = "It is unlinked.", body = Outcome), Refused)
)]
pub(super) async fn logout(call: InstanceCall) -> Result<web::Json<Outcome>, ApiError> {
    let id = call.subject;
    call.complete(|call| async move { call.services().instances.logout(&call.caller, id).await }).await?;
    Ok(web::Json(Outcome::saying(format!("Instance {id} logged out"))))
}
