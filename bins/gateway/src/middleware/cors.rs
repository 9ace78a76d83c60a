//! Which web pages may call the API: those of the origins in `CORS_ORIGINS`, none by default.

use actix_web::HttpResponse;
use actix_web::dev::ServiceRequest;
use actix_web::http::Method;
use actix_web::http::header::{self, HeaderMap, HeaderValue};

use crate::config::CorsOrigins;

/// How long a browser may remember that it may call, in seconds; none remembers for longer than two hours.
const REMEMBERED: &str = "7200";
const METHODS: &str = "GET, HEAD, POST, PUT, DELETE";
/// What pages may send. Credentials stand in headers alone, never in cookies.
const REQUEST_HEADERS: &str = "authorization, content-type, x-api-key, x-request-id, idempotency-key, if-match, \
                               if-none-match, range, last-event-id";
/// What pages may read of an answer.
const RESPONSE_HEADERS: &str = "etag, retry-after, x-request-id, x-ratelimit-limit, x-ratelimit-remaining, \
                                x-ratelimit-reset, content-disposition, content-range, accept-ranges";

/// What the answer to a request says about pages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Sharing {
    /// Nothing: no pages are configured.
    Off,
    /// The page that asks isn't one of those.
    Closed,
    /// With this origin, or all (`*`).
    With(HeaderValue),
}

impl Sharing {
    pub(super) fn of(origins: &CorsOrigins, request: &HeaderMap) -> Self {
        let origin = request.get(header::ORIGIN);
        match origins {
            CorsOrigins::None => Self::Off,
            CorsOrigins::All => Self::With(HeaderValue::from_static("*")),
            CorsOrigins::These(known) => {
                let is_known =
                    |origin: &&HeaderValue| known.iter().any(|known| known.as_bytes() == origin.as_bytes());
                origin.filter(is_known).map_or(Self::Closed, |origin| Self::With(origin.clone()))
            }
        }
    }

    /// The answer to a browser that asks whether a page may call, if it does and the page may.
    pub(super) fn preflight(&self, request: &ServiceRequest) -> Option<HttpResponse> {
        let headers = request.headers();
        let asks = request.method() == Method::OPTIONS
            && headers.contains_key(header::ORIGIN)
            && headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
        if !asks || !matches!(self, Self::With(_)) {
            return None;
        }
        let mut answer = HttpResponse::NoContent();
        answer.insert_header((header::ACCESS_CONTROL_ALLOW_METHODS, METHODS));
        answer.insert_header((header::ACCESS_CONTROL_ALLOW_HEADERS, REQUEST_HEADERS));
        answer.insert_header((header::ACCESS_CONTROL_MAX_AGE, REMEMBERED));
        Some(answer.finish())
    }

    /// Says it in the headers of an answer.
    pub(super) fn tell(&self, headers: &mut HeaderMap) {
        if *self != Self::Off {
            // Caches must not give one page's answer to another.
            headers.append(header::VARY, HeaderValue::from_static("origin"));
        }
        if let Self::With(origin) = self {
            headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
            let exposed = HeaderValue::from_static(RESPONSE_HEADERS);
            headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, exposed);
        }
    }
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderName;

    use super::*;

    #[test]
    fn an_origin_is_known_as_a_whole() {
        let these = CorsOrigins::These(vec!["https://app.example".to_owned()]);
        let of = |origins: &CorsOrigins, origin: Option<&'static str>| {
            let mut headers = HeaderMap::new();
            if let Some(origin) = origin {
                headers.insert(HeaderName::from_static("origin"), HeaderValue::from_static(origin));
            }
            Sharing::of(origins, &headers)
        };
        let known = Sharing::With(HeaderValue::from_static("https://app.example"));
        assert_eq!(of(&these, Some("https://app.example")), known);
        for other in ["http://app.example", "https://app.example:444", "https://app.example.evil", "null"] {
            assert_eq!(of(&these, Some(other)), Sharing::Closed, "{other}");
        }
        assert_eq!(of(&these, None), Sharing::Closed);
        assert_eq!(of(&CorsOrigins::None, Some("https://app.example")), Sharing::Off);
        let all = Sharing::With(HeaderValue::from_static("*"));
        assert_eq!(of(&CorsOrigins::All, Some("https://any.example")), all);
    }
}
