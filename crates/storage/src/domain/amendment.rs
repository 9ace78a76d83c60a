use std::fmt;

use bytes::Bytes;

use super::message::names;
use crate::{Message, MessageKind, NewEvent, NewMessage, StoredMedia, Timestamp};

/// A change to the content of a stored message. An edit or a revocation of a message that isn't stored yet is
/// [kept](Change::is_kept) and applied when it is, without [`Amendment::event`].
#[derive(Clone, PartialEq, Eq)]
pub struct Amendment {
    /// The message that it changes, by WhatsApp's id and who wrote it.
    pub target: AmendTarget,
    /// What becomes of it.
    pub change: Change,
    /// When; stored as no earlier than the message itself.
    pub at: Timestamp,
    /// The message that carries the change (an edit, a reaction …): stored like any other, and its event is added to the
    /// log only if it is new, whether or not the target is known. If it isn't new, nothing is changed. `None` where the
    /// change carries no message of its own, as a resend doesn't.
    pub carrier: Option<Box<NewMessage>>,
    /// Added to the log only if the target did change.
    pub event: Option<NewEvent>,
}

impl fmt::Debug for Amendment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Amendment")
            .field("target", &self.target.message_id)
            .field("change", &self.change)
            .field("at", &self.at)
            .finish_non_exhaustive()
    }
}

/// Which message an [`Amendment`] is about: id, one of the chats, and the same author.
#[derive(Clone, PartialEq, Eq)]
pub struct AmendTarget {
    /// WhatsApp's id of the message.
    pub message_id: String,
    /// The chat under all its known names, as in [`StatusUpdate::chats`](crate::StatusUpdate::chats); never empty.
    pub chats: Vec<String>,
    /// Whether this account wrote the message.
    pub from_me: bool,
    /// The authors that may have written it, under all their names (matched against `sender` and `participant`). Empty
    /// where anybody of the chat may: a reaction, a revocation by an administrator.
    pub authors: Vec<String>,
}

impl AmendTarget {
    /// Whether this is a message that it is about.
    pub fn concerns(&self, message: &Message) -> bool {
        let wrote =
            |author: &String| *author == message.sender || message.participant.as_ref() == Some(author);
        message.message_id == self.message_id
            && message.from_me == self.from_me
            && names(&self.chats, &message.chat, &message.wire_chat)
            && (self.authors.is_empty() || self.authors.iter().any(wrote))
    }
}

/// What an [`Amendment`] changes. `Debug` shows no content.
#[derive(Clone, PartialEq, Eq)]
pub enum Change {
    /// The author replaced the content. Does nothing to a message that was taken back, or edited at a later time.
    Edit {
        /// The new text; `None` where the new content has none.
        text: Option<String>,
        /// The protobuf of the new content, encoded, as [`Message::raw`] holds it.
        raw: Bytes,
    },
    /// The author or an administrator took it back: text, file and bytes go.
    Revoke,
    /// What could not be read has come in readable form. Applies only to a message whose kind
    /// [`is unread`](MessageKind::is_unread).
    Read {
        /// What it is.
        kind: MessageKind,
        /// Its text.
        text: Option<String>,
        /// What it refers to.
        target: Option<String>,
        /// Its file.
        media: Option<Box<StoredMedia>>,
        /// Its protobuf.
        raw: Bytes,
    },
    /// Nothing in the message itself: a reaction, a pin. Only the carrier is stored.
    Refer,
}

impl fmt::Debug for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Edit { .. } => "Edit",
            Self::Revoke => "Revoke",
            Self::Read { .. } => "Read",
            Self::Refer => "Refer",
        })
    }
}

impl Change {
    /// Whether it waits for a message that isn't stored yet, since messages may come in any order. [`Change::Read`] is
    /// about one that is there, and [`Change::Refer`] changes nothing.
    pub const fn is_kept(&self) -> bool {
        matches!(self, Self::Edit { .. } | Self::Revoke)
    }

    /// Applies the change to the message that it is about. Returns whether anything changed.
    pub fn apply(&self, message: &mut Message, at: Timestamp) -> bool {
        let at = at.max(message.created_at);
        let changed = match self {
            Self::Edit { .. }
                if message.revoked_at.is_some() || message.edited_at.is_some_and(|last| last > at) =>
            {
                false
            }
            Self::Edit { text, raw } => {
                (message.text, message.raw) = (text.clone(), raw.clone());
                message.edited_at = Some(at);
                true
            }
            Self::Revoke if message.revoked_at.is_some() => false,
            Self::Revoke => {
                (message.text, message.media, message.raw) = (None, None, Bytes::new());
                message.revoked_at = Some(at);
                true
            }
            Self::Read { .. } if !message.kind.is_unread() => false,
            Self::Read { kind, text, target, media, raw } => {
                message.kind = *kind;
                message.target.clone_from(target);
                // What was edited or taken back meanwhile stays so.
                if message.edited_at.is_none() && message.revoked_at.is_none() {
                    (message.text, message.raw) = (text.clone(), raw.clone());
                    message.media = media.as_deref().cloned();
                }
                true
            }
            Self::Refer => false,
        };
        if changed {
            message.updated_at = message.updated_at.max(at);
        }
        changed
    }
}
