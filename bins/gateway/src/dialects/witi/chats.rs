//! Whom the account knows, and the chats with them.

use std::collections::HashMap;

use actix_web::{HttpRequest, web};
use serde::Serialize;
use services::{MAX_FOUND, MAX_PAGE};
use storage::{Clock, Contact, ContactQuery, InstanceId, Timestamp};
use utoipa::{IntoParams, ToSchema};

use super::access::{Opened, Refused};
use super::key::Kept;
use crate::error::ApiError;
use crate::extract::{Call, FromQuery, Parameters, Query};
use crate::public;

/// `chats.aspx` and `contacts.aspx`.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct WitiWindow {
    /// How many to show at most.
    #[param(required = false, minimum = 1, maximum = 1000, default = 1000)]
    limit: u64,
    /// How many to leave out first.
    #[param(required = false, maximum = 1_000_000, default = 0)]
    skip: u64,
}

impl FromQuery for WitiWindow {
    fn from_query(parameters: &mut Parameters) -> Result<Self, ApiError> {
        /// A page further back costs the database more.
        const MAX_SKIP: u64 = 1_000_000;
        parameters.pass("wid");
        parameters.pass("WID");
        Ok(Self {
            limit: parameters.number("limit", 1..=MAX_PAGE, MAX_PAGE)?,
            skip: parameters.number("skip", 0..=MAX_SKIP, 0)?,
        })
    }
}

/// A chat.
#[derive(Serialize, ToSchema)]
pub(super) struct WitiChat {
    #[schema(example = "5511987654321@s.whatsapp.net")]
    jid: String,
    name: String,
    spam: bool,
    /// How many messages in it are unread; more than 100 are not counted.
    count: u64,
    /// Until when it makes no noise, in Unix seconds; empty while it does.
    mute: String,
    /// When something was last written in it, in Unix seconds.
    t: i64,
    archive: bool,
    /// Another one after each change of its marks.
    modify_tag: String,
    /// Where its picture is; empty where that isn't known.
    picture: String,
    #[serde(rename = "Lastupdate")]
    #[schema(value_type = String, format = DateTime)]
    last_update: Timestamp,
}

impl WitiChat {
    /// `None` of somebody with whom nothing was written.
    fn of(contact: Contact) -> Option<Self> {
        let last = contact.last_activity?;
        Some(Self {
            name: contact.name().to_owned(),
            spam: false,
            count: 0,
            mute: contact.muted_until.map_or_else(String::new, |until| until.seconds().to_string()),
            t: last.seconds(),
            archive: contact.archived,
            modify_tag: contact.updated_at.millis().to_string(),
            picture: contact.picture.unwrap_or_default(),
            last_update: last,
            jid: contact.jid,
        })
    }
}

/// How many chats there are.
pub(super) async fn count<S>(call: &Call<S>, instance: InstanceId) -> Result<u64, ApiError> {
    let mut count = 0;
    each(call, instance, |_| count += 1).await?;
    Ok(count)
}

/// Goes through the chats.
async fn each<S>(
    call: &Call<S>,
    instance: InstanceId,
    mut see: impl FnMut(WitiChat),
) -> Result<(), ApiError> {
    let mut query = ContactQuery { limit: MAX_PAGE, ..ContactQuery::default() };
    loop {
        let page = call.services().contacts.stored(&call.caller, instance, &query).await?;
        query.skip += page.items.len() as u64;
        let is_last = !page.has_more || page.items.is_empty();
        page.items.into_iter().filter_map(WitiChat::of).for_each(&mut see);
        if is_last {
            return Ok(());
        }
    }
}

/// How many messages are unread in each of the chats that were written in last, as many as these.
async fn unread(call: &Call<Opened>, chats: usize) -> Result<HashMap<String, u64>, ApiError> {
    let (mut unread, mut after) = (HashMap::new(), None);
    while unread.len() < chats {
        let events = &call.services().events;
        let page = events.chats(&call.caller, call.subject.id, after, MAX_FOUND).await?;
        unread.extend(page.items.into_iter().map(|chat| (chat.chat, chat.unread)));
        match page.next.filter(|_| page.has_more) {
            Some(next) => after = Some(next),
            None => break,
        }
    }
    Ok(unread)
}

