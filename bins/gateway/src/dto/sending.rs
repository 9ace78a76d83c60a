//! What is sent.

use serde::{Deserialize, Serialize};
use services::{Compose, ComposeEvent, ComposeLocation, ComposeText, Progress, Reached, Sent};
use storage::{MessageStatus, Timestamp};
use utoipa::ToSchema;

use super::terms::{Sending, TermsRequest};
use super::time::Time;
use crate::error::ApiError;
use crate::forms::{
    Channel, Choices, Color, Count, Emoji, EventName, Going, Latitude, Longitude, Named, PhoneNumber,
    PollOptions, Question, Timer, Words,
};

/// A preview of a link that stands in the text.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct LinkPreviewRequest {
    pub(crate) url: String,
    pub(crate) title: Option<String>,
    pub(crate) description: Option<String>,
}

send_requests! {
    /// `POST /api/whatsapp/{id}/send`.
    SendRequest {
        #[schema(value_type = Words)]
        message: String,
        /// WhatsApp's id of the message of the chat that it answers.
        #[serde(default)]
        quoted_message_id: Option<String>,
        /// Phone numbers or JIDs of the people whom the text names, each as `@` and the number.
        #[serde(default)]
        #[schema(value_type = Named)]
        mentions: Vec<String>,
        /// Whether it names everybody in the group.
        #[serde(default)]
        mention_all: bool,
        #[serde(default)]
        link_preview: Option<LinkPreviewRequest>,
        /// Whether it is marked as forwarded.
        #[serde(default)]
        forwarded: bool,
    }

    /// `POST /api/whatsapp/{id}/send-location`.
    LocationRequest {
        #[schema(value_type = Latitude)]
        latitude: f64,
        #[schema(value_type = Longitude)]
        longitude: f64,
        name: Option<String>,
        address: Option<String>,
        url: Option<String>,
        /// Whether it is a place that moves.
        #[serde(default)]
        live: bool,
    }

    /// `POST /api/whatsapp/{id}/send-contacts`.
    ContactsRequest {
        #[schema(min_items = 1, max_items = 1024)]
        contacts: Vec<ContactRequest>,
    }

    /// `POST /api/whatsapp/{id}/send-poll`.
    PollRequest {
        #[schema(value_type = Question)]
        question: String,
        /// 2 to 12 options, no two alike.
        #[schema(value_type = PollOptions)]
        options: Vec<String>,
        /// How many options one person may choose; 0 means all.
        #[serde(default = "one")]
        #[schema(value_type = Choices)]
        choices: u32,
    }

    /// `POST /api/whatsapp/{id}/send-event`.
    EventRequest {
        #[schema(value_type = EventName)]
        name: String,
        description: Option<String>,
        /// ISO 8601.
        #[schema(format = DateTime)]
        starts_at: String,
        /// ISO 8601.
        #[schema(format = DateTime)]
        ends_at: Option<String>,
        join_link: Option<String>,
        location: Option<PlaceRequest>,
    }

    /// `POST /api/whatsapp/{id}/react`.
    ReactRequest {
        message_id: String,
        /// Empty takes it away.
        #[schema(value_type = Emoji)]
        emoji: String,
    }

    /// `POST /api/whatsapp/{id}/edit`.
    EditRequest {
        message_id: String,
        /// The new text.
        #[schema(value_type = Words)]
        message: String,
    }

    /// `POST /api/whatsapp/{id}/revoke`.
    RevokeRequest {
        message_id: String,
    }

    /// `POST /api/whatsapp/{id}/vote`.
    VoteRequest {
        /// The poll.
        message_id: String,
        /// By name; none takes an earlier vote back.
        options: Vec<String>,
    }

    /// `POST /api/whatsapp/{id}/answer`.
    AnswerRequest {
        /// The event.
        message_id: String,
        /// `going`, `not_going` or `maybe`.
        #[schema(value_type = Going)]
        answer: String,
        /// How many guests come along.
        #[serde(default)]
        #[schema(value_type = Count)]
        guests: u32,
    }

    /// `POST /api/whatsapp/{id}/pin`.
    PinRequest {
        message_id: String,
        /// How long; phones offer 86400, 604800 and 2592000. 0 unpins it.
        #[schema(value_type = Count)]
        seconds: u32,
    }

    /// `POST /api/whatsapp/{id}/keep`.
    KeepRequest {
        message_id: String,
        /// Whether to keep it, or to let go of it.
        keep: bool,
    }

    /// `POST /api/whatsapp/{id}/timer`.
    TimerRequest {
        /// 0 (never), 86400, 604800 or 7776000.
        #[schema(value_type = Timer)]
        seconds: u32,
    }
}

