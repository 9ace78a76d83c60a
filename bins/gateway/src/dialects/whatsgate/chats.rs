//! Chats: which there are, and what is shown in them.

use std::collections::HashMap;
use std::time::Duration;

use actix_web::web;
use serde::{Deserialize, Serialize};
use services::{ChatQuery, ChatState, MAX_FOUND, Rank, ServiceError};
use storage::{Clock, Contact, ContactQuery, InstanceId, MessageStatus, Timestamp};
use utoipa::ToSchema;

use super::access::Refused;
use super::messages::WgRecipient;
use super::session::{named, within};
use super::settings::WgDone;
use super::text::{WgNumber, chat_id, instance_of};
use crate::error::ApiError;
use crate::extract::{Call, JsonBody};
use crate::forms::{ChatPage, PhoneNumber, ThousandOrText};

/// How long a chat shows that the account types.
const TYPING: Duration = Duration::from_secs(15);
/// The newest messages of a chat, among which unread ones are looked for.
const NEWEST: u64 = 100;
/// Most chats of a page.
const MOST: u64 = 1_000;
/// Chats whose unread messages are counted: those that were written in last.
const MOST_COUNTED: usize = 1_000;
/// A mute that ends later than this, in seconds, is one for good.
const LONGEST_MUTE: i64 = 10 * 366 * 24 * 60 * 60;

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
    /// Chats of a page, 1,000 at most, which is also what there is without it.
    #[schema(value_type = Option<ThousandOrText>)]
    page_cnt: Option<WgNumber>,
    /// From 1.
    #[schema(value_type = Option<ChatPage>)]
    page: Option<WgNumber>,
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

/// A chat with somebody, or a group.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct WgChat {
    #[schema(example = "79999999999@c.us")]
    id: String,
    name: String,
    is_group: bool,
    /// Whether the account may not write in it.
    is_read_only: bool,
    /// More than 100 are not counted.
    unread_count: u64,
    archived: bool,
    pinned: bool,
    is_muted: bool,
    /// Seconds until it makes a noise again; 0 where it does, and where it never will.
    mute_expiration: i64,
    /// When something was last written, in Unix seconds; `null` where nothing was.
    timestamp: Option<i64>,
    /// Of a group, while the account is connected.
    #[serde(skip_serializing_if = "Option::is_none")]
    group_metadata: Option<WgGroup>,
}

/// A group, as WhatsApp has it.
#[derive(Serialize, ToSchema)]
struct WgGroup {
    #[schema(example = "4239048293082@g.us")]
    id: String,
    /// Unix seconds.
    creation: i64,
    owner: Option<String>,
    size: usize,
    participants: Vec<WgMember>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct WgMember {
    id: String,
    is_admin: bool,
    is_super_admin: bool,
}

impl WgChat {
    fn of(contact: &Contact, now: Timestamp, unread_count: u64) -> Self {
        let muted_until = contact.muted_until.filter(|until| *until > now);
        let left = muted_until.map_or(0, |until| until.seconds() - now.seconds());
        Self {
            id: chat_id(&contact.jid),
            name: contact.name().to_owned(),
            is_group: contact.is_group,
            is_read_only: false,
            unread_count,
            archived: contact.archived,
            pinned: contact.pinned_at.is_some(),
            is_muted: muted_until.is_some(),
            mute_expiration: if left > LONGEST_MUTE { 0 } else { left },
            timestamp: contact.last_activity.map(Timestamp::seconds),
            group_metadata: None,
        }
    }
}

/// What WhatsApp says of the groups among these chats. An account that isn't connected knows nothing of them.
async fn describe_groups(call: &Call, id: InstanceId, chats: &mut [WgChat]) -> Result<(), ApiError> {
    if !chats.iter().any(|chat| chat.is_group) {
        return Ok(());
    }
    let view = call.services().instances.find(&call.caller, id).await?;
    let groups = match call.services().groups.list(&call.caller, id).await {
        Ok(groups) => groups,
        Err(ServiceError::NotConnected { .. } | ServiceError::Unavailable { .. }) => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    let own = [view.instance.phone.map(|phone| format!("{phone}@c.us")), view.instance.lid];
    for chat in chats.iter_mut().filter(|chat| chat.is_group) {
        let Some(group) = groups.iter().find(|group| group.jid.to_string() == chat.id) else { continue };
        let named = |pn: Option<&_>, jid: &_| chat_id(&ToString::to_string(pn.unwrap_or(jid)));
        let participants: Vec<_> = group
            .members
            .iter()
            .map(|member| WgMember {
                id: named(member.pn.as_ref(), &member.jid),
                is_admin: member.rank >= Rank::Admin,
                is_super_admin: member.rank == Rank::Superadmin,
            })
            .collect();
        let is_admin = participants
            .iter()
            .any(|member| member.is_admin && own.iter().flatten().any(|own| *own == member.id));
        chat.is_read_only = group.is_announcement && !is_admin;
        chat.group_metadata = Some(WgGroup {
            id: chat.id.clone(),
            creation: group.created_at,
            owner: group.creator.as_ref().map(|creator| named(None, creator)),
            size: participants.len(),
            participants,
        });
    }
    Ok(())
}

/// How many messages are unread, by chat, as far as the chats go that were written in last.
async fn unread(call: &Call, id: InstanceId, most: usize) -> Result<HashMap<String, u64>, ApiError> {
    let (mut unread, mut after) = (HashMap::new(), None);
    while unread.len() < most {
        let page = call.services().events.chats(&call.caller, id, after, MAX_FOUND).await?;
        unread.extend(page.items.into_iter().map(|chat| (chat.chat, chat.unread)));
        match page.next.filter(|_| page.has_more) {
            Some(next) => after = Some(next),
            None => break,
        }
    }
    Ok(unread)
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
    let count = within("page_cnt", WgNumber::or("page_cnt", body.page_cnt, MOST)?, MOST)?;
    let page = within("page", WgNumber::or("page", body.page, 1)?, LAST_PAGE)?;
    let query = ContactQuery { limit: count, skip: (page - 1) * count, ..ContactQuery::default() };
    let found = call.services().contacts.stored(&call.caller, id, &query).await?;
    let elements = found.total;
    let (now, unread) = (Clock::system().now(), unread(&call, id, MOST_COUNTED).await?);
    let chat = |contact: Contact| {
        let unread = unread.get(&contact.jid).copied().unwrap_or(0);
        WgChat::of(&contact, now, unread)
    };
    let mut data: Vec<_> = found.items.into_iter().map(chat).collect();
    describe_groups(&call, id, &mut data).await?;
    Ok(web::Json(WgChatList { result: "OK", pages: elements.div_ceil(count), elements, page, data }))
}
