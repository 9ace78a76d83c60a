use bytes::Bytes;
use prost::Message as _;
use rand::Rng as _;
use serde::Deserialize;
use wa_protobuf::e2e::{Message, MessageKey};

use super::{File, Phone, Timer, known::Known, make, secret::Label};
use crate::{Addressing, ControlError, world::Chat};

/// How long after a message its author may edit it, in seconds (PROTOCOL.md 11.5).
pub(super) const EDIT_WINDOW: u64 = 20 * 60;

/// What a phone says.
#[derive(Clone, Debug, PartialEq)]
pub enum Say {
    /// A text. `{n}` becomes the number of the message, from 1.
    Text(String),
    /// A text with more than its words.
    Rich(Rich),
    /// A new text for a message that the account sent in the chat.
    Edit {
        /// That message's id.
        id: String,
        /// The new text.
        text: String,
        /// Whether it is encrypted with that message's secret, as in some groups.
        sealed: bool,
    },
    /// Takes back a message that the account sent in the chat, or one of another in a group that it administers.
    Revoke {
        /// That message's id.
        id: String,
    },
    /// An emoji put to a message of the chat.
    React {
        /// That message's id.
        id: String,
        /// The emoji; empty takes it away.
        emoji: String,
        /// Whether it is encrypted with that message's secret, as in some groups.
        sealed: bool,
    },
    /// A place on the map.
    Place(Place),
    /// Contact cards.
    Contacts(Vec<Card>),
    /// A question with options.
    Poll(Poll),
    /// Chooses options of a poll.
    Vote {
        /// The poll's id.
        id: String,
        /// The options, by name; none takes an earlier vote back.
        choices: Vec<String>,
    },
    /// An invitation to a meeting.
    Event(Event),
    /// Answers such an invitation.
    Answer {
        /// The event's id.
        id: String,
        /// The answer.
        going: Going,
    },
    /// Pins a message of the chat for so many seconds; 0 unpins it.
    Pin {
        /// That message's id.
        id: String,
        /// How long.
        seconds: u32,
    },
    /// Keeps a disappearing message of the chat, or lets go of it.
    Keep {
        /// That message's id.
        id: String,
        /// Whether to keep it.
        keep: bool,
    },
    /// Presses a button, or chooses from a list, of a business.
    Press(Press),
    /// Has what is written in the chat from now on disappear after so many seconds; 0 is never.
    Timer(u32),
    /// A file, uploaded to the media host.
    File(Box<File>),
    /// These bytes, encrypted as a message whatever they are.
    Raw(Bytes),
}

/// A text with more than its words.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Rich {
    /// The text.
    pub text: String,
    /// Id of the message of the chat that it answers.
    pub quote: Option<String>,
    /// Numbers of the people whom it names.
    pub mentions: Vec<String>,
    /// The link of which it shows a preview, and the title of that.
    pub link: Option<(String, String)>,
    /// How often it was forwarded.
    pub forwarded: u32,
}

/// A place on the map.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Place {
    /// Degrees north.
    pub latitude: f64,
    /// Degrees east.
    pub longitude: f64,
    /// What it is called.
    pub name: Option<String>,
    /// Whether it moves.
    pub live: bool,
}

/// A contact card.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Card {
    /// The contact's name.
    pub name: String,
    /// The card, as a vCard text.
    pub vcard: String,
}

/// A question with options.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Poll {
    /// What is asked.
    pub question: String,
    /// What may be chosen.
    pub options: Vec<String>,
    /// How many options one person may choose; 0 means all.
    #[serde(default)]
    pub choices: u32,
}

/// An invitation to a meeting.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Event {
    /// What it is called.
    pub name: String,
    /// When it begins, in seconds since 1970.
    pub start: i64,
}

/// An answer to an invitation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Going {
    /// They come.
    Going,
    /// They don't.
    NotGoing,
    /// They may.
    Maybe,
}

/// A button or a row that is chosen.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Press {
    /// What is chosen from.
    pub of: Pressed,
    /// The sender's id of it.
    pub id: String,
    /// What stands on it.
    pub text: String,
}

/// What something is chosen from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Pressed {
    /// Buttons below a text.
    Buttons,
    /// A list.
    List,
    /// A template.
    Template,
}

impl Say {
    /// The message of a chat that it is about.
    fn target(&self) -> Option<&str> {
        match self {
            Self::Edit { id, .. }
            | Self::Revoke { id }
            | Self::React { id, .. }
            | Self::Vote { id, .. }
            | Self::Answer { id, .. }
            | Self::Pin { id, .. }
            | Self::Keep { id, .. } => Some(id),
            Self::Rich(rich) => rich.quote.as_deref(),
            _ => None,
        }
    }
}

