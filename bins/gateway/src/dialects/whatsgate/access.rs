//! Who is calling, and how errors are told.

use std::collections::BTreeMap;

use actix_web::body::BoxBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
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
    Ok(reworded(authenticate(route, state, request, next).await?, Failed::of))
}

/// Every error.
#[derive(Serialize, ToSchema)]
#[schema(as = WgError)]
pub(super) struct Failed {
    name: &'static str,
    message: String,
    code: u32,
    status: u16,
}

/// How the description speaks of every answer that isn't a success.
pub(super) struct Refused;

impl IntoResponses for Refused {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        refused_with("WgError")
    }
}

impl Failed {
    fn of(error: &ApiError) -> Self {
        let status = error.status_code();
        Self {
            name: status.canonical_reason().unwrap_or("Error"),
            message: error.message().to_owned(),
            code: 0,
            status: status.as_u16(),
        }
    }
}

/// The credential is that of the other API.
pub(super) struct Credentials;

impl Modify for Credentials {
    fn modify(&self, _: &mut OpenApi) {}
}
