use actix_web::{HttpResponse, web};
use services::{Qr, ShownPasskey, UpdateInstance};

use crate::dto::connection::StatusResponse;
use crate::dto::done::Done;
use crate::dto::instance::{
    CreateRequest, CreatedResponse, InstanceResponse, InstancesResponse, ListQuery, UpdateRequest,
    UpdatedResponse,
};
use crate::dto::linking::{
    PairingCodeRequest, PairingCodeResponse, PasskeyRequest, PasskeyResponse, QrResponse,
};
use crate::dto::path::InstancePath;
use crate::error::ApiError;
use crate::error::Refused;
use crate::extract::{Call, IfMatch, InstanceCall, JsonBody, Query, tagged};
use crate::field;

/// Creates an instance, which begins to connect.
#[utoipa::path(
    post,
    path = "/api/instances",
    tag = "instances",
    request_body = CreateRequest,
    responses((status = 201, description = "The instance.", body = CreatedResponse, headers(("ETag" = String, description = "The state of the settings, for `If-Match`."))), Refused)
)]
pub(super) async fn create(
    call: Call,
    JsonBody(request): JsonBody<CreateRequest>,
) -> Result<HttpResponse, ApiError> {
    let create =
        |call: Call| async move { call.services().instances.create(&call.caller, request.into()).await };
    let created = call.complete(create).await?;
    Ok(tagged(HttpResponse::Created(), &created.version()).json(CreatedResponse::from(created)))
}

/// The caller's instances, oldest first.
#[utoipa::path(
    get,
    path = "/api/instances",
    tag = "instances",
    params(ListQuery),
    responses((status = 200, description = "A page of the instances.", body = InstancesResponse), Refused)
)]
pub(super) async fn list(call: Call, Query(query): Query<ListQuery>) -> Result<HttpResponse, ApiError> {
    let window = query.window();
    let instances = &call.services().instances;
    let page = match (call.bound(), &query.tag) {
        (None, None) => instances.list(&call.caller, window.limit, window.skip).await?,
        (None, Some(tag)) => instances.list_tagged(&call.caller, tag, window.limit, window.skip).await?,
        (Some(among), tag) => {
            let tag = tag.as_deref();
            instances.list_among(&call.caller, (among, tag), window.limit, window.skip).await?
        }
    };
    call.answer(InstancesResponse::of(page, window))
}

/// An instance with its settings and its connection.
#[utoipa::path(
    get,
    path = "/api/instances/{id}",
    tag = "instances",
    params(InstancePath),
    responses((status = 200, description = "The instance.", body = InstanceResponse, headers(("ETag" = String, description = "The state of the settings, for `If-Match`."))), Refused)
)]
pub(super) async fn find(call: InstanceCall) -> Result<HttpResponse, ApiError> {
    let instance = call.services().instances.find(&call.caller, call.subject).await?;
    Ok(tagged(HttpResponse::Ok(), &instance.version()).json(InstanceResponse::from(instance)))
}

/// Changes an instance: what isn't named stays as it is, `null` removes.
#[utoipa::path(
    put,
    path = "/api/instances/{id}",
    tag = "instances",
    params(InstancePath, IfMatch),
    request_body = UpdateRequest,
    responses((status = 200, description = "The instance.", body = UpdatedResponse, headers(("ETag" = String, description = "The state of the settings, for `If-Match`."))), Refused)
)]
pub(super) async fn update(
    call: InstanceCall,
    IfMatch(expected): IfMatch,
    JsonBody(request): JsonBody<UpdateRequest>,
) -> Result<HttpResponse, ApiError> {
    let update = |call: InstanceCall| async move {
        let update = UpdateInstance { expected, ..request.into() };
        call.services().instances.update(&call.caller, call.subject, update).await
    };
    let updated = call.complete(update).await.map_err(ApiError::named(field::nested))?;
    Ok(tagged(HttpResponse::Ok(), &updated.version()).json(UpdatedResponse::from(updated)))
}

/// Unlinks an instance from its phone and forgets everything that is stored of it.
#[utoipa::path(
    delete,
    path = "/api/instances/{id}",
    tag = "instances",
    params(InstancePath),
    responses((status = 200, description = "It is gone.", body = Done), Refused)
)]
pub(super) async fn delete(call: InstanceCall) -> Result<web::Json<Done>, ApiError> {
    let id = call.subject;
    call.complete(|call| async move { call.services().instances.delete(&call.caller, id).await }).await?;
    Ok(web::Json(Done::saying(format!("Instance {id} deleted successfully"))))
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
        (status = 202, description = "Ask again in a few seconds; `cause` says what it waits for.", body = QrResponse),
        Refused
    )
)]
pub(super) async fn qr(call: InstanceCall) -> Result<HttpResponse, ApiError> {
    let id = call.subject;
    let qr = call.complete(|call| async move { call.services().instances.qr(&call.caller, id).await });
    Ok(match qr.await? {
        Qr::Code { text, .. } => HttpResponse::Ok().json(QrResponse::Code { qr_code: text }),
        Qr::Generating { cause, retry_at } => {
            HttpResponse::Accepted().json(QrResponse::generating(cause, retry_at))
        }
    })
}

