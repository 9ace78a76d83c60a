//! People: who has WhatsApp, and what they are shown.

use std::collections::BTreeMap;
use std::time::Duration;

use actix_web::{HttpResponse, web};
use serde::{Deserialize, Serialize};
use services::{ChatState, MAX_READ};
use utoipa::ToSchema;

use super::access::{EvoCall, Refused};
use super::messages::named;
use super::text::{EvoKey, instance_of};
use crate::error::ApiError;
use crate::extract::JsonBody;
use crate::forms::{PhoneNumbers, Recipient};

/// Longest time, in milliseconds, for which a chat shows that the account writes.
const LONGEST_DELAY: u64 = 20_000;

/// `POST /chat/whatsappNumbers/{instance}`.
#[derive(Deserialize, ToSchema)]
pub(super) struct EvoNumbers {
    #[schema(value_type = PhoneNumbers)]
    numbers: Vec<String>,
}

/// Whether a number has WhatsApp.
#[derive(Serialize, ToSchema)]
pub(super) struct EvoExists {
    exists: bool,
    /// Under which number, which may be written in another way; as it was asked where it has none.
    #[schema(example = "553198296801@s.whatsapp.net")]
    jid: String,
    number: String,
}

/// `POST /chat/markMessageAsRead/{instance}`.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct EvoRead {
    read_messages: Vec<EvoKey>,
}

/// That they were marked as read.
#[derive(Serialize, ToSchema)]
pub(super) struct EvoWasRead {
    message: &'static str,
    read: &'static str,
}

/// `POST /chat/sendPresence/{instance}`: in `options`, or by itself.
#[derive(Deserialize, ToSchema)]
pub(super) struct EvoChatPresence {
    #[schema(value_type = Recipient, example = "553198296801")]
    number: String,
    delay: Option<u64>,
    presence: Option<EvoShown>,
    options: Option<EvoChatPresenceOptions>,
}

#[derive(Deserialize, ToSchema)]
struct EvoChatPresenceOptions {
    /// For how many milliseconds; 20,000 at most.
    delay: Option<u64>,
    presence: Option<EvoShown>,
}

/// What is shown of the account in a chat, or to everybody.
#[derive(Clone, Copy, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum EvoShown {
    Composing,
    Recording,
    Paused,
    Available,
    Unavailable,
}

/// `POST /instance/setPresence/{instance}`.
#[derive(Deserialize, ToSchema)]
pub(super) struct EvoPresence {
    presence: EvoOnline,
}

/// Whether the account is online.
#[derive(Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum EvoOnline {
    Available,
    Unavailable,
}

/// What is shown now.
#[derive(Serialize, ToSchema)]
pub(super) struct EvoPresenceShown {
    presence: EvoShown,
}

/// `POST /chat/fetchProfilePictureUrl/{instance}`.
#[derive(Deserialize, ToSchema)]
pub(super) struct EvoPerson {
    #[schema(value_type = Recipient, example = "553198296801")]
    number: String,
}

/// Where somebody's picture is.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct EvoPicture {
    #[schema(example = "553198296801@s.whatsapp.net")]
    wuid: String,
    /// `null` where they show none.
    profile_picture_url: Option<String>,
}

/// Which of these numbers have WhatsApp.
#[utoipa::path(
    post,
    path = "/chat/whatsappNumbers/{instance}",
    tag = "evolution",
    security(("evolutionKey" = [])),
    params(("instance" = String, Path, description = "The instance's name.")),
    request_body = EvoNumbers,
    responses((status = 200, description = "In the order in which they were asked.", body = Vec<EvoExists>), Refused)
)]
pub(super) async fn numbers(
    call: EvoCall,
    name: web::Path<String>,
    JsonBody(body): JsonBody<EvoNumbers>,
) -> Result<web::Json<Vec<EvoExists>>, ApiError> {
    let id = instance_of(&call, &name).await?;
    let found = call.services().people.check(&call.caller, id, &body.numbers).await;
    let found = found.map_err(ApiError::named(named))?;
    let exists = found.into_iter().map(|found| {
        let jid = found.pn.or(found.lid).map(|jid| jid.to_string());
        let digits = || found.number.chars().filter(char::is_ascii_digit).collect::<String>();
        EvoExists {
            exists: found.registered,
            jid: jid.unwrap_or_else(|| format!("{}@s.whatsapp.net", digits())),
            number: found.number.clone(),
        }
    });
    Ok(web::Json(exists.collect()))
}