/// What the stanza says about its content (PROTOCOL.md 11.4).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Envelope {
    /// `type` of the message.
    pub(super) kind: &'static str,
    /// `mediatype` of each ciphertext.
    pub(super) media: Option<&'static str>,
    /// `edit` of the message.
    pub(super) edit: Option<&'static str>,
    /// Name and value of what `<meta>` says.
    pub(super) meta: Option<(&'static str, &'static str)>,
    /// `decrypt-fail="hide"` of each ciphertext.
    pub(super) is_hidden: bool,
}

/// A message as the phone puts it together.
pub(super) struct Composed {
    /// An encoded `Message`.
    pub(super) content: Bytes,
    pub(super) envelope: Envelope,
}

/// What a message is put together from, beside what is said.
struct Around {
    /// The message that it is about, and how this phone names it.
    about: Option<Known>,
    key: Option<MessageKey>,
    addressing: Addressing,
    /// Unix milliseconds.
    now: i64,
    timer: Timer,
}

const TEXT: Envelope = Envelope { kind: "text", media: None, edit: None, meta: None, is_hidden: false };

fn media(media: &'static str) -> Envelope {
    Envelope { kind: "media", media: Some(media), ..TEXT }
}

impl Phone {
    /// Puts a message together. What it is about must be in the chat, and for edits the account's own and young enough.
    pub(super) fn compose(
        &mut self,
        to: &Chat,
        say: &Say,
        addressing: Addressing,
    ) -> Result<Composed, ControlError> {
        if let Say::Raw(raw) = say {
            return Ok(Composed { content: raw.clone(), envelope: TEXT });
        }
        let addressing = to.addressing().unwrap_or(addressing);
        let about = match say.target() {
            Some(id) => {
                Some(self.known_in(to, id).ok_or_else(|| ControlError::UnknownMessage(id.to_owned()))?)
            }
            None => None,
        };
        let seconds = self.world.clock.unix_seconds();
        self.check(to, say, about.as_ref(), seconds)?;
        let key = about.as_ref().map(|known| self.key(to, known));
        let now = i64::try_from(seconds).unwrap_or(i64::MAX).saturating_mul(1000);
        let timer = self.state.timers.get(&to.name()).copied().unwrap_or_default();
        let around = Around { about, key, addressing, now, timer };
        let (content, envelope) = match self.standing_alone(say, &around)? {
            Some(composed) => composed,
            None => self.referring(say, around)?,
        };
        Ok(Composed { content: content.encode_to_vec().into(), envelope })
    }

    /// What says something by itself; `None` for what is about another message.
    fn standing_alone(
        &mut self,
        say: &Say,
        around: &Around,
    ) -> Result<Option<(Message, Envelope)>, ControlError> {
        let secret = self.secret();
        Ok(Some(match say {
            Say::Text(words) => (make::timed(make::plain(words, secret), around.timer), TEXT),
            Say::Rich(rich) => {
                let mentions = self.mentioned(&rich.mentions, around.addressing)?;
                let message = make::rich(rich, around.about.as_ref(), mentions, (secret, around.timer));
                (message, if rich.link.is_some() { media("url") } else { TEXT })
            }
            Say::Timer(seconds) => (make::setting(*seconds, around.now / 1000), TEXT),
            Say::Place(place) => {
                (make::place(place, secret), media(if place.live { "livelocation" } else { "location" }))
            }
            Say::Contacts(cards) => (
                make::contacts(cards, secret),
                media(if cards.len() == 1 { "vcard" } else { "contact_array" }),
            ),
            Say::Poll(poll) => {
                let meta = Some(("polltype", "creation"));
                (make::poll(poll, secret), Envelope { kind: "poll", meta, ..TEXT })
            }
            Say::Event(event) => {
                let meta = Some(("event_type", "creation"));
                (make::event(event, secret), Envelope { kind: "event", meta, ..TEXT })
            }
            Say::File(file) => {
                let mut message = self.attach(file)?;
                message.message_context_info = make::plain("", secret).message_context_info;
                (message, media(file.kind.media_type()))
            }
            Say::Press(press) => {
                let envelope = match press.of {
                    Pressed::Buttons => media("buttons_response"),
                    Pressed::List => media("list_response"),
                    Pressed::Template => TEXT,
                };
                (make::pressed(press), envelope)
            }
            _ => return Ok(None),
        }))
    }

