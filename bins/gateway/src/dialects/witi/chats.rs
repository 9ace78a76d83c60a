//! Whom the account knows, and the chats with them.

use actix_web::web;
use serde::Serialize;
use services::MAX_PAGE;
use storage::{Contact, ContactQuery, InstanceId, Timestamp};
use utoipa::{IntoParams, ToSchema};

use super::access::{Opened, Refused};
use crate::error::ApiError;
use crate::extract::{Call, FromQuery, Parameters, Query};

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
    /// How many messages in it are unread; that isn't known.
    count: Option<u64>,
    /// Until when it makes no noise, in Unix seconds; 0 while it does.
    mute: i64,
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

/// Somebody whom the account knows.
#[derive(Serialize, ToSchema)]
pub(super) struct WitiContact {
    #[schema(example = "5511987654321@s.whatsapp.net")]
    jid: String,
    /// By the address book, by WhatsApp, by themselves, or their number.
    name: String,
    /// The name that they gave themselves.
    notify: String,
    /// The first word of their name.
    short: String,
    /// Where their picture is; empty where that isn't known.
    picture: String,
}

impl WitiContact {
    fn of(contact: Contact) -> Self {
        Self {
            name: contact.name().to_owned(),
            short: short(contact.name()),
            notify: contact.push_name.unwrap_or_default(),
            picture: contact.picture.unwrap_or_default(),
            jid: contact.jid,
        }
    }
}

/// The first word of a name.
pub(super) fn short(name: &str) -> String {
    name.split_whitespace().next().unwrap_or_default().to_owned()
}

impl WitiChat {
    /// `None` of somebody with whom nothing was written.
    fn of(contact: Contact) -> Option<Self> {
        let last = contact.last_activity?;
        Some(Self {
            name: contact.name().to_owned(),
            spam: false,
            count: None,
            mute: contact.muted_until.map_or(0, Timestamp::seconds),
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
    each(call, instance, |_| {
        count += 1;
        true
    })
    .await?;
    Ok(count)
}

/// Goes through the chats until it is enough.
async fn each<S>(
    call: &Call<S>,
    instance: InstanceId,
    mut goes_on: impl FnMut(WitiChat) -> bool,
) -> Result<(), ApiError> {
    let mut query = ContactQuery { limit: MAX_PAGE, ..ContactQuery::default() };
    loop {
        let page = call.services().contacts.stored(&call.caller, instance, &query).await?;
        query.skip += page.items.len() as u64;
        let is_last = !page.has_more || page.items.is_empty();
        for chat in page.items.into_iter().filter_map(WitiChat::of) {
            if !goes_on(chat) {
                return Ok(());
            }
        }
        if is_last {
            return Ok(());
        }
    }
}

/// The chats of the account, by name.
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
    let (mut skip, mut chats) = (window.skip, Vec::new());
    each(&call, call.subject.id, |chat| {
        match skip {
            0 => chats.push(chat),
            _ => skip -= 1,
        }
        (chats.len() as u64) < window.limit
    })
    .await?;
    Ok(web::Json(chats))
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
    Query(window): Query<WitiWindow>,
) -> Result<web::Json<Vec<WitiContact>>, ApiError> {
    let WitiWindow { limit, skip } = window;
    let query = ContactQuery { limit, skip, ..ContactQuery::default() };
    let page = call.services().contacts.stored(&call.caller, call.subject.id, &query).await?;
    Ok(web::Json(page.items.into_iter().map(WitiContact::of).collect()))
}
