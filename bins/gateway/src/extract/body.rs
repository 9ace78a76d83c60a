use std::time::Duration;

use actix_web::dev::Payload;
use actix_web::error::PayloadError;
use actix_web::http::{StatusCode, header};
use actix_web::web::{Bytes, BytesMut};
use actix_web::{FromRequest, HttpMessage as _, HttpRequest};
use futures_util::StreamExt as _;
use futures_util::future::LocalBoxFuture;
use serde::de::DeserializeOwned;
use serde_json::error::Category;
use serde_path_to_error::{Path, Segment};

use super::Authenticated;
use super::doubled::{KeyFault, key_fault};
use super::room::{keep, room_for};
use crate::bodies::Room;
use crate::connection::{body_goes_on, body_is_read};
use crate::error::ApiError;

/// Largest JSON body. The longest text that WhatsApp takes, escaped to the last character, is well below it.
pub(crate) const MAX_JSON_BODY: usize = 1024 * 1024;

/// Largest JSON body with a file in it.
pub(crate) const MAX_LARGE_BODY: usize = 24 * 1024 * 1024;

/// Largest body of whoever has shown no credential: an e-mail address and a password.
const MAX_OPEN_BODY: usize = 4 * 1024;

/// How long a client may take to send its body.
const BODY_TIME_OUT: Duration = Duration::from_secs(30);

/// A JSON object as the request's body. Whatever is wrong with it becomes an [`ApiError`] that names the field or the
/// position.
#[derive(Debug)]
pub(crate) struct JsonBody<T>(pub(crate) T);

impl<T: DeserializeOwned + 'static> FromRequest for JsonBody<T> {
    type Error = ApiError;
    type Future = LocalBoxFuture<'static, Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let read = read(request.clone(), payload.take(), MAX_JSON_BODY);
        Box::pin(async move { read.await.map(Self) })
    }
}

/// The same, with room for a file in it.
#[derive(Debug)]
pub(crate) struct LargeJsonBody<T>(pub(crate) T);

impl<T: DeserializeOwned + 'static> FromRequest for LargeJsonBody<T> {
    type Error = ApiError;
    type Future = LocalBoxFuture<'static, Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let read = read(request.clone(), payload.take(), MAX_LARGE_BODY);
        Box::pin(async move { read.await.map(Self) })
    }
}

/// The same where a body may be left out: without one, and with `null`, it is as if it were `{}`.
#[derive(Debug)]
pub(crate) struct OptionalJsonBody<T>(pub(crate) T);

impl<T: DeserializeOwned + 'static> FromRequest for OptionalJsonBody<T> {
    type Error = ApiError;
    type Future = LocalBoxFuture<'static, Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (request, payload) = (request.clone(), payload.take());
        Box::pin(async move {
            let body = collected(&request, payload, MAX_JSON_BODY).await?;
            if body.trim_ascii().is_empty() {
                return parse(b"{}").map(Self);
            }
            check_content_type(&request)?;
            parse::<Option<T>>(&body)?.map_or_else(|| parse(b"{}"), Ok).map(Self)
        })
    }
}

async fn read<T: DeserializeOwned>(
    request: HttpRequest,
    payload: Payload,
    most: usize,
) -> Result<T, ApiError> {
    check_content_type(&request)?;
    parse(&collected(&request, payload, most).await?)
}

/// The bytes of a body, as many as its sender may send and in time.
async fn collected(request: &HttpRequest, payload: Payload, most: usize) -> Result<Bytes, ApiError> {
    let limit = limit(request, most);
    let announced = announced(request, limit)?;
    let mut room = room_for(request);
    if let Some(room) = &mut room {
        room.grow_to(announced)?;
    }
    let body = tokio::time::timeout(BODY_TIME_OUT, collect(payload, limit, &mut room, request)).await;
    let body = body.map_err(|_| too_slow())??;
    body_is_read(request);
    keep(room, request);
    Ok(body)
}

/// How large the body may be: nobody's memory is kept busy by whoever hasn't said who they are.
fn limit(request: &HttpRequest, most: usize) -> usize {
    let known = request.extensions().get::<Authenticated>().is_some();
    if known { most } else { MAX_OPEN_BODY }
}

fn check_content_type(request: &HttpRequest) -> Result<(), ApiError> {
    if request.content_type().eq_ignore_ascii_case("application/json") {
        return Ok(());
    }
    Err(ApiError::new(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        "unsupported_media_type",
        "The body must be JSON, sent with content-type: application/json.",
    ))
}

/// The length that a body is announced with, if it is; refused before a byte of it is read when that is too much.
fn announced(request: &HttpRequest, limit: usize) -> Result<usize, ApiError> {
    let announced = request
        .headers()
        .get(header::CONTENT_LENGTH)
        .and_then(|length| length.to_str().ok()?.parse::<usize>().ok())
        .unwrap_or(0);
    if announced > limit { Err(too_large(limit)) } else { Ok(announced) }
}