/// The chats of the account, those first that were written in last.
#[utoipa::path(
    get,
    path = "/chats.aspx",
    tag = "witi",
    security(("wid" = [])),
    params(WitiWindow),
    responses((status = 200, description = "A page of them.", body = Vec<WitiChat>), Refused)
)]
pub(super) async fn chats(
    call: Call<Opened>,
    Query(window): Query<WitiWindow>,
) -> Result<web::Json<Vec<WitiChat>>, ApiError> {
    let mut chats = Vec::new();
    each(&call, call.subject.id, |chat| chats.push(chat)).await?;
    chats.sort_by(|one, other| (other.t, &one.jid).cmp(&(one.t, &other.jid)));
    let place = |number| usize::try_from(number).unwrap_or(usize::MAX);
    let end = place(window.skip).saturating_add(place(window.limit)).min(chats.len());
    let unread = unread(&call, end).await?;
    let shown = chats.into_iter().take(end).skip(place(window.skip)).map(|chat| {
        let count = unread.get(&chat.jid).copied().unwrap_or(0);
        WitiChat { count, ..chat }
    });
    Ok(web::Json(shown.collect()))
}

/// Somebody whom the account knows, or a group.
#[derive(Serialize, ToSchema)]
pub(super) struct WitiContact {
    #[schema(example = "5511987654321@s.whatsapp.net")]
    jid: String,
    /// The name that they gave themselves.
    notify: String,
    /// The name that WhatsApp has verified, of a business.
    verify: String,
    vname: String,
    /// The first word of their name.
    short: String,
    /// By the address book, by WhatsApp, by themselves, or their number.
    name: String,
    /// Where their picture is.
    picture: String,
    #[serde(rename = "Lastupdate")]
    #[schema(value_type = String, format = DateTime)]
    last_update: Timestamp,
    /// When something was last written in the chat with them, in Unix seconds; 0 for never.
    #[serde(rename = "LastMessageTime")]
    last_message_time: i64,
    /// Whether WhatsApp has verified them as a business.
    biz: bool,
    /// 200 of somebody who has WhatsApp.
    status: u16,
    tag: Option<String>,
    /// Unread messages are counted by `chats.aspx`.
    #[serde(rename = "Count")]
    count: u64,
    #[serde(rename = "Mute")]
    mute: bool,
    #[serde(rename = "Spam")]
    spam: bool,
    #[serde(rename = "Archive")]
    archive: bool,
    #[serde(rename = "isGroup")]
    is_group: bool,
}

impl WitiContact {
    /// `picture` is where their picture is asked for, if it isn't known.
    pub(super) fn of(contact: Contact, picture: String) -> Self {
        let verified = contact.verified_name.clone().unwrap_or_default();
        Self {
            name: contact.name().to_owned(),
            short: short(contact.name()),
            notify: contact.push_name.unwrap_or_default(),
            vname: verified.clone(),
            biz: !verified.is_empty(),
            verify: verified,
            picture: contact.picture.unwrap_or(picture),
            last_update: contact.updated_at,
            last_message_time: contact.last_activity.map_or(0, Timestamp::seconds),
            status: 200,
            tag: None,
            count: 0,
            mute: contact.muted_until.is_some_and(|until| until > Clock::system().now()),
            spam: false,
            archive: contact.archived,
            is_group: contact.is_group,
            jid: contact.jid,
        }
    }

    /// Somebody of whom nothing is stored.
    pub(super) fn unknown(jid: String, is_group: bool) -> Self {
        Self {
            jid,
            notify: String::new(),
            verify: String::new(),
            vname: String::new(),
            short: String::new(),
            name: String::new(),
            picture: String::new(),
            last_update: Clock::system().now(),
            last_message_time: 0,
            biz: false,
            status: 200,
            tag: None,
            count: 0,
            mute: false,
            spam: false,
            archive: false,
            is_group,
        }
    }

    /// Shows this picture, and this verified name of a business.
    pub(super) fn shown(self, picture: Option<String>, is_business: bool) -> Self {
        Self { picture: picture.unwrap_or_default(), biz: self.biz || is_business, ..self }
    }
}

/// The first word of a name.
fn short(name: &str) -> String {
    name.split_whitespace().next().unwrap_or_default().to_owned()
}

/// The contacts of the account, by name.
#[utoipa::path(
    get,
    path = "/contacts.aspx",
    tag = "witi",
    security(("wid" = [])),
    params(WitiWindow),
    responses((status = 200, description = "A page of them.", body = Vec<WitiContact>), Refused)
)]
pub(super) async fn contacts(
    call: Call<Opened>,
    request: HttpRequest,
    Query(window): Query<WitiWindow>,
) -> Result<web::Json<Vec<WitiContact>>, ApiError> {
    let WitiWindow { limit, skip } = window;
    let id = call.subject.id;
    let wid = Kept::of(&call, id).await?.wid;
    let query = ContactQuery { limit, skip, ..ContactQuery::default() };
    let page = call.services().contacts.stored(&call.caller, id, &query).await?;
    let shown = page.items.into_iter().map(|contact| {
        let path = format!("/get_picture.aspx?WID={wid}&jid={}", contact.jid);
        let picture = public::address(call.public_url(), &request, &path);
        WitiContact::of(contact, picture)
    });
    Ok(web::Json(shown.collect()))
}
