//! The one shape of every error answer:
//! `{"error":{"code","message","field"?,"cause"?,"retryAfter"?,"retryAt"?}}`.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use actix_web::body::BoxBody;
use actix_web::dev::ServiceResponse;
use actix_web::http::{StatusCode, header};
use actix_web::{HttpResponse, ResponseError};
use serde::Serialize;
use services::{Exceeded, ServiceError};
use storage::{Clock, FailureCause, Timestamp};
use utoipa::openapi::response::{Response, ResponseBuilder};
use utoipa::openapi::{ContentBuilder, Ref, RefOr};
use utoipa::{IntoResponses, ToSchema};

use crate::field::{self, Names};

/// An error answer. The message is for people, the code for programs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiError {
    status: StatusCode,
    code: &'static str,
    message: String,
    field: Option<String>,
    cause: Option<String>,
    retry: Option<Retry>,
    exceeded: Option<Box<Exceeding>>,
}

/// The limits that stand against it: in a box, since they seldom do.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Exceeding(Vec<Exceeded>);

/// When another try makes sense.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Retry {
    After(Duration),
    At(Timestamp),
}

impl Retry {
    /// In how many seconds that is: one at least, also where it is just over.
    fn seconds(self, now: Timestamp) -> u64 {
        match self {
            Self::After(wait) => whole_seconds(wait),
            Self::At(until) => {
                let left = u64::try_from(until.millis().saturating_sub(now.millis())).unwrap_or_default();
                left.div_ceil(1_000).max(1)
            }
        }
    }
}

impl ApiError {
    /// An error without field, cause or waiting time.
    #[must_use]
    pub fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into(), field: None, cause: None, retry: None, exceeded: None }
    }

    /// 400: the request's content is wrong.
    #[must_use]
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid_request", message)
    }

    /// 401: no credential, or one that isn't good.
    #[must_use]
    pub fn unauthorized(message: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "unauthorized", message)
    }

    /// 404: there is no such thing, or it isn't the caller's.
    #[must_use]
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", message)
    }

    /// 409: it doesn't stand as it would have to.
    #[must_use]
    pub(crate) fn conflict(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, code, message)
    }

    /// 503: not at the moment, but in a moment perhaps.
    #[must_use]
    pub fn unavailable(message: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", message).with_retry_after(BRIEFLY)
    }

    /// 500: our fault. What happened is in the log, not in the answer.
    #[must_use]
    pub fn internal() -> Self {
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal",
            "Something went wrong on our side. The log has more under this answer's x-request-id.",
        )
    }

    /// The error for programs: it stays.
    pub(crate) fn code(&self) -> &'static str {
        self.code
    }

    /// The error for people.
    pub(crate) fn message(&self) -> &str {
        &self.message
    }

    /// The field of the request that is at fault.
    #[must_use]
    pub fn field(&self) -> Option<&str> {
        self.field.as_deref()
    }

    /// Names the field of the request that is at fault.
    #[must_use]
    pub fn with_field(mut self, field: impl Into<String>) -> Self {
        self.field = Some(field.into());
        self
    }

    /// Names the typed cause, such as `logged_out`.
    #[must_use]
    pub fn with_cause(mut self, cause: impl Into<String>) -> Self {
        self.cause = Some(cause.into());
        self
    }

    /// Says at which time what stands against the request ends.
    #[must_use]
    pub fn with_retry_at(mut self, until: Option<Timestamp>) -> Self {
        self.retry = until.map(Retry::At).or(self.retry);
        self
    }

    /// Says when another try makes sense.
    #[must_use]
    pub fn with_retry_after(mut self, wait: Duration) -> Self {
        self.retry = Some(Retry::After(wait));
        self
    }
}

impl From<ServiceError> for ApiError {
    fn from(error: ServiceError) -> Self {
        Self::of(error, field::flat)
    }
}

impl ApiError {
    /// For `map_err`: the answer to what a service refuses, for a request that names its fields like this.
    pub(crate) fn named(names: Names) -> impl Fn(ServiceError) -> Self {
        move |error| Self::of(error, names)
    }

