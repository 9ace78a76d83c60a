use serde::Serialize;
use storage::{ContactDetails, LinkDetails, LocationDetails, MeetingDetails, MessageDetails, PollDetails};

/// What is in a message beside text and file; what is left out isn't there.
#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Details<'a> {
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    mentions: &'a [String],
    #[serde(skip_serializing_if = "is_false")]
    forwarded: bool,
    #[serde(skip_serializing_if = "is_false")]
    view_once: bool,
    /// Seconds until the message disappears.
    #[serde(skip_serializing_if = "Option::is_none")]
    expiration: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    link_preview: Option<&'a LinkDetails>,
    #[serde(skip_serializing_if = "Option::is_none")]
    location: Option<&'a LocationDetails>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    contacts: &'a [ContactDetails],
    #[serde(skip_serializing_if = "Option::is_none")]
    poll: Option<&'a PollDetails>,
    #[serde(skip_serializing_if = "Option::is_none")]
    selected_options: Option<&'a [String]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    event: Option<Meeting<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    answer: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    guests: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    selected_id: Option<&'a str>,
    #[serde(skip_serializing_if = "is_false")]
    undone: bool,
}

/// Times are Unix seconds, as everywhere in events.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Meeting<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
    starts_at: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    ends_at: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    join_link: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    location: Option<&'a LocationDetails>,
    cancelled: bool,
}

impl<'a> Details<'a> {
    pub(super) fn of(details: &'a MessageDetails) -> Self {
        Self {
            mentions: &details.mentions,
            forwarded: details.forwarded,
            view_once: details.view_once,
            expiration: details.expiration,
            link_preview: details.link.as_ref(),
            location: details.location.as_ref(),
            contacts: &details.contacts,
            poll: details.poll.as_ref(),
            selected_options: details.options.as_deref(),
            event: details.event.as_ref().map(Meeting::of),
            answer: details.answer.as_deref(),
            guests: details.guests,
            selected_id: details.selected_id.as_deref(),
            undone: details.undone,
        }
    }
}

impl<'a> Meeting<'a> {
    fn of(meeting: &'a MeetingDetails) -> Self {
        Self {
            name: &meeting.name,
            description: meeting.description.as_deref(),
            starts_at: meeting.starts_at,
            ends_at: meeting.ends_at,
            join_link: meeting.join_link.as_deref(),
            location: meeting.location.as_ref(),
            cancelled: meeting.cancelled,
        }
    }
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "the shape that serde wants")]
fn is_false(value: &bool) -> bool {
    !value
}
