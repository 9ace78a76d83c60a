use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::http::header::{self, HeaderMap, HeaderName};
use actix_web::{FromRequest, HttpMessage as _, HttpRequest, web};

use super::{ClientAddress, identify};
use crate::error::ApiError;
use crate::sse::Witness;
use crate::state::AppState;

/// The credential of a request, to be looked at again while the request is answered.
pub(crate) struct Credential {
    state: web::Data<AppState>,
    headers: HeaderMap,
    from: ClientAddress,
}

impl FromRequest for Credential {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let state = request.app_data::<web::Data<AppState>>().cloned();
        let from = request.extensions().get::<ClientAddress>().copied();
        let found = state.zip(from).ok_or_else(ApiError::internal);
        ready(found.map(|(state, from)| Self { state, headers: headers_of(request.headers()), from }))
    }
}

impl Witness for Credential {
    async fn is_good(&self) -> bool {
        identify(&self.headers, self.from, &self.state.services).await.is_ok()
    }
}

/// Those that hold a credential.
fn headers_of(headers: &HeaderMap) -> HeaderMap {
    let names = [header::AUTHORIZATION, HeaderName::from_static("x-api-key")];
    let found = names.into_iter().filter_map(|name| Some((name.clone(), headers.get(&name)?.clone())));
    found.collect()
}
