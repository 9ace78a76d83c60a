//! Sending, and changing what was sent.

use actix_web::{HttpResponse, web};
use serde::{Deserialize, Serialize};
use services::{
    Compose, ComposeLocation, ComposeText, Field, Progress, SendMessage, SendTerms, Sent, card_of,
    parse_recipient,
};
use storage::{Clock, InstanceId};
use utoipa::ToSchema;
use webhook::message_key;

use super::access::Refused;
use super::text::{chat_id, message_of, session_of};
use crate::error::ApiError;
use crate::extract::{Call, JsonBody};
use crate::field;
use crate::forms::{Emoji, Latitude, Longitude, Named, PollOptions, Question, Recipient, Words};

/// `POST /api/sendText`.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct WahaText {
    session: String,
    #[serde(rename = "chatId")]
    #[schema(value_type = Recipient, example = "79001234567@c.us")]
    chat_id: String,
    #[schema(value_type = Words)]
    text: String,
    /// The message that it answers, by its id here.
    #[schema(example = "false_79001234567@c.us_3EB0")]
    reply_to: Option<String>,
    /// Whom the text names as `@number`; `all` for everybody in the group.
    #[schema(value_type = Option<Named>)]
    mentions: Option<Vec<String>>,
    /// Previews are made by whoever writes them: see `POST /api/whatsapp/{id}/send`.
    #[serde(rename = "linkPreview")]
    #[allow(dead_code, reason = "read as WAHA reads it")]
    link_preview: Option<bool>,
    #[serde(rename = "linkPreviewHighQuality")]
    #[allow(dead_code, reason = "read as WAHA reads it")]
    link_preview_high_quality: Option<bool>,
}

/// `POST /api/sendLocation`.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct WahaLocation {
    session: String,
    #[serde(rename = "chatId")]
    #[schema(value_type = Recipient, example = "79001234567@c.us")]
    chat_id: String,
    #[schema(value_type = Latitude)]
    latitude: f64,
    #[schema(value_type = Longitude)]
    longitude: f64,
    title: Option<String>,
    /// A place on the map answers nothing.
    #[allow(dead_code, reason = "read as WAHA reads it")]
    reply_to: Option<String>,
}

/// `POST /api/sendContactVcard`.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct WahaContacts {
    session: String,
    #[serde(rename = "chatId")]
    #[schema(value_type = Recipient, example = "79001234567@c.us")]
    chat_id: String,
    contacts: Vec<WahaCard>,
    #[allow(dead_code, reason = "read as WAHA reads it")]
    reply_to: Option<String>,
}

/// A contact card, or what one is made of.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct WahaCard {
    vcard: Option<String>,
    full_name: Option<String>,
    phone_number: Option<String>,
    #[allow(dead_code, reason = "read as WAHA reads it")]
    organization: Option<String>,
    #[allow(dead_code, reason = "read as WAHA reads it")]
    whatsapp_id: Option<String>,
}

/// `POST /api/sendPoll`.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct WahaPollMessage {
    session: String,
    #[serde(rename = "chatId")]
    #[schema(value_type = Recipient, example = "79001234567@c.us")]
    chat_id: String,
    poll: WahaPoll,
    #[allow(dead_code, reason = "read as WAHA reads it")]
    reply_to: Option<String>,
}

/// A question with options.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct WahaPoll {
    #[schema(value_type = Question)]
    name: String,
    #[schema(value_type = PollOptions)]
    options: Vec<String>,
    #[serde(default, rename = "multipleAnswers")]
    multiple_answers: bool,
}

/// `PUT /api/reaction`.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct WahaReaction {
    session: String,
    /// The message's id here, which names its chat, too.
    #[serde(rename = "messageId")]
    #[schema(example = "false_79001234567@c.us_3EB0")]
    message_id: String,
    /// An emoji; empty takes it away.
    #[schema(value_type = Emoji)]
    reaction: String,
}

/// Another text for a message.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct WahaEdit {
    #[schema(value_type = Words)]
    text: String,
    #[allow(dead_code, reason = "read as WAHA reads it")]
    mentions: Option<Vec<String>>,
}

/// A message that WhatsApp has, or that is on its way.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct WahaSent {
    #[schema(example = "true_79001234567@c.us_3EB0")]
    id: String,
    /// Unix seconds.
    timestamp: i64,
    from: Option<String>,
    from_me: bool,
    source: &'static str,
    to: String,
    body: String,
    has_media: bool,
    /// 0 while WhatsApp doesn't have it yet, 1 once it does.
    ack: u8,
    ack_name: &'static str,
    #[serde(rename = "_data")]
    data: WahaSentData,
}

/// What is told beside it.
#[derive(Serialize, ToSchema)]
struct WahaSentData {
    key: WahaKey,
}

