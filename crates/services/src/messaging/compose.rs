//! What can be sent, and how it becomes a message.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use storage::{InstanceId, Json, Message, MessageKind, Missing, UserId};
use wa_client::content::{Card, Content, Draft, Going, Link, Meeting, Place, Quote, Target};
use wa_client::{Jid, MessageId, RequestError};

use super::mentions::mentioned;
use super::{MAX_TEXT, MessagingService};
use crate::error::ServiceError;
use crate::field::Field;
use crate::mapping::{ChatNames, chosen_text};
use crate::recipient::{STATUS, parse_recipient};
use crate::running::RunningInstance;
use crate::text::is_blank;

/// How long after a message its author may edit it: WhatsApp's limit.
pub const EDIT_WINDOW: Duration = Duration::from_secs(20 * 60);
/// Timers that phones offer for a chat, in seconds; 0 is off.
pub const CHAT_TIMERS: [u32; 4] = [0, 86_400, 604_800, 7_776_000];
/// Most contact cards of one message, people that it names, and the like.
pub const MAX_NAMED: usize = 1_024;

/// The colour of the ground on which a text stands in the status, where nobody says one: phones offer it.
const GROUND: u32 = 0x00_5c_4b;
/// Why something isn't posted to a channel.
pub(super) const CHANNEL_TAKES: &str = "is a channel, to which this version posts texts";
/// Why something isn't posted to the status.
pub(super) const STATUS_SHOWS: &str = "is the status, which shows texts, images, videos and voice notes";

/// What is to be sent.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Compose {
    /// A text.
    Text(ComposeText),
    /// A place on the map.
    Location(ComposeLocation),
    /// Contact cards: name and vCard text of each.
    Contacts(Vec<(String, String)>),
    /// A question with options, of which so many may be chosen; 0 means all.
    Poll(String, Vec<String>, u32),
    /// An invitation to a meeting.
    Event(ComposeEvent),
    /// An emoji put to a message of the chat, by WhatsApp's id; an empty one takes it away.
    React(String, String),
    /// A new text for a message of this account, by WhatsApp's id.
    Edit(String, String),
    /// Takes back a message, by WhatsApp's id: one of this account, or in a group that it administers another's.
    Revoke(String),
    /// Chooses options of a poll, by WhatsApp's id; none takes an earlier vote back.
    Vote(String, Vec<String>),
    /// Answers an invitation, by WhatsApp's id: `going`, `not_going` or `maybe`, and how many guests come along.
    Answer(String, String, u32),
    /// Pins a message of the chat, by WhatsApp's id, for so many seconds; 0 unpins it.
    Pin(String, u32),
    /// Keeps a disappearing message of the chat, by WhatsApp's id, or lets go of it.
    Keep(String, bool),
    /// Has what is written in the chat disappear after so many seconds; 0 is never.
    Timer(u32),
}

/// A text, and what goes with it.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ComposeText {
    /// The text.
    pub text: String,
    /// WhatsApp's id of the message of the chat that it answers.
    pub quoted: Option<String>,
    /// Phone numbers or JIDs of the people whom it names as `@user`.
    pub mentions: Vec<String>,
    /// Whether it names everybody in the group.
    pub mention_all: bool,
    /// What is shown of a link in it: the link, and title and description of its page.
    pub link: Option<(String, Option<String>, Option<String>)>,
    /// Whether it is marked as forwarded.
    pub forwarded: bool,
    /// The colour of the ground on which it stands in the status, `0xRRGGBB`; elsewhere it has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ground: Option<u32>,
}

/// A place on the map.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ComposeLocation {
    /// Degrees north.
    pub latitude: f64,
    /// Degrees east.
    pub longitude: f64,
    /// What it is called.
    pub name: Option<String>,
    /// Its address.
    pub address: Option<String>,
    /// A link to it.
    pub url: Option<String>,
    /// Whether it moves.
    pub live: bool,
}

/// An invitation to a meeting. Times are Unix seconds.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ComposeEvent {
    /// What it is called.
    pub name: String,
    /// What it is about.
    pub description: Option<String>,
    /// When it begins.
    pub starts_at: i64,
    /// When it ends.
    pub ends_at: Option<i64>,
    /// A link to join it.
    pub join_link: Option<String>,
    /// Where it is.
    pub location: Option<ComposeLocation>,
}

/// A message as it leaves, and its text where that is encrypted in it.
pub(super) struct Drafted {
    pub(super) draft: Draft,
    pub(super) text: Option<String>,
}