    /// The body that it answers with.
    pub(crate) fn response(&self) -> ErrorResponse<'_> {
        let (retry_after, retry_at) = match self.retry {
            None => (None, None),
            Some(Retry::After(wait)) => (Some(whole_seconds(wait)), None),
            Some(Retry::At(until)) => (None, Some(until)),
        };
        let (code, message) = (self.code, self.message.as_str());
        let (field, cause) = (self.field.as_deref(), self.cause.as_deref());
        ErrorResponse {
            error: ErrorDetail {
                code,
                message,
                field,
                cause,
                retry_after,
                retry_at,
                exceeded_limits: self.exceeded().iter().map(|one| one.limit.as_str()).collect(),
                usage: self.exceeded().iter().map(|one| (one.limit.counted(), one.used)).collect(),
            },
        }
    }

    fn exceeded(&self) -> &[Exceeded] {
        self.exceeded.as_ref().map(|exceeding| &exceeding.0[..]).unwrap_or_default()
    }

    fn of(error: ServiceError, names: Names) -> Self {
        let message = sentence(&error.to_string());
        match error {
            ServiceError::NotFound { .. } => Self::not_found(message),
            ServiceError::Invalid { field, message } => {
                let name = names(field);
                Self::invalid(format!("{name:?} {message}.")).with_field(name)
            }
            ServiceError::Conflict { cause, .. } => {
                Self::new(StatusCode::CONFLICT, "conflict", message).with_cause(cause.as_str())
            }
            ServiceError::NotConnected { status, cause } => {
                let cause = cause.map_or(status.as_str(), |cause| cause.kind.as_str());
                Self::new(StatusCode::CONFLICT, "not_connected", message).with_cause(cause)
            }
            ServiceError::Refused { cause, .. } => {
                let cause = cause.map_or(FAILED, FailureCause::as_str);
                Self::new(StatusCode::UNPROCESSABLE_ENTITY, "refused", message).with_cause(cause)
            }
            ServiceError::Limited { cause, until, .. } => {
                Self::new(StatusCode::TOO_MANY_REQUESTS, "limited", message)
                    .with_cause(cause.as_str())
                    .with_retry_at(until)
            }
            ServiceError::LimitExceeded { exceeded, until } => {
                let error = Self::new(StatusCode::TOO_MANY_REQUESTS, "limit_exceeded", message);
                let exceeded = Some(Box::new(Exceeding(exceeded)));
                Self { exceeded, ..error.with_retry_at(Some(until)) }
            }
            ServiceError::Unauthorized { .. } => Self::unauthorized(message),
            ServiceError::Forbidden { .. } => Self::new(StatusCode::FORBIDDEN, "forbidden", message),
            ServiceError::AddressNotAllowed => {
                Self::new(StatusCode::FORBIDDEN, "address_not_allowed", message)
            }
            ServiceError::RateLimited { retry_after } => {
                Self::new(StatusCode::TOO_MANY_REQUESTS, "rate_limited", message)
                    .with_retry_after(retry_after)
            }
            ServiceError::Stale => Self::new(StatusCode::PRECONDITION_FAILED, "precondition_failed", message),
            ServiceError::Unreadable(source) => {
                tracing::error!(
                    error = &source as &dyn std::error::Error,
                    "what was asked for is unreadable"
                );
                Self::new(StatusCode::INTERNAL_SERVER_ERROR, "unreadable", message)
            }
            ServiceError::TooLarge { .. } => {
                Self::new(StatusCode::PAYLOAD_TOO_LARGE, "payload_too_large", message).with_field("file")
            }
            ServiceError::NoRoom { .. } => {
                Self::new(StatusCode::INSUFFICIENT_STORAGE, "media_quota_exceeded", message)
            }
            ServiceError::FilePending => {
                Self::new(StatusCode::CONFLICT, "media_pending", message).with_retry_after(SOON)
            }
            ServiceError::FileUnavailable { fault } => {
                let error = Self::new(StatusCode::GONE, "media_unavailable", message);
                match fault {
                    Some(fault) => error.with_cause(fault.as_str()),
                    None => error,
                }
            }
            ServiceError::Unavailable { .. } => Self::unavailable(message),
            error => {
                tracing::error!(error = &error as &dyn std::error::Error, "a request failed");
                Self::internal()
            }
        }
    }
}

/// The cause of a failure whose own cause was told earlier.
const FAILED: &str = "failed";
/// When another try makes sense after a passing shortage.
const BRIEFLY: Duration = Duration::from_secs(1);

/// When another try makes sense for what is under way.
const SOON: Duration = Duration::from_secs(5);

/// A message of the services as a sentence: they write them to be embedded.
fn sentence(message: &str) -> String {
    let mut rest = message.chars();
    let first: String = rest.next().map(|c| c.to_uppercase().collect()).unwrap_or_default();
    let end = if message.ends_with(['.', '!', '?']) { "" } else { "." };
    format!("{first}{}{end}", rest.as_str())
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.status.as_u16(), self.code, self.message)
    }
}

impl std::error::Error for ApiError {}

impl ResponseError for ApiError {
    fn status_code(&self) -> StatusCode {
        self.status
    }

    fn error_response(&self) -> HttpResponse {
        let mut response = HttpResponse::build(self.status);
        if let Some(retry) = self.retry {
            response.insert_header((header::RETRY_AFTER, retry.seconds(Clock::system().now())));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            response.insert_header((header::WWW_AUTHENTICATE, "Bearer"));
        }
        response.json(self.response())
    }
}

