//! Sending, and saying that something was read.

use actix_web::{HttpRequest, web};
use serde::{Deserialize, Serialize};
use services::{
    Compose, Field, MediaGiven, MediaKind, SendMedia, SendMessage, SendTerms, Sent, ServiceError,
};
use utoipa::ToSchema;

use super::access::{Opened, Refused};
use crate::error::ApiError;
use crate::extract::{Call, JsonBody, LargeJsonBody, bytes_of};
use crate::field;
use crate::forms::{
    Caption, FileContent, FileKind, FileName, FileUrl, MessageIds, PhoneNumber, Recipient, Words,
};
use crate::public;

/// `send_message.aspx`.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct WitiText {
    /// A JID, or a number in any usual notation.
    #[schema(value_type = Recipient, example = "5511987654321@s.whatsapp.net")]
    number: String,
    #[schema(value_type = Words)]
    message: String,
}

/// `send_message_file.aspx`: the file is at `url`, or stands in `base64`.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct WitiFile {
    #[schema(value_type = Recipient)]
    number: String,
    /// The text under it.
    #[schema(value_type = Option<Caption>)]
    caption: Option<String>,
    #[schema(value_type = Option<FileUrl>)]
    url: Option<String>,
    /// As what it is sent: `image`, `file`, `audio`, `video`, or the type of the file such as `image/jpeg`. Without it, as
    /// its content says.
    #[serde(rename = "type")]
    #[schema(value_type = Option<FileKind>)]
    kind: Option<String>,
    #[schema(value_type = Option<FileName>)]
    filename: Option<String>,
    /// What it is; its content is believed rather.
    mimetype: Option<String>,
    #[schema(value_type = Option<FileContent>)]
    base64: Option<String>,
}

/// `send_contact.aspx`: a card, or the number that one is made of.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct WitiCard {
    #[schema(value_type = Recipient)]
    number: String,
    /// What the card calls them.
    name: String,
    vcard: Option<String>,
    #[schema(value_type = Option<PhoneNumber>)]
    contact: Option<String>,
}

/// `mark_read.aspx`.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct WitiRead {
    /// The chat.
    #[schema(value_type = Recipient)]
    number: String,
    /// WhatsApp's ids of the messages.
    #[schema(value_type = MessageIds)]
    messages: Vec<String>,
}

/// A message that WhatsApp has, or that is on its way.
#[derive(Serialize, ToSchema)]
pub(super) struct WitiSent {
    success: bool,
    message: WitiMessageId,
}

#[derive(Serialize, ToSchema)]
struct WitiMessageId {
    #[serde(rename = "Id")]
    id: String,
}

/// The same of a file.
#[derive(Serialize, ToSchema)]
pub(super) struct WitiFileSent {
    success: bool,
    message: WitiFileMessage,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
struct WitiFileMessage {
    #[serde(rename = "MessageID")]
    message_id: String,
    /// Where the file is to be had for a week, without a credential.
    url: String,
    /// A small picture of it in base64; empty, as there is none here.
    #[serde(rename = "jpegThumbnail")]
    thumbnail: &'static str,
}

/// That it was done.
#[derive(Serialize, ToSchema)]
pub(super) struct WitiDone {
    success: bool,
}

impl WitiDone {
    pub(super) const YES: Self = Self { success: true };
}

/// What this API calls the fields of its bodies.
pub(super) fn named(field: Field) -> &'static str {
    match field {
        Field::Recipient => "number",
        Field::File => "base64",
        Field::Contacts => "vcard",
        Field::MessageIds => "messages",
        other => field::flat(other),
    }
}

/// Sends a text.
#[utoipa::path(
    post,
    path = "/send_message.aspx",
    tag = "witi",
    security(("wid" = [])),
    request_body = WitiText,
    responses((status = 200, description = "WhatsApp has it, or it is on its way.", body = WitiSent), Refused)
)]
pub(super) async fn send_message(
    call: Call<Opened>,
    JsonBody(body): JsonBody<WitiText>,
) -> Result<web::Json<WitiSent>, ApiError> {
    let sent = send(call, body.number, Compose::text(body.message)).await?;
    Ok(web::Json(WitiSent { success: true, message: WitiMessageId { id: sent.id } }))
}

/// Sends a contact card.
#[utoipa::path(
    post,
    path = "/send_contact.aspx",
    tag = "witi",
    security(("wid" = [])),
    request_body = WitiCard,
    responses((status = 200, description = "WhatsApp has it, or it is on its way.", body = WitiSent), Refused)
)]
pub(super) async fn send_contact(
    call: Call<Opened>,
    JsonBody(body): JsonBody<WitiCard>,
) -> Result<web::Json<WitiSent>, ApiError> {
    let card = match (body.vcard, body.contact) {
        (Some(card), None) => card,
        (None, Some(number)) => services::card_of(&body.name, &number)
            .ok_or_else(|| ApiError::invalid("\"contact\" is no phone number.").with_field("contact"))?,
        _ => {
            let message = "Exactly one of \"vcard\" and \"contact\" is required.";
            return Err(ApiError::invalid(message).with_field("vcard"));
        }
    };
    let sent = send(call, body.number, Compose::Contacts(vec![(body.name, card)])).await?;
    Ok(web::Json(WitiSent { success: true, message: WitiMessageId { id: sent.id } }))
}

