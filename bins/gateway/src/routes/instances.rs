use actix_web::{HttpResponse, web};
use services::Qr;

use crate::ApiError;
use crate::dto::instance::{
    CreateRequest, CreatedResponse, InstanceResponse, ListResponse, QrResponse, StatusResponse,
    UpdateRequest, UpdatedResponse,
};
use crate::dto::outcome::Outcome;
use crate::extract::{Call, InstanceCall, JsonBody};

pub(super) async fn create(
    call: Call,
    JsonBody(request): JsonBody<CreateRequest>,
) -> Result<HttpResponse, ApiError> {
    let create =
        |call: Call| async move { call.services().instances.create(&call.caller, request.into()).await };
    let created = call.complete(create).await?;
    Ok(HttpResponse::Created().json(CreatedResponse::from(created)))
}

pub(super) async fn list(call: Call) -> Result<web::Json<ListResponse>, ApiError> {
    let instances = call.services().instances.list(&call.caller).await?;
    Ok(web::Json(ListResponse::from(instances)))
}

pub(super) async fn find(call: InstanceCall) -> Result<web::Json<InstanceResponse>, ApiError> {
    let instance = call.services().instances.find(&call.caller, call.subject).await?;
    Ok(web::Json(InstanceResponse::from(instance)))
}

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

pub(super) async fn delete(call: InstanceCall) -> Result<web::Json<Outcome>, ApiError> {
    let id = call.subject;
    call.complete(|call| async move { call.services().instances.delete(&call.caller, id).await }).await?;
    Ok(web::Json(Outcome::saying(format!("Instance {id} deleted successfully"))))
}

pub(super) async fn status(call: InstanceCall) -> Result<web::Json<StatusResponse>, ApiError> {
    let instance = call.services().instances.find(&call.caller, call.subject).await?;
    Ok(web::Json(StatusResponse::from(instance)))
}

pub(super) async fn qr(call: InstanceCall) -> Result<HttpResponse, ApiError> {
    let id = call.subject;
    let qr = call.complete(|call| async move { call.services().instances.qr(&call.caller, id).await });
    Ok(match qr.await? {
        Qr::Code { text, .. } => HttpResponse::Ok().json(QrResponse::Code { qr_code: text }),
        Qr::Generating => HttpResponse::Accepted().json(QrResponse::generating()),
    })
}

pub(super) async fn reconnect(call: InstanceCall) -> Result<web::Json<Outcome>, ApiError> {
    let id = call.subject;
    call.complete(|call| async move { call.services().instances.reconnect(&call.caller, id).await }).await?;
    Ok(web::Json(Outcome::saying(format!("Instance {id} reconnected"))))
}

pub(super) async fn logout(call: InstanceCall) -> Result<web::Json<Outcome>, ApiError> {
    let id = call.subject;
    call.complete(|call| async move { call.services().instances.logout(&call.caller, id).await }).await?;
    Ok(web::Json(Outcome::saying(format!("Instance {id} logged out"))))
}
