use std::fmt;

use prost::Message as _;
use wa_protobuf::e2e::event_response_message::EventResponseType;
use wa_protobuf::e2e::secret_encrypted_message::SecretEncType;
use wa_protobuf::e2e::{EventResponseMessage, Message, PollVoteMessage, ReactionMessage};

use super::body::Body;
use super::draft::Draft;
use super::owned::Content;
use super::parts::Target;
use super::secret::{Addition, Binding};
use super::view::View;

/// Choices that one vote may make: more than any poll offers.
const MAX_CHOICES: usize = 64;

/// What a message says that was encrypted with the secret of an earlier one. `Debug` shows nothing of it.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Opened {
    /// A vote on a poll; it replaces the one that the same person cast before.
    Vote(Vote),
    /// An answer to an event; it replaces the one that the same person gave before.
    Answer(Answer),
}

/// A vote on a poll.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Vote {
    /// The options that were chosen, by name; none takes an earlier vote back. What the poll doesn't offer is left out.
    pub choices: Vec<String>,
    /// When it was cast, as the voter says: Unix milliseconds.
    pub at: i64,
}

/// An answer to an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Answer {
    /// What was answered; `None` for what this version doesn't know.
    pub going: Option<Going>,
    /// Guests who come along.
    pub guests: u32,
    /// When it was given, as the person says: Unix milliseconds.
    pub at: i64,
}

/// Whether somebody comes to an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Going {
    /// They come.
    Yes,
    /// They don't.
    No,
    /// They may.
    Maybe,
}

impl Going {
    /// The answer as a word: `going`, `not_going` or `maybe`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Yes => "going",
            Self::No => "not_going",
            Self::Maybe => "maybe",
        }
    }

    pub(super) const fn wire(self) -> EventResponseType {
        match self {
            Self::Yes => EventResponseType::Going,
            Self::No => EventResponseType::NotGoing,
            Self::Maybe => EventResponseType::Maybe,
        }
    }
}

impl fmt::Debug for Opened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Vote(_) => "Vote",
            Self::Answer(_) => "Answer",
        })
    }
}

impl fmt::Debug for Vote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Vote").field("choices", &self.choices.len()).finish_non_exhaustive()
    }
}

/// What is encrypted with the secret of an earlier message.
pub(crate) struct Unopened<'a> {
    /// That message.
    pub(crate) target: Target<'a>,
    addition: Addition,
    nonce: &'a [u8],
    sealed: &'a [u8],
    at: i64,
}

/// The same, decrypted.
pub(crate) enum Plain {
    /// SHA-256 of the names of the options that were chosen.
    Choices {
        hashes: Vec<[u8; 32]>,
        at: i64,
    },
    Answer(Answer),
    /// A message that says the same in the clear.
    Content(Content),
}

impl<'a> Unopened<'a> {
    /// `None` for what is encrypted in no such way, or names no message.
    pub(crate) fn of(view: &View<'a>) -> Option<Self> {
        let (addition, nonce, sealed, at) = match *view.body() {
            Body::PollVote(update) => {
                let vote = update.vote.as_ref()?;
                (Addition::PollVote, &vote.enc_iv, &vote.enc_payload, update.sender_timestamp_ms())
            }
            Body::EventResponse(answer) => (Addition::EventResponse, &answer.enc_iv, &answer.enc_payload, 0),
            Body::EncReaction(reaction) => (Addition::Reaction, &reaction.enc_iv, &reaction.enc_payload, 0),
            Body::SecretEdit(edit) => {
                let addition = match edit.secret_enc_type() {
                    SecretEncType::MessageEdit => Addition::MessageEdit,
                    SecretEncType::EventEdit => Addition::EventEdit,
                    SecretEncType::PollEdit => Addition::PollEdit,
                    SecretEncType::PollAddOption => Addition::PollOption,
                    _ => return None,
                };
                (addition, &edit.enc_iv, &edit.enc_payload, 0)
            }
            _ => return None,
        };
        let target = view.target()?;
        Some(Self { target, addition, nonce: nonce.as_deref()?, sealed: sealed.as_deref()?, at })
    }

    /// Tries all names of whoever wrote the earlier message, and of whoever added to it: which ones count depends on how the
    /// chat was addressed when it was encrypted.
    pub(crate) fn open(&self, secret: &[u8; 32], authors: &[String], by: &[String]) -> Option<Plain> {
        let pairs = authors.iter().flat_map(|author| by.iter().map(move |by| (author, by)));
        let plain = pairs.into_iter().find_map(|(author, by)| {
            let binding = Binding { addition: self.addition, id: self.target.id, author, by };
            binding.open(secret, self.nonce, self.sealed)
        })?;
        self.read(&plain)
    }

    fn read(&self, plain: &[u8]) -> Option<Plain> {
        match self.addition {
            Addition::PollVote => {
                let vote = PollVoteMessage::decode(plain).ok()?;
                let chosen = vote.selected_options.iter().take(MAX_CHOICES);
                let hashes = chosen.filter_map(|hash| hash[..].try_into().ok()).collect();
                Some(Plain::Choices { hashes, at: self.at })
            }
            Addition::EventResponse => {
                let answer = EventResponseMessage::decode(plain).ok()?;
                let going = match answer.response() {
                    EventResponseType::Going => Some(Going::Yes),
                    EventResponseType::NotGoing => Some(Going::No),
                    EventResponseType::Maybe => Some(Going::Maybe),
                    EventResponseType::Unknown => None,
                };
                let guests = u32::try_from(answer.extra_guest_count()).unwrap_or(0);
                Some(Plain::Answer(Answer { going, guests, at: answer.timestamp_ms() }))
            }
            Addition::Reaction => {
                let reaction = ReactionMessage::decode(plain).ok()?;
                let at = reaction.sender_timestamp_ms();
                self.in_the_clear(&Draft::reaction(&self.target, reaction.text(), at))
            }
            _ => {
                let message = Message::decode(plain).ok()?;
                let at = message.protocol_message.as_ref().map_or(0, |protocol| protocol.timestamp_ms());
                let new =
                    message.protocol_message.as_ref().and_then(|protocol| protocol.edited_message.clone());
                let new = new.map_or(message, |new| *new);
                self.in_the_clear(&Draft::edit(&self.target, Draft::new(new), at))
            }
        }
    }

    fn in_the_clear(&self, draft: &Draft) -> Option<Plain> {
        Content::decode(draft.encode_once()).ok().map(Plain::Content)
    }
}
