use std::fmt;

use wa_protobuf::e2e::{
    ContactMessage, EventMessage, ExtendedTextMessage, LiveLocationMessage, LocationMessage, MessageKey,
    PollCreationMessage,
};

use super::view::View;

/// Another message that one is about: what it edits, takes back, reacts to, pins, keeps, votes on or answers.
/// `Debug` shows its id alone.
#[derive(Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Target<'a> {
    /// WhatsApp's id of that message.
    pub id: &'a str,
    /// The chat, as whoever refers to it sees it: in a direct chat, what the referring person calls the other one.
    pub chat: Option<&'a str>,
    /// Whether whoever refers to it wrote it.
    pub from_me: bool,
    /// Who wrote it, in groups.
    pub participant: Option<&'a str>,
}

impl<'a> Target<'a> {
    /// A message in a chat (a JID without device). `from_me` says whether this account wrote it.
    pub fn of(chat: &'a str, id: &'a str, from_me: bool) -> Self {
        Self { id, chat: Some(chat), from_me, participant: None }
    }

    /// The same, written by a member of a group (a JID without device).
    #[must_use]
    pub fn by(self, participant: &'a str) -> Self {
        Self { participant: Some(participant), ..self }
    }

    /// `None` without an id: such a key names nothing.
    pub(super) fn read(key: Option<&'a MessageKey>) -> Option<Self> {
        let key = key?;
        let id = key.id.as_deref().filter(|id| !id.is_empty())?;
        Some(Self {
            id,
            chat: key.remote_jid.as_deref(),
            from_me: key.from_me(),
            participant: key.participant.as_deref().filter(|participant| !participant.is_empty()),
        })
    }

    pub(super) fn key(&self) -> MessageKey {
        MessageKey {
            remote_jid: self.chat.map(str::to_owned),
            from_me: Some(self.from_me),
            id: Some(self.id.to_owned()),
            participant: self.participant.map(str::to_owned),
        }
    }
}

impl fmt::Debug for Target<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Target").field("id", &self.id).finish_non_exhaustive()
    }
}

/// A message that one answers. `Debug` shows its id and its kind.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub struct Quote<'a> {
    /// WhatsApp's id of the quoted message.
    pub id: &'a str,
    /// Who wrote it, as a JID in text form; `None` where the quote doesn't say.
    pub participant: Option<&'a str>,
    /// Its chat, where that is another one.
    pub chat: Option<&'a str>,
    /// What is shown of it: the quoting person's word, not a proof.
    pub content: Option<View<'a>>,
}

impl<'a> Quote<'a> {
    /// A message that somebody (a JID without device) wrote in the chat of the answer.
    pub fn of(id: &'a str, participant: &'a str) -> Self {
        Self { id, participant: Some(participant), chat: None, content: None }
    }

    /// The same, with what is to be shown of it.
    #[must_use]
    pub fn showing(self, content: View<'a>) -> Self {
        Self { content: Some(content), ..self }
    }

    /// The same, written in another chat than that of the answer.
    #[must_use]
    pub fn in_chat(self, chat: &'a str) -> Self {
        Self { chat: Some(chat), ..self }
    }
}

impl fmt::Debug for Quote<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Quote").field("id", &self.id).field("content", &self.content).finish_non_exhaustive()
    }
}

/// The preview of a link in a text. `Debug` shows nothing of it.
#[derive(Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Link<'a> {
    /// The link as it stands in the text.
    pub url: Option<&'a str>,
    /// Title of the page.
    pub title: Option<&'a str>,
    /// What the page says of itself.
    pub description: Option<&'a str>,
    /// A small JPEG picture.
    pub thumbnail: Option<&'a [u8]>,
}

impl<'a> Link<'a> {
    /// A link as it stands in a text, without anything to show of it; the rest can be set afterwards.
    pub fn to(url: &'a str) -> Self {
        Self { url: Some(url), title: None, description: None, thumbnail: None }
    }

    pub(super) fn of(text: &'a ExtendedTextMessage) -> Option<Self> {
        let said = |field: &'a Option<String>| field.as_deref().filter(|text| !text.trim().is_empty());
        let (url, title) = (said(&text.matched_text), said(&text.title));
        let (description, thumbnail) = (said(&text.description), text.jpeg_thumbnail.as_deref());
        (url.is_some() || title.is_some()).then_some(Self { url, title, description, thumbnail })
    }
}

impl fmt::Debug for Link<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link").finish_non_exhaustive()
    }
}

/// A contact card. `Debug` shows nothing of it.
#[derive(Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Card<'a> {
    /// Name of the contact.
    pub name: Option<&'a str>,
    /// The card, as a vCard text.
    pub vcard: Option<&'a str>,
}

