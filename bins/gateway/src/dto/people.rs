use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_with::rust::double_option;
use services::{ChatMarks, Profile};
use utoipa::ToSchema;
use wa_client::{BlockList, BusinessHours, BusinessProfile, ChatState, Jid, OnWhatsApp, PrivacySettings};

use super::group::PictureResponse;
use super::sending::time;
use crate::error::ApiError;
use crate::forms::{About, Addressee, MessageIds, PhoneNumbers, Recipient};

/// `POST /api/whatsapp/{id}/check`.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CheckRequest {
    /// At most 1,000 phone numbers; WhatsApp is asked once for all.
    #[schema(value_type = PhoneNumbers)]
    pub(crate) numbers: Vec<String>,
}

/// `POST /api/whatsapp/{id}/read`.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct ReadRequest {
    /// The chat: a phone number, or a JID.
    #[schema(value_type = Addressee)]
    pub(crate) phone: String,
    /// At most 1,000 messages of others in it.
    #[schema(value_type = MessageIds)]
    pub(crate) message_ids: Vec<String>,
    /// Whether they were listened to, too.
    #[serde(default)]
    pub(crate) played: bool,
}

/// `POST /api/whatsapp/{id}/presence`.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PresenceRequest {
    /// Whether the account is shown as online.
    pub(crate) available: bool,
}

/// `POST /api/whatsapp/{id}/presence/subscribe`.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SubscribeRequest {
    #[schema(value_type = Recipient)]
    pub(crate) phone: String,
}

/// `POST /api/whatsapp/{id}/typing`.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TypingRequest {
    #[schema(value_type = Recipient)]
    pub(crate) phone: String,
    #[serde(default)]
    pub(crate) state: StateRequest,
}

#[derive(Clone, Copy, Default, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum StateRequest {
    #[default]
    Typing,
    Recording,
    Paused,
}

impl From<StateRequest> for ChatState {
    fn from(state: StateRequest) -> Self {
        match state {
            StateRequest::Typing => Self::Typing,
            StateRequest::Recording => Self::Recording,
            StateRequest::Paused => Self::Paused,
        }
    }
}

/// `PUT /api/whatsapp/{id}/chats/{phone}`: what isn't named stays as it is.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[allow(clippy::option_option, reason = "absent, null and a value are three different wishes")]
pub(crate) struct MarksRequest {
    /// Whether the chat is put away, which unpins it.
    archived: Option<bool>,
    /// Whether it is kept on top, which takes it out of the archive; not together with `archived`.
    pinned: Option<bool>,
    /// Until when it makes no noise, ISO 8601; `null` lets it be heard.
    #[serde(default, with = "double_option")]
    #[schema(value_type = Option<String>, format = DateTime)]
    muted_until: Option<Option<String>>,
}

impl MarksRequest {
    pub(crate) fn checked(self) -> Result<ChatMarks, ApiError> {
        if self.archived == Some(true) && self.pinned == Some(true) {
            let problem = "A chat is put away or kept on top, never both.";
            return Err(ApiError::invalid(problem).with_field("pinned"));
        }
        let muted_until = self
            .muted_until
            .map(|until| until.map(|until| time("mutedUntil", &until)).transpose())
            .transpose()?;
        Ok(ChatMarks { archived: self.archived, pinned: self.pinned, muted_until })
    }
}

/// `PUT /api/whatsapp/{id}/profile`.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AboutRequest {
    /// What the account says about itself, in at most 139 characters.
    #[schema(value_type = About)]
    pub(crate) about: String,
}

/// `PUT /api/whatsapp/{id}/privacy`: WhatsApp's words for settings and their values, such as `{"last": "contacts"}`.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PrivacyRequest {
    pub(crate) settings: BTreeMap<String, String>,
}

/// `POST /api/whatsapp/{id}/blocklist`.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct BlockRequest {
    #[schema(value_type = Recipient)]
    pub(crate) phone: String,
    /// Whether they are blocked from now on, or no longer.
    pub(crate) blocked: bool,
}

/// `POST /api/whatsapp/{id}/calls/reject`.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct RejectRequest {
    /// Who calls: `remoteJid` of the event.
    #[schema(value_type = Recipient)]
    pub(crate) phone: String,
    /// `callId` of the event.
    pub(crate) call_id: String,
}

/// Which numbers have WhatsApp, in the order of the question.
#[derive(Serialize, ToSchema)]
pub(crate) struct CheckResponse {
    numbers: Vec<NumberResponse>,
}

#[derive(Serialize, ToSchema)]
struct NumberResponse {
    /// As it was asked.
    number: String,
    registered: bool,
    /// JID of the account by its own number, which may be written otherwise.
    pn: Option<String>,
    lid: Option<String>,
}

impl From<Vec<OnWhatsApp>> for CheckResponse {
    fn from(found: Vec<OnWhatsApp>) -> Self {
        let one = |found: OnWhatsApp| NumberResponse {
            number: found.number,
            registered: found.registered,
            pn: found.pn.map(|jid| jid.to_string()),
            lid: found.lid.map(|jid| jid.to_string()),
        };
        Self { numbers: found.into_iter().map(one).collect() }
    }
}

/// What can be seen of somebody.
#[derive(Serialize, ToSchema)]
pub(crate) struct ProfileResponse {
    pn: Option<String>,
    lid: Option<String>,
    about: Option<String>,
    picture: PictureResponse,
    business: Option<BusinessResponse>,
}

/// What a business says of itself.
#[derive(Serialize, ToSchema)]
struct BusinessResponse {
    description: Option<String>,
    address: Option<String>,
    email: Option<String>,
    websites: Vec<String>,
    categories: Vec<String>,
    timezone: Option<String>,
    hours: Vec<HoursResponse>,
}

#[derive(Serialize, ToSchema)]
struct HoursResponse {
    day: String,
    mode: String,
    /// Minutes since midnight.
    opens: Option<u32>,
    closes: Option<u32>,
}

impl From<Profile> for ProfileResponse {
    fn from(profile: Profile) -> Self {
        let text = |jid: Jid| jid.to_string();
        Self {
            pn: profile.person.pn.map(text),
            lid: profile.person.lid.map(text),
            about: profile.about,
            picture: profile.picture.into(),
            business: profile.business.map(BusinessResponse::from),
        }
    }
}

impl From<BusinessProfile> for BusinessResponse {
    fn from(business: BusinessProfile) -> Self {
        let hours = |hours: BusinessHours| HoursResponse {
            day: hours.day,
            mode: hours.mode,
            opens: hours.opens,
            closes: hours.closes,
        };
        Self {
            description: business.description,
            address: business.address,
            email: business.email,
            websites: business.websites,
            categories: business.categories,
            timezone: business.timezone,
            hours: business.hours.into_iter().map(hours).collect(),
        }
    }
}

/// All privacy settings, in WhatsApp's words.
#[derive(Serialize, ToSchema)]
pub(crate) struct PrivacyResponse {
    settings: BTreeMap<String, String>,
}

impl From<PrivacySettings> for PrivacyResponse {
    fn from(settings: PrivacySettings) -> Self {
        Self { settings: settings.0.into_iter().collect() }
    }
}

/// Whom the account blocks.
#[derive(Serialize, ToSchema)]
pub(crate) struct BlockListResponse {
    /// JIDs, as WhatsApp names them.
    blocked: Vec<String>,
}

impl From<BlockList> for BlockListResponse {
    fn from(list: BlockList) -> Self {
        Self { blocked: list.0.iter().map(Jid::to_string).collect() }
    }
}
