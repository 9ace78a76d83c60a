//! What is in a message beside text and file, as it is told.

use storage::{
    ContactDetails, Degrees, LinkDetails, LocationDetails, MeetingDetails, MessageDetails, PollDetails,
};
use wa_client::content::{Content, Kind, Meeting, Opened, Place, View};

/// What a stored message holds beside text and file; `None` where there is nothing.
pub fn of_stored(message: &storage::Message) -> Option<MessageDetails> {
    let content = Content::decode(message.raw.clone()).ok()?;
    let view = content.view();
    let details = of(&view, None);
    // What was encrypted in it is in its text: the options one a line.
    let text = message.text.as_deref();
    let details = match view.kind() {
        Kind::PollVote => MessageDetails { options: text.map(options), ..details },
        Kind::EventResponse => MessageDetails { answer: text.map(str::to_owned), ..details },
        _ => details,
    };
    (details != MessageDetails::default()).then_some(details)
}

/// The id of the message that a stored one answers.
pub fn quoted_by(message: &storage::Message) -> Option<String> {
    let content = Content::decode(message.raw.clone()).ok()?;
    content.view().quote().map(|quote| quote.id.to_owned())
}

/// The options in the text of a vote.
fn options(text: &str) -> Vec<String> {
    text.lines().map(str::to_owned).collect()
}

/// The text of a vote or an answer: options one a line, each on one line itself.
pub(crate) fn opened_text(opened: &Opened) -> Option<String> {
    match opened {
        Opened::Vote(vote) => Some(chosen_text(&vote.choices)),
        Opened::Answer(answer) => answer.going.map(|going| going.as_str().to_owned()),
        _ => None,
    }
}

/// The text of a vote.
pub(crate) fn chosen_text(choices: &[String]) -> String {
    let lines: Vec<_> = choices.iter().map(|choice| one_line(choice)).collect();
    lines.join("\n")
}

/// An option as votes for it are stored.
pub(crate) fn one_line(option: &str) -> String {
    option.lines().collect::<Vec<_>>().join(" ")
}

/// What is in it.
pub(super) fn of(view: &View<'_>, opened: Option<&Opened>) -> MessageDetails {
    let (options, answer, guests) = match opened {
        Some(Opened::Vote(vote)) => (Some(vote.choices.clone()), None, None),
        Some(Opened::Answer(answer)) => {
            (None, answer.going.map(|going| going.as_str().to_owned()), Some(answer.guests))
        }
        _ => (None, None, None),
    };
    let card = |card: wa_client::content::Card<'_>| ContactDetails {
        name: card.name.map(str::to_owned),
        vcard: card.vcard.map(str::to_owned),
    };
    MessageDetails {
        mentions: view.mentions().to_vec(),
        forwarded: view.is_forwarded(),
        view_once: view.is_view_once(),
        expiration: view.expiration(),
        link: view.link().map(|link| LinkDetails {
            url: link.url.map(str::to_owned),
            title: link.title.map(str::to_owned),
            description: link.description.map(str::to_owned),
        }),
        location: view.place().as_ref().and_then(place),
        contacts: view.contacts().map(card).collect(),
        poll: view.poll().map(|poll| PollDetails {
            question: poll.question().to_owned(),
            options: poll.options().map(str::to_owned).collect(),
            choices: poll.choices(),
        }),
        options,
        event: view.meeting().as_ref().map(meeting),
        answer,
        guests: guests.filter(|guests| *guests > 0),
        selected_id: view.choice().map(str::to_owned),
        undone: view.is_undone(),
    }
}

/// `None` for what is nowhere.
fn place(place: &Place<'_>) -> Option<LocationDetails> {
    let is_somewhere = place.latitude.is_finite() && place.longitude.is_finite();
    is_somewhere.then(|| LocationDetails {
        latitude: Degrees(place.latitude),
        longitude: Degrees(place.longitude),
        name: place.name.map(str::to_owned),
        address: place.address.map(str::to_owned),
        url: place.url.map(str::to_owned),
    })
}

fn meeting(meeting: &Meeting<'_>) -> MeetingDetails {
    MeetingDetails {
        name: meeting.name.to_owned(),
        description: meeting.description.map(str::to_owned),
        starts_at: meeting.starts_at,
        ends_at: meeting.ends_at,
        join_link: meeting.join_link.map(str::to_owned),
        location: meeting.place.as_ref().and_then(place),
        cancelled: meeting.is_cancelled,
    }
}