    fn referring(&mut self, say: &Say, around: Around) -> Result<(Message, Envelope), ControlError> {
        let Around { about, key, addressing, now, .. } = around;
        let hidden = Envelope { is_hidden: true, ..TEXT };
        Ok(match say {
            Say::Edit { text, sealed, .. } => {
                let edit = make::edit(key.clone(), make::plain(text, self.secret()), now);
                let envelope = Envelope { edit: Some("1"), ..hidden };
                match about.filter(|_| *sealed) {
                    Some(known) => (self.sealed_edit(&known, key, edit, addressing)?, envelope),
                    None => (edit, envelope),
                }
            }
            Say::Revoke { .. } => {
                let is_own = key.as_ref().is_some_and(MessageKey::from_me);
                (make::revoke(key), Envelope { edit: Some(if is_own { "7" } else { "8" }), ..TEXT })
            }
            Say::React { emoji, sealed, .. } => {
                let edit = emoji.is_empty().then_some("7");
                let envelope = Envelope { kind: "reaction", edit, ..hidden };
                match about.filter(|_| *sealed) {
                    Some(known) => (self.sealed_reaction(&known, key, emoji, now, addressing)?, envelope),
                    None => (make::reaction(key, emoji, now), envelope),
                }
            }
            Say::Vote { choices, .. } => {
                let plain = make::vote(choices);
                let (payload, nonce) = self.sealed(about.as_ref(), Label::PollVote, plain, addressing)?;
                let envelope = Envelope { kind: "poll", meta: Some(("polltype", "vote")), ..hidden };
                (make::sealed_vote(key, payload, nonce, now), envelope)
            }
            Say::Answer { going, .. } => {
                let plain = make::answer(*going, now);
                let (payload, nonce) =
                    self.sealed(about.as_ref(), Label::EventResponse, plain, addressing)?;
                let envelope = Envelope { kind: "event", meta: Some(("event_type", "response")), ..hidden };
                (make::sealed_answer(key, payload, nonce), envelope)
            }
            Say::Pin { seconds, .. } => {
                (make::pin(key, *seconds, now), Envelope { edit: Some("2"), ..hidden })
            }
            Say::Keep { keep, .. } => {
                let edit = (!keep).then_some("7");
                (make::keep(key, *keep, now), Envelope { edit, ..hidden })
            }
            _ => return Err(ControlError::InvalidRequest("there is nothing to say".into())),
        })
    }

    /// What WhatsApp lets nobody do.
    fn check(&self, to: &Chat, say: &Say, about: Option<&Known>, now: u64) -> Result<(), ControlError> {
        let refuse = |why: &str| Err(ControlError::InvalidRequest(why.to_owned()));
        let Some(known) = about else { return Ok(()) };
        let is_own = known.author == self.account;
        match say {
            Say::Edit { .. } if !is_own => refuse("only what the account sent is edited"),
            Say::Edit { .. } if now >= known.timestamp + EDIT_WINDOW => {
                refuse("what is older than 20 minutes is not edited")
            }
            Say::Revoke { .. } if !is_own && !self.administers(to, &self.account) => {
                refuse("only what the account sent is taken back, or as an administrator of a group")
            }
            Say::Vote { choices, .. } => match known.poll() {
                None => refuse("the message is no poll"),
                Some(poll) if !choices.iter().all(|choice| poll.offers(choice)) => {
                    refuse("the poll doesn't offer this option")
                }
                Some(poll) if !poll.lets_choose(choices.len()) => {
                    refuse("the poll doesn't let so many options be chosen")
                }
                Some(_) => Ok(()),
            },
            Say::Answer { .. } if known.message.event_message.is_none() => refuse("the message is no event"),
            _ => Ok(()),
        }
    }

    fn mentioned(&self, numbers: &[String], addressing: Addressing) -> Result<Vec<String>, ControlError> {
        let jid = |number: &String| {
            let account = self.world.contact(number);
            let account = account.ok_or_else(|| ControlError::UnknownRecipient(number.clone()))?;
            Ok(account.jid(addressing, 0).to_string())
        };
        numbers.iter().map(jid).collect()
    }

    /// A fresh secret for a message.
    fn secret(&mut self) -> [u8; 32] {
        let mut secret = [0; 32];
        self.state.rng.fill_bytes(&mut secret);
        secret
    }

    fn sealed_edit(
        &mut self,
        known: &Known,
        key: Option<MessageKey>,
        edit: Message,
        addressing: Addressing,
    ) -> Result<Message, ControlError> {
        let inner = edit.edited_message.and_then(|edited| edited.message).unwrap_or_default();
        let sealed = self.sealed(Some(known), Label::MessageEdit, inner.encode_to_vec(), addressing)?;
        Ok(make::secret_edit(key, sealed))
    }

    fn sealed_reaction(
        &mut self,
        known: &Known,
        key: Option<MessageKey>,
        emoji: &str,
        now: i64,
        addressing: Addressing,
    ) -> Result<Message, ControlError> {
        let inner = make::reaction(None, emoji, now).reaction_message.unwrap_or_default();
        let sealed = self.sealed(Some(known), Label::Reaction, inner.encode_to_vec(), addressing)?;
        Ok(make::secret_reaction(key, sealed))
    }
}
