//! Which headers a user may add to webhook requests.

use http::header::{HeaderMap, HeaderName, HeaderValue};
use thiserror::Error;

/// Most custom headers of one webhook.
pub const MAX_HEADERS: usize = 32;
/// Longest value of a custom header, in bytes.
pub const MAX_HEADER_VALUE: usize = 4096;

/// Names that the HTTP connection or the receiver's server needs for itself, besides everything that starts with
/// `x-webhook-`. `proxy` is what CGI programs take for their own proxy (`HTTP_PROXY`).
const RESERVED: [&str; 18] = [
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "expect",
    "host",
    "http2-settings",
    "keep-alive",
    "proxy",
    "proxy-authenticate",
    "proxy-authenticate-info",
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
    /// Something else than visible ASCII characters and blanks, or longer than
    /// [`MAX_HEADER_VALUE`].
    #[error("the value of `{0}` is too long or holds other characters than visible ASCII")]
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
        if is_reserved(&parsed) {
            return Err(HeaderError::Reserved(name.to_owned()));
        }
        let value = Some(value).filter(|value| is_plain(value)).and_then(sendable);
        map.append(parsed, value.ok_or_else(|| HeaderError::Value(name.to_owned()))?);
        if map.len() > MAX_HEADERS {
            return Err(HeaderError::TooMany);
        }
    }
    Ok(map)
}

/// The same for headers that were saved when less was refused: what may be sent no more is left out, and a value that
/// would be refused today goes on as it is.
pub(crate) fn saved_headers<'a>(headers: impl IntoIterator<Item = (&'a str, &'a str)>) -> HeaderMap {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        let parsed = name.parse::<HeaderName>().ok().filter(|name| !is_reserved(name));
        match parsed.zip(sendable(value)) {
            Some((name, value)) => drop(map.append(name, value)),
            None => tracing::warn!(name, "a webhook's header is left out: it may not be sent"),
        }
    }
    map
}

/// Servers that hand headers on as variables don't tell `_` from `-`.
fn is_reserved(name: &HeaderName) -> bool {
    let folded = name.as_str().replace('_', "-");
    RESERVED.contains(&folded.as_str()) || folded.starts_with("x-webhook-")
}

fn is_plain(value: &str) -> bool {
    value.len() <= MAX_HEADER_VALUE && value.bytes().all(|byte| matches!(byte, b' '..=b'~'))
}

fn sendable(value: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(value).ok()?;
    value.set_sensitive(true);
    Some(value)
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
        for name in [
            "X-Webhook-Signature",
            "x-webhook-anything",
            "X_Webhook_Signature",
            "X-Webhook_Signature",
            "Host",
            "CONTENT-LENGTH",
            "content_length",
            "Transfer-Encoding",
            "TE",
            "Proxy",
            "HTTP2-Settings",
            "Proxy_Connection",
        ] {
            assert_eq!(custom_headers([(name, "x")]).unwrap_err(), HeaderError::Reserved(name.into()));
        }
    }

    #[test]
    fn malformed_ones_are_named() {
        assert_eq!(custom_headers([("a b", "x")]).unwrap_err(), HeaderError::Name("a b".into()));
        assert_eq!(custom_headers([("", "x")]).unwrap_err(), HeaderError::Name(String::new()));
        assert_eq!(custom_headers([("a", "x\r\nb: c")]).unwrap_err(), HeaderError::Value("a".into()));
        for value in ["é", "a\tb", "a\u{7f}"] {
            assert_eq!(
                custom_headers([("a", value)]).unwrap_err(),
                HeaderError::Value("a".into()),
                "{value:?}"
            );
        }
        let long = "x".repeat(MAX_HEADER_VALUE + 1);
        assert_eq!(custom_headers([("a", long.as_str())]).unwrap_err(), HeaderError::Value("a".into()));
    }

    #[test]
    fn what_was_saved_earlier_goes_on_unless_it_does_harm() {
        let map =
            saved_headers([("Proxy", "http://evil/"), ("X_Webhook_Id", "1"), ("Custom", "é"), ("a", "b")]);
        assert_eq!(map.len(), 2);
        assert!(map["custom"].as_bytes() == "é".as_bytes() && map["a"] == "b");
    }

    #[test]
    fn their_number_is_bounded() {
        let names: Vec<String> = (0..=MAX_HEADERS).map(|n| format!("h-{n}")).collect();
        let all = || names.iter().map(|name| (name.as_str(), "x"));
        assert!(custom_headers(all().take(MAX_HEADERS)).is_ok());
        assert_eq!(custom_headers(all()).unwrap_err(), HeaderError::TooMany);
    }
}