impl From<Draft> for Drafted {
    fn from(draft: Draft) -> Self {
        Self { draft, text: None }
    }
}

impl Compose {
    /// A plain text.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text(ComposeText { text: text.into(), ..ComposeText::default() })
    }

    /// What tells one request from another under the same idempotency key. A plain text is its own.
    pub(super) fn fingerprint(&self) -> String {
        if let Self::Text(text) = self
            && *text == (ComposeText { text: text.text.clone(), ..ComposeText::default() })
        {
            return text.text.clone();
        }
        // No text begins like this.
        let json = Json::of(self).unwrap_or_default();
        format!("\0{}", json.text())
    }

    /// What it is.
    pub(super) fn kind(&self) -> MessageKind {
        match self {
            Self::Text(_) => MessageKind::Text,
            Self::Location(place) if place.live => MessageKind::LiveLocation,
            Self::Location(_) => MessageKind::Location,
            Self::Contacts(cards) if cards.len() == 1 => MessageKind::Contact,
            Self::Contacts(_) => MessageKind::Contacts,
            Self::Poll(..) => MessageKind::Poll,
            Self::Event(_) => MessageKind::Event,
            Self::React(..) => MessageKind::Reaction,
            Self::Edit(..) => MessageKind::Edit,
            Self::Revoke(_) => MessageKind::Revoke,
            Self::Vote(..) => MessageKind::PollVote,
            Self::Answer(..) => MessageKind::EventResponse,
            Self::Pin(..) => MessageKind::Pin,
            Self::Keep(..) => MessageKind::Keep,
            Self::Timer(_) => MessageKind::Timer,
        }
    }

    /// What of it is shown as its text.
    pub(super) fn said(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(&text.text),
            Self::Edit(_, text) | Self::React(_, text) | Self::Poll(text, ..) | Self::Answer(_, text, _) => {
                Some(text)
            }
            Self::Event(event) => Some(&event.name),
            Self::Location(place) => place.name.as_deref(),
            _ => None,
        }
    }

    /// Whether it can be sent there: of all that there is, the status shows texts and lets them be taken back, and channels
    /// take texts from here.
    pub(super) fn check_for(&self, to: &Jid) -> Result<(), ServiceError> {
        match self {
            Self::Text(_) => Ok(()),
            _ if to.is_newsletter() => Err(ServiceError::invalid(Field::Recipient, CHANNEL_TAKES)),
            Self::Revoke(_) => Ok(()),
            _ if !to.is_status() => Ok(()),
            _ => Err(ServiceError::invalid(Field::Recipient, STATUS_SHOWS)),
        }
    }

    /// What can be said without looking anything up.
    pub(super) fn check(&self) -> Result<(), ServiceError> {
        let invalid = |field, why: &str| Err(ServiceError::invalid(field, why));
        match self {
            Self::Text(text) if text.mentions.len() > MAX_NAMED => {
                invalid(Field::Mentions, "has too many people")
            }
            Self::Text(text) => check_text(&text.text),
            Self::Edit(_, text) => check_text(text),
            Self::Location(place) => check_place(place),
            Self::Contacts(cards) if cards.is_empty() || cards.len() > MAX_NAMED => {
                invalid(Field::Contacts, "must have at least one, and not too many")
            }
            Self::Poll(question, options, choices) => poll(question, options, *choices).map(drop),
            Self::Event(event) if is_blank(&event.name) => invalid(Field::Name, "must not be empty"),
            Self::Event(event) => event.location.as_ref().map_or(Ok(()), check_place),
            Self::React(_, emoji) if emoji.chars().count() > MAX_EMOJI => {
                invalid(Field::Emoji, "must be one emoji, or empty")
            }
            Self::Answer(_, answer, _) => going(answer).map(drop),
            Self::Timer(seconds) if !CHAT_TIMERS.contains(seconds) => {
                invalid(Field::Seconds, "must be 0, 86400, 604800 or 7776000")
            }
            _ => Ok(()),
        }
    }
}

/// A vCard for somebody of this name; `None` where the number is none.
pub fn card_of(name: &str, number: &str) -> Option<String> {
    let person = parse_recipient(number).ok().filter(Jid::is_pn)?;
    let (digits, shown) = (person.user, name.replace(['\r', '\n'], " "));
    Some(format!(
        "BEGIN:VCARD\nVERSION:3.0\nFN:{shown}\nTEL;type=CELL;type=VOICE;waid={digits}:+{digits}\nEND:VCARD"
    ))
}

