//! Sending.

use std::time::Duration;

use actix_web::{HttpResponse, web};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use services::{
    ChatState, Compose, ComposeLocation, ComposeText, Field, Progress, SendMessage, SendTerms, Sent, card_of,
    parse_recipient,
};
use storage::{Clock, InstanceId};
use utoipa::ToSchema;

use super::access::{EvoCall, Refused};
use super::text::{EvoKey, instance_of};
use crate::error::ApiError;
use crate::extract::JsonBody;
use crate::field;
use crate::forms::{Choices, Emoji, Latitude, Longitude, Named, PollOptions, Question, Recipient, Words};

/// Longest time, in milliseconds, for which a chat shows that the account types before a message leaves.
const LONGEST_DELAY: u64 = 20_000;

/// How a message is sent.
#[derive(Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct EvoOptions {
    /// For how many milliseconds the chat shows first that the account types; 20,000 at most.
    delay: Option<u64>,
    /// The message that it answers: of this, its id.
    pub(super) quoted: Option<EvoQuoted>,
    /// Whether it names everybody in the group.
    #[serde(default)]
    mentions_every_one: bool,
    /// Whom the text names as `@number`.
    #[schema(value_type = Option<Named>)]
    mentioned: Option<Vec<String>>,
}

/// A message that another one answers.
#[derive(Deserialize, ToSchema)]
pub(super) struct EvoQuoted {
    key: EvoQuotedKey,
}

#[derive(Deserialize, ToSchema)]
struct EvoQuotedKey {
    id: String,
}

/// `POST /message/sendText/{instance}`.
#[derive(Deserialize, ToSchema)]
pub(super) struct EvoText {
    #[schema(value_type = Recipient, example = "553198296801")]
    number: String,
    #[schema(value_type = Words)]
    text: String,
    #[serde(flatten)]
    options: EvoOptions,
}

/// `POST /message/sendLocation/{instance}`.
#[derive(Deserialize, ToSchema)]
pub(super) struct EvoLocation {
    #[schema(value_type = Recipient, example = "553198296801")]
    number: String,
    name: Option<String>,
    address: Option<String>,
    #[schema(value_type = Latitude)]
    latitude: f64,
    #[schema(value_type = Longitude)]
    longitude: f64,
    #[serde(flatten)]
    options: EvoOptions,
}

/// `POST /message/sendContact/{instance}`.
#[derive(Deserialize, ToSchema)]
pub(super) struct EvoContacts {
    #[schema(value_type = Recipient, example = "553198296801")]
    number: String,
    contact: Vec<EvoContact>,
    #[serde(flatten)]
    options: EvoOptions,
}

/// Somebody whose card is sent: their name and number.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct EvoContact {
    full_name: String,
    phone_number: String,
}

/// `POST /message/sendPoll/{instance}`.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct EvoPoll {
    #[schema(value_type = Recipient, example = "553198296801")]
    number: String,
    /// The question.
    #[schema(value_type = Question)]
    name: String,
    /// How many options may be chosen; 0 for all.
    #[serde(default)]
    #[schema(value_type = Choices)]
    selectable_count: u32,
    #[schema(value_type = PollOptions)]
    values: Vec<String>,
    #[serde(flatten)]
    options: EvoOptions,
}

/// `POST /message/sendReaction/{instance}`.
#[derive(Deserialize, ToSchema)]
pub(super) struct EvoReaction {
    key: EvoKey,
    /// An emoji; empty takes it away.
    #[schema(value_type = Emoji)]
    reaction: String,
}

/// A message that WhatsApp has, or that is on its way.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct EvoSent {
    key: EvoKey,
    /// Its content, in the field that WhatsApp has for it.
    #[schema(value_type = Object)]
    message: Value,
    message_type: &'static str,
    /// Unix seconds.
    message_timestamp: i64,
    #[schema(value_type = String)]
    instance_id: InstanceId,
    source: &'static str,
    /// `PENDING`, or `SERVER_ACK` once WhatsApp has it.
    status: &'static str,
}

impl EvoSent {
    pub(super) fn of(
        id: InstanceId,
        sent: Sent,
        number: &str,
        message_type: &'static str,
        content: &Value,
    ) -> Self {
        let given = || parse_recipient(number).map(|jid| jid.to_string()).unwrap_or_default();
        let remote_jid = sent.chat.unwrap_or_else(given);
        Self {
            key: EvoKey { remote_jid, from_me: true, id: sent.id },
            message: json!({ message_type: content }),
            message_type,
            message_timestamp: Clock::system().now().seconds(),
            instance_id: id,
            source: "unknown",
            status: if sent.progress == Progress::Sent { "SERVER_ACK" } else { "PENDING" },
        }
    }
}

