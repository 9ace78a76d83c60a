//! Sending.

use actix_web::web;
use serde::{Deserialize, Serialize};
use services::{
    Compose, ComposeText, MediaGiven, MediaKind, Progress, SendMedia, SendMessage, SendTerms, Sent,
    ServiceError,
};
use storage::{Clock, InstanceId};
use utoipa::ToSchema;
use webhook::message_key;

use super::access::Refused;
use super::session::named;
use super::settings::WgDone;
use super::text::{chat_id, instance_of, message_id};
use crate::error::ApiError;
use crate::extract::{Call, LargeJsonBody, bytes_of};
use crate::forms::{Caption, FileContent, FileName, RecipientOrNone};

/// `send`.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct WgSend {
    #[serde(rename = "WhatsappID")]
    whatsapp_id: String,
    /// Whether the answer says only that the message is on its way; the event `sent` tells of it then.
    #[serde(default, rename = "async")]
    is_async: bool,
    recipient: WgRecipient,
    message: WgMessage,
}

/// Whom it is for: `id`, or `number` and `type`.
#[derive(Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct WgRecipient {
    #[schema(value_type = Option<RecipientOrNone>, example = "79999999999@c.us")]
    id: Option<String>,
    #[schema(value_type = Option<RecipientOrNone>)]
    number: Option<String>,
    #[serde(default, rename = "type")]
    kind: WgRecipientKind,
}

/// Whose number it is.
#[derive(Clone, Copy, Default, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum WgRecipientKind {
    #[default]
    Contact,
    Group,
}

/// What is to be sent.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct WgMessage {
    #[serde(default, rename = "type")]
    kind: WgMessageKind,
    /// The text, or the text under a file.
    #[schema(value_type = Option<Caption>)]
    body: Option<String>,
    /// The message that it answers, by its id here.
    #[schema(example = "true_79999999999@c.us_3EB0")]
    quote: Option<String>,
    media: Option<WgMedia>,
}

/// As what a message is sent.
#[derive(Clone, Copy, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum WgMessageKind {
    #[default]
    Text,
    Image,
    Sticker,
    Doc,
    Voice,
}

/// A file.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct WgMedia {
    /// What it is; its content is believed rather.
    mimetype: Option<String>,
    /// The file in base64.
    #[schema(value_type = FileContent)]
    data: String,
    #[schema(value_type = Option<FileName>)]
    filename: Option<String>,
}

/// A message that WhatsApp has.
#[derive(Serialize, ToSchema)]
pub(super) struct WgSent {
    result: WgSentMessage,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct WgSentMessage {
    #[serde(rename = "_id")]
    own_id: String,
    #[schema(example = "true_79999999999@c.us_3EB0")]
    id: String,
    /// 0 while WhatsApp doesn't have it yet, 1 once it does.
    ack: u8,
    has_media: bool,
    /// Names the file to `get-media`; empty without one.
    media_key: String,
    body: String,
    #[serde(rename = "type")]
    kind: &'static str,
    /// Unix seconds.
    timestamp: i64,
    from: Option<String>,
    #[serde(rename = "from_name")]
    from_name: Option<String>,
    to: String,
    is_forwarded: bool,
}

/// What an answer is: about the message, or only that it is on its way.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
pub(super) enum WgSendResult {
    Sent(WgSent),
    Taken(WgDone),
}

impl WgRecipient {
    /// As the other API names it.
    pub(super) fn phone(self) -> Result<String, ApiError> {
        let given = |text: Option<String>| text.filter(|text| !text.is_empty());
        match (given(self.id), given(self.number), self.kind) {
            (Some(id), None, _) | (None, Some(id), WgRecipientKind::Contact) => Ok(id),
            (None, Some(number), WgRecipientKind::Group) if number.contains('@') => Ok(number),
            (None, Some(number), WgRecipientKind::Group) => Ok(format!("{number}@g.us")),
            _ => {
                let message = "Exactly one of \"recipient.id\" and \"recipient.number\" is required.";
                Err(ApiError::invalid(message).with_field("recipient"))
            }
        }
    }
}

/// Sends a message: a text, an image, a sticker, a document or a voice note.
#[utoipa::path(
    post,
    path = "/api/v1/send",
    tag = "whatsgate",
    security(("apiKey" = [])),
    request_body = WgSend,
    responses((status = 200, description = "The message, or that it is on its way.", body = WgSendResult), Refused)
)]
pub(super) async fn send(
    call: Call,
    LargeJsonBody(body): LargeJsonBody<WgSend>,
) -> Result<web::Json<WgSendResult>, ApiError> {
    let id = instance_of(&call, &body.whatsapp_id).await?;
    let phone = body.recipient.phone()?;
    let is_async = body.is_async;
    let (kind, text) = (body.message.kind, body.message.body.clone().unwrap_or_default());
    let terms = SendTerms { queued: is_async, ..SendTerms::default() };
    let sent = body.message.send(&call, id, phone.clone(), terms).await?;
    if is_async {
        return Ok(web::Json(WgSendResult::Taken(WgDone::OK)));
    }
    let result = WgSentMessage::of(&call, id, sent, &phone, kind, text).await?;
    Ok(web::Json(WgSendResult::Sent(WgSent { result })))
}

