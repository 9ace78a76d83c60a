use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::http::header::{self, HeaderMap};
use actix_web::http::{Method, StatusCode};
use actix_web::{FromRequest, HttpRequest, HttpResponseBuilder};
use storage::Version;
use utoipa::IntoParams;

use crate::error::ApiError;

/// The states that a change expects to find: `None` for any.
#[derive(Debug, IntoParams)]
#[into_params(names("If-Match"), parameter_in = Header)]
pub(crate) struct IfMatch(
    /// The `ETag` that was seen: under another one nothing is changed, and the answer is 412.
    #[param(value_type = Option<String>)]
    pub(crate) Option<Vec<Version>>,
);

/// The changes that heed it: those of what has an `ETag`.
const HEEDED: [(&str, &str); 2] =
    [("PUT", "/api/instances/{id}"), ("PUT", "/api/instances/{id}/webhooks/{name}")];

/// Refuses a change on a condition that it wouldn't heed: what has no tag is in no state that anybody saw.
///
/// # Errors
/// 412.
pub(crate) fn check_heeded(method: &Method, route: &str, headers: &HeaderMap) -> Result<(), ApiError> {
    let looks = *method == Method::GET || *method == Method::HEAD;
    if looks || HEEDED.contains(&(method.as_str(), route)) {
        return Ok(());
    }
    let mut lines =
        headers.get_all(header::IF_MATCH).map(|line| line.to_str().unwrap_or_default()).peekable();
    if lines.peek().is_none() || expected(lines).is_none() {
        return Ok(());
    }
    let message = "This call changes something that has no ETag: nothing was changed. Leave out If-Match.";
    Err(ApiError::new(StatusCode::PRECONDITION_FAILED, "precondition_failed", message))
}

impl FromRequest for IfMatch {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let lines: Vec<_> = request.headers().get_all(header::IF_MATCH).collect();
        let texts = lines.iter().map(|line| line.to_str().unwrap_or_default());
        ready(Ok(Self((!lines.is_empty()).then(|| expected(texts)).flatten())))
    }
}

/// What cannot be a tag of ours, weak ones included, is no state that there is.
fn expected<'a>(lines: impl Iterator<Item = &'a str>) -> Option<Vec<Version>> {
    let mut versions = Vec::new();
    for tag in lines.flat_map(|line| line.split(',')).map(str::trim) {
        if tag == "*" {
            return None;
        }
        let text = tag.strip_prefix('"').and_then(|tag| tag.strip_suffix('"'));
        versions.extend(text.map(Version::new));
    }
    Some(versions)
}

/// An answer that says which state it shows.
pub(crate) fn tagged(mut answer: HttpResponseBuilder, version: &Version) -> HttpResponseBuilder {
    answer.insert_header((header::ETAG, format!("\"{}\"", version.as_str())));
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whoever names a condition has it heeded, or hears that it isn't.
    #[test]
    fn what_heeds_it_is_what_is_described_so() {
        let document = serde_json::to_value(crate::openapi::document(None)).unwrap();
        let paths = document["paths"].as_object().unwrap();
        let is_described = |operation: &serde_json::Value| {
            let parameters = operation["parameters"].as_array();
            parameters.is_some_and(|all| all.iter().any(|parameter| parameter["name"] == "If-Match"))
        };
        for (path, operations) in paths {
            for (method, operation) in operations.as_object().unwrap() {
                let is_heeded = HEEDED.contains(&(method.to_uppercase().as_str(), path.as_str()));
                assert_eq!(is_heeded, is_described(operation), "{method} {path}");
            }
        }
    }

    #[test]
    fn a_condition_that_nobody_heeds_is_refused() {
        let with = |value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::IF_MATCH, header::HeaderValue::from_static(value));
            headers
        };
        let is_refused =
            |method: &Method, route: &str, headers: &HeaderMap| check_heeded(method, route, headers).is_err();
        let (own, instance) = ("/api/auth/me", "/api/instances/{id}");
        assert!(is_refused(&Method::PUT, own, &with("\"a\"")) && is_refused(&Method::PUT, own, &with("")));
        assert!(is_refused(&Method::DELETE, instance, &with("\"a\"")));
        assert!(
            !is_refused(&Method::PUT, own, &with("*")) && !is_refused(&Method::PUT, own, &HeaderMap::new())
        );
        assert!(!is_refused(&Method::PUT, instance, &with("\"a\"")));
        assert!(!is_refused(&Method::GET, own, &with("\"a\"")));
    }

    #[test]
    fn tags_are_read_as_http_has_them() {
        let of = |lines: &[&str]| expected(lines.iter().copied());
        assert_eq!(of(&["\"a\""]), Some(vec![Version::new("a")]));
        assert_eq!(of(&["\"a\" , \"b\"", "\"c\""]).map(|all| all.len()), Some(3));
        assert_eq!(of(&["*"]), None);
        for nothing in ["", "a", "W/\"a\"", "\"a"] {
            assert_eq!(of(&[nothing]), Some(Vec::new()), "{nothing}");
        }
    }
}
