//! What became of messages.

use crate::message::MessageId;
use wa_binary::Jid;

/// Progress of one or more messages.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReceiptUpdate {
    /// The conversation, without device.
    pub chat: Jid,
    /// The chat as a phone number address, where it is a user and the number is known.
    pub chat_pn: Option<Jid>,
    /// The chat as a LID, where it is a user and the LID is known.
    pub chat_lid: Option<Jid>,
    /// The messages it is about.
    pub ids: Vec<MessageId>,
    /// What happened to them.
    pub kind: ReceiptKind,
    /// Who it happened to, with device: the chat itself, or a member of the group.
    pub participant: Jid,
    /// Whether a device of the own account reports it.
    pub from_me: bool,
    /// When it happened, by the server's clock: Unix seconds.
    pub timestamp: i64,
}

impl ReceiptUpdate {
    /// What one person's device says of messages in the direct chat with them. For tests of embedders; the rest can be
    /// set afterwards.
    pub fn new(chat: Jid, ids: Vec<MessageId>, kind: ReceiptKind, timestamp: i64) -> Self {
        let participant = chat.clone();
        Self { chat, chat_pn: None, chat_lid: None, ids, kind, participant, from_me: false, timestamp }
    }
}

/// What a receipt says (PROTOCOL.md 13).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ReceiptKind {
    /// A device of the recipient has it.
    Delivered,
    /// The recipient saw it.
    Read,
    /// Our own other device marked it as read.
    ReadSelf,
    /// The recipient played the voice note.
    Played,
    /// Our own other device played it.
    PlayedSelf,
    /// A device of the own account got its copy.
    Sender,
    /// A device got it while its user was away.
    Inactive,
    /// The phone can't provide the media again.
    ServerError,
    /// Any other type, as sent.
    Other(String),
}
