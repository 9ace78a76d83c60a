//! People: what they show, and what they are shown.

use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse, web};
use serde::{Deserialize, Serialize};
use services::{ChatState, Profile};
use storage::{ContactQuery, InstanceId};
use utoipa::{IntoParams, ToSchema};

use super::access::{Opened, Refused};
use super::chats::WitiContact;
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
    mensagem: WitiContact,
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

/// Where somebody's picture is. A browser that is to show it is led there.
#[utoipa::path(
    get,
    path = "/get_picture.aspx",
    tag = "witi",
    security(("wid" = [])),
    params(WitiPictureQuery),
    responses(
        (status = 200, description = "The picture.", body = WitiPicture),
        (status = 302, description = "For what asks for an image or a page: where it is."),
        Refused
    )
)]
pub(super) async fn get_picture(
    call: Call<Opened>,
    request: HttpRequest,
    Query(query): Query<WitiPictureQuery>,
) -> Result<HttpResponse, ApiError> {
    let names = |field| if field == services::Field::Recipient { "jid" } else { named(field) };
    let profile = call.services().people.profile(&call.caller, call.subject.id, &query.jid).await;
    let profile = profile.map_err(ApiError::named(names))?;
    let picture = profile.picture.map(|picture| picture.url).unwrap_or_default();
    let accepted = request.headers().get(header::ACCEPT).and_then(|accepted| accepted.to_str().ok());
    let shows = accepted.is_some_and(|types| types.contains("image/") || types.contains("text/html"));
    match (shows, picture.is_empty()) {
        (false, _) => Ok(HttpResponse::Ok().json(WitiPicture { jid: query.jid, picture })),
        (true, false) => Ok(HttpResponse::Found().insert_header((header::LOCATION, picture)).finish()),
        (true, true) => Err(ApiError::not_found("They show no picture.")),
    }
}

impl WitiProfile {
    async fn of<S>(call: &Call<S>, instance: InstanceId, number: &str) -> Result<Self, ApiError> {
        Ok(Self { sucesso: true, mensagem: seen(call, instance, number).await? })
    }
}

/// What can be seen of somebody, and what is stored of them.
pub(super) async fn seen<S>(
    call: &Call<S>,
    instance: InstanceId,
    number: &str,
) -> Result<WitiContact, ApiError> {
    let services = call.services();
    let profile = services.people.profile(&call.caller, instance, number).await;
    let Profile { person, picture, business, .. } = profile.map_err(ApiError::named(named))?;
    let jid = person.pn.or(person.lid).map(|jid| jid.to_string()).unwrap_or_default();
    let search = Some(jid.split('@').next().unwrap_or_default().to_owned());
    let alike = ContactQuery { search, limit: MOST_ALIKE, ..ContactQuery::default() };
    let known = services.contacts.stored(&call.caller, instance, &alike).await?;
    let known = known.items.into_iter().find(|contact| contact.jid == jid);
    let contact = match known {
        Some(contact) => WitiContact::of(contact, String::new()),
        None => WitiContact::unknown(jid, false),
    };
    Ok(contact.shown(picture.map(|picture| picture.url), business.is_some()))
}
