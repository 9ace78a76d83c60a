use actix_web::http::StatusCode;
use actix_web::web;
use services::ServiceError;
use storage::Role;

use crate::dto::database::{DatabaseResponse, SwitchRequest, SwitchedResponse};
use crate::error::{ApiError, Refused};
use crate::extract::{Call, JsonBody};

/// Databases that `DATABASE_PROVIDER` knows, of which none takes another one's place while the gateway runs.
const KNOWN: &[&str] = &["sqlite", "postgres", "mongodb"];

/// Which database everything is stored in.
#[utoipa::path(
    get,
    path = "/api/db/status",
    tag = "gateway",
    responses((status = 200, description = "The database.", body = DatabaseResponse), Refused)
)]
pub(super) async fn status(call: Call) -> web::Json<DatabaseResponse> {
    let backend = call.backend();
    web::Json(DatabaseResponse { provider: backend.provider(), url: backend.url() })
}

/// Stores everything in a database of another provider from now on; for administrators. 501 for one that this build doesn't
/// have: then nothing is changed.
#[utoipa::path(
    post,
    path = "/api/db/switch",
    tag = "gateway",
    request_body = SwitchRequest,
    responses((status = 200, description = "It is the one in use.", body = SwitchedResponse), Refused)
)]
pub(super) async fn switch(
    call: Call,
    JsonBody(request): JsonBody<SwitchRequest>,
) -> Result<web::Json<SwitchedResponse>, ApiError> {
    if call.caller.role != Role::Admin {
        return Err(ServiceError::Forbidden { message: "this needs an administrator" }.into());
    }
    let present = call.backend().provider();
    match request.provider.as_str() {
        provider if provider == present => Ok(web::Json(SwitchedResponse::to(present))),
        provider if KNOWN.contains(&provider) => {
            let message = format!("This build can't switch to {provider}; everything stays in {present}.");
            Err(ApiError::new(StatusCode::NOT_IMPLEMENTED, "not_implemented", message).with_field("provider"))
        }
        _ => {
            Err(ApiError::invalid("\"provider\" must be sqlite, postgres or mongodb.").with_field("provider"))
        }
    }
}