/// Tells who wrote these messages that they were read.
#[utoipa::path(
    post,
    path = "/chat/markMessageAsRead/{instance}",
    tag = "evolution",
    security(("evolutionKey" = [])),
    params(("instance" = String, Path, description = "The instance's name.")),
    request_body = EvoRead,
    responses((status = 201, description = "It is told.", body = EvoWasRead), Refused)
)]
pub(super) async fn mark_read(
    call: EvoCall,
    name: web::Path<String>,
    JsonBody(body): JsonBody<EvoRead>,
) -> Result<HttpResponse, ApiError> {
    let id = instance_of(&call, &name).await?;
    if body.read_messages.is_empty() || body.read_messages.len() > MAX_READ {
        let message = format!("\"readMessages\" must have 1 to {MAX_READ} messages.");
        return Err(ApiError::invalid(message).with_field("readMessages"));
    }
    let mut chats = BTreeMap::<String, Vec<String>>::new();
    for key in body.read_messages.into_iter().filter(|key| !key.from_me) {
        chats.entry(key.remote_jid).or_default().push(key.id);
    }
    let mark = move |call: EvoCall| async move {
        for (chat, ids) in &chats {
            call.services().people.mark_read(&call.caller, id, chat, ids, false).await?;
        }
        Ok(())
    };
    let names = |field| match field {
        services::Field::Recipient => "readMessages.remoteJid",
        services::Field::MessageIds => "readMessages",
        other => named(other),
    };
    call.complete(mark).await.map_err(ApiError::named(names))?;
    Ok(HttpResponse::Created().json(EvoWasRead { message: "Read messages", read: "success" }))
}

/// Shows in a chat for a while that the account is about to write.
#[utoipa::path(
    post,
    path = "/chat/sendPresence/{instance}",
    tag = "evolution",
    security(("evolutionKey" = [])),
    params(("instance" = String, Path, description = "The instance's name.")),
    request_body = EvoChatPresence,
    responses((status = 201, description = "It was shown.", body = EvoPresenceShown), Refused)
)]
pub(super) async fn send_presence(
    call: EvoCall,
    name: web::Path<String>,
    JsonBody(body): JsonBody<EvoChatPresence>,
) -> Result<HttpResponse, ApiError> {
    let id = instance_of(&call, &name).await?;
    let options = body.options.unwrap_or(EvoChatPresenceOptions { delay: None, presence: None });
    let shown = body.presence.or(options.presence);
    let shown = shown.ok_or_else(|| ApiError::invalid("\"presence\" is required.").with_field("presence"))?;
    let people = &call.services().people;
    let state = match shown {
        EvoShown::Composing => ChatState::Typing,
        EvoShown::Recording => ChatState::Recording,
        EvoShown::Paused => ChatState::Paused,
        EvoShown::Available | EvoShown::Unavailable => {
            let set = people.set_presence(&call.caller, id, shown == EvoShown::Available).await;
            set.map_err(ApiError::named(named))?;
            return Ok(HttpResponse::Created().json(EvoPresenceShown { presence: shown }));
        }
    };
    let set = people.set_chat_state(&call.caller, id, &body.number, state).await;
    set.map_err(ApiError::named(named))?;
    if let Some(delay) = body.delay.or(options.delay).filter(|delay| *delay > 0) {
        tokio::time::sleep(Duration::from_millis(delay.min(LONGEST_DELAY))).await;
        let set = people.set_chat_state(&call.caller, id, &body.number, ChatState::Paused).await;
        set.map_err(ApiError::named(named))?;
    }
    Ok(HttpResponse::Created().json(EvoPresenceShown { presence: shown }))
}

/// Shows the account as online, or not.
#[utoipa::path(
    post,
    path = "/instance/setPresence/{instance}",
    tag = "evolution",
    security(("evolutionKey" = [])),
    params(("instance" = String, Path, description = "Its name.")),
    request_body = EvoPresence,
    responses((status = 201, description = "It is shown.", body = EvoPresenceShown), Refused)
)]
pub(super) async fn set_presence(
    call: EvoCall,
    name: web::Path<String>,
    JsonBody(body): JsonBody<EvoPresence>,
) -> Result<HttpResponse, ApiError> {
    let id = instance_of(&call, &name).await?;
    let is_available = body.presence == EvoOnline::Available;
    call.services().people.set_presence(&call.caller, id, is_available).await?;
    let presence = if is_available { EvoShown::Available } else { EvoShown::Unavailable };
    Ok(HttpResponse::Created().json(EvoPresenceShown { presence }))
}

/// Where WhatsApp has somebody's picture for some time.
#[utoipa::path(
    post,
    path = "/chat/fetchProfilePictureUrl/{instance}",
    tag = "evolution",
    security(("evolutionKey" = [])),
    params(("instance" = String, Path, description = "The instance's name.")),
    request_body = EvoPerson,
    responses((status = 200, description = "The picture.", body = EvoPicture), Refused)
)]
pub(super) async fn picture(
    call: EvoCall,
    name: web::Path<String>,
    JsonBody(body): JsonBody<EvoPerson>,
) -> Result<web::Json<EvoPicture>, ApiError> {
    let id = instance_of(&call, &name).await?;
    let profile = call.services().people.profile(&call.caller, id, &body.number).await;
    let profile = profile.map_err(ApiError::named(named))?;
    let jid = profile.person.pn.or(profile.person.lid);
    Ok(web::Json(EvoPicture {
        wuid: jid.map(|jid| jid.to_string()).unwrap_or_default(),
        profile_picture_url: profile.picture.map(|picture| picture.url),
    }))
}
