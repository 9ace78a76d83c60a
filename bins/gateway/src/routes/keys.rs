use actix_web::{HttpResponse, web};
use services::NewKey;
use storage::KeyId;

use crate::dto::done::Done;
use crate::dto::key::{CreatedKey, KeysResponse, NewKeyRequest};
use crate::dto::page::Window;
use crate::dto::path::KeyPath;
use crate::error::ApiError;
use crate::error::Refused;
use crate::extract::{Call, JsonBody, Query};

/// Makes a key that opens less than the caller may do. What it lacks is answered 403 (`insufficient_scope`), and an
/// instance that it isn't bound to 404.
#[utoipa::path(
    post,
    path = "/api/keys",
    tag = "keys",
    request_body = NewKeyRequest,
    responses((status = 201, description = "The key, shown this once.", body = CreatedKey), Refused)
)]
pub(super) async fn create(
    call: Call,
    JsonBody(request): JsonBody<NewKeyRequest>,
) -> Result<HttpResponse, ApiError> {
    let new = NewKey::try_from(request)?;
    let create =
        |call: Call| async move { call.services().keys.create(&call.caller, call.address(), new).await };
    Ok(HttpResponse::Created().json(CreatedKey::from(call.complete(create).await?)))
}

/// The caller's scoped keys, oldest first.
#[utoipa::path(
    get,
    path = "/api/keys",
    tag = "keys",
    params(Window),
    responses((status = 200, description = "A page of them.", body = KeysResponse), Refused)
)]
pub(super) async fn list(call: Call, Query(window): Query<Window>) -> Result<HttpResponse, ApiError> {
    let page = call.services().keys.list(&call.caller, window.limit, window.skip).await?;
    call.answer(KeysResponse::of(page, window))
}

/// Takes a scoped key back: it opens nothing any more.
#[utoipa::path(
    delete,
    path = "/api/keys/{id}",
    tag = "keys",
    params(KeyPath),
    responses((status = 200, description = "It is gone.", body = Done), Refused)
)]
pub(super) async fn delete(call: Call<KeyId>) -> Result<web::Json<Done>, ApiError> {
    let delete = |call: Call<KeyId>| async move {
        call.services().keys.delete(&call.caller, call.address(), call.subject).await
    };
    call.complete(delete).await?;
    Ok(web::Json(Done::new()))
}
