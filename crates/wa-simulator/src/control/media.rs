use bytes::Bytes;
use http_body_util::{BodyExt, Limited};
use hyper::{Method, Request, StatusCode, body::Incoming};
use serde_json::json;

use super::{Doors, Reply, request};
use crate::media::{Key, UploadError};

/// `/mms/<type>/<token>`: uploads, downloads and deletions (PROTOCOL.md 19).
pub(super) async fn answer(doors: &Doors, request: Request<Incoming>) -> Reply {
    let path = request.uri().path().trim_start_matches("/mms/").to_owned();
    let Some(key) = Key::parse(&request::decoded(&path)) else {
        return refuse(StatusCode::BAD_REQUEST, "the path is /mms/<type>/<base64url SHA-256>");
    };
    match *request.method() {
        Method::POST => upload(doors, &key, request).await,
        Method::GET => match doors.world.media.blob(&key) {
            Some(blob) => request::reply(StatusCode::OK, "application/octet-stream", blob),
            None => refuse(StatusCode::NOT_FOUND, "there is no such file"),
        },
        Method::DELETE => match doors.world.media.delete(&key) {
            true => request::reply(StatusCode::OK, "application/json", "{}"),
            false => refuse(StatusCode::NOT_FOUND, "there is no such file"),
        },
        _ => refuse(StatusCode::METHOD_NOT_ALLOWED, "files are posted, got or deleted"),
    }
}

async fn upload(doors: &Doors, key: &Key, request: Request<Incoming>) -> Reply {
    let media = &doors.world.media;
    let query = request::query(&request);
    if request::parameter(&query, "auth") != Some(doors.world.media_auth().as_str()) {
        return refuse(StatusCode::UNAUTHORIZED, "the auth is not that of media_conn");
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
            let path = key.direct_path();
            let url = format!("{}{path}", doors.media_base);
            let answer = json!({"url": url, "direct_path": path, "handle": "", "object_id": ""});
            request::json(StatusCode::OK, &answer)
        }
        Err(error @ UploadError::Token) => refuse(StatusCode::BAD_REQUEST, &error.to_string()),
        Err(error @ UploadError::Full) => refuse(StatusCode::INSUFFICIENT_STORAGE, &error.to_string()),
    }
}

fn refuse(status: StatusCode, message: &str) -> Reply {
    request::json(status, &json!({"error": {"code": status.as_u16(), "message": message}}))
}