async fn send(call: Call<Opened>, phone: String, content: Compose) -> Result<Sent, ApiError> {
    let message = SendMessage { phone, content, terms: SendTerms::default() };
    let send = |call: Call<Opened>| async move {
        call.services().messages.send_message(&call.caller, call.subject.id, message).await
    };
    call.complete(send).await.map_err(ApiError::named(named))
}

/// Sends a file.
#[utoipa::path(
    post,
    path = "/send_message_file.aspx",
    tag = "witi",
    security(("wid" = [])),
    request_body = WitiFile,
    responses((status = 200, description = "WhatsApp has it, or it is on its way.", body = WitiFileSent), Refused)
)]
pub(super) async fn send_message_file(
    call: Call<Opened>,
    request: HttpRequest,
    LargeJsonBody(body): LargeJsonBody<WitiFile>,
) -> Result<web::Json<WitiFileSent>, ApiError> {
    let send = body.into_send(&call).await?;
    let send = |call: Call<Opened>| async move {
        let sent = call.services().messages.send_media(&call.caller, call.subject.id, send).await?;
        // The message is on its way whatever becomes of the link.
        let link = call.services().media.link_of(&call.caller, call.subject.id, &sent.id).await.ok();
        Ok((sent, link))
    };
    let (sent, link) = call.clone().complete(send).await.map_err(ApiError::named(named))?;
    let path = link.map(|link| format!("/media/{}", link.token));
    let url = path.map(|path| public::address(call.public_url(), &request, &path)).unwrap_or_default();
    let message = WitiFileMessage { message_id: sent.id, url, thumbnail: "" };
    Ok(web::Json(WitiFileSent { success: true, message }))
}

impl WitiFile {
    async fn into_send(self, call: &Call<Opened>) -> Result<SendMedia, ApiError> {
        let kind = self.kind.as_deref().filter(|kind| !kind.is_empty()).map(kind_of).transpose()?;
        let is_type = |kind: &String| kind.contains('/');
        let given = |text: Option<String>| text.filter(|text| !text.is_empty());
        let source = match (given(self.url), given(self.base64)) {
            (Some(url), None) => MediaGiven::Url(url),
            (None, Some(text)) => {
                let bytes = bytes_of(&text, "base64")?;
                let mut file = call.services().messages.receive(&call.caller, call.subject.id, None).await?;
                file.write(&bytes).await.map_err(ServiceError::from)?;
                MediaGiven::Given(Box::new(file))
            }
            _ => {
                let message = "Exactly one of \"url\" and \"base64\" is required.";
                return Err(ApiError::invalid(message).with_field("url"));
            }
        };
        Ok(SendMedia {
            phone: self.number,
            source,
            caption: self.caption,
            file_name: self.filename.filter(|name| !name.is_empty()),
            mime_type: given(self.mimetype).or(self.kind.filter(is_type)),
            kind,
            quoted: None,
            terms: SendTerms::default(),
        })
    }
}

/// As what a file is sent: this API says it by a word, or by the type of the file.
fn kind_of(kind: &str) -> Result<MediaKind, ApiError> {
    match kind.split('/').next().unwrap_or(kind) {
        "image" => Ok(MediaKind::Image),
        "audio" => Ok(MediaKind::Audio),
        "video" => Ok(MediaKind::Video),
        "file" | "document" | "application" | "text" => Ok(MediaKind::Document),
        _ => {
            let message =
                "\"type\" is image, file, audio or video, or the type of the file such as image/jpeg.";
            Err(ApiError::invalid(message).with_field("type"))
        }
    }
}

/// Tells who wrote these messages that they were read.
#[utoipa::path(
    post,
    path = "/mark_read.aspx",
    tag = "witi",
    security(("wid" = [])),
    request_body = WitiRead,
    responses((status = 200, description = "It is told.", body = WitiDone), Refused)
)]
pub(super) async fn mark_read(
    call: Call<Opened>,
    JsonBody(body): JsonBody<WitiRead>,
) -> Result<web::Json<WitiDone>, ApiError> {
    let mark = |call: Call<Opened>| async move {
        let WitiRead { number, messages } = body;
        call.services().people.mark_read(&call.caller, call.subject.id, &number, &messages, false).await
    };
    call.complete(mark).await.map_err(ApiError::named(named))?;
    Ok(web::Json(WitiDone::YES))
}