post_requests! {
    /// `POST /api/whatsapp/{id}/send-status`.
    StatusRequest {
        #[schema(value_type = Words)]
        message: String,
        /// The colour that the text stands on.
        #[schema(value_type = Option<Color>)]
        background_color: Option<String>,
    }

    /// `POST /api/whatsapp/{id}/revoke-status`.
    RevokeStatusRequest {
        message_id: String,
    }
}

with_terms! {
    /// `POST /api/whatsapp/{id}/send-post`.
    PostRequest {
        /// The channel's JID.
        #[schema(value_type = Channel)]
        phone: String,
        #[schema(value_type = Words)]
        message: String,
    }
}

const fn one() -> u32 {
    1
}

/// A contact card: either a number, of which the card is made, or the card itself.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ContactRequest {
    name: String,
    /// A phone number.
    #[schema(value_type = Option<PhoneNumber>)]
    number: Option<String>,
    /// A vCard.
    vcard: Option<String>,
}

/// Where an event is.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PlaceRequest {
    #[schema(value_type = Latitude)]
    latitude: f64,
    #[schema(value_type = Longitude)]
    longitude: f64,
    name: Option<String>,
    address: Option<String>,
}

/// A request that becomes a message.
pub(crate) trait Sendable: Sending {
    /// What the message says.
    ///
    /// # Errors
    /// What the services can't know of: the form of a field.
    fn content(self) -> Result<Compose, ApiError>;
}

impl Sendable for SendRequest {
    fn content(self) -> Result<Compose, ApiError> {
        Ok(Compose::Text(ComposeText {
            text: self.message,
            quoted: self.quoted_message_id,
            mentions: self.mentions,
            mention_all: self.mention_all,
            link: self.link_preview.map(|link| (link.url, link.title, link.description)),
            forwarded: self.forwarded,
            ground: None,
        }))
    }
}

impl Sendable for StatusRequest {
    fn content(self) -> Result<Compose, ApiError> {
        let ground = self.background_color.as_deref().map(rgb).transpose()?;
        Ok(Compose::Text(ComposeText { text: self.message, ground, ..ComposeText::default() }))
    }
}

/// `#RRGGBB` as a number.
fn rgb(color: &str) -> Result<u32, ApiError> {
    let digits = color.strip_prefix('#').filter(|digits| digits.len() == 6);
    let digits = digits.filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
    let number = digits.and_then(|digits| u32::from_str_radix(digits, 16).ok());
    number.ok_or_else(|| {
        ApiError::invalid("\"backgroundColor\" must be # and six hexadecimal digits.")
            .with_field("backgroundColor")
    })
}

impl Sending for PostRequest {
    fn phone(&self) -> &str {
        &self.phone
    }

    fn terms(&self) -> TermsRequest {
        self.said_terms()
    }
}

impl Sendable for PostRequest {
    fn content(self) -> Result<Compose, ApiError> {
        if !self.phone.ends_with("@newsletter") {
            return Err(ApiError::invalid("\"phone\" must be the JID of a channel.").with_field("phone"));
        }
        Ok(Compose::text(self.message))
    }
}

impl Sendable for RevokeStatusRequest {
    fn content(self) -> Result<Compose, ApiError> {
        Ok(Compose::Revoke(self.message_id))
    }
}

impl Sendable for LocationRequest {
    fn content(self) -> Result<Compose, ApiError> {
        let Self { latitude, longitude, name, address, url, live, .. } = self;
        Ok(Compose::Location(ComposeLocation { latitude, longitude, name, address, url, live }))
    }
}

impl Sendable for ContactsRequest {
    fn content(self) -> Result<Compose, ApiError> {
        Ok(Compose::Contacts(self.contacts.into_iter().map(ContactRequest::card).collect::<Result<_, _>>()?))
    }
}

impl ContactRequest {
    /// Name and vCard.
    fn card(self) -> Result<(String, String), ApiError> {
        let Self { name, number, vcard } = self;
        match (number, vcard) {
            (Some(number), None) => {
                let card = card_of(&name, &number)?;
                Ok((name, card))
            }
            (None, Some(vcard)) => Ok((name, vcard)),
            _ => {
                Err(ApiError::invalid("A contact has either a \"number\" or a \"vcard\".")
                    .with_field("contacts"))
            }
        }
    }
}

/// The vCard of somebody with this number.
fn card_of(name: &str, number: &str) -> Result<String, ApiError> {
    services::card_of(name, number).ok_or_else(|| {
        ApiError::invalid("\"contacts\" has somebody whose \"number\" is no phone number.")
            .with_field("contacts")
    })
}

impl Sendable for PollRequest {
    fn content(self) -> Result<Compose, ApiError> {
        Ok(Compose::Poll(self.question, self.options, self.choices))
    }
}

