//! Drafts of every kind that a person sends, but files.

use wa_crypto::Secret;
use wa_protobuf::e2e::keep_in_chat_message::KeepType;
use wa_protobuf::e2e::pin_in_chat_message::Type as PinType;
use wa_protobuf::e2e::poll_creation_message::Option as PollOption;
use wa_protobuf::e2e::protocol_message::Type;
use wa_protobuf::e2e::{
    ContactMessage, ContactsArrayMessage, EventMessage, ExtendedTextMessage, KeepInChatMessage,
    LiveLocationMessage, LocationMessage, Message, MessageContextInfo, PinInChatMessage, PollCreationMessage,
    ProtocolMessage,
};

use super::{Draft, extended};
use crate::content::parts::{Card, Link, Meeting, Place, Target};

/// Most options of a poll: what phones let their owners enter.
pub const MAX_OPTIONS: usize = 12;
/// Longest option, in characters: the same.
pub const MAX_OPTION: usize = 100;
/// Longest question, in characters: the same.
pub const MAX_QUESTION: usize = 255;

/// What a colour has that nothing shines through.
const OPAQUE: u32 = 0xff00_0000;

/// Why something is no poll.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotAPoll {
    /// The question is empty, or longer than 255 characters.
    #[error("a question has 1 to {MAX_QUESTION} characters")]
    Question,
    /// There are fewer than 2 options, or more than 12.
    #[error("a poll has 2 to {MAX_OPTIONS} options")]
    Options,
    /// An option is empty, or longer than 100 characters.
    #[error("an option has 1 to {MAX_OPTION} characters")]
    Option,
    /// Two options are alike: votes for them could not be told apart.
    #[error("two options are alike")]
    Alike,
    /// More may be chosen than there is.
    #[error("more options may be chosen than there are")]
    Choices,
}

impl Draft {
    /// A place on the map.
    pub fn location(place: &Place<'_>) -> Self {
        let location = LocationMessage {
            degrees_latitude: Some(place.latitude),
            degrees_longitude: Some(place.longitude),
            accuracy_in_meters: place.accuracy,
            name: place.name.map(str::to_owned),
            address: place.address.map(str::to_owned),
            url: place.url.map(str::to_owned),
            ..LocationMessage::default()
        };
        Self::new(Message { location_message: Some(Box::new(location)), ..Message::default() })
    }

    /// A place that moves. `sequence` counts up from one place to the next.
    pub fn live_location(place: &Place<'_>, caption: Option<&str>, sequence: i64) -> Self {
        let location = LiveLocationMessage {
            degrees_latitude: Some(place.latitude),
            degrees_longitude: Some(place.longitude),
            accuracy_in_meters: place.accuracy,
            caption: caption.map(str::to_owned),
            sequence_number: Some(sequence),
            ..LiveLocationMessage::default()
        };
        Self::new(Message { live_location_message: Some(Box::new(location)), ..Message::default() })
    }

    /// A text for the status: white letters on a ground of this colour, `0xRRGGBB`.
    pub fn status_text(text: impl Into<String>, ground: u32) -> Self {
        let text = ExtendedTextMessage {
            text: Some(text.into()),
            text_argb: Some(u32::MAX),
            background_argb: Some(OPAQUE | ground),
            ..ExtendedTextMessage::default()
        };
        Self::new(Message { extended_text_message: Some(Box::new(text)), ..Message::default() })
    }

