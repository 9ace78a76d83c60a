//! Which headers a user may add to webhook requests.

use http::header::{HeaderMap, HeaderName, HeaderValue};
use thiserror::Error;

/// Most custom headers of one webhook.
pub const MAX_HEADERS: usize = 32;
/// Longest value of a custom header, in bytes.
pub const MAX_HEADER_VALUE: usize = 4096;

/// Names that the HTTP connection needs for itself, besides everything that starts with `x-webhook-`.
const RESERVED: [&str; 15] = [
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "expect",
    "host",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "user-agent",
];

/// Why a custom header is refused.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum HeaderError {
    /// More than [`MAX_HEADERS`].
    #[error("may hold at most {MAX_HEADERS} headers")]
    TooMany,
    /// Not a header name.
    #[error("`{0}` is not a valid header name")]
    Name(String),
    /// A name that the gateway sets itself.
    #[error("`{0}` is set by the gateway and can't be replaced")]
    Reserved(String),
    /// Control characters, or longer than [`MAX_HEADER_VALUE`].
    #[error("the value of `{0}` is too long or holds control characters")]
    Value(String),
}

/// Turns a user's headers into those of a request.
///
/// # Errors
/// [`HeaderError`] names the first header that can't be sent.
pub fn custom_headers<'a>(
    headers: impl IntoIterator<Item = (&'a str, &'a str)>,
) -> Result<HeaderMap, HeaderError> {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        let parsed: HeaderName = name.parse().map_err(|_| HeaderError::Name(name.to_owned()))?;
        if RESERVED.contains(&parsed.as_str()) || parsed.as_str().starts_with("x-webhook-") {
            return Err(HeaderError::Reserved(name.to_owned()));
        }
        let mut value = (value.len() <= MAX_HEADER_VALUE)
            .then(|| HeaderValue::from_str(value).ok())
            .flatten()
            .ok_or_else(|| HeaderError::Value(name.to_owned()))?;
        value.set_sensitive(true);
        map.append(parsed, value);
        if map.len() > MAX_HEADERS {
            return Err(HeaderError::TooMany);
        }
    }
    Ok(map)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinary_headers_pass() {
        let map = custom_headers([("Custom-Header", "custom-value"), ("Authorization", "Bearer x")]).unwrap();
        assert_eq!(map["custom-header"], "custom-value");
        assert_eq!(map["authorization"], "Bearer x");
    }

    #[test]
    fn what_is_ours_or_the_connections_is_refused() {
        for name in
            ["X-Webhook-Signature", "x-webhook-anything", "Host", "CONTENT-LENGTH", "Transfer-Encoding", "TE"]
        {
            assert_eq!(custom_headers([(name, "x")]).unwrap_err(), HeaderError::Reserved(name.into()));
        }
    }

    #[test]
    fn malformed_ones_are_named() {
        assert_eq!(custom_headers([("a b", "x")]).unwrap_err(), HeaderError::Name("a b".into()));
        assert_eq!(custom_headers([("", "x")]).unwrap_err(), HeaderError::Name(String::new()));
        assert_eq!(custom_headers([("a", "x\r\nb: c")]).unwrap_err(), HeaderError::Value("a".into()));
        let long = "x".repeat(MAX_HEADER_VALUE + 1);
        assert_eq!(custom_headers([("a", long.as_str())]).unwrap_err(), HeaderError::Value("a".into()));
    }

    #[test]
    fn their_number_is_bounded() {
        let names: Vec<String> = (0..=MAX_HEADERS).map(|n| format!("h-{n}")).collect();
        let all = || names.iter().map(|name| (name.as_str(), "x"));
        assert!(custom_headers(all().take(MAX_HEADERS)).is_ok());
        assert_eq!(custom_headers(all()).unwrap_err(), HeaderError::TooMany);
    }
}
