//! What a phone tells of the time before a companion was linked.

use std::fmt;

use wa_binary::Jid;
use wa_protobuf::e2e::HistorySyncType;

use super::MessageInfo;
use crate::content::Content;

/// A part of a piece of the phone's history: some hundred messages at most, so that any amount is told in little memory.
/// Parts come one after another, each in a batch of its own; what was accepted doesn't come again, but for the messages of
/// a part whose acceptance a crash has swallowed: they are known by chat, sender and id.
#[derive(Clone)]
#[non_exhaustive]
pub struct HistoryPart {
    /// What the piece is.
    pub kind: HistoryKind,
    /// Its place among the pieces.
    pub chunk: Option<u32>,
    /// How much of the history has been told with this piece, in percent, as the phone has it.
    pub progress: Option<u32>,
    /// Whether the piece ends with this part.
    pub ends: bool,
    /// Where it answers a question ([`crate::Client::request_history`]): the id under which the phone knows that.
    pub request: Option<String>,
    /// Messages, newest first within a chat.
    pub messages: Vec<HistoryMessage>,
    /// Chats; their messages came before.
    pub chats: Vec<HistoryChat>,
    /// Names that people gave themselves.
    pub names: Vec<(Jid, String)>,
    /// Entries of the phone's address book.
    pub contacts: Vec<HistoryContact>,
    /// How much of it can't be read: pairs of phone number and LID, and what comes after damage. It is kept as it came
    /// ([`wa_store::Store::peer_data`]).
    pub unreadable: u32,
}

impl HistoryPart {
    /// A part without content. For tests of embedders; the rest can be set afterwards.
    pub fn new(kind: HistoryKind) -> Self {
        Self {
            kind,
            chunk: None,
            progress: None,
            ends: false,
            request: None,
            messages: Vec::new(),
            chats: Vec::new(),
            names: Vec::new(),
            contacts: Vec::new(),
            unreadable: 0,
        }
    }

    /// Whether there is nothing in it, not even an end.
    pub(crate) fn is_empty(&self) -> bool {
        !self.ends
            && self.messages.is_empty()
            && self.chats.is_empty()
            && self.names.is_empty()
            && self.contacts.is_empty()
            && self.unreadable == 0
    }
}

impl fmt::Debug for HistoryPart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HistoryPart")
            .field("kind", &self.kind)
            .field("chunk", &self.chunk)
            .field("progress", &self.progress)
            .field("ends", &self.ends)
            .field("messages", &self.messages.len())
            .field("chats", &self.chats.len())
            .field("names", &self.names.len())
            .field("contacts", &self.contacts.len())
            .field("unreadable", &self.unreadable)
            .finish_non_exhaustive()
    }
}

/// What a piece of the history is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum HistoryKind {
    /// The chats as they are when a companion is linked.
    Initial,
    /// Status posts.
    Status,
    /// Everything, as far back as was asked for.
    Full,
    /// The latest messages.
    Recent,
    /// Names that people gave themselves.
    PushNames,
    /// Settings, and whatever else may come later.
    Other,
    /// What was asked for.
    OnDemand,
}

impl HistoryKind {
    /// The kind with WhatsApp's number (PROTOCOL.md 20).
    pub(crate) fn from_number(number: i32) -> Self {
        match HistorySyncType::try_from(number) {
            Ok(HistorySyncType::InitialBootstrap) => Self::Initial,
            Ok(HistorySyncType::InitialStatusV3) => Self::Status,
            Ok(HistorySyncType::Full) => Self::Full,
            Ok(HistorySyncType::Recent) => Self::Recent,
            Ok(HistorySyncType::PushName) => Self::PushNames,
            Ok(HistorySyncType::OnDemand) => Self::OnDemand,
            _ => Self::Other,
        }
    }
}

/// A message of the time before. `Debug` prints no content.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct HistoryMessage {
    /// Who wrote it, where and when.
    pub info: MessageInfo,
    /// What it says.
    pub content: Content,
    /// How far it got, where the account wrote it.
    pub status: Option<HistoryStatus>,
    /// Whether it is starred.
    pub starred: bool,
}

impl HistoryMessage {
    /// A message with this content. For tests of embedders.
    pub fn new(info: MessageInfo, content: Content) -> Self {
        Self { info, content, status: None, starred: false }
    }
}

/// How far a message got that the account wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum HistoryStatus {
    /// It could not be sent.
    Failed,
    /// It has not left.
    Pending,
    /// The server has it.
    Sent,
    /// A device of the other side has it.
    Delivered,
    /// It was read.
    Read,
    /// It was played.
    Played,
}

/// A chat as the phone has it. `Debug` shows no names.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct HistoryChat {
    /// A user, a group, or whatever else has chats.
    pub chat: Jid,
    /// The same by phone number, where it is a user and the number is known.
    pub chat_pn: Option<Jid>,
    /// The same by LID, where it is a user and the LID is known.
    pub chat_lid: Option<Jid>,
    /// What the phone calls it: the subject of a group, the name in the address book.
    pub name: Option<String>,
    /// When something last happened in it: Unix seconds.
    pub last_activity: Option<i64>,
    /// Messages that have not been read.
    pub unread: u32,
    /// Whether it is put away.
    pub archived: bool,
    /// Since when it is kept on top: Unix seconds.
    pub pinned_at: Option<i64>,
    /// Until when it makes no noise: Unix seconds.
    pub muted_until: Option<i64>,
    /// Whether all messages of the chat that the phone will give are told with the piece that it is in.
    pub complete: bool,
}

impl HistoryChat {
    /// A chat of which no more is known. For tests of embedders.
    pub fn new(chat: Jid) -> Self {
        Self {
            chat,
            chat_pn: None,
            chat_lid: None,
            name: None,
            last_activity: None,
            unread: 0,
            archived: false,
            pinned_at: None,
            muted_until: None,
            complete: false,
        }
    }
}

impl fmt::Debug for HistoryChat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HistoryChat")
            .field("last_activity", &self.last_activity)
            .field("unread", &self.unread)
            .finish_non_exhaustive()
    }
}

/// An entry of the phone's address book. `Debug` shows nothing of it.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct HistoryContact {
    /// By phone number, where known.
    pub pn: Option<Jid>,
    /// By LID, where known.
    pub lid: Option<Jid>,
    /// The whole name.
    pub full_name: Option<String>,
    /// The first name.
    pub first_name: Option<String>,
}

impl HistoryContact {
    /// An entry without names. For tests of embedders.
    pub fn new(pn: Option<Jid>, lid: Option<Jid>) -> Self {
        Self { pn, lid, full_name: None, first_name: None }
    }
}

impl fmt::Debug for HistoryContact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HistoryContact(..)")
    }
}
