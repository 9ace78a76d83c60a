use std::fmt;

use bytes::Bytes;

use super::id::identifier;
use super::word::words;
use crate::{Cursor, InstanceId, MessageKind, NewEvent, StoredMedia, Timestamp};

identifier! {
    /// Identifies a stored message (WhatsApp's own id is [`Message::message_id`]).
    StoredMessageId
}

words! {
    /// How far a message has come.
    MessageStatus, "message status" {
        /// Ours, stored, not acknowledged by WhatsApp yet.
        Pending = "pending",
        /// Ours, stored, and waits until WhatsApp lets the account write to the recipient.
        Held = "held",
        /// Ours, acknowledged by WhatsApp.
        Sent = "sent",
        /// A device of the recipient has it.
        Delivered = "delivered",
        /// The recipient has seen it; or we marked an incoming one as read.
        Read = "read",
        /// A voice message or the like was played.
        Played = "played",
        /// Ours, refused for good.
        Failed = "failed",
        /// Somebody else's, stored, not marked as read by us.
        Received = "received",
        /// Stored in a word that can't be read. Never written.
        Unreadable = "unreadable",
    }
}

impl MessageStatus {
    /// Whether the message is ours and has not left yet, as far as is known.
    pub const fn is_on_its_way(self) -> bool {
        matches!(self, Self::Pending | Self::Held)
    }

    /// Whether a message may go from this status to `next`. Never backwards, never to itself.
    ///
    /// `Failed` is reached only from `Pending` and `Held`, and left only when a receipt proves that the message did arrive.
    pub const fn may_become(self, next: Self) -> bool {
        use MessageStatus::{Delivered, Failed, Held, Pending, Played, Read, Received, Sent, Unreadable};
        match self {
            Pending | Held => matches!(next, Sent | Delivered | Read | Played | Failed),
            Sent | Failed => matches!(next, Delivered | Read | Played),
            Delivered | Received => matches!(next, Read | Played),
            Read => matches!(next, Played),
            Played | Unreadable => false,
        }
    }
}

/// A message of a chat, incoming or outgoing: its protobuf, and beside it only what is queried. `Debug` shows neither
/// its content nor who wrote it.
#[derive(Clone, PartialEq, Eq)]
pub struct Message {
    /// Chosen by the caller.
    pub id: StoredMessageId,
    /// The instance it belongs to.
    pub instance: InstanceId,
    /// The chat as the API names it (`remoteJid`): the phone number's JID where known, else the LID's or the group's.
    /// What messages are listed by.
    pub chat: String,
    /// The chat as it stood on the wire, without device: part of the idempotency key.
    pub wire_chat: String,
    /// Who wrote it as it stood on the wire, without device: part of the idempotency key.
    pub sender: String,
    /// Who wrote it in a group, under the name that the API uses; `None` between two people.
    pub participant: Option<String>,
    /// Whether this account wrote it, on whichever of its devices.
    pub from_me: bool,
    /// WhatsApp's id: part of the idempotency key.
    pub message_id: String,
    /// WhatsApp's id of the message that this one edits, takes back, reacts to or pins.
    pub target: Option<String>,
    /// What it is, by its content: a text, a picture, an edit …
    pub kind: MessageKind,
    /// Its text, or the text under a file: for search and previews.
    pub text: Option<String>,
    /// The name that the sender chose for themself.
    pub push_name: Option<String>,
    /// How far it has come.
    pub status: MessageStatus,
    /// When it was written, by WhatsApp's clock where known. Lists are sorted and filtered by it.
    pub created_at: Timestamp,
    /// When anything of this last changed; never before `created_at`.
    pub updated_at: Timestamp,
    /// When the status last changed; never before `created_at`.
    pub status_updated_at: Option<Timestamp>,
    /// When its content was last edited.
    pub edited_at: Option<Timestamp>,
    /// Whether the phone told of it when it linked the companion, or when it was asked: it is from before, and no event told
    /// of it.
    pub history: bool,
    /// When it was taken back; `text`, `media` and `raw` are empty from then on.
    pub revoked_at: Option<Timestamp>,
    /// Its file, as far as the gateway has it.
    pub media: Option<StoredMedia>,
    /// The `Message` protobuf as it came or left (without the wrapper for own devices), encoded once. Empty when it was
    /// never read, taken back, or written by a version that did not keep it. Only `wa_client::content` looks inside.
    pub raw: Bytes,
}

impl Message {
    /// What it counts in a page: its text, and the bytes that it came in.
    pub fn size(&self) -> usize {
        self.text.as_ref().map_or(0, String::len) + self.raw.len()
    }

    /// With no time of a change before the time of writing: WhatsApp tells seconds, we tell milliseconds. Stores apply
    /// this to what they add.
    #[must_use]
    pub fn with_sound_times(mut self) -> Self {
        self.updated_at = self.updated_at.max(self.created_at);
        self.status_updated_at = self.status_updated_at.map(|at| at.max(self.created_at));
        self
    }