    /// Contact cards. `title` is shown above several of them.
    pub fn contacts(cards: &[Card<'_>], title: Option<&str>) -> Self {
        let mut contacts: Vec<_> = cards.iter().map(contact).collect();
        if contacts.len() == 1 {
            let contact = contacts.pop().map(Box::new);
            return Self::new(Message { contact_message: contact, ..Message::default() });
        }
        let array = ContactsArrayMessage {
            display_name: title.map(str::to_owned),
            contacts,
            ..ContactsArrayMessage::default()
        };
        Self::new(Message { contacts_array_message: Some(Box::new(array)), ..Message::default() })
    }

    /// A question with options, of which `choices` may be chosen at most; 0 means all. The secret for the votes is made
    /// and lies in the draft.
    ///
    /// # Errors
    /// Phones would not show it, or votes on it could not be told apart.
    pub fn poll(
        question: impl Into<String>,
        options: impl IntoIterator<Item = impl Into<String>>,
        choices: u32,
    ) -> Result<Self, NotAPoll> {
        let (question, options) = (question.into(), options.into_iter().map(Into::into).collect::<Vec<_>>());
        check_poll(&question, &options, choices)?;
        let options =
            options.into_iter().map(|name| PollOption { option_name: Some(name), option_hash: None });
        let poll = PollCreationMessage {
            name: Some(question),
            options: options.collect(),
            selectable_options_count: Some(choices),
            ..PollCreationMessage::default()
        };
        let poll = Some(Box::new(poll));
        // The third version is for a single choice, the first for several (PROTOCOL.md 11.5).
        let message = if choices == 1 {
            Message { poll_creation_message_v3: poll, ..Message::default() }
        } else {
            Message { poll_creation_message: poll, ..Message::default() }
        };
        Ok(Self::new(with_secret(message)))
    }

    /// An invitation to a meeting. The secret for the answers is made and lies in the draft.
    pub fn event(meeting: &Meeting<'_>) -> Self {
        let event = EventMessage {
            is_canceled: Some(meeting.is_cancelled),
            name: Some(meeting.name.to_owned()),
            description: meeting.description.map(str::to_owned),
            location: meeting.place.as_ref().and_then(place_of_event),
            join_link: meeting.join_link.map(str::to_owned),
            start_time: Some(meeting.starts_at),
            end_time: meeting.ends_at,
            extra_guests_allowed: Some(meeting.are_guests_allowed),
            ..EventMessage::default()
        };
        Self::new(with_secret(Message { event_message: Some(Box::new(event)), ..Message::default() }))
    }

    /// Pins a message of the chat for so many seconds; WhatsApp offers 86,400, 604,800 and 2,592,000. `at` is now, in Unix
    /// milliseconds.
    pub fn pin(target: &Target<'_>, seconds: u32, at: i64) -> Self {
        pinned(target, PinType::PinForAll, seconds, at)
    }

    /// Unpins a message. `at` is now, in Unix milliseconds.
    pub fn unpin(target: &Target<'_>, at: i64) -> Self {
        pinned(target, PinType::UnpinForAll, 0, at)
    }

    /// Keeps a disappearing message for everybody. `at` is now, in Unix milliseconds.
    pub fn keep(target: &Target<'_>, at: i64) -> Self {
        kept(target, KeepType::KeepForAll, at)
    }

    /// Lets go of a message that was kept. `at` is now, in Unix milliseconds.
    pub fn let_go(target: &Target<'_>, at: i64) -> Self {
        kept(target, KeepType::UndoKeepForAll, at)
    }

    /// Has what is written in a chat with a person from now on disappear after so many seconds: 0 (never), 86,400, 604,800
    /// or 7,776,000. `at` is now, in Unix seconds. Groups have a setting instead.
    pub fn timer(seconds: u32, at: i64) -> Self {
        let setting = ProtocolMessage {
            r#type: Some(Type::EphemeralSetting.into()),
            ephemeral_expiration: Some(seconds),
            ephemeral_setting_timestamp: Some(at),
            ..ProtocolMessage::default()
        };
        Self::new(Message { protocol_message: Some(Box::new(setting)), ..Message::default() })
    }

    /// Shows a preview of a link in its text.
    #[must_use]
    pub fn previewing(self, link: &Link<'_>) -> Self {
        let mut message = extended(self.message);
        if let Some(text) = message.extended_text_message.as_deref_mut() {
            preview(text, link);
        }
        Self::of(message)
    }

    /// Marks it as forwarded. `times` counts how often it was, this time included; from 5 on phones say "many times".
    #[must_use]
    pub fn forwarded(self, times: u32) -> Self {
        self.with_context(|context| {
            context.is_forwarded = Some(true);
            context.forwarding_score = Some(times);
        })
    }

    /// Names everybody in the group.
    #[must_use]
    pub fn mentioning_everyone(self) -> Self {
        self.with_context(|context| context.non_jid_mentions = Some(1))
    }
}

fn contact(card: &Card<'_>) -> ContactMessage {
    ContactMessage {
        display_name: card.name.map(str::to_owned),
        vcard: card.vcard.map(str::to_owned),
        ..ContactMessage::default()
    }
}

fn check_poll(question: &str, options: &[String], choices: u32) -> Result<(), NotAPoll> {
    let is_sound = |text: &str, most: usize| !text.trim().is_empty() && text.chars().count() <= most;
    if !is_sound(question, MAX_QUESTION) {
        return Err(NotAPoll::Question);
    }
    if !(2..=MAX_OPTIONS).contains(&options.len()) {
        return Err(NotAPoll::Options);
    }
    if !options.iter().all(|option| is_sound(option, MAX_OPTION)) {
        return Err(NotAPoll::Option);
    }
    if options.iter().enumerate().any(|(place, option)| options[..place].contains(option)) {
        return Err(NotAPoll::Alike);
    }
    if usize::try_from(choices).is_ok_and(|choices| choices <= options.len()) {
        return Ok(());
    }
    Err(NotAPoll::Choices)
}

/// Gives a message the secret that additions to it are encrypted with (PROTOCOL.md 21).
fn with_secret(message: Message) -> Message {
    let secret = Secret::<32>::generate(&mut rand::rng());
    let info = MessageContextInfo {
        message_secret: Some(secret.expose().to_vec().into()),
        ..MessageContextInfo::default()
    };
    Message { message_context_info: Some(Box::new(info)), ..message }
}

fn place_of_event(place: &Place<'_>) -> Option<Box<LocationMessage>> {
    Draft::location(place).message.location_message
}

fn pinned(target: &Target<'_>, kind: PinType, seconds: u32, at: i64) -> Draft {
    let pin = PinInChatMessage {
        key: Some(target.key()),
        r#type: Some(kind.into()),
        sender_timestamp_ms: Some(at),
    };
    let info = MessageContextInfo {
        message_add_on_duration_in_secs: Some(seconds),
        ..MessageContextInfo::default()
    };
    Draft::new(Message {
        pin_in_chat_message: Some(Box::new(pin)),
        message_context_info: Some(Box::new(info)),
        ..Message::default()
    })
}

fn kept(target: &Target<'_>, kind: KeepType, at: i64) -> Draft {
    let keep =
        KeepInChatMessage { key: Some(target.key()), keep_type: Some(kind.into()), timestamp_ms: Some(at) };
    Draft::new(Message { keep_in_chat_message: Some(Box::new(keep)), ..Message::default() })
}

fn preview(text: &mut ExtendedTextMessage, link: &Link<'_>) {
    text.matched_text = link.url.map(str::to_owned);
    text.title = link.title.map(str::to_owned);
    text.description = link.description.map(str::to_owned);
    text.jpeg_thumbnail = link.thumbnail.map(|jpeg| jpeg.to_vec().into());
}