impl Sendable for EventRequest {
    fn content(self) -> Result<Compose, ApiError> {
        let place = |place: PlaceRequest| {
            let PlaceRequest { latitude, longitude, name, address } = place;
            ComposeLocation { latitude, longitude, name, address, url: None, live: false }
        };
        Ok(Compose::Event(ComposeEvent {
            name: self.name,
            description: self.description,
            starts_at: time("startsAt", &self.starts_at)?.seconds(),
            ends_at: self.ends_at.map(|at| time("endsAt", &at)).transpose()?.map(Timestamp::seconds),
            join_link: self.join_link,
            location: self.location.map(place),
        }))
    }
}

impl Sendable for ReactRequest {
    fn content(self) -> Result<Compose, ApiError> {
        Ok(Compose::React(self.message_id, self.emoji))
    }
}

impl Sendable for EditRequest {
    fn content(self) -> Result<Compose, ApiError> {
        Ok(Compose::Edit(self.message_id, self.message))
    }
}

impl Sendable for RevokeRequest {
    fn content(self) -> Result<Compose, ApiError> {
        Ok(Compose::Revoke(self.message_id))
    }
}

impl Sendable for VoteRequest {
    fn content(self) -> Result<Compose, ApiError> {
        Ok(Compose::Vote(self.message_id, self.options))
    }
}

impl Sendable for AnswerRequest {
    fn content(self) -> Result<Compose, ApiError> {
        Ok(Compose::Answer(self.message_id, self.answer, self.guests))
    }
}

impl Sendable for PinRequest {
    fn content(self) -> Result<Compose, ApiError> {
        Ok(Compose::Pin(self.message_id, self.seconds))
    }
}

impl Sendable for KeepRequest {
    fn content(self) -> Result<Compose, ApiError> {
        Ok(Compose::Keep(self.message_id, self.keep))
    }
}

impl Sendable for TimerRequest {
    fn content(self) -> Result<Compose, ApiError> {
        Ok(Compose::Timer(self.seconds))
    }
}

/// A time that a body names.
pub(crate) fn time(field: &'static str, text: &str) -> Result<Timestamp, ApiError> {
    text.parse().map_err(|_| {
        let problem = format!("{field:?} must be a time in ISO 8601, such as 2026-01-31T12:00:00Z.");
        ApiError::invalid(problem).with_field(field)
    })
}

/// What a send answers: `status` only when WhatsApp hasn't acknowledged yet, or when the call has waited for it.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SendResponse {
    id: String,
    /// The chat that it is in, where the recipient's account has another number than the one given.
    #[serde(skip_serializing_if = "Option::is_none")]
    remote_jid: Option<String>,
    /// How far it is: `scheduled`, `pending`, `held`, `sent`, `delivered`, `read` or `played`.
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<&'static str>,
    /// When a held message may leave, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_at: Option<Time>,
    /// When a scheduled message is sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    send_at: Option<Time>,
    /// Where the call has waited, and has seen the message leave.
    #[serde(skip_serializing_if = "Option::is_none")]
    devices: Option<DevicesResponse>,
}

/// The status of what is to be sent later.
const SCHEDULED: &str = "scheduled";

/// For how many devices a message was encrypted: those of the recipients, and the account's own.
#[derive(Serialize, ToSchema)]
struct DevicesResponse {
    reached: usize,
    /// Those for which WhatsApp gave no usable keys: they don't get it.
    failed: usize,
}

impl SendResponse {
    /// What became of a message; of its chat only what the caller didn't know.
    pub(crate) fn of(sent: Sent, given: Option<&str>) -> Self {
        let (status, retry_at, send_at) = match sent.progress {
            Progress::Sent => (None, None, None),
            Progress::Pending => (Some(MessageStatus::Pending.as_str()), None, None),
            Progress::Held { retry_at } => (Some(MessageStatus::Held.as_str()), retry_at, None),
            Progress::Scheduled { send_at } => (Some(SCHEDULED), None, Some(send_at)),
        };
        Self {
            id: sent.id,
            remote_jid: sent.chat.filter(|chat| given != Some(chat.as_str())),
            status,
            retry_at: retry_at.map(Time::from),
            send_at: send_at.map(Time::from),
            devices: None,
        }
    }

    /// How far a message has come that the call has waited for.
    pub(crate) fn waited(reached: Reached, given: Option<&str>) -> Self {
        let devices = reached.sent.devices;
        let devices =
            devices.map(|devices| DevicesResponse { reached: devices.reached, failed: devices.failed });
        Self { status: Some(reached.status.as_str()), devices, ..Self::of(reached.sent, given) }
    }
}
