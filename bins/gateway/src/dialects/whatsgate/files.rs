//! The files of messages, in base64.

use actix_web::HttpResponse;
use actix_web::http::header::ContentType;
use actix_web::web::Bytes;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::{StreamExt as _, stream};
use serde::{Deserialize, Serialize};
use services::{FileOf, OpenFile};
use tokio::io::{AsyncRead, AsyncReadExt as _};
use utoipa::ToSchema;

use super::access::Refused;
use super::text::{instance_of, message_id};
use crate::error::ApiError;
use crate::extract::{Call, JsonBody};

/// Bytes of a file that are in hand at a time; three of them are four of base64.
const PIECE: usize = 48 * 1024;

/// `get-messagemedia`.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct WgMessageFile {
    #[serde(rename = "WhatsappID")]
    whatsapp_id: String,
    #[serde(rename = "MessageID")]
    #[schema(example = "true_79999999999@c.us_3EB0")]
    message_id: String,
}

/// `get-media`.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct WgKeyedFile {
    #[serde(rename = "WhatsappID")]
    whatsapp_id: String,
    /// As an event or an answer told it.
    #[serde(rename = "mediaKey")]
    media_key: String,
}

/// A file.
#[derive(ToSchema)]
#[allow(dead_code, reason = "only described: it is written as it is read")]
pub(super) struct WgFile {
    result: &'static str,
    media: WgFileData,
}

/// A file in base64.
#[derive(Serialize, ToSchema)]
struct WgFileData {
    mimetype: String,
    filename: String,
    data: String,
}

/// The file of a message. One that isn't there yet is fetched first, which is waited for up to 20 s.
#[utoipa::path(
    post,
    path = "/api/v1/get-messagemedia",
    tag = "whatsgate",
    security(("apiKey" = [])),
    request_body = WgMessageFile,
    responses((status = 200, description = "The file.", body = WgFile), Refused)
)]
pub(super) async fn get_messagemedia(
    call: Call,
    JsonBody(body): JsonBody<WgMessageFile>,
) -> Result<HttpResponse, ApiError> {
    file(&call, &body.whatsapp_id, &body.message_id).await
}

/// The file of a message, by the key that was told of it.
#[utoipa::path(
    post,
    path = "/api/v1/get-media",
    tag = "whatsgate",
    security(("apiKey" = [])),
    request_body = WgKeyedFile,
    responses((status = 200, description = "The file.", body = WgFile), Refused)
)]
pub(super) async fn get_media(
    call: Call,
    JsonBody(body): JsonBody<WgKeyedFile>,
) -> Result<HttpResponse, ApiError> {
    file(&call, &body.whatsapp_id, &body.media_key).await
}

async fn file(call: &Call, whatsapp_id: &str, name: &str) -> Result<HttpResponse, ApiError> {
    let instance = instance_of(call, whatsapp_id).await?;
    let of = FileOf { instance, message_id: message_id(name).to_owned() };
    Ok(answer(call.services().media.open(&call.caller, &of, 0).await?))
}

/// The answer, written as it is read: a large file is never in memory as a whole.
fn answer(file: OpenFile) -> HttpResponse {
    let told = WgFileData { mimetype: file.mime_type, filename: file.file_name, data: String::new() };
    // `{"mimetype":…,"filename":…,"data":""}`, open where the file is to stand.
    let told = serde_json::to_string(&told).unwrap_or_default();
    let head = told.strip_suffix("\"}").unwrap_or(&told);
    let head = Bytes::from(format!("{{\"result\":\"OK\",\"media\":{head}"));
    let pieces = stream::try_unfold(Some(file.reader), |reader| async move {
        let Some(mut reader) = reader else { return Ok(None) };
        let piece = piece(&mut reader).await?;
        let goes_on = piece.len() == PIECE;
        Ok::<_, std::io::Error>(Some((Bytes::from(STANDARD.encode(piece)), goes_on.then_some(reader))))
    });
    let whole = stream::iter([Ok(head)]).chain(pieces).chain(stream::iter([Ok(Bytes::from_static(b"\"}}"))]));
    HttpResponse::Ok().insert_header(ContentType::json()).streaming(whole)
}

/// The next piece of a file; shorter than a piece only at its end.
async fn piece(reader: &mut (impl AsyncRead + Unpin)) -> std::io::Result<Vec<u8>> {
    let mut piece = Vec::with_capacity(PIECE);
    reader.take(PIECE as u64).read_to_end(&mut piece).await?;
    Ok(piece)
}