impl WgMessage {
    async fn send(
        self,
        call: &Call,
        id: InstanceId,
        phone: String,
        terms: SendTerms,
    ) -> Result<Sent, ApiError> {
        let quoted = self.quote.filter(|quote| !quote.is_empty());
        let quoted = quoted.map(|quote| message_id(&quote).to_owned());
        let text = self.body.unwrap_or_default();
        let kind = match self.kind {
            WgMessageKind::Text => {
                let content = Compose::Text(ComposeText { text, quoted, ..ComposeText::default() });
                let message = SendMessage { phone, content, terms };
                let send = move |call: Call| async move {
                    call.services().messages.send_message(&call.caller, id, message).await
                };
                return call.clone().complete(send).await.map_err(ApiError::named(named_in_message));
            }
            WgMessageKind::Image => MediaKind::Image,
            WgMessageKind::Sticker => MediaKind::Sticker,
            WgMessageKind::Doc => MediaKind::Document,
            WgMessageKind::Voice => MediaKind::Voice,
        };
        let media = self
            .media
            .ok_or_else(|| ApiError::invalid("\"message.media\" is required.").with_field("message.media"))?;
        let mut file = call.services().messages.receive(&call.caller, id, None).await?;
        let bytes = bytes_of(&media.data, "message.media.data")?;
        file.write(&bytes).await.map_err(ServiceError::from)?;
        let message = SendMedia {
            phone,
            source: MediaGiven::Given(Box::new(file)),
            caption: Some(text).filter(|text| !text.is_empty()),
            file_name: media.filename.filter(|name| !name.is_empty()),
            mime_type: media.mimetype,
            kind: Some(kind),
            quoted,
            terms,
        };
        let send = move |call: Call| async move {
            call.services().messages.send_media(&call.caller, id, message).await
        };
        call.clone().complete(send).await.map_err(ApiError::named(named_in_message))
    }
}

fn named_in_message(field: services::Field) -> &'static str {
    match field {
        services::Field::Recipient => "recipient",
        services::Field::Text | services::Field::Caption => "message.body",
        services::Field::File => "message.media.data",
        services::Field::FileName => "message.media.filename",
        services::Field::MessageId => "message.quote",
        other => named(other),
    }
}

impl WgSentMessage {
    async fn of(
        call: &Call,
        id: InstanceId,
        sent: Sent,
        phone: &str,
        kind: WgMessageKind,
        body: String,
    ) -> Result<Self, ApiError> {
        let instance = call.services().instances.find(&call.caller, id).await?.instance;
        let given = || services::parse_recipient(phone).map(|jid| jid.to_string()).unwrap_or_default();
        let chat = sent.chat.unwrap_or_else(given);
        let key = message_key(true, &chat, &sent.id);
        let has_media = kind != WgMessageKind::Text;
        Ok(Self {
            own_id: sent.id,
            ack: u8::from(sent.progress == Progress::Sent),
            has_media,
            media_key: if has_media { key.clone() } else { String::new() },
            id: key,
            body,
            kind: match kind {
                WgMessageKind::Text => "chat",
                WgMessageKind::Image => "image",
                WgMessageKind::Sticker => "sticker",
                WgMessageKind::Doc => "document",
                WgMessageKind::Voice => "ptt",
            },
            timestamp: Clock::system().now().seconds(),
            from: instance.phone.map(|number| format!("{number}@c.us")),
            from_name: instance.push_name,
            to: chat_id(&chat),
            is_forwarded: false,
        })
    }
}
