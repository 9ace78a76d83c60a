//! Sending files.

use actix_web::HttpResponse;
use serde::Deserialize;
use services::{MediaGiven, MediaKind, SendMedia, SendTerms, ServiceError};
use utoipa::ToSchema;

use super::access::Refused;
use super::messages::{WahaSent, named, quoted};
use super::text::session_of;
use crate::error::ApiError;
use crate::extract::{Call, LargeJsonBody, bytes_of};
use crate::forms::{Caption, FileContent, FileName, FileUrl, Recipient};

/// A file to send.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct WahaFileMessage {
    session: String,
    #[serde(rename = "chatId")]
    #[schema(value_type = Recipient, example = "79001234567@c.us")]
    chat_id: String,
    file: WahaFile,
    /// The text under it.
    #[schema(value_type = Option<Caption>)]
    caption: Option<String>,
    /// The message that it answers, by its id here.
    #[schema(example = "false_79001234567@c.us_3EB0")]
    reply_to: Option<String>,
    /// Sounds and videos are made what WhatsApp takes wherever that can be done.
    #[allow(dead_code, reason = "read as WAHA reads it")]
    convert: Option<bool>,
    /// Whether a video is a round one.
    #[serde(default, rename = "asNote")]
    as_note: bool,
}

/// A file: at `url`, or in `data`.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct WahaFile {
    /// What it is; its content is believed rather.
    mimetype: Option<String>,
    #[schema(value_type = Option<FileName>)]
    filename: Option<String>,
    #[schema(value_type = Option<FileUrl>)]
    url: Option<String>,
    #[schema(value_type = Option<FileContent>)]
    data: Option<String>,
}

/// Sends a picture.
#[utoipa::path(
    post,
    path = "/api/sendImage",
    tag = "waha",
    security(("apiKey" = [])),
    request_body = WahaFileMessage,
    responses((status = 201, description = "WhatsApp has it, or it is on its way.", body = WahaSent), Refused)
)]
pub(super) async fn send_image(
    call: Call,
    LargeJsonBody(body): LargeJsonBody<WahaFileMessage>,
) -> Result<HttpResponse, ApiError> {
    send(call, body, MediaKind::Image).await
}

/// Sends a file, whatever is in it.
#[utoipa::path(
    post,
    path = "/api/sendFile",
    tag = "waha",
    security(("apiKey" = [])),
    request_body = WahaFileMessage,
    responses((status = 201, description = "WhatsApp has it, or it is on its way.", body = WahaSent), Refused)
)]
pub(super) async fn send_file(
    call: Call,
    LargeJsonBody(body): LargeJsonBody<WahaFileMessage>,
) -> Result<HttpResponse, ApiError> {
    send(call, body, MediaKind::Document).await
}

/// Sends a video.
#[utoipa::path(
    post,
    path = "/api/sendVideo",
    tag = "waha",
    security(("apiKey" = [])),
    request_body = WahaFileMessage,
    responses((status = 201, description = "WhatsApp has it, or it is on its way.", body = WahaSent), Refused)
)]
pub(super) async fn send_video(
    call: Call,
    LargeJsonBody(body): LargeJsonBody<WahaFileMessage>,
) -> Result<HttpResponse, ApiError> {
    let kind = if body.as_note { MediaKind::RoundVideo } else { MediaKind::Video };
    send(call, body, kind).await
}

/// Sends a voice note.
#[utoipa::path(
    post,
    path = "/api/sendVoice",
    tag = "waha",
    security(("apiKey" = [])),
    request_body = WahaFileMessage,
    responses((status = 201, description = "WhatsApp has it, or it is on its way.", body = WahaSent), Refused)
)]
pub(super) async fn send_voice(
    call: Call,
    LargeJsonBody(body): LargeJsonBody<WahaFileMessage>,
) -> Result<HttpResponse, ApiError> {
    send(call, body, MediaKind::Voice).await
}

async fn send(call: Call, body: WahaFileMessage, kind: MediaKind) -> Result<HttpResponse, ApiError> {
    let id = session_of(&call, &body.session).await?;
    let given = |text: Option<String>| text.filter(|text| !text.is_empty());
    let source = match (given(body.file.url), given(body.file.data)) {
        (Some(url), None) => MediaGiven::Url(url),
        (None, Some(text)) => {
            let bytes = bytes_of(&text, "file.data")?;
            let mut file = call.services().messages.receive(&call.caller, id, None).await?;
            file.write(&bytes).await.map_err(ServiceError::from)?;
            MediaGiven::Given(Box::new(file))
        }
        _ => {
            let message = "Exactly one of \"file.url\" and \"file.data\" is required.";
            return Err(ApiError::invalid(message).with_field("file"));
        }
    };
    let caption = given(body.caption);
    let message = SendMedia {
        phone: body.chat_id.clone(),
        source,
        caption: caption.clone(),
        file_name: given(body.file.filename),
        mime_type: given(body.file.mimetype),
        kind: Some(kind),
        quoted: quoted(body.reply_to),
        terms: SendTerms::default(),
    };
    let send =
        move |call: Call| async move { call.services().messages.send_media(&call.caller, id, message).await };
    let sent = call.clone().complete(send).await.map_err(ApiError::named(named))?;
    let told = WahaSent::of(&call, id, sent, &body.chat_id, caption.unwrap_or_default(), true).await?;
    Ok(HttpResponse::Created().json(told))
}
