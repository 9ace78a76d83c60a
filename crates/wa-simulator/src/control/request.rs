use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::{
    Request, Response, StatusCode,
    body::Incoming,
    header::{CONTENT_TYPE, HeaderValue},
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::json;

use super::{Payload, Reply};
use crate::ControlError;

/// Largest body of a control call, in bytes: files come in them.
const MAX_BODY: usize = 16 << 20;

/// Reads a JSON body; an empty one is an empty object.
pub(super) async fn json_body<T: DeserializeOwned>(request: Request<Incoming>) -> Result<T, ControlError> {
    let body = Limited::new(request.into_body(), MAX_BODY).collect().await;
    let body =
        body.map_err(|error| ControlError::InvalidRequest(format!("the body can't be read: {error}")))?;
    let bytes = body.to_bytes();
    let text = if bytes.iter().all(u8::is_ascii_whitespace) { &b"{}"[..] } else { &bytes[..] };
    serde_json::from_slice(text)
        .map_err(|error| ControlError::InvalidRequest(format!("the body is wrong: {error}")))
}

/// The parameters of a query, decoded.
pub(super) fn query(request: &Request<Incoming>) -> Vec<(String, String)> {
    let query = request.uri().query().unwrap_or_default();
    // whatsapp-rust appends a second query to the first one.
    let pairs = query.split(['&', '?']).filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decoded(name), decoded(&value.replace('+', "%20")))
        })
        .collect()
}

/// A parameter of a query.
pub(super) fn parameter<'q>(query: &'q [(String, String)], name: &str) -> Option<&'q str> {
    query.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
}

/// Decodes `%XX`; what is none stays as it is.
pub(super) fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let escaped = match (first, after.split_at_checked(2)) {
            (b'%', Some((digits, behind))) => {
                let byte =
                    std::str::from_utf8(digits).ok().and_then(|digits| u8::from_str_radix(digits, 16).ok());
                byte.map(|byte| (byte, behind))
            }
            _ => None,
        };
        let (byte, behind) = escaped.unwrap_or((first, after));
        bytes.push(byte);
        rest = behind;
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// A JSON answer.
pub(super) fn json(status: StatusCode, value: &impl Serialize) -> Reply {
    let body = serde_json::to_vec(value).unwrap_or_default();
    reply(status, "application/json", body)
}

/// A plain text answer.
pub(super) fn text(body: String) -> Reply {
    reply(StatusCode::OK, "text/plain; charset=utf-8", body)
}

/// The answer to a call that is refused.
pub(super) fn refuse(error: &ControlError) -> Reply {
    let status = StatusCode::from_u16(error.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    json(status, &json!({"error": {"code": error.code(), "message": error.to_string()}}))
}

pub(super) fn reply(status: StatusCode, kind: &'static str, body: impl Into<Bytes>) -> Reply {
    let mut reply = Response::new(Payload::Whole(Full::new(body.into())));
    *reply.status_mut() = status;
    reply.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    reply
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decodes_escapes_and_nothing_else() {
        assert_eq!(decoded("%2B1555%20x"), "+1555 x");
        assert_eq!(decoded("100%"), "100%");
        assert_eq!(decoded("%zz%4"), "%zz%4");
    }
}
