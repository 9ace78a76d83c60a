mod additions;
mod kinds;

use std::fmt;
use std::sync::OnceLock;

use bytes::Bytes;
use prost::Message as _;
use prost::encoding::{WireType, encode_key, encode_varint, encoded_len_varint, key_len};
use wa_binary::Jid;
use wa_protobuf::e2e::protocol_message::Type;
use wa_protobuf::e2e::{
    ContextInfo, ExtendedTextMessage, FutureProofMessage, Message, MessageContextInfo, ProtocolMessage,
    ReactionMessage,
};

use super::context;
use super::owned::{Content, Unreadable};
use super::parts::{Quote, Target};
use super::secret;
use super::view::View;
pub(crate) use additions::Around;
pub use kinds::{MAX_OPTION, MAX_OPTIONS, MAX_QUESTION, NotAPoll};

/// A message to send, made of plain values or of stored bytes.
///
/// It is encoded once, whatever number of devices and stores its bytes go to.
#[derive(Clone)]
pub struct Draft {
    message: Box<Message>,
    encoded: OnceLock<Bytes>,
}

impl Draft {
    /// A plain text.
    pub fn text(text: impl Into<String>) -> Self {
        Self::new(Message { conversation: Some(text.into()), ..Message::default() })
    }

    /// An emoji put to a message; an empty one takes it away. `at` is now, in Unix milliseconds.
    pub fn reaction(target: &Target<'_>, emoji: impl Into<String>, at: i64) -> Self {
        let reaction = ReactionMessage {
            key: Some(target.key()),
            text: Some(emoji.into()),
            sender_timestamp_ms: Some(at),
            ..ReactionMessage::default()
        };
        Self::new(Message { reaction_message: Some(Box::new(reaction)), ..Message::default() })
    }

    /// New content for a message of this account. `at` is now, in Unix milliseconds.
    ///
    /// The server takes edits for about 20 minutes after the message (PROTOCOL.md 11.5).
    pub fn edit(target: &Target<'_>, content: Self, at: i64) -> Self {
        let edit = ProtocolMessage {
            key: Some(target.key()),
            r#type: Some(Type::MessageEdit.into()),
            edited_message: Some(content.message),
            timestamp_ms: Some(at),
            ..ProtocolMessage::default()
        };
        let edit = Message { protocol_message: Some(Box::new(edit)), ..Message::default() };
        let wrapper = FutureProofMessage { message: Some(Box::new(edit)) };
        Self::new(Message { edited_message: Some(Box::new(wrapper)), ..Message::default() })
    }

    /// Takes a message back: one of this account, or in a group that it administers that of another.
    pub fn revoke(target: &Target<'_>) -> Self {
        let revoke = ProtocolMessage {
            key: Some(target.key()),
            r#type: Some(Type::Revoke.into()),
            ..ProtocolMessage::default()
        };
        Self::new(Message { protocol_message: Some(Box::new(revoke)), ..Message::default() })
    }

    /// A message that was encoded before: stored, or received and now forwarded. Its bytes stay as they are.
    ///
    /// # Errors
    /// The bytes are no message.
    pub fn from_raw(raw: impl Into<Bytes>) -> Result<Self, Unreadable> {
        Ok(Content::decode(raw)?.into())
    }

    /// Makes it the answer to a message.
    #[must_use]
    pub fn quoting(self, quote: &Quote<'_>) -> Self {
        self.with_context(|context| {
            context.stanza_id = Some(quote.id.to_owned());
            context.participant = quote.participant.map(str::to_owned);
            context.remote_jid = quote.chat.map(str::to_owned);
            context.quoted_message = quote.content.map(quotable);
        })
    }

    /// Names people: JIDs without device, each of which the text holds as `@user`.
    #[must_use]
    pub fn mentioning(self, people: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.with_context(|context| context.mentioned_jid.extend(people.into_iter().map(Into::into)))
    }

    /// Lets it disappear so many seconds after it was read, as the chat is set to.
    #[must_use]
    pub fn expiring(self, seconds: u32) -> Self {
        self.with_context(|context| context.expiration = Some(seconds))
    }