/// Which message it is.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct WahaKey {
    remote_jid: String,
    from_me: bool,
    id: String,
}

impl WahaSent {
    pub(super) async fn of(
        call: &Call,
        id: InstanceId,
        sent: Sent,
        phone: &str,
        body: String,
        has_media: bool,
    ) -> Result<Self, ApiError> {
        let instance = call.services().instances.find(&call.caller, id).await?.instance;
        let given = || parse_recipient(phone).map(|jid| jid.to_string()).unwrap_or_default();
        let chat = sent.chat.unwrap_or_else(given);
        let is_sent = sent.progress == Progress::Sent;
        Ok(Self {
            id: message_key(true, &chat, &sent.id),
            timestamp: Clock::system().now().seconds(),
            from: instance.phone.map(|number| format!("{number}@c.us")),
            from_me: true,
            source: "api",
            to: chat_id(&chat),
            body,
            has_media,
            ack: u8::from(is_sent),
            ack_name: if is_sent { "SERVER" } else { "PENDING" },
            data: WahaSentData { key: WahaKey { remote_jid: chat, from_me: true, id: sent.id } },
        })
    }
}

/// What this API calls the fields of its bodies.
pub(super) fn named(field: Field) -> &'static str {
    match field {
        Field::Recipient | Field::Chat => "chatId",
        Field::Text => "text",
        Field::MessageId => "reply_to",
        Field::Mentions => "mentions",
        Field::Contacts => "contacts",
        Field::Poll | Field::Options => "poll",
        Field::Emoji => "reaction",
        Field::Caption => "caption",
        Field::File | Field::Url => "file",
        Field::FileName => "file.filename",
        other => field::flat(other),
    }
}

/// WhatsApp's id of the message that another one answers.
pub(super) fn quoted(reply_to: Option<String>) -> Option<String> {
    reply_to.filter(|id| !id.is_empty()).map(|id| message_of(&id).1.to_owned())
}

/// Sends a text.
#[utoipa::path(
    post,
    path = "/api/sendText",
    tag = "waha",
    security(("apiKey" = [])),
    request_body = WahaText,
    responses((status = 201, description = "WhatsApp has it, or it is on its way.", body = WahaSent), Refused)
)]
pub(super) async fn send_text(
    call: Call,
    JsonBody(body): JsonBody<WahaText>,
) -> Result<HttpResponse, ApiError> {
    let id = session_of(&call, &body.session).await?;
    let (everybody, mentions): (Vec<_>, Vec<_>) =
        body.mentions.into_iter().flatten().partition(|mention| mention == "all");
    let text = ComposeText {
        text: body.text.clone(),
        quoted: quoted(body.reply_to),
        mentions,
        mention_all: !everybody.is_empty(),
        ..ComposeText::default()
    };
    send(call, id, body.chat_id, Compose::Text(text), body.text).await
}

/// Sends a place on the map.
#[utoipa::path(
    post,
    path = "/api/sendLocation",
    tag = "waha",
    security(("apiKey" = [])),
    request_body = WahaLocation,
    responses((status = 201, description = "WhatsApp has it, or it is on its way.", body = WahaSent), Refused)
)]
pub(super) async fn send_location(
    call: Call,
    JsonBody(body): JsonBody<WahaLocation>,
) -> Result<HttpResponse, ApiError> {
    let id = session_of(&call, &body.session).await?;
    let place = ComposeLocation {
        latitude: body.latitude,
        longitude: body.longitude,
        name: body.title,
        ..ComposeLocation::default()
    };
    send(call, id, body.chat_id, Compose::Location(place), String::new()).await
}

/// Sends contact cards.
#[utoipa::path(
    post,
    path = "/api/sendContactVcard",
    tag = "waha",
    security(("apiKey" = [])),
    request_body = WahaContacts,
    responses((status = 201, description = "WhatsApp has it, or it is on its way.", body = WahaSent), Refused)
)]
pub(super) async fn send_contacts(
    call: Call,
    JsonBody(body): JsonBody<WahaContacts>,
) -> Result<HttpResponse, ApiError> {
    let id = session_of(&call, &body.session).await?;
    let cards = body.contacts.into_iter().map(WahaCard::card).collect::<Result<Vec<_>, _>>()?;
    send(call, id, body.chat_id, Compose::Contacts(cards), String::new()).await
}

impl WahaCard {
    /// What it calls somebody, and the card.
    fn card(self) -> Result<(String, String), ApiError> {
        let wrong = |message: &str| ApiError::invalid(message).with_field("contacts");
        if let Some(vcard) = self.vcard {
            let name = vcard.lines().find_map(|line| line.trim().strip_prefix("FN:")).unwrap_or_default();
            return Ok((name.to_owned(), vcard));
        }
        let (Some(name), Some(number)) = (self.full_name, self.phone_number) else {
            return Err(wrong("Each contact has a \"vcard\", or \"fullName\" and \"phoneNumber\"."));
        };
        let card = card_of(&name, &number).ok_or_else(|| wrong("\"phoneNumber\" is no phone number."))?;
        Ok((name, card))
    }
}