impl EvoOptions {
    /// WhatsApp's id of the message that it answers.
    pub(super) fn quoted(&self) -> Option<String> {
        self.quoted.as_ref().map(|quoted| quoted.key.id.clone()).filter(|id| !id.is_empty())
    }

    /// Shows for a while that the account types. That nobody sees it keeps no message back.
    pub(super) async fn wait(&self, call: &EvoCall, id: InstanceId, number: &str) {
        let Some(delay) = self.delay.filter(|delay| *delay > 0) else { return };
        let _ = call.services().people.set_chat_state(&call.caller, id, number, ChatState::Typing).await;
        tokio::time::sleep(Duration::from_millis(delay.min(LONGEST_DELAY))).await;
    }
}

/// What this API calls the fields of its bodies.
pub(super) fn named(field: Field) -> &'static str {
    match field {
        Field::Recipient | Field::Chat => "number",
        Field::Text => "text",
        Field::MessageId => "quoted.key.id",
        Field::Mentions => "mentioned",
        Field::Contacts => "contact",
        Field::Poll | Field::Options => "values",
        Field::Emoji => "reaction",
        Field::Caption => "caption",
        Field::File | Field::Url => "media",
        Field::FileName => "fileName",
        other => field::flat(other),
    }
}

async fn sent(call: &EvoCall, id: InstanceId, phone: String, content: Compose) -> Result<Sent, ApiError> {
    let message = SendMessage { phone, content, terms: SendTerms::default() };
    let send = move |call: EvoCall| async move {
        call.services().messages.send_message(&call.caller, id, message).await
    };
    call.clone().complete(send).await.map_err(ApiError::named(named))
}

/// Sends a text.
#[utoipa::path(
    post,
    path = "/message/sendText/{instance}",
    tag = "evolution",
    security(("evolutionKey" = [])),
    params(("instance" = String, Path, description = "The instance's name.")),
    request_body = EvoText,
    responses((status = 201, description = "WhatsApp has it, or it is on its way.", body = EvoSent), Refused)
)]
pub(super) async fn send_text(
    call: EvoCall,
    name: web::Path<String>,
    JsonBody(body): JsonBody<EvoText>,
) -> Result<HttpResponse, ApiError> {
    let id = instance_of(&call, &name).await?;
    body.options.wait(&call, id, &body.number).await;
    let text = ComposeText {
        text: body.text.clone(),
        quoted: body.options.quoted(),
        mentions: body.options.mentioned.unwrap_or_default(),
        mention_all: body.options.mentions_every_one,
        ..ComposeText::default()
    };
    let sent = sent(&call, id, body.number.clone(), Compose::Text(text)).await?;
    let told = EvoSent::of(id, sent, &body.number, "conversation", &json!(body.text));
    Ok(HttpResponse::Created().json(told))
}

/// Sends a place on the map.
#[utoipa::path(
    post,
    path = "/message/sendLocation/{instance}",
    tag = "evolution",
    security(("evolutionKey" = [])),
    params(("instance" = String, Path, description = "The instance's name.")),
    request_body = EvoLocation,
    responses((status = 201, description = "WhatsApp has it, or it is on its way.", body = EvoSent), Refused)
)]
pub(super) async fn send_location(
    call: EvoCall,
    name: web::Path<String>,
    JsonBody(body): JsonBody<EvoLocation>,
) -> Result<HttpResponse, ApiError> {
    let id = instance_of(&call, &name).await?;
    body.options.wait(&call, id, &body.number).await;
    let content = json!({
        "degreesLatitude": body.latitude, "degreesLongitude": body.longitude,
        "name": body.name, "address": body.address,
    });
    let place = ComposeLocation {
        latitude: body.latitude,
        longitude: body.longitude,
        name: body.name,
        address: body.address,
        ..ComposeLocation::default()
    };
    let sent = sent(&call, id, body.number.clone(), Compose::Location(place)).await?;
    Ok(HttpResponse::Created().json(EvoSent::of(id, sent, &body.number, "locationMessage", &content)))
}

