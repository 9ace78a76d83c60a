use std::sync::Arc;

use bytes::Bytes;
use wa_protobuf::history::{
    Account, Conversation, GlobalSettings, HistorySyncMsg, InlineContact, PastParticipants,
    PhoneNumberToLidMapping, Pushname, WebMessageInfo,
};

/// What a chunk of history holds, in its order.
#[derive(Clone, Debug, PartialEq)]
pub enum Item {
    /// The kind of chunk, a [`HistorySyncType`](wa_protobuf::e2e::HistorySyncType); usually first.
    SyncType(i32),
    /// Its place among the chunks.
    ChunkOrder(u32),
    /// How much of the history has come with it, in percent.
    Progress(u32),
    /// A message of the chat whose [`Item::Chat`] comes next.
    Message {
        /// JID of the chat, if the phone wrote it in front; all that are known do.
        chat: Option<Arc<str>>,
        /// The message and its place.
        message: Box<HistorySyncMsg>,
    },
    /// A chat, without messages: they came before it.
    Chat(Box<Conversation>),
    /// A status post.
    Status(Box<WebMessageInfo>),
    /// The name that somebody took.
    PushName(Pushname),
    /// Settings for all chats.
    Settings(Box<GlobalSettings>),
    /// Those who left a group.
    PastParticipants(PastParticipants),
    /// Phone number and LID of one user.
    LidMapping(PhoneNumberToLidMapping),
    /// Proves the right to delete the blob.
    CompanionMetaNonce(String),
    /// A user name.
    Account(Account),
    /// Salt of the tokens that let the account write to strangers.
    NctSalt(Bytes),
    /// A contact of the phone's address book.
    Contact(InlineContact),
    /// Whether all contacts of the address book are in the chunks.
    ContactsProvided(bool),
    /// Field 9, whose use isn't known.
    ThreadIdSecret(Bytes),
    /// Field 10, whose use isn't known.
    ThreadTimeframeOffset(u32),
    /// Field 17, whose use isn't known.
    ShareableChatKey(Bytes),
    /// Something that isn't given out. What follows it is.
    Refused {
        /// What it would have been.
        part: Part,
        /// Why it isn't.
        why: Refusal,
        /// What came, for who wants to keep it; empty for a chat, and for what is too long.
        raw: Bytes,
    },
}

/// What could be refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// A message of a chat.
    Message,
    /// A chat; its messages were given out.
    Chat,
    /// The field of the chunk with this number.
    Field(u32),
}

/// Why something isn't given out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It is longer than [`MAX_PART`](crate::MAX_PART).
    #[error("{0} bytes are too long")]
    TooLong(u64),
    /// It has more than [`MAX_TINY`](crate::MAX_TINY) tiny fields.
    #[error("too many tiny fields")]
    TooMany,
    /// It isn't what its place says.
    #[error("unreadable")]
    Unreadable,
}
