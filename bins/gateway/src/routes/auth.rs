use std::net::{IpAddr, Ipv4Addr};

use actix_web::{HttpRequest, web};
use storage::SecretText;

use crate::ApiError;
use crate::dto::auth::{LoginRequest, LoginResponse, UserResponse};
use crate::extract::{Call, JsonBody};
use crate::state::AppState;

pub(super) async fn login(
    state: web::Data<AppState>,
    request: HttpRequest,
    JsonBody(login): JsonBody<LoginRequest>,
) -> Result<web::Json<LoginResponse>, ApiError> {
    let from = request.peer_addr().map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.ip());
    let password = SecretText::new(login.password.expose());
    let login = state.services.auth.login(&login.email, &password, from).await?;
    Ok(web::Json(LoginResponse::new(login.token, &login.user)))
}

pub(super) async fn me(call: Call) -> Result<web::Json<UserResponse>, ApiError> {
    let user = call.services().auth.me(&call.caller).await?;
    Ok(web::Json(UserResponse::from(&user)))
}
