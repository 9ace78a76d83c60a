use serde::Serialize;
use storage::{
    ContactDetails, LinkDetails, LocationDetails, MeetingDetails, MessageDetails, PollDetails, Timestamp,
};
use utoipa::ToSchema;

use super::time::Time;

/// What is in a message beside text and file; what is left out isn't there.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DetailsResponse {
    /// Whom it names, as JIDs.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    mentions: Vec<String>,
    #[serde(skip_serializing_if = "is_false")]
    forwarded: bool,
    #[serde(skip_serializing_if = "is_false")]
    view_once: bool,
    /// Seconds after which it disappears, or what else is written in the chat does.
    #[serde(skip_serializing_if = "Option::is_none")]
    expiration: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    link_preview: Option<LinkedPageResponse>,
    #[serde(skip_serializing_if = "Option::is_none")]
    location: Option<LocationResponse>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    contacts: Vec<CardResponse>,
    #[serde(skip_serializing_if = "Option::is_none")]
    poll: Option<PollResponse>,
    /// The options that were chosen in a poll.
    #[serde(skip_serializing_if = "Option::is_none")]
    selected_options: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    event: Option<MeetingResponse>,
    /// The answer to an event: `going`, `not_going` or `maybe`.
    #[serde(skip_serializing_if = "Option::is_none")]
    answer: Option<String>,
    /// The sender's id of the button or row that was chosen.
    #[serde(skip_serializing_if = "Option::is_none")]
    selected_id: Option<String>,
    /// Whether a reaction, a pin or a keep takes an earlier one away.
    #[serde(skip_serializing_if = "is_false")]
    undone: bool,
}

#[derive(Serialize, ToSchema)]
struct LinkedPageResponse {
    url: Option<String>,
    title: Option<String>,
    description: Option<String>,
}

#[derive(Serialize, ToSchema)]
struct LocationResponse {
    latitude: f64,
    longitude: f64,
    name: Option<String>,
    address: Option<String>,
    url: Option<String>,
}

#[derive(Serialize, ToSchema)]
struct CardResponse {
    name: Option<String>,
    vcard: Option<String>,
}

#[derive(Serialize, ToSchema)]
struct PollResponse {
    question: String,
    options: Vec<String>,
    /// How many options one person may choose; 0 means all.
    choices: u32,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct MeetingResponse {
    name: String,
    description: Option<String>,
    starts_at: Time,
    ends_at: Option<Time>,
    join_link: Option<String>,
    location: Option<LocationResponse>,
    cancelled: bool,
}

impl From<MessageDetails> for DetailsResponse {
    fn from(details: MessageDetails) -> Self {
        Self {
            mentions: details.mentions,
            forwarded: details.forwarded,
            view_once: details.view_once,
            expiration: details.expiration,
            link_preview: details.link.map(LinkedPageResponse::from),
            location: details.location.map(LocationResponse::from),
            contacts: details.contacts.into_iter().map(CardResponse::from).collect(),
            poll: details.poll.map(PollResponse::from),
            selected_options: details.options,
            event: details.event.map(MeetingResponse::from),
            answer: details.answer,
            selected_id: details.selected_id,
            undone: details.undone,
        }
    }
}

impl From<LinkDetails> for LinkedPageResponse {
    fn from(LinkDetails { url, title, description }: LinkDetails) -> Self {
        Self { url, title, description }
    }
}

impl From<LocationDetails> for LocationResponse {
    fn from(LocationDetails { latitude, longitude, name, address, url }: LocationDetails) -> Self {
        Self { latitude: latitude.0, longitude: longitude.0, name, address, url }
    }
}

impl From<ContactDetails> for CardResponse {
    fn from(ContactDetails { name, vcard }: ContactDetails) -> Self {
        Self { name, vcard }
    }
}

impl From<PollDetails> for PollResponse {
    fn from(PollDetails { question, options, choices }: PollDetails) -> Self {
        Self { question, options, choices }
    }
}

impl From<MeetingDetails> for MeetingResponse {
    fn from(meeting: MeetingDetails) -> Self {
        let time = |seconds: i64| Time::from(Timestamp::from_seconds(seconds));
        Self {
            name: meeting.name,
            description: meeting.description,
            starts_at: time(meeting.starts_at),
            ends_at: meeting.ends_at.map(time),
            join_link: meeting.join_link,
            location: meeting.location.map(LocationResponse::from),
            cancelled: meeting.cancelled,
        }
    }
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "the shape that serde wants")]
fn is_false(value: &bool) -> bool {
    !value
}