/// What every error answers.
#[derive(Serialize, ToSchema)]
pub(crate) struct ErrorResponse<'a> {
    error: ErrorDetail<'a>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct ErrorDetail<'a> {
    /// For programs: it stays.
    code: &'static str,
    /// For people: it may change.
    message: &'a str,
    /// The field or parameter of the request that is at fault.
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<&'a str>,
    /// What stands against it, for programs.
    #[serde(skip_serializing_if = "Option::is_none")]
    cause: Option<&'a str>,
    /// Whole seconds, as in the header `retry-after`.
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after: Option<u64>,
    /// When what stands against it ends, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    retry_at: Option<Timestamp>,
    /// The limits of the instance that are reached: beside `limit_exceeded`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Option<Vec<String>>)]
    exceeded_limits: Vec<&'static str>,
    /// What was used of each of them until then.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schema(value_type = Option<BTreeMap<String, u64>>)]
    usage: BTreeMap<&'static str, u64>,
}

/// How the API's description speaks of every answer that isn't a success.
pub(crate) struct Refused;

impl IntoResponses for Refused {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        refused_with("ErrorResponse")
    }
}

/// The same where errors are told in other words: those of this schema.
pub(crate) fn refused_with(schema: &str) -> BTreeMap<String, RefOr<Response>> {
    let body = ContentBuilder::new().schema(Some(Ref::from_schema_name(schema))).build();
    let refused = ResponseBuilder::new().description("Why not.").content("application/json", body);
    BTreeMap::from([("default".to_owned(), refused.into())])
}

/// An answer whose error, if it is one, is told in other words: the same status and headers, another body.
pub(crate) fn reworded<T: Serialize>(
    response: ServiceResponse<BoxBody>,
    words: impl FnOnce(&ApiError) -> T,
) -> ServiceResponse<BoxBody> {
    let error = response.response().error().and_then(|error| error.as_error::<ApiError>());
    match error.and_then(|error| serde_json::to_vec(&words(error)).ok()) {
        Some(body) => response.map_body(|_, _| BoxBody::new(body)),
        None => response,
    }
}

/// Rounded up, so that a client that waits exactly this long isn't too early.
fn whole_seconds(wait: Duration) -> u64 {
    wait.as_secs() + u64::from(wait.subsec_nanos() > 0)
}

#[cfg(test)]
mod tests {
    use actix_web::body::MessageBody as _;
    use services::Field;
    use storage::CauseKind;

    use super::*;

    fn body(error: &ApiError) -> String {
        let bytes = error.error_response().into_body().try_into_bytes().unwrap();
        String::from_utf8(bytes.to_vec()).unwrap()
    }

    #[test]
    fn the_body_holds_only_what_is_known() {
        assert_eq!(
            body(&ApiError::not_found("No such instance.")),
            r#"{"error":{"code":"not_found","message":"No such instance."}}"#
        );
        let full = ApiError::invalid("x")
            .with_field("phone")
            .with_cause("c")
            .with_retry_after(Duration::from_millis(1500));
        assert_eq!(
            body(&full),
            r#"{"error":{"code":"invalid_request","message":"x","field":"phone","cause":"c","retryAfter":2}}"#
        );
        assert_eq!(full.error_response().headers().get("retry-after").unwrap(), "2");
    }

    #[test]
    fn when_another_try_makes_sense_is_said_in_seconds() {
        let now = Timestamp::from_millis(10_000);
        for (until, seconds) in [(10_001, 1), (11_000, 1), (11_001, 2), (9_000, 1), (i64::MIN, 1)] {
            assert_eq!(Retry::At(Timestamp::from_millis(until)).seconds(now), seconds, "{until}");
        }
        let limited = ApiError::invalid("x").with_retry_at(Some(Timestamp::from_millis(i64::MAX / 2)));
        assert!(limited.error_response().headers().contains_key("retry-after"));
    }

    #[test]
    fn services_errors_become_answers() {
        let of = |error: ServiceError| {
            let error = ApiError::from(error);
            (error.status.as_u16(), body(&error))
        };
        let (status, shown) = of(ServiceError::NotFound { what: storage::Missing::Instance });
        assert_eq!(
            (status, shown.as_str()),
            (404, r#"{"error":{"code":"not_found","message":"No such instance."}}"#)
        );
        let (status, shown) =
            of(ServiceError::Invalid { field: Field::Recipient, message: "is wrong".into() });
        assert_eq!(status, 400);
        assert!(shown.contains(r#""message":"\"phone\" is wrong.","field":"phone""#), "{shown}");
        let cause = Some(CauseKind::Banned.into());
        let (status, shown) =
            of(ServiceError::NotConnected { status: services::Status::Disconnected, cause });
        assert_eq!(status, 409);
        assert!(
            shown.contains(r#""code":"not_connected""#) && shown.contains(r#""cause":"banned""#),
            "{shown}"
        );
        let (status, shown) = of(ServiceError::Internal("disk on fire".into()));
        assert_eq!(status, 500);
        assert!(!shown.contains("fire"), "{shown}");
    }

    #[test]
    fn a_401_says_how_to_authenticate() {
        let response = ApiError::unauthorized("x").error_response();
        assert_eq!(response.headers().get("www-authenticate").unwrap(), "Bearer");
    }
}
