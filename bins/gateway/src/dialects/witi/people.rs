//! People: what they show, and what they are shown.

use actix_web::web;
use serde::{Deserialize, Serialize};
use services::{ChatState, Profile};
use storage::{ContactQuery, InstanceId};
use utoipa::{IntoParams, ToSchema};

use super::access::{Opened, Refused};
use super::chats::short;
use super::messages::{WitiDone, named};
use crate::error::ApiError;
use crate::extract::{Call, FromQuery, JsonBody, Parameters, Query};
use crate::forms::Recipient;

/// Contacts with a number in them that are looked through for the one that has it.
const MOST_ALIKE: u64 = 20;

/// `subscribe.aspx`, `get_profile.aspx` and `query_profile.aspx`.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct WitiPerson {
    /// A JID, or a number in any usual notation.
    #[schema(value_type = Recipient, example = "5511987654321@s.whatsapp.net")]
    pub(super) number: String,
}

/// `send_presence.aspx`.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct WitiPresence {
    /// The chat, for what is shown in one.
    #[schema(value_type = Option<Recipient>)]
    number: Option<String>,
    presence: WitiShown,
}

/// What is shown of the account: to everybody, or in a chat.
#[derive(Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum WitiShown {
    Available,
    Unavailable,
    Composing,
    Recording,
    Paused,
}

/// `get_picture.aspx`.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct WitiPictureQuery {
    /// Whose picture.
    #[param(inline, value_type = Recipient)]
    jid: String,
}

impl FromQuery for WitiPictureQuery {
    fn from_query(parameters: &mut Parameters) -> Result<Self, ApiError> {
        parameters.pass("wid");
        parameters.pass("WID");
        let jid = parameters.parsed::<String>("jid", "must be a text")?;
        jid.map(|jid| Self { jid }).ok_or_else(|| ApiError::invalid("\"jid\" is required.").with_field("jid"))
    }
}

/// Somebody's picture.
#[derive(Serialize, ToSchema)]
pub(super) struct WitiPicture {
    jid: String,
    /// Where WhatsApp has it for some time; empty where they show none.
    picture: String,
}

/// What can be seen of somebody.
#[derive(Serialize, ToSchema)]
pub(super) struct WitiProfile {
    sucesso: bool,
    mensagem: WitiSeen,
}

#[derive(Serialize, ToSchema)]
struct WitiSeen {
    #[schema(example = "5511987654321@s.whatsapp.net")]
    jid: String,
    /// The name that they gave themselves.
    notify: String,
    /// The first word of their name.
    short: String,
    /// Their name in the address book, else the one above.
    name: String,
    /// Where WhatsApp has their picture for some time; empty where they show none.
    picture: String,
    /// What they say about themselves.
    status: String,
}

/// Has events tell whether somebody is online, until the connection ends.
#[utoipa::path(
    post,
    path = "/subscribe.aspx",
    tag = "witi",
    security(("wid" = [])),
    request_body = WitiPerson,
    responses((status = 200, description = "WhatsApp was asked.", body = WitiDone), Refused)
)]
pub(super) async fn subscribe(
    call: Call<Opened>,
    JsonBody(body): JsonBody<WitiPerson>,
) -> Result<web::Json<WitiDone>, ApiError> {
    let ask = |call: Call<Opened>| async move {
        call.services().people.subscribe(&call.caller, call.subject.id, &body.number).await
    };
    call.complete(ask).await.map_err(ApiError::named(named))?;
    Ok(web::Json(WitiDone::YES))
}