/// Longest emoji, in characters: flags and families are sequences.
pub const MAX_EMOJI: usize = 32;

impl MessagingService {
    /// The message that is to leave, for the chat of these names.
    pub(super) async fn draft(
        &self,
        owner: UserId,
        running: &RunningInstance,
        names: &ChatNames,
        compose: Compose,
    ) -> Result<Drafted, ServiceError> {
        let now = running.recorder.server_now().millis();
        let about = async |id: &str| self.referred(owner, running.instance, names, id).await;
        Ok(match compose {
            Compose::Text(text) => self.text(owner, running, names, text).await?.into(),
            Compose::Location(place) => location(&place).into(),
            Compose::Contacts(cards) => {
                let title = format!("{} contacts", cards.len());
                let cards: Vec<_> = cards.iter().map(|(name, vcard)| Card::new(name, vcard)).collect();
                Draft::contacts(&cards, Some(&title)).into()
            }
            Compose::Poll(question, options, choices) => poll(&question, &options, choices)?.into(),
            Compose::Event(event) => meeting(&event).into(),
            Compose::React(id, emoji) => {
                let message = about(&id).await?;
                Draft::reaction(&target(names, &message), emoji, now).into()
            }
            Compose::Edit(id, text) => {
                let message = about(&id).await?;
                check_edit(&message, now)?;
                Draft::edit(&target(names, &message), Draft::text(text), now).into()
            }
            Compose::Revoke(id) => {
                let message = about(&id).await?;
                if !message.from_me && !names.is_group() {
                    let why = "is not a message of this account";
                    return Err(ServiceError::invalid(Field::MessageId, why));
                }
                Draft::revoke(&target(names, &message)).into()
            }
            Compose::Vote(id, choices) => {
                let (chat, poll) = (wire(names)?, MessageId::from(id));
                let client = running.client()?;
                let draft = client.vote(&chat, &poll, &choices).await;
                let draft = draft.map_err(|error| addition(error, Field::Options))?;
                Drafted { draft, text: Some(chosen_text(&choices)) }
            }
            Compose::Answer(id, answer, guests) => {
                let (chat, event) = (wire(names)?, MessageId::from(id));
                let client = running.client()?;
                let draft = client.answer_event(&chat, &event, going(&answer)?, guests).await;
                let draft = draft.map_err(|error| addition(error, Field::MessageId))?;
                Drafted { draft, text: Some(answer) }
            }
            Compose::Pin(id, seconds) => {
                let message = about(&id).await?;
                let target = target(names, &message);
                let pin =
                    if seconds > 0 { Draft::pin(&target, seconds, now) } else { Draft::unpin(&target, now) };
                pin.into()
            }
            Compose::Keep(id, keep) => {
                let message = about(&id).await?;
                let target = target(names, &message);
                if keep { Draft::keep(&target, now).into() } else { Draft::let_go(&target, now).into() }
            }
            Compose::Timer(_) if names.is_group() => {
                let why = "is a group, which has a setting for this";
                return Err(ServiceError::invalid(Field::Recipient, why));
            }
            Compose::Timer(seconds) => Draft::timer(seconds, now / 1000).into(),
        })
    }

    async fn text(
        &self,
        owner: UserId,
        running: &RunningInstance,
        names: &ChatNames,
        mut text: ComposeText,
    ) -> Result<Draft, ServiceError> {
        let mentioned = mentioned(running, &mut text).await?;
        let mut draft = match names.wire.as_str() {
            STATUS => Draft::status_text(text.text, text.ground.unwrap_or(GROUND)),
            _ => Draft::text(text.text),
        };
        if let Some((url, title, description)) = &text.link {
            let mut link = Link::to(url);
            (link.title, link.description) = (title.as_deref(), description.as_deref());
            draft = draft.previewing(&link);
        }
        if let Some(id) = text.quoted {
            draft = quoting(draft, &self.referred(owner, running.instance, names, &id).await?);
        }
        if !mentioned.is_empty() {
            draft = draft.mentioning(mentioned);
        }
        if text.mention_all {
            draft = draft.mentioning_everyone();
        }
        Ok(if text.forwarded { draft.forwarded(1) } else { draft })
    }

