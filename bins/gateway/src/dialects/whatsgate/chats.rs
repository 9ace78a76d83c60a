//! Chats: which there are, and what is shown in them.

use std::time::Duration;

use actix_web::web;
use serde::{Deserialize, Serialize};
use services::{ChatQuery, ChatState};
use storage::{ContactQuery, MessageStatus};
use utoipa::ToSchema;

use super::access::Refused;
use super::messages::WgRecipient;
use super::session::{named, within};
use super::settings::WgDone;
use super::text::{chat_id, instance_of};
use crate::error::ApiError;
use crate::extract::{Call, JsonBody};
use crate::forms::{ChatPage, Hundred, PhoneNumber};

/// How long a chat shows that the account types.
const TYPING: Duration = Duration::from_secs(15);
/// The newest messages of a chat, among which unread ones are looked for.
const NEWEST: u64 = 100;
/// Most chats of a page.
const MOST: u64 = 100;

/// A body that names a session and a chat.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct WgChatNamed {
    #[serde(rename = "WhatsappID")]
    whatsapp_id: String,
    recipient: WgRecipient,
}

/// `check`.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct WgCheck {
    #[serde(rename = "WhatsappID")]
    whatsapp_id: String,
    #[schema(value_type = PhoneNumber, example = "79999999999")]
    number: String,
}

/// `get-chats`.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct WgChats {
    #[serde(rename = "WhatsappID")]
    whatsapp_id: String,
    /// Chats of a page, 100 at most.
    #[schema(value_type = Option<Hundred>)]
    page_cnt: Option<u64>,
    /// From 1.
    #[schema(value_type = Option<ChatPage>)]
    page: Option<u64>,
}

/// Whether a number has WhatsApp.
#[derive(Serialize, ToSchema)]
pub(super) struct WgChecked {
    result: &'static str,
    data: bool,
}

/// A page of chats.
#[derive(Serialize, ToSchema)]
pub(super) struct WgChatList {
    result: &'static str,
    pages: u64,
    elements: u64,
    page: u64,
    data: Vec<WgChat>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct WgChat {
    #[schema(example = "79999999999@c.us")]
    id: String,
    name: String,
    is_group: bool,
    archived: bool,
    /// When something was last written, in Unix seconds; `null` where nothing was.
    timestamp: Option<i64>,
}

/// Tells who wrote the newest messages of a chat that they were read.
#[utoipa::path(
    post,
    path = "/api/v1/seen",
    tag = "whatsgate",
    security(("apiKey" = [])),
    request_body = WgChatNamed,
    responses((status = 200, description = "It is told.", body = WgDone), Refused)
)]
pub(super) async fn seen(
    call: Call,
    JsonBody(body): JsonBody<WgChatNamed>,
) -> Result<web::Json<WgDone>, ApiError> {
    let id = instance_of(&call, &body.whatsapp_id).await?;
    let chat = body.recipient.phone()?;
    let query =
        ChatQuery { chat: chat.clone(), start: None, end: None, limit: NEWEST, skip: 0, before: None };
    let newest = call.services().events.messages(&call.caller, id, query).await;
    let newest = newest.map_err(ApiError::named(of_recipient))?.items;
    let is_unread = |message: &storage::Message| {
        !message.from_me && !message.history && message.status == MessageStatus::Received
    };
    let unread: Vec<_> = newest.into_iter().filter(is_unread).map(|message| message.message_id).collect();
    if !unread.is_empty() {
        let mark = move |call: Call| async move {
            call.services().people.mark_read(&call.caller, id, &chat, &unread, false).await
        };
        call.complete(mark).await.map_err(ApiError::named(of_recipient))?;
    }
    Ok(web::Json(WgDone::OK))
}

/// Shows in a chat for 15 s that the account types.
#[utoipa::path(
    post,
    path = "/api/v1/typing",
    tag = "whatsgate",
    security(("apiKey" = [])),
    request_body = WgChatNamed,
    responses((status = 200, description = "It is shown.", body = WgDone), Refused)
)]
pub(super) async fn typing(
    call: Call,
    JsonBody(body): JsonBody<WgChatNamed>,
) -> Result<web::Json<WgDone>, ApiError> {
    let id = instance_of(&call, &body.whatsapp_id).await?;
    let chat = body.recipient.phone()?;
    let people = call.services().people.clone();
    let shown = people.set_chat_state(&call.caller, id, &chat, ChatState::Typing).await;
    shown.map_err(ApiError::named(of_recipient))?;
    // Nothing depends on its end: phones forget it by themselves, a little later.
    tokio::spawn(async move {
        tokio::select! {
            () = tokio::time::sleep(TYPING) => {
                let _ = people.set_chat_state(&call.caller, id, &chat, ChatState::Paused).await;
            }
            () = call.stopping() => {}
        }
    });
    Ok(web::Json(WgDone::OK))
}

fn of_recipient(field: services::Field) -> &'static str {
    match field {
        services::Field::Recipient | services::Field::Chat => "recipient",
        other => named(other),
    }
}

/// Whether a number has WhatsApp.
#[utoipa::path(
    post,
    path = "/api/v1/check",
    tag = "whatsgate",
    security(("apiKey" = [])),
    request_body = WgCheck,
    responses((status = 200, description = "Whether it has.", body = WgChecked), Refused)
)]
pub(super) async fn check(
    call: Call,
    JsonBody(body): JsonBody<WgCheck>,
) -> Result<web::Json<WgChecked>, ApiError> {
    let id = instance_of(&call, &body.whatsapp_id).await?;
    let names = |field| if field == services::Field::Numbers { "number" } else { named(field) };
    let found = call.services().people.check(&call.caller, id, &[body.number]).await;
    let found = found.map_err(ApiError::named(names))?;
    Ok(web::Json(WgChecked { result: "OK", data: found.iter().any(|it| it.registered) }))
}

/// The people whom the account knows and its groups, by name, with the time of the last message.
#[utoipa::path(
    post,
    path = "/api/v1/get-chats",
    tag = "whatsgate",
    security(("apiKey" = [])),
    request_body = WgChats,
    responses((status = 200, description = "A page of them.", body = WgChatList), Refused)
)]
pub(super) async fn get_chats(
    call: Call,
    JsonBody(body): JsonBody<WgChats>,
) -> Result<web::Json<WgChatList>, ApiError> {
    /// A page further back costs the database more.
    const LAST_PAGE: u64 = 100_000;
    let id = instance_of(&call, &body.whatsapp_id).await?;
    let count = within("page_cnt", body.page_cnt.unwrap_or(MOST), MOST)?;
    let page = within("page", body.page.unwrap_or(1), LAST_PAGE)?;
    let query = ContactQuery { limit: count, skip: (page - 1) * count, ..ContactQuery::default() };
    let found = call.services().contacts.stored(&call.caller, id, &query).await?;
    let elements = found.total;
    let chat = |contact: storage::Contact| WgChat {
        id: chat_id(&contact.jid),
        name: contact.name().to_owned(),
        is_group: contact.is_group,
        archived: contact.archived,
        timestamp: contact.last_activity.map(storage::Timestamp::seconds),
    };
    let data = found.items.into_iter().map(chat).collect();
    Ok(web::Json(WgChatList { result: "OK", pages: elements.div_ceil(count), elements, page, data }))
}