/// Shows the account as online or not, or in a chat that it is about to write.
#[utoipa::path(
    post,
    path = "/send_presence.aspx",
    tag = "witi",
    security(("wid" = [])),
    request_body = WitiPresence,
    responses((status = 200, description = "It is shown.", body = WitiDone), Refused)
)]
pub(super) async fn send_presence(
    call: Call<Opened>,
    JsonBody(body): JsonBody<WitiPresence>,
) -> Result<web::Json<WitiDone>, ApiError> {
    let in_chat = match body.presence {
        WitiShown::Available | WitiShown::Unavailable => None,
        WitiShown::Composing => Some(ChatState::Typing),
        WitiShown::Recording => Some(ChatState::Recording),
        WitiShown::Paused => Some(ChatState::Paused),
    };
    if in_chat.is_some() && body.number.is_none() {
        return Err(ApiError::invalid("\"number\" is required for this presence.").with_field("number"));
    }
    let show = |call: Call<Opened>| async move {
        let (people, id) = (&call.services().people, call.subject.id);
        match (in_chat, body.number) {
            (Some(state), Some(number)) => people.set_chat_state(&call.caller, id, &number, state).await,
            _ => {
                let is_available = matches!(body.presence, WitiShown::Available);
                people.set_presence(&call.caller, id, is_available).await
            }
        }
    };
    call.complete(show).await.map_err(ApiError::named(named))?;
    Ok(web::Json(WitiDone::YES))
}

/// What can be seen of somebody.
#[utoipa::path(
    post,
    path = "/get_profile.aspx",
    tag = "witi",
    security(("wid" = [])),
    request_body = WitiPerson,
    responses((status = 200, description = "Their profile.", body = WitiProfile), Refused)
)]
pub(super) async fn get_profile(
    call: Call<Opened>,
    JsonBody(body): JsonBody<WitiPerson>,
) -> Result<web::Json<WitiProfile>, ApiError> {
    Ok(web::Json(WitiProfile::of(&call, call.subject.id, &body.number).await?))
}

/// What can be seen of somebody: the same.
#[utoipa::path(
    post,
    path = "/query_profile.aspx",
    tag = "witi",
    security(("wid" = [])),
    request_body = WitiPerson,
    responses((status = 200, description = "Their profile.", body = WitiProfile), Refused)
)]
pub(super) async fn query_profile(
    call: Call<Opened>,
    JsonBody(body): JsonBody<WitiPerson>,
) -> Result<web::Json<WitiProfile>, ApiError> {
    Ok(web::Json(WitiProfile::of(&call, call.subject.id, &body.number).await?))
}

/// Where somebody's picture is.
#[utoipa::path(
    get,
    path = "/get_picture.aspx",
    tag = "witi",
    security(("wid" = [])),
    params(WitiPictureQuery),
    responses((status = 200, description = "The picture.", body = WitiPicture), Refused)
)]
pub(super) async fn get_picture(
    call: Call<Opened>,
    Query(query): Query<WitiPictureQuery>,
) -> Result<web::Json<WitiPicture>, ApiError> {
    let names = |field| if field == services::Field::Recipient { "jid" } else { named(field) };
    let profile = call.services().people.profile(&call.caller, call.subject.id, &query.jid).await;
    let profile = profile.map_err(ApiError::named(names))?;
    let picture = profile.picture.map(|picture| picture.url).unwrap_or_default();
    Ok(web::Json(WitiPicture { jid: query.jid, picture }))
}

impl WitiProfile {
    pub(super) async fn of<S>(call: &Call<S>, instance: InstanceId, number: &str) -> Result<Self, ApiError> {
        let services = call.services();
        let profile = services.people.profile(&call.caller, instance, number).await;
        let Profile { person, about, picture, .. } = profile.map_err(ApiError::named(named))?;
        let jid = person.pn.or(person.lid).map(|jid| jid.to_string()).unwrap_or_default();
        let search = Some(jid.split('@').next().unwrap_or_default().to_owned());
        let alike = ContactQuery { search, limit: MOST_ALIKE, ..ContactQuery::default() };
        let known = services.contacts.stored(&call.caller, instance, &alike).await?;
        let known = known.items.into_iter().find(|contact| contact.jid == jid);
        let name = known.as_ref().map(|contact| contact.name().to_owned()).unwrap_or_default();
        let mensagem = WitiSeen {
            jid,
            notify: known.and_then(|contact| contact.push_name).unwrap_or_default(),
            short: short(&name),
            name,
            picture: picture.map(|picture| picture.url).unwrap_or_default(),
            status: about.unwrap_or_default(),
        };
        Ok(Self { sucesso: true, mensagem })
    }
}
