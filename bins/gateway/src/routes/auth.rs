use actix_web::http::header::HeaderName;
use actix_web::{HttpResponse, web};
use storage::SecretText;

use crate::dto::auth::{
    LoginRequest, LoginResponse, NamesRequest, PasswordRequest, RotatedKey, UserResponse,
};
use crate::dto::done::Done;
use crate::error::ApiError;
use crate::error::Refused;
use crate::extract::{Call, ClientAddress, JsonBody};
use crate::field;
use crate::state::AppState;

/// What whoever calls may do, for pages that show no more than that.
const USER_ROLE: HeaderName = HeaderName::from_static("x-user-role");

/// Exchanges e-mail and password for a token.
#[utoipa::path(
    post,
    path = "/api/auth/login",
    tag = "auth",
    security(()),
    request_body = LoginRequest,
    responses((status = 200, description = "The token, and the user with the API key.", body = LoginResponse), Refused)
)]
pub(super) async fn login(
    state: web::Data<AppState>,
    ClientAddress(from): ClientAddress,
    JsonBody(login): JsonBody<LoginRequest>,
) -> Result<web::Json<LoginResponse>, ApiError> {
    let password = SecretText::new(login.password.expose());
    let login = state.services.auth.login(&login.email, &password, from).await?;
    Ok(web::Json(LoginResponse::new(login.token, &login.user)))
}

/// Who is calling.
#[utoipa::path(
    get,
    path = "/api/auth/me",
    tag = "auth",
    responses(
        (
            status = 200,
            description = "The user.",
            body = UserResponse,
            headers(("x-user-role" = String, description = "`admin` or `user`."))
        ),
        Refused
    )
)]
pub(super) async fn me(call: Call) -> Result<HttpResponse, ApiError> {
    let user = call.services().auth.me(&call.caller).await?;
    // The body has the fields that are documented, and no others.
    let role = (USER_ROLE, user.role.as_str());
    Ok(HttpResponse::Ok().insert_header(role).json(UserResponse::from(&user)))
}

/// Changes one's own names.
#[utoipa::path(
    put,
    path = "/api/auth/me",
    tag = "auth",
    request_body = NamesRequest,
    responses((status = 200, description = "The user.", body = UserResponse), Refused)
)]
pub(super) async fn rename(
    call: Call,
    JsonBody(NamesRequest { first_name, last_name }): JsonBody<NamesRequest>,
) -> Result<web::Json<UserResponse>, ApiError> {
    let rename = |call: Call| async move {
        call.services().users.rename(&call.caller, call.address(), first_name, last_name).await
    };
    Ok(web::Json(UserResponse::from(&call.complete(rename).await?)))
}

/// Changes one's own password. The old one and every login token end, this call's included. A wrong `current` counts as a
/// try to log in.
#[utoipa::path(
    post,
    path = "/api/auth/password",
    tag = "auth",
    request_body = PasswordRequest,
    responses((status = 200, description = "The new one holds.", body = Done), Refused)
)]
pub(super) async fn change_password(
    call: Call,
    JsonBody(PasswordRequest { current, new }): JsonBody<PasswordRequest>,
) -> Result<web::Json<Done>, ApiError> {
    let (current, new) = (SecretText::new(current.expose()), SecretText::new(new.expose()));
    let change = |call: Call| async move {
        call.services().auth.change_password(&call.caller, &current, &new, call.address()).await
    };
    call.complete(change).await.map_err(ApiError::named(field::of_password))?;
    Ok(web::Json(Done::new()))
}

/// Makes one's own API key anew. The old one and every login token end at once.
#[utoipa::path(
    post,
    path = "/api/auth/api-key/rotate",
    tag = "auth",
    responses((status = 200, description = "The new key.", body = RotatedKey), Refused)
)]
pub(super) async fn rotate_key(call: Call) -> Result<web::Json<RotatedKey>, ApiError> {
    let rotate =
        |call: Call| async move { call.services().auth.rotate_own_key(&call.caller, call.address()).await };
    let key = call.complete(rotate).await?;
    Ok(web::Json(RotatedKey { api_key: key.expose().to_owned() }))
}
