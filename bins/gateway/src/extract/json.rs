use std::time::Duration;

use actix_web::dev::Payload;
use actix_web::error::PayloadError;
use actix_web::http::{StatusCode, header};
use actix_web::web::{Bytes, BytesMut};
use actix_web::{FromRequest, HttpMessage as _, HttpRequest};
use futures_util::StreamExt as _;
use futures_util::future::LocalBoxFuture;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::explain::{Misfit, Problem, read};
use crate::ApiError;

/// Largest JSON body. The longest text that WhatsApp takes, escaped to the last character, is well below it.
pub(crate) const MAX_JSON_BODY: usize = 1024 * 1024;

/// How long a client may take to send its body.
const BODY_TIME_OUT: Duration = Duration::from_secs(30);

/// A JSON request body. Whatever is wrong with it becomes an [`ApiError`] that names the field or the position.
#[derive(Debug)]
pub(crate) struct Json<T>(pub(crate) T);

impl<T: DeserializeOwned + 'static> FromRequest for Json<T> {
    type Error = ApiError;
    type Future = LocalBoxFuture<'static, Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let request = request.clone();
        let payload = payload.take();
        Box::pin(async move {
            check_content_type(&request)?;
            check_length(&request)?;
            let body =
                tokio::time::timeout(BODY_TIME_OUT, collect(payload)).await.map_err(|_| too_slow())??;
            parse(&body).map(Self)
        })
    }
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

/// Refuses a body by its announced length, before a byte of it is read.
fn check_length(request: &HttpRequest) -> Result<(), ApiError> {
    let announced = request
        .headers()
        .get(header::CONTENT_LENGTH)
        .and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    if announced.is_some_and(|length| length > MAX_JSON_BODY) {
        return Err(too_large());
    }
    Ok(())
}

async fn collect(mut payload: Payload) -> Result<Bytes, ApiError> {
    let mut body = BytesMut::new();
    while let Some(chunk) = payload.next().await {
        let chunk = chunk.map_err(|error| unreadable(&error))?;
        if body.len() + chunk.len() > MAX_JSON_BODY {
            return Err(too_large());
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.freeze())
}

fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, ApiError> {
    let value: Value = serde_json::from_slice(body).map_err(|error| malformed(&error))?;
    read(&value).map_err(misfit)
}

fn malformed(error: &serde_json::Error) -> ApiError {
    ApiError::new(StatusCode::BAD_REQUEST, "malformed_json", format!("The body isn't valid JSON: {error}."))
}

fn misfit(misfit: Misfit) -> ApiError {
    let code = match misfit.problem {
        Problem::Missing => "missing_field",
        Problem::Unknown => "unknown_field",
        Problem::Wrong(_) => "invalid_request",
    };
    let error = ApiError::new(StatusCode::BAD_REQUEST, code, misfit.to_string());
    if misfit.field.is_empty() { error } else { error.with_field(misfit.field) }
}

fn too_large() -> ApiError {
    ApiError::new(
        StatusCode::PAYLOAD_TOO_LARGE,
        "payload_too_large",
        format!("The body is larger than {MAX_JSON_BODY} bytes."),
    )
}

fn too_slow() -> ApiError {
    ApiError::new(
        StatusCode::REQUEST_TIMEOUT,
        "request_timeout",
        "The body took longer than 30 seconds to arrive.",
    )
}

fn unreadable(error: &PayloadError) -> ApiError {
    match error {
        PayloadError::Overflow => too_large(),
        _ => ApiError::invalid("The body could not be read to its end."),
    }
}

#[cfg(test)]
mod tests {
    use std::pin::Pin;

    use actix_web::ResponseError as _;
    use actix_web::test::TestRequest;
    use futures_util::Stream;
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Login {
        email: String,
    }

    async fn extract(request: TestRequest) -> Result<Json<Login>, ApiError> {
        let (request, mut payload) = request.to_http_parts();
        Json::<Login>::from_request(&request, &mut payload).await
    }

    fn json(body: &'static str) -> TestRequest {
        TestRequest::post()
            .insert_header(("content-type", "application/json; charset=utf-8"))
            .set_payload(body)
    }

    #[tokio::test]
    async fn a_good_body_is_read() {
        let Json(login) = extract(json(r#"{"email":"a@b"}"#)).await.unwrap();
        assert_eq!(login.email, "a@b");
    }

    #[tokio::test]
    async fn each_fault_has_its_own_answer() {
        for (body, code, part) in [
            (r#"{"email":"#, "malformed_json", "line 1 column 9"),
            ("", "malformed_json", "EOF"),
            ("{}", "missing_field", "email"),
            (r#"{"email":"a","mail":"b"}"#, "unknown_field", "mail"),
            (r#"{"email":1}"#, "invalid_request", "must be a string"),
            (r#"["a"]"#, "invalid_request", "must be an object"),
        ] {
            let shown = extract(json(body)).await.unwrap_err().to_string();
            assert!(shown.contains(code) && shown.contains(part), "{body}: {shown}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_never_ends_is_given_up() {
        let (request, _) = json("").to_http_parts();
        let never = futures_util::stream::pending::<Result<Bytes, PayloadError>>();
        let never: Pin<Box<dyn Stream<Item = _>>> = Box::pin(never);
        let mut payload = Payload::Stream { payload: never };
        let error = Json::<Login>::from_request(&request, &mut payload).await.unwrap_err();
        assert_eq!(error.status_code(), 408);
    }

    #[tokio::test]
    async fn other_content_types_and_large_bodies_are_refused() {
        let form = TestRequest::post().insert_header(("content-type", "text/plain")).set_payload("{}");
        assert_eq!(extract(form).await.unwrap_err().status_code(), 415);

        let large = json("").set_payload(vec![b' '; MAX_JSON_BODY + 1]);
        assert_eq!(extract(large).await.unwrap_err().status_code(), 413);

        let announced = json("{}").insert_header(("content-length", "99999999"));
        assert_eq!(extract(announced).await.unwrap_err().status_code(), 413);
    }
}
