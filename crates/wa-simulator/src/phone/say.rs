use bytes::Bytes;
use prost::Message as _;
use wa_protobuf::e2e::{
    ContextInfo, ExtendedTextMessage, FutureProofMessage, Message, MessageContextInfo, MessageKey,
    ProtocolMessage, ReactionMessage, protocol_message::Type,
};

use super::{Phone, Timer};
use crate::{ControlError, world::Chat};

/// What a phone says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Say {
    /// A text. `{n}` becomes the number of the message, from 1.
    Text(String),
    /// A new text for a message that the account sent in the chat.
    Edit {
        /// That message's id.
        id: String,
        /// The new text.
        text: String,
    },
    /// Takes back a message that the account sent in the chat.
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
    },
    /// Has what is written in the chat from now on disappear after so many seconds; 0 is never.
    Timer(u32),
    /// These bytes, encrypted as a message whatever they are.
    Raw(Bytes),
}

impl Say {
    /// The message of a chat that it is about.
    fn target(&self) -> Option<&str> {
        match self {
            Self::Text(_) | Self::Timer(_) | Self::Raw(_) => None,
            Self::Edit { id, .. } | Self::Revoke { id } | Self::React { id, .. } => Some(id),
        }
    }
}

/// What the stanza says about its content (PROTOCOL.md 11.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Envelope {
    /// `type` of the message.
    pub(super) kind: &'static str,
    /// `edit` of the message.
    pub(super) edit: Option<&'static str>,
    /// `decrypt-fail="hide"` of each ciphertext.
    pub(super) is_hidden: bool,
}

/// A message as the phone puts it together.
pub(super) struct Composed {
    /// An encoded `Message`.
    pub(super) content: Bytes,
    pub(super) envelope: Envelope,
}

impl Phone {
    /// Puts a message together. What it is about must be in the chat, and for edits and revocations the account's own.
    pub(super) fn compose(&self, to: &Chat, say: &Say, secret: [u8; 32]) -> Result<Composed, ControlError> {
        let key = match say.target() {
            Some(id) => Some(self.key(to, id)?),
            None => None,
        };
        let is_own = key.as_ref().is_some_and(MessageKey::from_me);
        if matches!(say, Say::Edit { .. } | Say::Revoke { .. }) && !is_own {
            return Err(ControlError::InvalidRequest(
                "only what the account sent is edited or taken back".into(),
            ));
        }
        let now = i64::try_from(self.world.clock.unix_seconds()).unwrap_or(i64::MAX).saturating_mul(1000);
        let (content, envelope) = match say {
            Say::Text(text) => {
                let timer = self.state.timers.get(&to.name()).copied().unwrap_or_default();
                (timed(plain(text, secret), timer), envelope("text", None, false))
            }
            Say::Timer(seconds) => (setting(*seconds, now / 1000), envelope("text", None, false)),
            Say::Edit { text, .. } => {
                (edit(key, plain(text, secret), now), envelope("text", Some("1"), true))
            }
            Say::Revoke { .. } => (revoke(key), envelope("text", Some("7"), false)),
            Say::React { emoji, .. } => {
                let edit = emoji.is_empty().then_some("7");
                (reaction(key, emoji, now), envelope("reaction", edit, true))
            }
            Say::Raw(raw) => {
                return Ok(Composed { content: raw.clone(), envelope: envelope("text", None, false) });
            }
        };
        Ok(Composed { content: content.encode_to_vec().into(), envelope })
    }

    /// Names a message of a chat, as this phone sees it.
    fn key(&self, chat: &Chat, id: &str) -> Result<MessageKey, ControlError> {
        let name = chat.name();
        let sent = self.state.outbox.borrow().get(id).is_some_and(|sent| sent.entry.to == name);
        let inbox = self.state.inbox.borrow();
        let shown = inbox.find_in(&name, id);
        if !sent && shown.is_none() {
            return Err(ControlError::UnknownMessage(id.to_owned()));
        }
        let from_me = sent || shown.is_some_and(|entry| entry.from_me);
        let author = shown.filter(|_| !from_me).map(|entry| entry.from.as_str());
        Ok(MessageKey {
            remote_jid: Some(name.into_string()),
            from_me: Some(from_me),
            id: Some(id.to_owned()),
            participant: author.and_then(|author| self.participant(chat, author)),
        })
    }

    /// Who wrote in a group, as its members are named there.
    fn participant(&self, chat: &Chat, author: &str) -> Option<String> {
        let Chat::Group(group) = chat else { return None };
        let author = self.world.resolve(&author.parse().ok()?)?;
        Some(group.address(&author, 0).to_string())
    }
}

fn envelope(kind: &'static str, edit: Option<&'static str>, is_hidden: bool) -> Envelope {
    Envelope { kind, edit, is_hidden }
}

fn plain(text: &str, secret: [u8; 32]) -> Message {
    let context = MessageContextInfo { message_secret: Some(secret.to_vec().into()), ..Default::default() };
    Message {
        conversation: Some(text.to_owned()),
        message_context_info: Some(Box::new(context)),
        ..Default::default()
    }
}

/// A text that disappears as its chat is set to.
fn timed(message: Message, timer: Timer) -> Message {
    if timer.seconds == 0 {
        return message;
    }
    let context = ContextInfo {
        expiration: Some(timer.seconds),
        ephemeral_setting_timestamp: Some(timer.set_at),
        ..Default::default()
    };
    let text = ExtendedTextMessage {
        text: message.conversation,
        context_info: Some(Box::new(context)),
        ..Default::default()
    };
    Message { conversation: None, extended_text_message: Some(Box::new(text)), ..message }
}

fn setting(seconds: u32, now: i64) -> Message {
    let protocol = ProtocolMessage {
        r#type: Some(Type::EphemeralSetting.into()),
        ephemeral_expiration: Some(seconds),
        ephemeral_setting_timestamp: Some(now),
        ..Default::default()
    };
    Message { protocol_message: Some(Box::new(protocol)), ..Default::default() }
}

fn edit(key: Option<MessageKey>, content: Message, now: i64) -> Message {
    let message = Message {
        protocol_message: Some(Box::new(ProtocolMessage {
            key,
            r#type: Some(Type::MessageEdit.into()),
            edited_message: Some(Box::new(content)),
            timestamp_ms: Some(now),
            ..Default::default()
        })),
        ..Default::default()
    };
    Message {
        edited_message: Some(Box::new(FutureProofMessage { message: Some(Box::new(message)) })),
        ..Default::default()
    }
}

fn revoke(key: Option<MessageKey>) -> Message {
    let protocol = ProtocolMessage { key, r#type: Some(Type::Revoke.into()), ..Default::default() };
    Message { protocol_message: Some(Box::new(protocol)), ..Default::default() }
}

fn reaction(key: Option<MessageKey>, emoji: &str, now: i64) -> Message {
    let reaction = ReactionMessage {
        key,
        text: Some(emoji.to_owned()),
        sender_timestamp_ms: Some(now),
        ..Default::default()
    };
    Message { reaction_message: Some(Box::new(reaction)), ..Default::default() }
}
