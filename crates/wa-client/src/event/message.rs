//! Messages of others, and of our other devices.

use crate::content::{Content, Opened};
use crate::message::MessageId;
use std::fmt;
use wa_binary::Jid;

/// Who wrote a message, where and when, whether or not it could be read. `Debug` prints neither names nor numbers.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct MessageInfo {
    /// Chosen by the sender; unique per chat and sender.
    pub id: MessageId,
    /// The conversation: the other user (without device), a group, a broadcast list, a newsletter.
    pub chat: Jid,
    /// Who wrote it, with device.
    pub sender: Jid,
    /// The chat as a phone number address, where it is a user and the number is known.
    pub chat_pn: Option<Jid>,
    /// The chat as a LID, where it is a user and the LID is known.
    pub chat_lid: Option<Jid>,
    /// The sender as a phone number address, without device, where known.
    pub sender_pn: Option<Jid>,
    /// The sender as a LID, without device, where known.
    pub sender_lid: Option<Jid>,
    /// Whether another device of the own account wrote it.
    pub from_me: bool,
    /// Name that the sender chose for themself.
    pub push_name: Option<String>,
    /// Unix seconds, as the server saw it.
    pub timestamp: i64,
    /// Whether it waited at the server while this companion was offline.
    pub offline: bool,
    /// `category` attribute of the stanza, such as `peer`.
    pub category: Option<String>,
    /// `edit` attribute of the stanza: 1 edit, 3 new content of a post, 7 revoke by sender, 8 revoke by admin.
    pub edit: Option<String>,
    /// The number of a post in its newsletter.
    pub server_id: Option<u32>,
}

impl MessageInfo {
    /// A message of another person in a direct chat, of which no more is known. For tests of embedders; the rest can be
    /// set afterwards.
    pub fn new(id: impl Into<MessageId>, sender: Jid, timestamp: i64) -> Self {
        Self {
            id: id.into(),
            chat: sender.to_user(),
            sender,
            chat_pn: None,
            chat_lid: None,
            sender_pn: None,
            sender_lid: None,
            from_me: false,
            push_name: None,
            timestamp,
            offline: false,
            category: None,
            edit: None,
            server_id: None,
        }
    }
}

impl fmt::Debug for MessageInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MessageInfo")
            .field("id", &self.id)
            .field("from_me", &self.from_me)
            .field("timestamp", &self.timestamp)
            .field("offline", &self.offline)
            .finish_non_exhaustive()
    }
}

/// A decrypted message. `Debug` prints no content.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct IncomingMessage {
    /// Who wrote it, where and when.
    pub info: MessageInfo,
    /// What it says. Its bytes are those that came, without the envelope of copies for own devices; only for a reaction or an
    /// edit that was encrypted with the secret of the message that it is about, they are those of its equal in the clear.
    pub content: Content,
    /// The vote, or the answer to an event, that it holds, where it could be opened.
    pub opened: Option<Opened>,
}

impl IncomingMessage {
    /// A message with this content. For tests of embedders.
    pub fn new(info: MessageInfo, content: Content) -> Self {
        Self { info, content, opened: None }
    }

    /// The text of a text message, be it plain or with a preview, a quote or mentions.
    pub fn text(&self) -> Option<&str> {
        self.content.view().text()
    }
}

/// A message that could not be read, or whose kind this version doesn't support.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Undecryptable {
    /// Who wrote it, where and when.
    pub info: MessageInfo,
    /// Why it can't be read.
    pub reason: UndecryptableReason,
    /// How often the sender was asked to resend it, this time included; 0 if it wasn't asked.
    pub retries: u32,
}

impl Undecryptable {
    /// A message that could not be read, asked for once more `retries` times. For tests of embedders.
    pub fn new(info: MessageInfo, reason: UndecryptableReason, retries: u32) -> Self {
        Self { info, reason, retries }
    }
}

/// Why a message could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum UndecryptableReason {
    /// No session with the sending device, or in a group no key of it.
    NoSession,
    /// It was encrypted for a prekey that this device doesn't have (any more).
    UnknownPreKey,
    /// The ciphertext is damaged or was made with other keys.
    BadCiphertext,
    /// It decrypted to something whose padding is no padding.
    BadContent,
    /// Its key is gone, and it is not known to be recorded: most likely it was told before and the server had not heard
    /// of it, but its sender may have used a key twice. So this is news only if no message of that sender with that id
    /// is recorded.
    Repeated,
    /// It opens a session, and nobody who is believed vouches for the companion that sent it.
    Untrusted,
    /// The server holds only a placeholder, for instance of a view-once message.
    Unavailable,
    /// The stanza holds nothing at all.
    Empty,
    /// What own devices write to broadcast lists, and what is in the status without being encrypted, is not read by this
    /// version.
    Broadcast,
    /// It comes from a newsletter (a channel), and holds nothing that this version reads.
    Newsletter,
    /// Bots are not supported by this version.
    Bot,
    /// An encryption, or an address, that this version doesn't know.
    Unknown,
    /// The stanza doesn't say who wrote it, or under which id: what is told of it is a guess.
    Malformed,
}

impl UndecryptableReason {
    /// Whether a later version may read such messages, while this one can't.
    pub fn is_unsupported(self) -> bool {
        matches!(self, Self::Broadcast | Self::Newsletter | Self::Bot | Self::Unknown)
    }

    /// A stable snake_case name for APIs, storage and logs.
    pub fn name(self) -> &'static str {
        match self {
            Self::NoSession => "no_session",
            Self::UnknownPreKey => "unknown_prekey",
            Self::BadCiphertext => "bad_ciphertext",
            Self::BadContent => "bad_content",
            Self::Repeated => "repeated",
            Self::Untrusted => "untrusted",
            Self::Unavailable => "unavailable",
            Self::Empty => "empty",
            Self::Broadcast => "broadcast",
            Self::Newsletter => "newsletter",
            Self::Bot => "bot",
            Self::Unknown => "unknown",
            Self::Malformed => "malformed",
        }
    }
}
