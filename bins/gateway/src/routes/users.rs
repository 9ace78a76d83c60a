use actix_web::{HttpResponse, web};
use services::{NewUser, UserChange};
use storage::UserId;

use crate::dto::done::Done;
use crate::dto::page::Window;
use crate::dto::path::UserPath;
use crate::dto::user::{
    CreatedUser, DeleteUserQuery, NewUserRequest, UserDetails, UserRequest, UsersResponse,
};
use crate::error::ApiError;
use crate::error::Refused;
use crate::extract::{Call, JsonBody, Query};

/// Creates a user. For administrators, as everything about other users.
#[utoipa::path(
    post,
    path = "/api/users",
    tag = "users",
    request_body = NewUserRequest,
    responses((status = 201, description = "The user, with their API key.", body = CreatedUser), Refused)
)]
pub(super) async fn create(
    call: Call,
    JsonBody(request): JsonBody<NewUserRequest>,
) -> Result<HttpResponse, ApiError> {
    let new = NewUser::try_from(request)?;
    let create =
        |call: Call| async move { call.services().users.create(&call.caller, call.address(), new).await };
    Ok(HttpResponse::Created().json(CreatedUser::from(call.complete(create).await?)))
}

/// All users, oldest first.
#[utoipa::path(
    get,
    path = "/api/users",
    tag = "users",
    params(Window),
    responses((status = 200, description = "A page of them.", body = UsersResponse), Refused)
)]
pub(super) async fn list(call: Call, Query(window): Query<Window>) -> Result<HttpResponse, ApiError> {
    let page = call.services().users.list(&call.caller, window.limit, window.skip).await?;
    call.answer(UsersResponse::of(page, window))
}

/// One user.
#[utoipa::path(
    get,
    path = "/api/users/{id}",
    tag = "users",
    params(UserPath),
    responses((status = 200, description = "The user.", body = UserDetails), Refused)
)]
pub(super) async fn find(call: Call<UserId>) -> Result<web::Json<UserDetails>, ApiError> {
    let user = call.services().users.find(&call.caller, call.subject).await?;
    Ok(web::Json(UserDetails::from(user)))
}

/// Changes a user: what isn't named stays as it is. Who is disabled is out at once, and their instances are disconnected;
/// these stay linked, and connect again once the user is enabled.
#[utoipa::path(
    put,
    path = "/api/users/{id}",
    tag = "users",
    params(UserPath),
    request_body = UserRequest,
    responses((status = 200, description = "The user.", body = UserDetails), Refused)
)]
pub(super) async fn update(
    call: Call<UserId>,
    JsonBody(request): JsonBody<UserRequest>,
) -> Result<web::Json<UserDetails>, ApiError> {
    let change = UserChange::try_from(request)?;
    let update = |call: Call<UserId>| async move {
        call.services().users.update(&call.caller, call.address(), call.subject, change).await
    };
    Ok(web::Json(UserDetails::from(call.complete(update).await?)))
}

/// Deletes a user with their keys; one who has instances only with them.
#[utoipa::path(
    delete,
    path = "/api/users/{id}",
    tag = "users",
    params(UserPath, DeleteUserQuery),
    responses((status = 200, description = "The user is gone.", body = Done), Refused)
)]
pub(super) async fn delete(
    call: Call<UserId>,
    Query(query): Query<DeleteUserQuery>,
) -> Result<web::Json<Done>, ApiError> {
    let delete = |call: Call<UserId>| async move {
        call.services().users.delete(&call.caller, call.address(), call.subject, query.instances).await
    };
    call.complete(delete).await?;
    Ok(web::Json(Done::new()))
}
