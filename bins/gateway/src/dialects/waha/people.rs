//! People: who has WhatsApp, and what they are shown.

use actix_web::{HttpResponse, web};
use serde::{Deserialize, Serialize};
use services::{ChatQuery, ChatState};
use storage::{InstanceId, Message, MessageStatus};
use utoipa::{IntoParams, ToSchema};

use super::access::Refused;
use super::messages::named;
use super::text::{chat_id, message_of, session_of};
use crate::error::ApiError;
use crate::extract::{Call, FromQuery, JsonBody, Parameters, Query};
use crate::forms::{PhoneNumber, Recipient};

/// The newest messages of a chat, among which unread ones are looked for.
const NEWEST: u64 = 100;

/// A body that names a session and a chat.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct WahaChat {
    session: String,
    #[serde(rename = "chatId")]
    #[schema(value_type = Recipient, example = "79001234567@c.us")]
    chat_id: String,
}

/// `POST /api/sendSeen`.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct WahaSeen {
    session: String,
    #[serde(rename = "chatId")]
    #[schema(value_type = Recipient, example = "79001234567@c.us")]
    chat_id: String,
    /// Without any, the newest unread ones.
    #[serde(rename = "messageIds")]
    message_ids: Option<Vec<String>>,
    #[serde(rename = "messageId")]
    message_id: Option<String>,
    /// Whoever wrote it is known.
    #[allow(dead_code, reason = "read as WAHA reads it")]
    participant: Option<String>,
}

/// `POST /api/{session}/presence`.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct WahaPresence {
    /// The chat, for what is shown in one.
    #[serde(rename = "chatId")]
    #[schema(value_type = Option<Recipient>)]
    chat_id: Option<String>,
    presence: WahaShown,
}

/// What is shown of the account: to everybody, or in a chat.
#[derive(Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum WahaShown {
    Online,
    Offline,
    Typing,
    Recording,
    Paused,
}

/// A number of a session's contacts.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct WahaNumberQuery {
    session: String,
    #[param(inline, value_type = PhoneNumber)]
    phone: String,
}

impl FromQuery for WahaNumberQuery {
    fn from_query(parameters: &mut Parameters) -> Result<Self, ApiError> {
        Ok(Self { session: required(parameters, "session")?, phone: required(parameters, "phone")? })
    }
}

/// Somebody whom a session may know.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct WahaContactQuery {
    session: String,
    #[param(inline, rename = "contactId", value_type = Recipient)]
    contact_id: String,
    /// They are asked for anew each time.
    #[param(required = false)]
    #[allow(dead_code, reason = "only described")]
    refresh: Option<String>,
}

impl FromQuery for WahaContactQuery {
    fn from_query(parameters: &mut Parameters) -> Result<Self, ApiError> {
        parameters.pass("refresh");
        let (session, contact_id) = (required(parameters, "session")?, required(parameters, "contactId")?);
        Ok(Self { session, contact_id, refresh: None })
    }
}

fn required(parameters: &mut Parameters, name: &str) -> Result<String, ApiError> {
    let given = parameters.parsed::<String>(name, "must be a text")?;
    given.ok_or_else(|| ApiError::invalid(format!("{name:?} is required.")).with_field(name))
}

/// Whether a number has WhatsApp.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct WahaExists {
    number_exists: bool,
    /// Under which number, which may be written in another way.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "79001234567@c.us")]
    chat_id: Option<String>,
}

/// What somebody says about themselves.
#[derive(Serialize, ToSchema)]
pub(super) struct WahaAbout {
    about: Option<String>,
}

/// Where somebody's picture is.
#[derive(Serialize, ToSchema)]
pub(super) struct WahaPicture {
    #[serde(rename = "profilePictureURL")]
    url: Option<String>,
}

/// That it was done.
#[derive(Serialize, ToSchema)]
pub(super) struct WahaDone {
    success: bool,
}

fn done() -> HttpResponse {
    HttpResponse::Created().json(WahaDone { success: true })
}

/// Tells who wrote messages of a chat that they were read.
#[utoipa::path(
    post,
    path = "/api/sendSeen",
    tag = "waha",
    security(("apiKey" = [])),
    request_body = WahaSeen,
    responses((status = 201, description = "It is told.", body = WahaDone), Refused)
)]
pub(super) async fn send_seen(
    call: Call,
    JsonBody(body): JsonBody<WahaSeen>,
) -> Result<HttpResponse, ApiError> {
    let id = session_of(&call, &body.session).await?;
    let named_ones = body.message_ids.into_iter().flatten().chain(body.message_id);
    let mut ids: Vec<_> = named_ones.map(|id| message_of(&id).1.to_owned()).collect();
    if ids.is_empty() {
        ids = unread(&call, id, &body.chat_id).await?;
    }
    if !ids.is_empty() {
        let mark = move |call: Call| async move {
            call.services().people.mark_read(&call.caller, id, &body.chat_id, &ids, false).await
        };
        let names = |field| if field == services::Field::MessageIds { "messageIds" } else { named(field) };
        call.complete(mark).await.map_err(ApiError::named(names))?;
    }
    Ok(done())
}

async fn unread(call: &Call, id: InstanceId, chat: &str) -> Result<Vec<String>, ApiError> {
    let query =
        ChatQuery { chat: chat.to_owned(), start: None, end: None, limit: NEWEST, skip: 0, before: None };
    let newest = call.services().events.messages(&call.caller, id, query).await;
    let newest = newest.map_err(ApiError::named(named))?.items;
    let is_unread =
        |message: &Message| !message.from_me && !message.history && message.status == MessageStatus::Received;
    Ok(newest.into_iter().filter(is_unread).map(|message| message.message_id).collect())
}

