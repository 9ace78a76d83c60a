use actix_web::web;
use storage::SecretText;

use crate::dto::auth::{LoginRequest, LoginResponse, UserResponse};
use crate::error::ApiError;
use crate::error::Refused;
use crate::extract::{Call, ClientAddress, JsonBody};
use crate::state::AppState;

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
    responses((status = 200, description = "The user.", body = UserResponse), Refused)
)]
pub(super) async fn me(call: Call) -> Result<web::Json<UserResponse>, ApiError> {
    let user = call.services().auth.me(&call.caller).await?;
    Ok(web::Json(UserResponse::from(&user)))
}