impl<'a> Card<'a> {
    /// A card with the name of its contact.
    pub fn new(name: &'a str, vcard: &'a str) -> Self {
        Self { name: Some(name), vcard: Some(vcard) }
    }
}

impl fmt::Debug for Card<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Card").finish_non_exhaustive()
    }
}

impl<'a> From<&'a ContactMessage> for Card<'a> {
    fn from(contact: &'a ContactMessage) -> Self {
        Self { name: contact.display_name.as_deref(), vcard: contact.vcard.as_deref() }
    }
}

/// A place on the map. `Debug` shows nothing of it.
#[derive(Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Place<'a> {
    /// Degrees north.
    pub latitude: f64,
    /// Degrees east.
    pub longitude: f64,
    /// Accuracy in metres.
    pub accuracy: Option<u32>,
    /// Name of the place.
    pub name: Option<&'a str>,
    /// Address of the place.
    pub address: Option<&'a str>,
    /// Link to the place.
    pub url: Option<&'a str>,
}

impl Place<'_> {
    /// A place in degrees north and east, of which no more is said; the rest can be set afterwards.
    pub fn at(latitude: f64, longitude: f64) -> Self {
        Self { latitude, longitude, accuracy: None, name: None, address: None, url: None }
    }
}

impl fmt::Debug for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Place").finish_non_exhaustive()
    }
}

impl<'a> From<&'a LocationMessage> for Place<'a> {
    fn from(location: &'a LocationMessage) -> Self {
        Self {
            latitude: location.degrees_latitude(),
            longitude: location.degrees_longitude(),
            accuracy: location.accuracy_in_meters,
            name: location.name.as_deref(),
            address: location.address.as_deref(),
            url: location.url.as_deref(),
        }
    }
}

impl From<&LiveLocationMessage> for Place<'_> {
    fn from(location: &LiveLocationMessage) -> Self {
        Self {
            latitude: location.degrees_latitude(),
            longitude: location.degrees_longitude(),
            accuracy: location.accuracy_in_meters,
            name: None,
            address: None,
            url: None,
        }
    }
}

/// A question with options to choose from. `Debug` shows nothing of it.
#[derive(Clone, Copy)]
pub struct Poll<'a>(&'a PollCreationMessage);

impl<'a> Poll<'a> {
    pub(super) fn of(message: &'a PollCreationMessage) -> Self {
        Self(message)
    }

    /// What is asked.
    pub fn question(&self) -> &'a str {
        self.0.name.as_deref().unwrap_or_default()
    }

    /// What may be chosen.
    pub fn options(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        self.0.options.iter().filter_map(|option| option.option_name.as_deref())
    }

    /// How many options one person may choose; 0 means all.
    pub fn choices(&self) -> u32 {
        self.0.selectable_options_count()
    }
}

impl fmt::Debug for Poll<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Poll").finish_non_exhaustive()
    }
}

/// An invitation to a meeting. `Debug` shows nothing of it.
#[derive(Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Meeting<'a> {
    /// What it is called.
    pub name: &'a str,
    /// What it is about.
    pub description: Option<&'a str>,
    /// Where it is.
    pub place: Option<Place<'a>>,
    /// A link to join it.
    pub join_link: Option<&'a str>,
    /// When it begins, Unix seconds.
    pub starts_at: i64,
    /// When it ends, Unix seconds.
    pub ends_at: Option<i64>,
    /// Whether it takes place no longer.
    pub is_cancelled: bool,
    /// Whether guests may be brought along.
    pub are_guests_allowed: bool,
}

impl<'a> Meeting<'a> {
    /// A meeting that begins at a time in Unix seconds; the rest can be set afterwards.
    pub fn new(name: &'a str, starts_at: i64) -> Self {
        Self {
            name,
            description: None,
            place: None,
            join_link: None,
            starts_at,
            ends_at: None,
            is_cancelled: false,
            are_guests_allowed: false,
        }
    }
}

impl fmt::Debug for Meeting<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Meeting").finish_non_exhaustive()
    }
}

impl<'a> From<&'a EventMessage> for Meeting<'a> {
    fn from(event: &'a EventMessage) -> Self {
        Self {
            name: event.name.as_deref().unwrap_or_default(),
            description: event.description.as_deref(),
            place: event.location.as_deref().map(Place::from),
            join_link: event.join_link.as_deref(),
            starts_at: event.start_time(),
            ends_at: event.end_time,
            is_cancelled: event.is_canceled(),
            are_guests_allowed: event.extra_guests_allowed(),
        }
    }
}
