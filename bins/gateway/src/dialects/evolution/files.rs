//! Sending files.

use actix_web::{HttpResponse, web};
use serde::Deserialize;
use serde_json::json;
use services::{MediaGiven, MediaKind, SendMedia, SendTerms, ServiceError};
use storage::InstanceId;
use utoipa::ToSchema;

use super::access::{EvoCall, Refused};
use super::messages::{EvoOptions, EvoSent, named};
use super::text::instance_of;
use crate::error::ApiError;
use crate::extract::{LargeJsonBody, bytes_of};
use crate::forms::{Caption, FileName, Recipient};

/// `POST /message/sendMedia/{instance}`.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct EvoMedia {
    #[schema(value_type = Recipient, example = "553198296801")]
    number: String,
    mediatype: EvoMediaKind,
    /// What it is; its content is believed rather.
    mimetype: Option<String>,
    #[schema(value_type = Option<Caption>)]
    caption: Option<String>,
    /// Where the file is, or the file in base64.
    media: String,
    #[schema(value_type = Option<FileName>)]
    file_name: Option<String>,
    #[serde(flatten)]
    options: EvoOptions,
}

/// As what a file is sent.
#[derive(Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum EvoMediaKind {
    Image,
    Video,
    Audio,
    Document,
}

/// `POST /message/sendWhatsAppAudio/{instance}`.
#[derive(Deserialize, ToSchema)]
pub(super) struct EvoAudio {
    #[schema(value_type = Recipient, example = "553198296801")]
    number: String,
    /// Where the file is, or the file in base64.
    audio: String,
    #[serde(flatten)]
    options: EvoOptions,
}

/// `POST /message/sendSticker/{instance}`.
#[derive(Deserialize, ToSchema)]
pub(super) struct EvoSticker {
    #[schema(value_type = Recipient, example = "553198296801")]
    number: String,
    /// Where the file is, or the file in base64.
    sticker: String,
    #[serde(flatten)]
    options: EvoOptions,
}

/// Sends a file.
#[utoipa::path(
    post,
    path = "/message/sendMedia/{instance}",
    tag = "evolution",
    security(("evolutionKey" = [])),
    params(("instance" = String, Path, description = "The instance's name.")),
    request_body = EvoMedia,
    responses((status = 201, description = "WhatsApp has it, or it is on its way.", body = EvoSent), Refused)
)]
pub(super) async fn send_media(
    call: EvoCall,
    name: web::Path<String>,
    LargeJsonBody(body): LargeJsonBody<EvoMedia>,
) -> Result<HttpResponse, ApiError> {
    let id = instance_of(&call, &name).await?;
    let (kind, field) = match body.mediatype {
        EvoMediaKind::Image => (MediaKind::Image, "imageMessage"),
        EvoMediaKind::Video => (MediaKind::Video, "videoMessage"),
        EvoMediaKind::Audio => (MediaKind::Audio, "audioMessage"),
        EvoMediaKind::Document => (MediaKind::Document, "documentMessage"),
    };
    let file = File {
        field: "media",
        given: body.media,
        kind,
        caption: body.caption,
        file_name: body.file_name,
        mime_type: body.mimetype,
    };
    send(call, id, body.number, file, field, body.options).await
}

/// Sends a voice note.
#[utoipa::path(
    post,
    path = "/message/sendWhatsAppAudio/{instance}",
    tag = "evolution",
    security(("evolutionKey" = [])),
    params(("instance" = String, Path, description = "The instance's name.")),
    request_body = EvoAudio,
    responses((status = 201, description = "WhatsApp has it, or it is on its way.", body = EvoSent), Refused)
)]
pub(super) async fn send_audio(
    call: EvoCall,
    name: web::Path<String>,
    LargeJsonBody(body): LargeJsonBody<EvoAudio>,
) -> Result<HttpResponse, ApiError> {
    let id = instance_of(&call, &name).await?;
    let file = File::plain("audio", body.audio, MediaKind::Voice);
    send(call, id, body.number, file, "audioMessage", body.options).await
}

/// Sends a sticker.
#[utoipa::path(
    post,
    path = "/message/sendSticker/{instance}",
    tag = "evolution",
    security(("evolutionKey" = [])),
    params(("instance" = String, Path, description = "The instance's name.")),
    request_body = EvoSticker,
    responses((status = 201, description = "WhatsApp has it, or it is on its way.", body = EvoSent), Refused)
)]
pub(super) async fn send_sticker(
    call: EvoCall,
    name: web::Path<String>,
    LargeJsonBody(body): LargeJsonBody<EvoSticker>,
) -> Result<HttpResponse, ApiError> {
    let id = instance_of(&call, &name).await?;
    let file = File::plain("sticker", body.sticker, MediaKind::Sticker);
    send(call, id, body.number, file, "stickerMessage", body.options).await
}

/// A file to send.
struct File {
    /// What the body calls it.
    field: &'static str,
    /// Where it is, or itself in base64.
    given: String,
    kind: MediaKind,
    caption: Option<String>,
    file_name: Option<String>,
    mime_type: Option<String>,
}

impl File {
    fn plain(field: &'static str, given: String, kind: MediaKind) -> Self {
        Self { field, given, kind, caption: None, file_name: None, mime_type: None }
    }
}

async fn send(
    call: EvoCall,
    id: InstanceId,
    number: String,
    file: File,
    message_type: &'static str,
    options: EvoOptions,
) -> Result<HttpResponse, ApiError> {
    let field = file.field;
    let source = if file.given.starts_with("http://") || file.given.starts_with("https://") {
        MediaGiven::Url(file.given)
    } else {
        let bytes = bytes_of(&file.given, field)?;
        let mut given = call.services().messages.receive(&call.caller, id, None).await?;
        given.write(&bytes).await.map_err(ServiceError::from)?;
        MediaGiven::Given(Box::new(given))
    };
    options.wait(&call, id, &number).await;
    let given = |text: Option<String>| text.filter(|text| !text.is_empty());
    let content = json!({"mimetype": file.mime_type, "caption": file.caption, "fileName": file.file_name});
    let message = SendMedia {
        phone: number.clone(),
        source,
        caption: given(file.caption),
        file_name: given(file.file_name),
        mime_type: given(file.mime_type),
        kind: Some(file.kind),
        quoted: options.quoted(),
        terms: SendTerms::default(),
    };
    let send = move |call: EvoCall| async move {
        call.services().messages.send_media(&call.caller, id, message).await
    };
    let sent = call.clone().complete(send).await.map_err(ApiError::named(named));
    let sent = sent.map_err(|error| match error.field() {
        Some("media") => error.with_field(field),
        _ => error,
    })?;
    Ok(HttpResponse::Created().json(EvoSent::of(id, sent, &number, message_type, &content)))
}