    /// A stored message of the chat, by WhatsApp's id.
    pub(super) async fn referred(
        &self,
        owner: UserId,
        instance: InstanceId,
        names: &ChatNames,
        id: &str,
    ) -> Result<Message, ServiceError> {
        let all = names.all();
        let found = self.storage.messages_by_id(owner, instance, id).await?;
        let is_here = |message: &Message| all.contains(&message.chat) || all.contains(&message.wire_chat);
        found.into_iter().find(is_here).ok_or(ServiceError::NotFound { what: Missing::Message })
    }
}

/// The same message, as an answer to this one.
pub(super) fn quoting(draft: Draft, quoted: &Message) -> Draft {
    let content = Content::decode(quoted.raw.clone()).ok();
    let quote = Quote::of(&quoted.message_id, &quoted.sender);
    let quote = match &content {
        Some(content) => quote.showing(content.view()),
        None => quote,
    };
    draft.quoting(&quote)
}

/// A message as this account refers to it.
fn target<'a>(names: &'a ChatNames, message: &'a Message) -> Target<'a> {
    let target = Target::of(&names.wire, &message.message_id, message.from_me);
    if names.is_group() && !message.from_me { target.by(&message.sender) } else { target }
}

fn wire(names: &ChatNames) -> Result<Jid, ServiceError> {
    names.wire.parse().map_err(ServiceError::internal)
}

/// What WhatsApp doesn't take any more, or never took.
fn check_edit(message: &Message, now: i64) -> Result<(), ServiceError> {
    let age = now.saturating_sub(message.created_at.millis());
    let why = match () {
        () if !message.from_me => "is not a message of this account",
        () if message.kind != MessageKind::Text => "is not a text",
        () if i64::try_from(EDIT_WINDOW.as_millis()).is_ok_and(|most| age >= most) => {
            "is older than 20 minutes, and can't be edited any more"
        }
        () => return Ok(()),
    };
    Err(ServiceError::invalid(Field::MessageId, why))
}

pub(super) fn check_text(text: &str) -> Result<(), ServiceError> {
    let problem = match () {
        () if is_blank(text) => "must not be empty".to_owned(),
        () if text.len() > MAX_TEXT && text.chars().count() > MAX_TEXT => {
            format!("must have at most {MAX_TEXT} characters")
        }
        () => return Ok(()),
    };
    Err(ServiceError::invalid(Field::Text, problem))
}

fn check_place(place: &ComposeLocation) -> Result<(), ServiceError> {
    if !(-90.0..=90.0).contains(&place.latitude) {
        return Err(ServiceError::invalid(Field::Latitude, "must be from -90 to 90"));
    }
    if !(-180.0..=180.0).contains(&place.longitude) {
        return Err(ServiceError::invalid(Field::Longitude, "must be from -180 to 180"));
    }
    Ok(())
}

fn poll(question: &str, options: &[String], choices: u32) -> Result<Draft, ServiceError> {
    let poll = Draft::poll(question, options.iter().map(String::as_str), choices);
    poll.map_err(|error| ServiceError::invalid(Field::Poll, format!("can't be sent: {error}")))
}

fn location(place: &ComposeLocation) -> Draft {
    if place.live {
        return Draft::live_location(&on_map(place), place.name.as_deref(), 1);
    }
    Draft::location(&on_map(place))
}

fn on_map(place: &ComposeLocation) -> Place<'_> {
    let mut on_map = Place::at(place.latitude, place.longitude);
    on_map.name = place.name.as_deref();
    on_map.address = place.address.as_deref();
    on_map.url = place.url.as_deref();
    on_map
}

fn meeting(event: &ComposeEvent) -> Draft {
    let mut meeting = Meeting::new(&event.name, event.starts_at);
    meeting.description = event.description.as_deref();
    meeting.ends_at = event.ends_at;
    meeting.join_link = event.join_link.as_deref();
    meeting.place = event.location.as_ref().map(on_map);
    Draft::event(&meeting)
}

fn going(answer: &str) -> Result<Going, ServiceError> {
    let all = [Going::Yes, Going::No, Going::Maybe];
    let found = all.into_iter().find(|going| going.as_str() == answer);
    found.ok_or_else(|| ServiceError::invalid(Field::Answer, "must be going, not_going or maybe"))
}

fn addition(error: RequestError, field: Field) -> ServiceError {
    match error {
        RequestError::Invalid(why) => ServiceError::invalid(field, format!("can't be taken: {why}")),
        error => ServiceError::request(error),
    }
}
