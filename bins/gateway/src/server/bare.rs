//! Answers that never reach a layer of ours: the framework refuses what isn't HTTP with a head alone. They get the shape
//! and the headers that all others have, on their way out.

use actix_web::ResponseError as _;
use actix_web::body::MessageBody as _;
use actix_web::http::StatusCode;
use actix_web::http::header::HeaderMap;

use crate::error::ApiError;
use crate::middleware::{RequestId, dress};

/// An answer that stands for another one.
pub(super) struct Instead {
    bytes: Vec<u8>,
    sent: usize,
}

impl Instead {
    pub(super) fn rest(&self) -> &[u8] {
        self.bytes.get(self.sent..).unwrap_or_default()
    }

    pub(super) fn advance(&mut self, count: usize) {
        self.sent += count;
    }
}

/// What to send instead of these bytes, if they are the head of an error without a body and nothing else. No answer of
/// ours is like that.
pub(super) fn instead_of(bytes: &[u8]) -> Option<Instead> {
    let line = bytes.strip_prefix(b"HTTP/1.1 ")?;
    let error = match line.get(..3)? {
        b"400" => malformed(),
        b"408" => too_slow(),
        b"431" => too_large(),
        b"500" => ApiError::internal(),
        _ => return None,
    };
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")?;
    let bare = bytes.windows(21).any(|part| part.eq_ignore_ascii_case(b"\r\ncontent-length: 0\r\n"));
    (bare && end + 4 == bytes.len()).then(|| Instead { bytes: whole(&error), sent: 0 })
}

fn whole(error: &ApiError) -> Vec<u8> {
    let status = error.status_code();
    let body = error.error_response().into_body().try_into_bytes().unwrap_or_default();
    let mut headers = HeaderMap::new();
    dress(&mut headers, &RequestId::of(&HeaderMap::new()));
    let mut head = format!(
        "HTTP/1.1 {} {}\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: {}\r\n",
        status.as_str(),
        status.canonical_reason().unwrap_or_default(),
        body.len()
    );
    for (name, value) in &headers {
        head = head + name.as_str() + ": " + value.to_str().unwrap_or_default() + "\r\n";
    }
    head += "\r\n";
    let mut bytes = head.into_bytes();
    bytes.extend_from_slice(&body);
    bytes
}

fn malformed() -> ApiError {
    ApiError::new(StatusCode::BAD_REQUEST, "malformed_request", "This isn't a well-formed HTTP request.")
}

fn too_slow() -> ApiError {
    ApiError::new(StatusCode::REQUEST_TIMEOUT, "request_timeout", "The request took too long to arrive.")
}

fn too_large() -> ApiError {
    ApiError::new(
        StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
        "headers_too_large",
        "The head of the request is too large.",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bare_error_gets_a_body_and_anything_else_is_left_alone() {
        let bare = b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
        let shown = String::from_utf8(instead_of(bare).unwrap().bytes).unwrap();
        assert!(shown.starts_with("HTTP/1.1 400 Bad Request\r\n"), "{shown}");
        assert!(
            shown.contains("x-content-type-options: nosniff\r\n") && shown.contains("x-request-id: "),
            "{shown}"
        );
        assert!(shown.contains("\r\n\r\n{\"error\":{\"code\":\"malformed_request\""), "{shown}");
        for other in [
            &b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"[..],
            b"HTTP/1.1 400 Bad Request\r\ncontent-length: 2\r\n\r\n{}",
            b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\nHTTP/1.1 ",
            b"HTTP/1.1 4",
            b"",
        ] {
            assert!(instead_of(other).is_none(), "{}", String::from_utf8_lossy(other));
        }
    }
}