    /// The same in a chat with this timer, unless it says itself when it disappears. `set_at` is in Unix seconds.
    pub(crate) fn timed(self, seconds: u32, set_at: i64) -> Self {
        if seconds == 0 || self.view().expiration().is_some() {
            return self;
        }
        self.with_context(|context| {
            context.expiration = Some(seconds);
            context.ephemeral_setting_timestamp = Some(set_at).filter(|set_at| *set_at > 0);
        })
    }

    /// What is in it.
    pub fn view(&self) -> View<'_> {
        View::of(&self.message)
    }

    /// Its protobuf, without padding.
    pub fn encode_once(&self) -> Bytes {
        self.encoded.get_or_init(|| self.message.encode_to_vec().into()).clone()
    }

    /// What the own other devices get instead: the message and where it went (PROTOCOL.md 11.1).
    pub(crate) fn for_own_devices(&self, to: &Jid) -> Vec<u8> {
        let raw = self.encode_once();
        let to = to.to_string();
        let sent = field_len(1, to.len()) + field_len(2, raw.len());
        let mut bytes = Vec::with_capacity(field_len(31, sent));
        put_header(31, sent, &mut bytes);
        put_header(1, to.len(), &mut bytes);
        bytes.extend_from_slice(to.as_bytes());
        put_header(2, raw.len(), &mut bytes);
        bytes.extend_from_slice(&raw);
        if let Some(info) = &self.message.message_context_info {
            prost::encoding::message::encode::<Box<MessageContextInfo>>(35, info, &mut bytes);
        }
        bytes
    }

    /// The secret that additions to it are encrypted with, and what votes choose from.
    pub(crate) fn secret(&self) -> Option<[u8; 32]> {
        secret::of(&self.message)
    }

    /// A message that is put together elsewhere.
    pub(crate) fn of_message(message: Message) -> Self {
        Self::new(message)
    }

    pub(super) fn new(message: Message) -> Self {
        Self::of(Box::new(message))
    }

    fn of(message: Box<Message>) -> Self {
        Self { message, encoded: OnceLock::new() }
    }

    /// Changes the context of content that can have one; a plain text becomes one that can.
    fn with_context(self, change: impl FnOnce(&mut ContextInfo)) -> Self {
        let Self { message, encoded } = self;
        let mut message = extended(message);
        match context::slot_within(&mut message) {
            Some(slot) => change(slot.get_or_insert_default()),
            None => return Self { message, encoded },
        }
        Self { message, encoded: OnceLock::new() }
    }
}

impl From<Content> for Draft {
    fn from(content: Content) -> Self {
        let (message, raw) = content.into_parts();
        Self { message, encoded: OnceLock::from(raw) }
    }
}

impl From<String> for Draft {
    fn from(text: String) -> Self {
        Self::text(text)
    }
}

impl From<&str> for Draft {
    fn from(text: &str) -> Self {
        Self::text(text)
    }
}

impl fmt::Debug for Draft {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Draft").field(&self.view().kind()).finish()
    }
}

/// A plain text as one that can have a context.
fn extended(mut message: Box<Message>) -> Box<Message> {
    if let Some(text) = message.conversation.take() {
        let text = ExtendedTextMessage { text: Some(text), ..ExtendedTextMessage::default() };
        message.extended_text_message = Some(Box::new(text));
    }
    message
}

/// What is shown of a quoted message: its content alone, without what it quotes itself and without its secret.
fn quotable(view: View<'_>) -> Box<Message> {
    let mut message = Box::new(view.unwrapped().clone());
    message.message_context_info = None;
    message.sender_key_distribution_message = None;
    if let Some(slot) = context::slot(&mut message) {
        *slot = None;
    }
    message
}

fn field_len(tag: u32, len: usize) -> usize {
    key_len(tag) + encoded_len_varint(len as u64) + len
}

fn put_header(tag: u32, len: usize, bytes: &mut Vec<u8>) {
    encode_key(tag, WireType::LengthDelimited, bytes);
    encode_varint(len as u64, bytes);
}
