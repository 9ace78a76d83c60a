use actix_web::{HttpResponse, web};
use services::Qr;

use crate::ApiError;
use crate::dto::instance::{
    CreateRequest, CreatedResponse, InstanceResponse, ListResponse, QrResponse, StatusResponse,
    UpdateRequest, UpdatedResponse,
};
use crate::dto::outcome::Outcome;
use crate::extract::{Authenticated, InstancePath, Json};
use crate::state::AppState;

pub(super) async fn create(
    state: web::Data<AppState>,
    Authenticated(caller): Authenticated,
    Json(request): Json<CreateRequest>,
) -> Result<HttpResponse, ApiError> {
    let instances = state.services.instances.clone();
    let created = state.complete(async move { instances.create(&caller, request.into()).await }).await?;
    Ok(HttpResponse::Created().json(CreatedResponse::from(created)))
}

pub(super) async fn list(
    state: web::Data<AppState>,
    Authenticated(caller): Authenticated,
) -> Result<web::Json<ListResponse>, ApiError> {
    let instances = state.services.instances.list(&caller).await?;
    Ok(web::Json(ListResponse::from(instances)))
}

pub(super) async fn find(
    state: web::Data<AppState>,
    Authenticated(caller): Authenticated,
    InstancePath(id): InstancePath,
) -> Result<web::Json<InstanceResponse>, ApiError> {
    let instance = state.services.instances.find(&caller, id).await?;
    Ok(web::Json(InstanceResponse::from(instance)))
}

pub(super) async fn update(
    state: web::Data<AppState>,
    Authenticated(caller): Authenticated,
    InstancePath(id): InstancePath,
    Json(request): Json<UpdateRequest>,
) -> Result<web::Json<UpdatedResponse>, ApiError> {
    let instances = state.services.instances.clone();
    let updated = state.complete(async move { instances.update(&caller, id, request.into()).await }).await?;
    Ok(web::Json(UpdatedResponse::from(updated)))
}

pub(super) async fn delete(
    state: web::Data<AppState>,
    Authenticated(caller): Authenticated,
    InstancePath(id): InstancePath,
) -> Result<web::Json<Outcome>, ApiError> {
    let instances = state.services.instances.clone();
    state.complete(async move { instances.delete(&caller, id).await }).await?;
    Ok(web::Json(Outcome::saying(format!("Instance {id} deleted successfully"))))
}

pub(super) async fn status(
    state: web::Data<AppState>,
    Authenticated(caller): Authenticated,
    InstancePath(id): InstancePath,
) -> Result<web::Json<StatusResponse>, ApiError> {
    let instance = state.services.instances.find(&caller, id).await?;
    Ok(web::Json(StatusResponse::from(instance)))
}

pub(super) async fn qr(
    state: web::Data<AppState>,
    Authenticated(caller): Authenticated,
    InstancePath(id): InstancePath,
) -> Result<HttpResponse, ApiError> {
    let instances = state.services.instances.clone();
    Ok(match state.complete(async move { instances.qr(&caller, id).await }).await? {
        Qr::Code { text, .. } => HttpResponse::Ok().json(QrResponse::Code { qr_code: text }),
        Qr::Generating => HttpResponse::Accepted().json(QrResponse::generating()),
    })
}

pub(super) async fn reconnect(
    state: web::Data<AppState>,
    Authenticated(caller): Authenticated,
    InstancePath(id): InstancePath,
) -> Result<web::Json<Outcome>, ApiError> {
    let instances = state.services.instances.clone();
    state.complete(async move { instances.reconnect(&caller, id).await }).await?;
    Ok(web::Json(Outcome::saying(format!("Instance {id} reconnected"))))
}

pub(super) async fn logout(
    state: web::Data<AppState>,
    Authenticated(caller): Authenticated,
    InstancePath(id): InstancePath,
) -> Result<web::Json<Outcome>, ApiError> {
    let instances = state.services.instances.clone();
    state.complete(async move { instances.logout(&caller, id).await }).await?;
    Ok(web::Json(Outcome::saying(format!("Instance {id} logged out"))))
}
