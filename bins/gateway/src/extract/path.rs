use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};
use storage::InstanceId;

use crate::ApiError;

/// The instance that the path names. A text that can't be an id is an instance that doesn't exist.
#[derive(Debug, Clone, Copy)]
pub(crate) struct InstancePath(pub(crate) InstanceId);

impl FromRequest for InstancePath {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let id = request.match_info().query("id").parse();
        ready(id.map(Self).map_err(|_| ApiError::not_found("No such instance.")))
    }
}