/// Shows in a chat that the account types.
#[utoipa::path(
    post,
    path = "/api/startTyping",
    tag = "waha",
    security(("apiKey" = [])),
    request_body = WahaChat,
    responses((status = 201, description = "It is shown.", body = WahaDone), Refused)
)]
pub(super) async fn start_typing(
    call: Call,
    JsonBody(body): JsonBody<WahaChat>,
) -> Result<HttpResponse, ApiError> {
    show(call, body, ChatState::Typing).await
}

/// Shows it no longer.
#[utoipa::path(
    post,
    path = "/api/stopTyping",
    tag = "waha",
    security(("apiKey" = [])),
    request_body = WahaChat,
    responses((status = 201, description = "It is shown.", body = WahaDone), Refused)
)]
pub(super) async fn stop_typing(
    call: Call,
    JsonBody(body): JsonBody<WahaChat>,
) -> Result<HttpResponse, ApiError> {
    show(call, body, ChatState::Paused).await
}

async fn show(call: Call, body: WahaChat, state: ChatState) -> Result<HttpResponse, ApiError> {
    let id = session_of(&call, &body.session).await?;
    let people = &call.services().people;
    let shown = people.set_chat_state(&call.caller, id, &body.chat_id, state).await;
    shown.map_err(ApiError::named(named))?;
    Ok(done())
}

/// Shows the account as online or not, or in a chat that it is about to write.
#[utoipa::path(
    post,
    path = "/api/{session}/presence",
    tag = "waha",
    security(("apiKey" = [])),
    params(("session" = String, Path, description = "The session's name.")),
    request_body = WahaPresence,
    responses((status = 201, description = "It is shown.", body = WahaDone), Refused)
)]
pub(super) async fn presence(
    call: Call,
    session: web::Path<String>,
    JsonBody(body): JsonBody<WahaPresence>,
) -> Result<HttpResponse, ApiError> {
    let id = session_of(&call, &session).await?;
    let in_chat = match body.presence {
        WahaShown::Online | WahaShown::Offline => None,
        WahaShown::Typing => Some(ChatState::Typing),
        WahaShown::Recording => Some(ChatState::Recording),
        WahaShown::Paused => Some(ChatState::Paused),
    };
    let people = &call.services().people;
    let shown = match (in_chat, &body.chat_id) {
        (Some(state), Some(chat)) => people.set_chat_state(&call.caller, id, chat, state).await,
        (Some(_), None) => {
            let message = "\"chatId\" is required for this presence.";
            return Err(ApiError::invalid(message).with_field("chatId"));
        }
        (None, _) => people.set_presence(&call.caller, id, body.presence == WahaShown::Online).await,
    };
    shown.map_err(ApiError::named(named))?;
    Ok(done())
}

/// Whether a number has WhatsApp.
#[utoipa::path(
    get,
    path = "/api/contacts/check-exists",
    tag = "waha",
    security(("apiKey" = [])),
    params(WahaNumberQuery),
    responses((status = 200, description = "Whether it has.", body = WahaExists), Refused)
)]
pub(super) async fn check_exists(
    call: Call,
    Query(query): Query<WahaNumberQuery>,
) -> Result<web::Json<WahaExists>, ApiError> {
    let id = session_of(&call, &query.session).await?;
    let names = |field| if field == services::Field::Numbers { "phone" } else { named(field) };
    let found = call.services().people.check(&call.caller, id, &[query.phone]).await;
    let found = found.map_err(ApiError::named(names))?.into_iter().find(|found| found.registered);
    let jid = found.as_ref().and_then(|found| found.pn.as_ref().or(found.lid.as_ref()));
    let chat_id = jid.map(|jid| chat_id(&jid.to_string()));
    Ok(web::Json(WahaExists { number_exists: found.is_some(), chat_id }))
}

/// What somebody says about themselves.
#[utoipa::path(
    get,
    path = "/api/contacts/about",
    tag = "waha",
    security(("apiKey" = [])),
    params(WahaContactQuery),
    responses((status = 200, description = "What they say.", body = WahaAbout), Refused)
)]
pub(super) async fn about(
    call: Call,
    Query(query): Query<WahaContactQuery>,
) -> Result<web::Json<WahaAbout>, ApiError> {
    let id = session_of(&call, &query.session).await?;
    let profile = call.services().people.profile(&call.caller, id, &query.contact_id).await;
    let profile = profile.map_err(ApiError::named(of_contact))?;
    Ok(web::Json(WahaAbout { about: profile.about }))
}

/// Where WhatsApp has somebody's picture for some time; `null` where they show none.
#[utoipa::path(
    get,
    path = "/api/contacts/profile-picture",
    tag = "waha",
    security(("apiKey" = [])),
    params(WahaContactQuery),
    responses((status = 200, description = "The picture.", body = WahaPicture), Refused)
)]
pub(super) async fn profile_picture(
    call: Call,
    Query(query): Query<WahaContactQuery>,
) -> Result<web::Json<WahaPicture>, ApiError> {
    let id = session_of(&call, &query.session).await?;
    let profile = call.services().people.profile(&call.caller, id, &query.contact_id).await;
    let profile = profile.map_err(ApiError::named(of_contact))?;
    Ok(web::Json(WahaPicture { url: profile.picture.map(|picture| picture.url) }))
}

fn of_contact(field: services::Field) -> &'static str {
    if field == services::Field::Recipient { "contactId" } else { named(field) }
}
