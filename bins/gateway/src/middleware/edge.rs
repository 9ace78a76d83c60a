use std::time::Duration;

use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderMap};
use actix_web::middleware::Next;
use actix_web::{Error, HttpMessage as _, HttpRequest, ResponseError as _, web};
use tracing::Instrument as _;

use super::headers::secure;
use super::request_id::{self, RequestId};
use crate::connection::Answering;
use crate::error::ApiError;
use crate::extract::{ClientAddress, MAX_JSON_BODY};
use crate::networks;
use crate::state::AppState;

/// Longest that a request may take, answer included. A send waits 10 s for WhatsApp, a body 30 s for its client, and a
/// question for events up to 60 s for something to happen.
const TIME_LIMIT: Duration = Duration::from_secs(75);

/// The outermost layer around every route.
pub(crate) async fn edge(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let id = RequestId::of(request.headers());
    let answering = Answering::begin(request.request(), MAX_JSON_BODY);
    let span = tracing::info_span!("request", %id, method = %request.method());
    let answer = within_limits(request, next).instrument(span.clone()).await;
    span.in_scope(|| log(&answer));
    match answer {
        Ok(mut response) => {
            dress(response.headers_mut(), &id);
            Ok(response.map_body(|_, body| answering.until_sent(body)))
        }
        Err(mut error) => {
            error.add_response_mapper(move |mut response| {
                dress(response.headers_mut(), &id);
                response
            });
            Err(error)
        }
    }
}

/// Tells how a request was answered: defects of ours always, anything else for whoever looks closely.
fn log(answer: &Result<ServiceResponse<BoxBody>, Error>) {
    // The pattern, not the path: a path holds chat ids, and with them phone numbers. It is searched for only here, since
    // that takes as long as the routing itself.
    let (status, route) = match answer {
        Ok(response) => (response.status(), Some(response.request())),
        Err(error) => (error.as_response_error().status_code(), None),
    };
    let route = || route.and_then(HttpRequest::match_pattern).unwrap_or_else(|| "unknown".to_owned());
    if status == StatusCode::INTERNAL_SERVER_ERROR {
        tracing::warn!(status = status.as_u16(), route = route(), "answered");
    } else {
        tracing::debug!(status = status.as_u16(), route = route(), "answered");
    }
}

/// Adds the headers that every answer has.
pub(crate) fn dress(headers: &mut HeaderMap, id: &RequestId) {
    if let Some(value) = id.header() {
        headers.insert(request_id::HEADER, value);
    }
    secure(headers);
}

async fn within_limits(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    match client(&request) {
        Ok(client) => {
            request.extensions_mut().insert(client);
        }
        Err(refused) => return Ok(request.into_response(refused.error_response())),
    }
    // Nothing of the request may be kept here: the router wants it for itself.
    let answer = tokio::time::timeout(TIME_LIMIT, next.call(request)).await;
    let response = answer.map_err(|_| timed_out())??;
    Ok(in_our_shape(response.map_into_boxed_body()))
}

/// Whom the request comes from, if they are served. A peer that isn't, was refused before it could ask; this is for those
/// who come through a proxy.
fn client(request: &ServiceRequest) -> Result<ClientAddress, ApiError> {
    let state = request.app_data::<web::Data<AppState>>().ok_or_else(ApiError::internal)?;
    let peer = request.peer_addr().ok_or_else(forbidden)?.ip();
    let client = ClientAddress::of(peer, request.headers(), &state.trusted_proxies)?;
    if state.allowed_ips.is_empty() || networks::contains(&state.allowed_ips, client.0) {
        return Ok(client);
    }
    Err(forbidden())
}

/// The framework answers a wrong method with an empty body; ours tells what is wrong.
fn in_our_shape(response: ServiceResponse<BoxBody>) -> ServiceResponse<BoxBody> {
    let is_bare = matches!(response.response().body().size(), BodySize::None | BodySize::Sized(0));
    if response.status() != StatusCode::METHOD_NOT_ALLOWED || !is_bare {
        return response;
    }
    let mut answer = wrong_method().error_response();
    if let Some(allow) = response.headers().get(header::ALLOW) {
        answer.headers_mut().insert(header::ALLOW, allow.clone());
    }
    ServiceResponse::new(response.into_parts().0, answer)
}

fn forbidden() -> ApiError {
    ApiError::new(StatusCode::FORBIDDEN, "forbidden", "This gateway does not serve your address.")
}

fn wrong_method() -> ApiError {
    ApiError::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "method_not_allowed",
        "This path does not know that method; the allow header lists those it does.",
    )
}

fn timed_out() -> ApiError {
    ApiError::new(
        StatusCode::SERVICE_UNAVAILABLE,
        "timed_out",
        "The request took too long. What it began may still complete.",
    )
}