/// Sends a question with options.
#[utoipa::path(
    post,
    path = "/api/sendPoll",
    tag = "waha",
    security(("apiKey" = [])),
    request_body = WahaPollMessage,
    responses((status = 201, description = "WhatsApp has it, or it is on its way.", body = WahaSent), Refused)
)]
pub(super) async fn send_poll(
    call: Call,
    JsonBody(body): JsonBody<WahaPollMessage>,
) -> Result<HttpResponse, ApiError> {
    let id = session_of(&call, &body.session).await?;
    let WahaPoll { name, options, multiple_answers } = body.poll;
    let poll = Compose::Poll(name.clone(), options, if multiple_answers { 0 } else { 1 });
    send(call, id, body.chat_id, poll, name).await
}

async fn send(
    call: Call,
    id: InstanceId,
    phone: String,
    content: Compose,
    body: String,
) -> Result<HttpResponse, ApiError> {
    let sent = sent(&call, id, phone.clone(), content).await?;
    Ok(HttpResponse::Created().json(WahaSent::of(&call, id, sent, &phone, body, false).await?))
}

async fn sent(call: &Call, id: InstanceId, phone: String, content: Compose) -> Result<Sent, ApiError> {
    let message = SendMessage { phone, content, terms: SendTerms::default() };
    let send = move |call: Call| async move {
        call.services().messages.send_message(&call.caller, id, message).await
    };
    call.clone().complete(send).await.map_err(ApiError::named(named))
}

/// Puts an emoji to a message, or takes it away.
#[utoipa::path(
    put,
    path = "/api/reaction",
    tag = "waha",
    security(("apiKey" = [])),
    request_body = WahaReaction,
    responses((status = 200, description = "WhatsApp has it, or it is on its way.", body = WahaSent), Refused)
)]
pub(super) async fn react(
    call: Call,
    JsonBody(body): JsonBody<WahaReaction>,
) -> Result<web::Json<WahaSent>, ApiError> {
    let id = session_of(&call, &body.session).await?;
    let (chat, message) = message_of(&body.message_id);
    let chat = chat.ok_or_else(|| {
        let message = "\"messageId\" has to name its chat, like false_79001234567@c.us_3EB0.";
        ApiError::invalid(message).with_field("messageId")
    })?;
    let content = Compose::React(message.to_owned(), body.reaction.clone());
    let sent = sent(&call, id, chat.to_owned(), content).await?;
    Ok(web::Json(WahaSent::of(&call, id, sent, chat, body.reaction, false).await?))
}

/// Gives a message of the account another text.
#[utoipa::path(
    put,
    path = "/api/{session}/chats/{chat}/messages/{message}",
    tag = "waha",
    security(("apiKey" = [])),
    params(
        ("session" = String, Path, description = "The session's name."),
        ("chat" = String, Path, description = "The chat's id."),
        ("message" = String, Path, description = "The message's id.")
    ),
    request_body = WahaEdit,
    responses((status = 200, description = "WhatsApp has it, or it is on its way.", body = WahaSent), Refused)
)]
pub(super) async fn edit(
    call: Call,
    path: web::Path<(String, String, String)>,
    JsonBody(body): JsonBody<WahaEdit>,
) -> Result<web::Json<WahaSent>, ApiError> {
    let (session, chat, message) = path.into_inner();
    let id = session_of(&call, &session).await?;
    let content = Compose::Edit(message_of(&message).1.to_owned(), body.text.clone());
    let sent = sent(&call, id, chat.clone(), content).await?;
    Ok(web::Json(WahaSent::of(&call, id, sent, &chat, body.text, false).await?))
}

/// Takes a message back for everybody.
#[utoipa::path(
    delete,
    path = "/api/{session}/chats/{chat}/messages/{message}",
    tag = "waha",
    security(("apiKey" = [])),
    params(
        ("session" = String, Path, description = "The session's name."),
        ("chat" = String, Path, description = "The chat's id."),
        ("message" = String, Path, description = "The message's id.")
    ),
    responses((status = 200, description = "WhatsApp has it, or it is on its way.", body = WahaSent), Refused)
)]
pub(super) async fn take_back(
    call: Call,
    path: web::Path<(String, String, String)>,
) -> Result<web::Json<WahaSent>, ApiError> {
    let (session, chat, message) = path.into_inner();
    let id = session_of(&call, &session).await?;
    let content = Compose::Revoke(message_of(&message).1.to_owned());
    let sent = sent(&call, id, chat.clone(), content).await?;
    Ok(web::Json(WahaSent::of(&call, id, sent, &chat, String::new(), false).await?))
}