    /// Gives it a new status as of `at`, but no earlier than it was written. Returns whether that is a step forward; if
    /// not, nothing is changed.
    pub fn advance(&mut self, status: MessageStatus, at: Timestamp) -> bool {
        let forward = self.status.may_become(status);
        if forward {
            let at = at.max(self.created_at);
            self.status = status;
            self.status_updated_at = Some(at);
            self.updated_at = self.updated_at.max(at);
        }
        forward
    }
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Message")
            .field("id", &self.id)
            .field("instance", &self.instance)
            .field("message_id", &self.message_id)
            .field("kind", &self.kind)
            .field("from_me", &self.from_me)
            .field("status", &self.status)
            .field("created_at", &self.created_at)
            .field("bytes", &self.raw.len())
            .finish_non_exhaustive()
    }
}

/// A message to store, with the event that tells of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewMessage {
    /// The message. Its key for idempotency is (instance, wire chat, sender, message id).
    pub message: Message,
    /// Added to the log only if the message is new.
    pub event: Option<NewEvent>,
}

/// A receipt, an acknowledgement or a refusal.
#[derive(Clone, PartialEq, Eq)]
pub struct StatusUpdate {
    /// WhatsApp's id of the message.
    pub message_id: String,
    /// The chat as it is known: matched against both `chat` and `wire_chat`, so a receipt that names the LID finds
    /// what was sent to the number when both are given, and one of ours where only the number of its chat is known. Empty
    /// matches any chat: only for our own server's word.
    pub chats: Vec<String>,
    /// Whether the message is ours (receipts of others), or theirs (we read it).
    pub from_me: bool,
    /// In a group: the member who tells of one of ours. Kept of each, whatever has become of the message already.
    pub member: Option<String>,
    /// The new status; ignored where [`MessageStatus::may_become`] says no.
    pub status: MessageStatus,
    /// When it changed. Stored as no earlier than the message itself: receipts have seconds, our messages milliseconds.
    pub at: Timestamp,
    /// Added to the log only if the status of a message did change.
    pub event: Option<NewEvent>,
}

impl StatusUpdate {
    /// Whether it is about a message of this side in this chat; the id is not looked at.
    pub fn concerns(&self, chat: &str, wire_chat: &str, from_me: bool) -> bool {
        from_me == self.from_me
            && (self.chats.is_empty()
                || names(&self.chats, chat, wire_chat)
                || self.may_concern_number(chat, wire_chat))
    }

    /// A receipt by a LID whose number nobody knows may be for a chat of which only the number is known. What is ours has
    /// an id that one of our devices has drawn, which nobody else meets by chance.
    fn may_concern_number(&self, chat: &str, wire_chat: &str) -> bool {
        self.from_me
            && self.chats.iter().all(|name| name.ends_with("@lid"))
            && [chat, wire_chat].iter().all(|name| name.ends_with("@s.whatsapp.net"))
    }
}

impl fmt::Debug for StatusUpdate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StatusUpdate")
            .field("message_id", &self.message_id)
            .field("status", &self.status)
            .field("at", &self.at)
            .finish_non_exhaustive()
    }
}

/// Whether one of these names is the chat's, as it is shown or as it stood on the wire.
pub(super) fn names(chats: &[String], chat: &str, wire_chat: &str) -> bool {
    chats.iter().any(|name| name == chat || name == wire_chat)
}

/// Which messages of a chat, newest first. Messages whose kind [`amends`](MessageKind::amends) are not listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageQuery {
    /// The chat whose messages are listed, under the name that [`Message::chat`] has.
    pub chat: String,
    /// Only messages written at or after this time.
    pub start: Option<Timestamp>,
    /// Only messages written at or before this time.
    pub end: Option<Timestamp>,
    /// How many to return at most.
    pub limit: u64,
    /// How many to leave out first.
    pub skip: u64,
    /// Only those before this place, older ones.
    pub before: Option<Cursor>,
}

impl MessageQuery {
    /// The newest `limit` messages of a chat.
    pub fn newest(chat: impl Into<String>, limit: u64) -> Self {
        Self { chat: chat.into(), start: None, end: None, limit, skip: 0, before: None }
    }
}

#[cfg(test)]
mod tests {
    use super::MessageStatus::{self, Delivered, Failed, Pending, Played, Read, Received, Sent};

    #[test]
    fn a_status_never_goes_back() {
        let order = [Pending, Sent, Delivered, Read, Played];
        for (before, from) in order.iter().enumerate() {
            for (after, to) in order.iter().enumerate() {
                assert_eq!(from.may_become(*to), after > before, "{from} to {to}");
            }
        }
    }

    #[test]
    fn failed_is_reached_from_pending_and_left_by_receipts_alone() {
        for status in MessageStatus::ALL {
            assert_eq!(status.may_become(Failed), status.is_on_its_way(), "{status} to failed");
            assert_eq!(
                Failed.may_become(*status),
                matches!(status, Delivered | Read | Played),
                "failed to {status}"
            );
        }
    }

    #[test]
    fn incoming_messages_are_only_read_or_played() {
        for status in MessageStatus::ALL {
            assert!(!status.may_become(Received));
            assert_eq!(Received.may_become(*status), matches!(status, Read | Played));
        }
    }
}
