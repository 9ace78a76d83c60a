//! Who is calling, and how errors are told.

use std::collections::BTreeMap;

use actix_web::body::BoxBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::StatusCode;
use actix_web::middleware::Next;
use actix_web::{Error, ResponseError as _, web};
use serde::Serialize;
use utoipa::openapi::{OpenApi, RefOr, Response};
use utoipa::{IntoResponses, Modify, ToSchema};

use crate::error::{ApiError, refused_with, reworded};
use crate::middleware::authenticate;
use crate::state::AppState;

/// Lets only those through who show a user's API key as `X-Api-Key`, as everywhere, and tells errors as this API does.
pub(super) async fn by_key(
    route: &'static str,
    state: web::Data<AppState>,
    request: ServiceRequest,
    next: Next<BoxBody>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let mut response = reworded(authenticate(route, state, request, next).await?, Failed::of);
    let error = response.response().error().and_then(|error| error.as_error::<ApiError>());
    if let Some(status) = error.map(status_of) {
        response.response_mut().head_mut().status = status;
    }
    Ok(response)
}

/// A session that doesn't stand as it would have to is a 422 here.
fn status_of(error: &ApiError) -> StatusCode {
    match error.status_code() {
        StatusCode::CONFLICT => StatusCode::UNPROCESSABLE_ENTITY,
        status => status,
    }
}

/// Every error.
#[derive(Serialize, ToSchema)]
#[schema(as = WahaError)]
#[serde(rename_all = "camelCase")]
pub(super) struct Failed {
    status_code: u16,
    message: String,
    error: &'static str,
    /// For programs: it stays.
    code: &'static str,
    /// The field or parameter of the request that is at fault.
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<String>,
}

/// How the description speaks of every answer that isn't a success.
pub(super) struct Refused;

impl IntoResponses for Refused {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        refused_with("WahaError")
    }
}

impl Failed {
    fn of(error: &ApiError) -> Self {
        let status = status_of(error);
        Self {
            status_code: status.as_u16(),
            message: error.message().to_owned(),
            error: status.canonical_reason().unwrap_or("Error"),
            code: error.code(),
            field: error.field().map(str::to_owned),
        }
    }
}

/// The credential is that of the other API.
pub(super) struct Credentials;

impl Modify for Credentials {
    fn modify(&self, _: &mut OpenApi) {}
}