async fn collect(
    mut payload: Payload,
    limit: usize,
    room: &mut Option<Room>,
    request: &HttpRequest,
) -> Result<Bytes, ApiError> {
    let mut body = BytesMut::new();
    while let Some(chunk) = payload.next().await {
        let chunk = chunk.map_err(|error| unreadable(&error, limit))?;
        if body.len() + chunk.len() > limit {
            return Err(too_large(limit));
        }
        if let Some(room) = room {
            room.grow_to(body.len() + chunk.len())?;
        }
        body.extend_from_slice(&chunk);
        body_goes_on(request);
    }
    Ok(body.freeze())
}

fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, ApiError> {
    // serde takes an array for a struct, which no client means.
    if body.trim_ascii_start().starts_with(b"[") {
        return Err(ApiError::invalid("The body must be an object, not an array."));
    }
    // Who reads it as the first says and who reads it as the last says would disagree.
    if let Some(fault) = key_fault(body) {
        return Err(unfit_keys(&fault));
    }
    let mut json = serde_json::Deserializer::from_slice(body);
    let value = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let path = dotted(error.path());
        unfit(&path, &error.into_inner())
    })?;
    json.end().map_err(|error| unfit("", &error))?;
    Ok(value)
}

fn unfit_keys(fault: &KeyFault) -> ApiError {
    match fault {
        KeyFault::Doubled(path) => {
            let path = clipped(path);
            ApiError::invalid(format!("{path:?} is given twice.")).with_field(path)
        }
        KeyFault::TooMany(path) if path.is_empty() => ApiError::invalid("The body has too many keys."),
        KeyFault::TooMany(path) => {
            let path = clipped(path);
            ApiError::invalid(format!("{path:?} has too many keys.")).with_field(path)
        }
    }
}

/// The answer to a body that isn't what it should be at `path`.
fn unfit(path: &str, error: &serde_json::Error) -> ApiError {
    let refused = |code, message: String| ApiError::new(StatusCode::BAD_REQUEST, code, message);
    if error.classify() != Category::Data {
        return refused("malformed_json", format!("The body isn't valid JSON: {error}."));
    }
    // The class of a fault stands only in serde's words.
    let said = error.to_string();
    if let Some(name) = said.strip_prefix("missing field `").and_then(|rest| rest.split('`').next()) {
        let field = if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
        return refused("missing_field", format!("{field:?} is required.")).with_field(field);
    }
    if said.starts_with("unknown field ") {
        return refused("unknown_field", format!("There is no field {path:?}.")).with_field(path);
    }
    let said = clipped(&said);
    match path {
        "" => ApiError::invalid(format!("The body isn't right: {said}.")),
        path => ApiError::invalid(format!("{path:?} isn't right: {said}.")).with_field(path),
    }
}

/// Where a field is, as `webhookSettings.headers.Name`; empty for the body itself.
fn dotted(path: &Path) -> String {
    let segment = |segment: &Segment| match segment {
        Segment::Seq { index } => Some(index.to_string()),
        Segment::Map { key } => Some(key.clone()),
        Segment::Enum { variant } => Some(variant.clone()),
        Segment::Unknown => None,
    };
    let path = path.iter().filter_map(segment).collect::<Vec<_>>().join(".");
    clipped(&path).to_owned()
}

/// What may repeat a part of the request, short enough for an answer.
fn clipped(text: &str) -> &str {
    const LONGEST: usize = 200;
    text.get(..text.floor_char_boundary(LONGEST)).unwrap_or(text)
}

fn too_large(limit: usize) -> ApiError {
    ApiError::new(
        StatusCode::PAYLOAD_TOO_LARGE,
        "payload_too_large",
        format!("The body is larger than {limit} bytes."),
    )
}

fn too_slow() -> ApiError {
    ApiError::new(
        StatusCode::REQUEST_TIMEOUT,
        "request_timeout",
        "The body took longer than 30 seconds to arrive.",
    )
}

