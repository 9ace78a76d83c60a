mod download;

use bytes::Bytes;
use http_body_util::{BodyExt, Limited};
use hyper::{Method, Request, StatusCode, body::Incoming, header};
use serde_json::json;

use super::{Doors, ORIGIN, Reply, request};
use crate::{
    faults::{FaultKind, Transfer},
    media::{Key, UploadError},
};

/// `/mms/<kind>/<token>`: uploads and deletions. `/v/…`: downloads (PROTOCOL.md 19).
pub(super) async fn answer(doors: &Doors, request: Request<Incoming>) -> Reply {
    let path = request::decoded(request.uri().path());
    let Some(path) = path.strip_prefix("/mms/") else { return download::answer(doors, &request) };
    let query = request::query(&request);
    let Some(key) = Key::parse(path) else {
        return refuse(StatusCode::BAD_REQUEST, "the path is /mms/<kind>/<base64url SHA-256>");
    };
    if !request::parameter(&query, "token").is_some_and(|token| key.has_token(token)) {
        return refuse(StatusCode::BAD_REQUEST, "the token of the query is that of the path");
    }
    let (number, device) = match authorized(doors, &request, &query) {
        Ok(device) => device,
        Err(refused) => return *refused,
    };
    match *request.method() {
        Method::POST => {
            let host = host(&request);
            let struck =
                doors.world.faults.strike(&number, device, |kind| status(kind, Transfer::Upload, &host));
            match struck {
                Some(status) => refuse(status, "this is a fault"),
                None => upload(doors, &key, request).await,
            }
        }
        Method::DELETE => match doors.world.media.delete(&key) {
            true => request::reply(StatusCode::OK, "application/json", "{}"),
            false => refuse(StatusCode::NOT_FOUND, "there is no such file"),
        },
        _ => refuse(
            StatusCode::METHOD_NOT_ALLOWED,
            "files are posted or deleted, and got by their direct path",
        ),
    }
}

/// The device that the `auth` was given to. Browsers come from WhatsApp's page.
fn authorized(
    doors: &Doors,
    request: &Request<Incoming>,
    query: &[(String, String)],
) -> Result<(String, u16), Box<Reply>> {
    if request.headers().get(header::ORIGIN).is_some_and(|origin| origin != ORIGIN) {
        return Err(Box::new(refuse(StatusCode::FORBIDDEN, "uploads come from WhatsApp's page")));
    }
    let auth = request::parameter(query, "auth").unwrap_or_default();
    let verified = doors.world.media.verify_auth(auth, doors.world.clock.unix_seconds());
    verified.map_err(|error| Box::new(refuse(StatusCode::UNAUTHORIZED, &error.to_string())))
}

async fn upload(doors: &Doors, key: &Key, request: Request<Incoming>) -> Reply {
    let media = &doors.world.media;
    if !request.headers().contains_key(header::CONTENT_LENGTH) {
        return refuse(StatusCode::LENGTH_REQUIRED, "an upload says its length");
    }
    let body = match Limited::new(request.into_body(), media.file_limit()).collect().await {
        Ok(body) => body.to_bytes(),
        Err(error) if error.is::<http_body_util::LengthLimitError>() => {
            return refuse(StatusCode::PAYLOAD_TOO_LARGE, "the file is too large");
        }
        Err(_) => return refuse(StatusCode::BAD_REQUEST, "the body can't be read"),
    };
    // A blob of its own, so that a small file doesn't keep a large buffer.
    match media.store(key, Bytes::copy_from_slice(&body)) {
        Ok(()) => {
            let path = media.direct_path(key, doors.world.clock.unix_seconds());
            let url = format!("{}{path}", doors.media_base);
            let answer = json!({"url": url, "direct_path": path, "handle": "", "object_id": ""});
            request::json(StatusCode::OK, &answer)
        }
        // As WhatsApp does (WhatsApp Web, `WAWebMmsClientMmsUpload`).
        Err(error @ UploadError::Token) => refuse(StatusCode::UNSUPPORTED_MEDIA_TYPE, &error.to_string()),
        Err(error @ UploadError::Full) => refuse(StatusCode::INSUFFICIENT_STORAGE, &error.to_string()),
    }
}

/// The status that a fault answers with.
fn status(kind: &FaultKind, transfer: Transfer, host: &str) -> Option<StatusCode> {
    match kind {
        FaultKind::Media { on, host: wanted, status }
            if on.is_none_or(|on| on == transfer)
                && wanted.as_deref().is_none_or(|wanted| wanted == host) =>
        {
            StatusCode::from_u16(*status).ok()
        }
        _ => None,
    }
}

/// The host that the client turned to.
fn host(request: &Request<Incoming>) -> String {
    let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
    host.unwrap_or_default().to_owned()
}

fn refuse(status: StatusCode, message: &str) -> Reply {
    request::json(status, &json!({"error": {"code": status.as_u16(), "message": message}}))
}
