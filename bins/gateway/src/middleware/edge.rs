use std::time::Duration;

use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderMap};
use actix_web::middleware::Next;
use actix_web::{Error, HttpMessage as _, ResponseError as _, web};
use services::LONGEST_SENT;
use tokio::time::Instant;
use tracing::field::Empty;
use tracing::{Instrument as _, Span};

use super::cors::Sharing;
use super::headers::{insist_on_tls, secure};
use super::request_id::{self, RequestId};
use crate::connection::Answering;
use crate::error::ApiError;
use crate::extract::{ClientAddress, MAX_JSON_BODY, MAX_LARGE_BODY};
use crate::http_times::Route;
use crate::networks;
use crate::state::AppState;
use crate::trace_parent::TraceParent;

/// Longest that a request may take, answer included. A send waits 10 s for WhatsApp, a body 30 s for its client, and a
/// question for events up to 60 s for something to happen.
const TIME_LIMIT: Duration = Duration::from_secs(75);

/// Longest that a request with a file may take, from its head on: 100 MB over a slow line.
const FILE_TIME_LIMIT: Duration = Duration::from_secs(15 * 60);
/// What a form may hold beside its file.
const FORM: usize = 1024 * 1024;

/// How many bytes of a body may come, and how long the request may take.
fn allowance(request: &ServiceRequest) -> (usize, Duration) {
    let path = request.path();
    if path.ends_with("/send-file") {
        let longest = usize::try_from(LONGEST_SENT).unwrap_or(usize::MAX);
        (longest.saturating_add(FORM), FILE_TIME_LIMIT)
    } else if path.ends_with("/send-media") || of_a_dialect(request, path) {
        (MAX_LARGE_BODY, FILE_TIME_LIMIT)
    } else {
        (MAX_JSON_BODY, TIME_LIMIT)
    }
}

/// Whether it is a path of a dialect whose bodies may hold a file.
fn of_a_dialect(request: &ServiceRequest, path: &str) -> bool {
    let state = request.app_data::<web::Data<AppState>>();
    state.is_some_and(|state| state.paths_with_files.contains(&path))
}

/// The outermost layer around every route.
pub(crate) async fn edge(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let id = RequestId::of(request.headers());
    let manner = Manner::of(&request);
    let (longest, time) = allowance(&request);
    let mut answering = Answering::begin(request.request(), longest, time);
    let parent = TraceParent::text_of(request.headers());
    let (method, route, status) = (request.method(), Empty, Empty);
    let span = tracing::info_span!("request", %id, %method, traceparent = parent, route, status);
    let (began, method) = (Instant::now(), request.method().clone());
    let state = request.app_data::<web::Data<AppState>>().cloned();
    let answer = within_limits(request, &manner.sharing, &mut answering, next).instrument(span.clone()).await;
    let answered = Answered::of(&answer);
    if let Some(state) = state {
        state.http.took(answered.route, &method, answered.status, began.elapsed());
    }
    span.in_scope(|| answered.log());
    answered.tell(&span);
    match answer {
        Ok(mut response) => {
            dress(response.headers_mut(), &id);
            manner.tell(response.headers_mut());
            Ok(response.map_body(|_, body| answering.until_sent(body)))
        }
        Err(mut error) => {
            error.add_response_mapper(move |mut response| {
                dress(response.headers_mut(), &id);
                manner.tell(response.headers_mut());
                response
            });
            Err(error)
        }
    }
}

/// How a request was answered.
struct Answered {
    status: StatusCode,
    /// The pattern, not the path: a path holds chat ids, and with them phone numbers.
    route: &'static str,
}

impl Answered {
    fn of(answer: &Result<ServiceResponse<BoxBody>, Error>) -> Self {
        match answer {
            Ok(response) => Self { status: response.status(), route: Route::of(response.request()) },
            Err(error) => Self { status: error.as_response_error().status_code(), route: Route::NONE },
        }
    }

    /// Says it of the request's span, for traces. Only now: the log has said it.
    fn tell(&self, span: &Span) {
        span.record("status", self.status.as_u16());
        if self.route != Route::NONE {
            span.record("route", self.route);
        }
    }

    /// Tells defects of ours always, anything else for whoever looks closely.
    fn log(&self) {
        let (status, route) = (self.status.as_u16(), self.route);
        if self.status == StatusCode::INTERNAL_SERVER_ERROR {
            tracing::warn!(status, route, "answered");
        } else {
            tracing::debug!(status, route, "answered");
        }
    }
}

/// Adds the headers that every answer has.
pub(crate) fn dress(headers: &mut HeaderMap, id: &RequestId) {
    if let Some(value) = id.header() {
        headers.insert(request_id::HEADER, value);
    }
    secure(headers);
}

/// What the configuration adds to the headers of every answer.
struct Manner {
    sharing: Sharing,
    has_tls: bool,
}

impl Manner {
    fn of(request: &ServiceRequest) -> Self {
        match request.app_data::<web::Data<AppState>>() {
            Some(state) => {
                Self { sharing: Sharing::of(&state.cors_origins, request.headers()), has_tls: state.has_tls }
            }
            None => Self { sharing: Sharing::Off, has_tls: false },
        }
    }

    fn tell(&self, headers: &mut HeaderMap) {
        self.sharing.tell(headers);
        if self.has_tls {
            insist_on_tls(headers);
        }
    }
}

async fn within_limits(
    request: ServiceRequest,
    sharing: &Sharing,
    answering: &mut Answering,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    match client(&request, answering) {
        Ok(client) => {
            request.extensions_mut().insert(client);
        }
        Err(refused) => return Ok(request.into_response(refused.error_response())),
    }
    if let Some(answer) = sharing.preflight(&request) {
        return Ok(request.into_response(answer));
    }
    // Nothing of the request may be kept here: the router wants it for itself.
    let (_, time) = allowance(&request);
    let answer = tokio::time::timeout(time, next.call(request)).await;
    let response = answer.map_err(|_| timed_out())??;
    Ok(in_our_shape(response.map_into_boxed_body()))
}

/// Whom the request comes from, if they are served now. A peer that isn't, was refused before it could ask; this is for
/// those who come through a proxy.
fn client(request: &ServiceRequest, answering: &mut Answering) -> Result<ClientAddress, ApiError> {
    let state = request.app_data::<web::Data<AppState>>().ok_or_else(ApiError::internal)?;
    let peer = request.peer_addr().ok_or_else(forbidden)?.ip();
    let client = ClientAddress::of(peer, request.headers(), &state.trusted_proxies)?;
    if !state.allowed_ips.is_empty() && !networks::contains(&state.allowed_ips, client.0) {
        return Err(forbidden());
    }
    // The connections of a proxy are not those of one client, and not counted by address.
    if client.0 != peer.to_canonical() {
        answering.takes(state.in_flight.begin(client.0).ok_or_else(too_many)?);
    }
    Ok(client)
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

fn too_many() -> ApiError {
    let message = "Too many requests of your address are under way.";
    let error = ApiError::new(StatusCode::TOO_MANY_REQUESTS, "rate_limited", message);
    error.with_retry_after(Duration::from_secs(1))
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