fn unreadable(error: &PayloadError, limit: usize) -> ApiError {
    match error {
        PayloadError::Overflow => too_large(limit),
        _ => ApiError::invalid("The body could not be read to its end."),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::pin::Pin;

    use actix_web::ResponseError as _;
    use actix_web::test::TestRequest;
    use futures_util::Stream;
    use serde::Deserialize;
    use services::{Caller, Identity};
    use storage::{Role, UserId};

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Login {
        email: String,
    }

    async fn extract(request: TestRequest) -> Result<JsonBody<Login>, ApiError> {
        let (request, mut payload) = request.to_http_parts();
        JsonBody::<Login>::from_request(&request, &mut payload).await
    }

    fn json(body: &'static str) -> TestRequest {
        TestRequest::post()
            .insert_header(("content-type", "application/json; charset=utf-8"))
            .set_payload(body)
    }

    #[tokio::test]
    async fn a_good_body_is_read() {
        let JsonBody(login) = extract(json(r#"{"email":"a@b"}"#)).await.unwrap();
        assert_eq!(login.email, "a@b");
    }

    #[tokio::test]
    async fn each_fault_has_its_own_answer() {
        for (body, code, part) in [
            (r#"{"email":"#, "malformed_json", "line 1 column 9"),
            (r#"{"email":"a"} {}"#, "malformed_json", "trailing characters"),
            ("", "malformed_json", "EOF"),
            ("{}", "missing_field", r#""email" is required."#),
            (r#"{"email":"a","mail":"b"}"#, "unknown_field", r#"There is no field "mail"."#),
            (r#"{"email":1}"#, "invalid_request", "expected a string"),
            (r#" ["a"]"#, "invalid_request", "must be an object"),
            ("7", "invalid_request", "expected struct Login"),
        ] {
            let shown = extract(json(body)).await.unwrap_err().to_string();
            assert!(shown.contains(code) && shown.contains(part), "{body}: {shown}");
        }
    }

    #[test]
    fn fields_are_named_by_their_path() {
        #[derive(Debug, Deserialize)]
        #[serde(rename_all = "camelCase", deny_unknown_fields)]
        #[allow(dead_code, reason = "only parsed")]
        struct Outer {
            max_retries: Option<u32>,
            headers: Option<BTreeMap<String, String>>,
            list: Option<Vec<bool>>,
            inner: Option<Login>,
        }
        for (body, path) in [
            (r#"{"maxRetries":-1}"#, "maxRetries"),
            (r#"{"headers":{"A":1}}"#, "headers.A"),
            (r#"{"list":[true,"x"]}"#, "list.1"),
            (r#"{"inner":{}}"#, "inner.email"),
            (r#"{"inner":{"mail":1}}"#, "inner.mail"),
            (r#"{"outer":1}"#, "outer"),
            (r#"{"maxRetries":1,"maxRetries":2}"#, "maxRetries"),
            (r#"{"headers":{"A":"1","B":"2","A":"3"}}"#, "headers.A"),
        ] {
            let error = parse::<Outer>(body.as_bytes()).unwrap_err();
            assert_eq!(error.field(), Some(path), "{body}: {error}");
        }
        assert!(parse::<Outer>(br#"{"maxRetries":3,"list":[],"headers":{"A":"b"},"inner":null}"#).is_ok());
    }

    #[test]
    fn a_long_value_is_not_repeated_in_full() {
        let long = "é".repeat(10_000);
        for body in [format!(r#"{{"{long}":1}}"#), format!(r#""{long}""#)] {
            let error = parse::<Login>(body.as_bytes()).unwrap_err();
            assert!(error.to_string().len() < 300, "{error}");
        }
    }

    #[tokio::test]
    async fn who_has_shown_a_credential_may_send_more() {
        for (more, expected) in [(0, None), (1, Some(413))] {
            let mut body = br#"{"email":"a"}"#.to_vec();
            body.resize(MAX_JSON_BODY + more, b' ');
            let (request, mut payload) = json("").set_payload(body).to_http_parts();
            let caller = Caller::new(UserId::generate(), Role::User);
            request.extensions_mut().insert(Authenticated(Identity { caller, key: None }));
            let read = JsonBody::<Login>::from_request(&request, &mut payload).await;
            assert_eq!(read.err().map(|error| error.status_code().as_u16()), expected);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_never_ends_is_given_up() {
        let (request, _) = json("").to_http_parts();
        let never = futures_util::stream::pending::<Result<Bytes, PayloadError>>();
        let never: Pin<Box<dyn Stream<Item = _>>> = Box::pin(never);
        let mut payload = Payload::Stream { payload: never };
        let error = JsonBody::<Login>::from_request(&request, &mut payload).await.unwrap_err();
        assert_eq!(error.status_code(), 408);
    }

    #[tokio::test]
    async fn other_content_types_and_large_bodies_are_refused() {
        let form = TestRequest::post().insert_header(("content-type", "text/plain")).set_payload("{}");
        assert_eq!(extract(form).await.unwrap_err().status_code(), 415);

        let large = json("").set_payload(vec![b' '; MAX_OPEN_BODY + 1]);
        assert_eq!(extract(large).await.unwrap_err().status_code(), 413);

        let announced = json("{}").insert_header(("content-length", "99999999"));
        assert_eq!(extract(announced).await.unwrap_err().status_code(), 413);
    }
}