/// A code that the owner of this phone number enters in WhatsApp under "Linked devices", "Link with phone number
/// instead": a way to pair without scanning. Each call makes a new one, and the one before is good no longer. Begins a new
/// pairing where the last has ended.
#[utoipa::path(
    post,
    path = "/api/instances/{id}/pairing-code",
    tag = "instances",
    params(InstancePath),
    request_body = PairingCodeRequest,
    responses((status = 200, description = "Enter this on the phone.", body = PairingCodeResponse), Refused)
)]
pub(super) async fn pairing_code(
    call: InstanceCall,
    JsonBody(request): JsonBody<PairingCodeRequest>,
) -> Result<web::Json<PairingCodeResponse>, ApiError> {
    let pairing_code = |call: InstanceCall| async move {
        call.services().instances.pairing_code(&call.caller, call.subject, &request.phone).await
    };
    Ok(web::Json(PairingCodeResponse::from(call.complete(pairing_code).await?)))
}

/// How far a pairing is whose account asks for a passkey, with WebAuthn's request.
#[utoipa::path(
    get,
    path = "/api/instances/{id}/passkey",
    tag = "instances",
    params(InstancePath),
    responses((status = 200, description = "What is to be done next.", body = PasskeyResponse), Refused)
)]
pub(super) async fn passkey(call: InstanceCall) -> Result<web::Json<PasskeyResponse>, ApiError> {
    let step = call.services().instances.passkey(&call.caller, call.subject).await?;
    Ok(web::Json(PasskeyResponse::from(step)))
}

/// Shows the passkey: what `navigator.credentials.get` answered on a page of WhatsApp.
#[utoipa::path(
    post,
    path = "/api/instances/{id}/passkey",
    tag = "instances",
    params(InstancePath),
    request_body = PasskeyRequest,
    responses((status = 200, description = "WhatsApp has taken it.", body = Done), Refused)
)]
pub(super) async fn show_passkey(
    call: InstanceCall,
    JsonBody(request): JsonBody<PasskeyRequest>,
) -> Result<web::Json<Done>, ApiError> {
    let shown = ShownPasskey::from(request);
    let show = |call: InstanceCall| async move {
        call.services().instances.show_passkey(&call.caller, call.subject, &shown).await
    };
    call.complete(show).await?;
    Ok(web::Json(Done::new()))
}

/// Says that the phone shows the code that is to be compared. Only for a person to say.
#[utoipa::path(
    post,
    path = "/api/instances/{id}/passkey/confirm",
    tag = "instances",
    params(InstancePath),
    responses((status = 200, description = "The phone links the instance next.", body = Done), Refused)
)]
pub(super) async fn confirm_passkey(call: InstanceCall) -> Result<web::Json<Done>, ApiError> {
    let confirm = |call: InstanceCall| async move {
        call.services().instances.confirm_passkey(&call.caller, call.subject).await
    };
    call.complete(confirm).await?;
    Ok(web::Json(Done::new()))
}

/// Closes an instance's connection and opens a new one. One that is paused is refused (409): it is resumed instead.
#[utoipa::path(
    post,
    path = "/api/instances/{id}/reconnect",
    tag = "instances",
    params(InstancePath),
    responses((status = 200, description = "It connects again.", body = Done), Refused)
)]
pub(super) async fn reconnect(call: InstanceCall) -> Result<web::Json<Done>, ApiError> {
    let id = call.subject;
    call.complete(|call| async move { call.services().instances.reconnect(&call.caller, id).await }).await?;
    Ok(web::Json(Done::saying(format!("Instance {id} reconnected"))))
}

/// Closes an instance's connection, and opens none until it is resumed, over restarts. It stays linked.
#[utoipa::path(
    post,
    path = "/api/instances/{id}/pause",
    tag = "instances",
    params(InstancePath),
    responses((status = 200, description = "It is paused.", body = Done), Refused)
)]
pub(super) async fn pause(call: InstanceCall) -> Result<web::Json<Done>, ApiError> {
    let id = call.subject;
    call.complete(|call| async move { call.services().instances.pause(&call.caller, id).await }).await?;
    Ok(web::Json(Done::saying(format!("Instance {id} paused"))))
}

/// Lets a paused instance connect again. One that isn't paused stays as it is.
#[utoipa::path(
    post,
    path = "/api/instances/{id}/resume",
    tag = "instances",
    params(InstancePath),
    responses((status = 200, description = "It isn't paused.", body = Done), Refused)
)]
pub(super) async fn resume(call: InstanceCall) -> Result<web::Json<Done>, ApiError> {
    let id = call.subject;
    call.complete(|call| async move { call.services().instances.resume(&call.caller, id).await }).await?;
    Ok(web::Json(Done::saying(format!("Instance {id} resumed"))))
}

/// Unlinks an instance from its phone; it stays, and can be paired again.
#[utoipa::path(
    post,
    path = "/api/instances/{id}/logout",
    tag = "instances",
    params(InstancePath),
    responses((status = 200, description = "It is unlinked.", body = Done), Refused)
)]
pub(super) async fn logout(call: InstanceCall) -> Result<web::Json<Done>, ApiError> {
    let id = call.subject;
    unlink(call).await?;
    Ok(web::Json(Done::saying(format!("Instance {id} logged out"))))
}

/// What both logouts do; they differ in what they say.
pub(super) async fn unlink(call: InstanceCall) -> Result<(), ApiError> {
    let id = call.subject;
    Ok(call.complete(|call| async move { call.services().instances.logout(&call.caller, id).await }).await?)
}