/// Sends contact cards.
#[utoipa::path(
    post,
    path = "/message/sendContact/{instance}",
    tag = "evolution",
    security(("evolutionKey" = [])),
    params(("instance" = String, Path, description = "The instance's name.")),
    request_body = EvoContacts,
    responses((status = 201, description = "WhatsApp has it, or it is on its way.", body = EvoSent), Refused)
)]
pub(super) async fn send_contact(
    call: EvoCall,
    name: web::Path<String>,
    JsonBody(body): JsonBody<EvoContacts>,
) -> Result<HttpResponse, ApiError> {
    let id = instance_of(&call, &name).await?;
    let card = |contact: EvoContact| {
        let card = card_of(&contact.full_name, &contact.phone_number);
        let wrong = || ApiError::invalid("\"phoneNumber\" is no phone number.").with_field("contact");
        card.map(|card| (contact.full_name, card)).ok_or_else(wrong)
    };
    let cards = body.contact.into_iter().map(card).collect::<Result<Vec<_>, _>>()?;
    body.options.wait(&call, id, &body.number).await;
    let shown: Vec<_> =
        cards.iter().map(|(name, card)| json!({"displayName": name, "vcard": card})).collect();
    let sent = sent(&call, id, body.number.clone(), Compose::Contacts(cards)).await?;
    let (kind, content) = match &shown[..] {
        [one] => ("contactMessage", one.clone()),
        _ => ("contactsArrayMessage", json!({ "contacts": shown })),
    };
    Ok(HttpResponse::Created().json(EvoSent::of(id, sent, &body.number, kind, &content)))
}

/// Sends a question with options.
#[utoipa::path(
    post,
    path = "/message/sendPoll/{instance}",
    tag = "evolution",
    security(("evolutionKey" = [])),
    params(("instance" = String, Path, description = "The instance's name.")),
    request_body = EvoPoll,
    responses((status = 201, description = "WhatsApp has it, or it is on its way.", body = EvoSent), Refused)
)]
pub(super) async fn send_poll(
    call: EvoCall,
    name: web::Path<String>,
    JsonBody(body): JsonBody<EvoPoll>,
) -> Result<HttpResponse, ApiError> {
    let id = instance_of(&call, &name).await?;
    body.options.wait(&call, id, &body.number).await;
    let content = json!({
        "name": body.name, "selectableOptionsCount": body.selectable_count,
        "options": body.values.iter().map(|value| json!({"optionName": value})).collect::<Vec<_>>(),
    });
    let poll = Compose::Poll(body.name, body.values, body.selectable_count);
    let sent = sent(&call, id, body.number.clone(), poll).await?;
    Ok(HttpResponse::Created().json(EvoSent::of(id, sent, &body.number, "pollCreationMessage", &content)))
}

/// Puts an emoji to a message, or takes it away.
#[utoipa::path(
    post,
    path = "/message/sendReaction/{instance}",
    tag = "evolution",
    security(("evolutionKey" = [])),
    params(("instance" = String, Path, description = "The instance's name.")),
    request_body = EvoReaction,
    responses((status = 201, description = "WhatsApp has it, or it is on its way.", body = EvoSent), Refused)
)]
pub(super) async fn send_reaction(
    call: EvoCall,
    name: web::Path<String>,
    JsonBody(body): JsonBody<EvoReaction>,
) -> Result<HttpResponse, ApiError> {
    let id = instance_of(&call, &name).await?;
    let content = json!({"key": body.key, "text": body.reaction});
    let chat = body.key.remote_jid.clone();
    let sent = sent(&call, id, chat.clone(), Compose::React(body.key.id, body.reaction)).await;
    let sent = sent.map_err(|error| match error.field() {
        Some("number") => error.with_field("key.remoteJid"),
        Some("quoted.key.id") => error.with_field("key.id"),
        _ => error,
    })?;
    Ok(HttpResponse::Created().json(EvoSent::of(id, sent, &chat, "reactionMessage", &content)))
}

/// Takes a message back for everybody.
#[utoipa::path(
    delete,
    path = "/chat/deleteMessageForEveryone/{instance}",
    tag = "evolution",
    security(("evolutionKey" = [])),
    params(("instance" = String, Path, description = "The instance's name.")),
    request_body = EvoKey,
    responses((status = 201, description = "WhatsApp has it, or it is on its way.", body = EvoSent), Refused)
)]
pub(super) async fn take_back(
    call: EvoCall,
    name: web::Path<String>,
    JsonBody(key): JsonBody<EvoKey>,
) -> Result<HttpResponse, ApiError> {
    let id = instance_of(&call, &name).await?;
    let content = json!({"key": key, "type": "REVOKE"});
    let chat = key.remote_jid.clone();
    let sent = sent(&call, id, chat.clone(), Compose::Revoke(key.id)).await;
    let sent = sent.map_err(|error| match error.field() {
        Some("number") => error.with_field("remoteJid"),
        _ => error,
    })?;
    Ok(HttpResponse::Created().json(EvoSent::of(id, sent, &chat, "protocolMessage", &content)))
}
