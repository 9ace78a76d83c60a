//! What records say: WhatsApp's actions, both ways (protocol facts, section 18.5).

mod read;
mod write;

use bytes::Bytes;
use wa_protobuf::appstate::{ContactAction, LabelEditAction, QuickReplyAction, SyncActionMessageRange};

use crate::Collection;

/// A setting or mark of the account. JIDs are text, as in the index.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// A chat makes no noise.
    Mute {
        /// JID of the chat.
        chat: String,
        /// For how long.
        mute: Mute,
    },
    /// A chat stays on top.
    Pin {
        /// JID of the chat.
        chat: String,
        /// Or no more.
        pinned: bool,
    },
    /// A chat is put away. Who archives a chat that is pinned, unpins it in the same patch.
    Archive {
        /// JID of the chat.
        chat: String,
        /// Or taken out again.
        archived: bool,
        /// The last messages that its author knew of.
        range: Option<SyncActionMessageRange>,
    },
    /// A chat is marked as read, or as not.
    MarkRead {
        /// JID of the chat.
        chat: String,
        /// Which of both.
        read: bool,
        /// The last messages that its author knew of.
        range: Option<SyncActionMessageRange>,
    },
    /// A message is kept in the list of favourites.
    Star {
        /// The message.
        message: MessageRef,
        /// Or no more.
        starred: bool,
    },
    /// A message is gone for this account alone.
    DeleteForMe {
        /// The message.
        message: MessageRef,
        /// Its media, too.
        delete_media: bool,
        /// When the message was sent, in Unix seconds.
        sent: Option<i64>,
    },
    /// A chat is gone.
    DeleteChat {
        /// JID of the chat.
        chat: String,
        /// Its media, too.
        delete_media: bool,
        /// The messages up to which it is gone.
        range: Option<SyncActionMessageRange>,
    },
    /// A chat stays, its messages are gone.
    ClearChat {
        /// JID of the chat.
        chat: String,
        /// Starred messages, too.
        delete_starred: bool,
        /// Its media, too.
        delete_media: bool,
        /// The messages up to which it is empty.
        range: Option<SyncActionMessageRange>,
    },
    /// An entry of the phone's address book. Removed with [`Draft::remove`](crate::Draft::remove).
    Contact {
        /// JID of the contact.
        jid: String,
        /// Names, and the JID in the other of both kinds.
        contact: ContactAction,
    },
    /// Status posts of somebody aren't shown.
    MuteStatus {
        /// JID of the author.
        author: String,
        /// Or shown again.
        muted: bool,
    },
    /// The account's own name.
    PushName(String),
    /// Language and region of the phone, as in `pt_BR`.
    Locale(String),
    /// Archived chats come back when a message arrives.
    UnarchiveChats(bool),
    /// Salt of the tokens that let the account write to strangers (protocol facts, section 22).
    NctSalt(Bytes),
    /// A label was made, changed, or deleted.
    Label {
        /// Its id.
        id: String,
        /// What it looks like, or that it is gone.
        label: LabelEditAction,
    },
    /// A chat got a label.
    LabelChat {
        /// Id of the label.
        label: String,
        /// JID of the chat.
        chat: String,
        /// Or lost it.
        labeled: bool,
    },
    /// A message got a label.
    LabelMessage {
        /// Id of the label.
        label: String,
        /// The message; clients leave out who sent it.
        message: MessageRef,
        /// Or lost it.
        labeled: bool,
    },
    /// A text of a business that is at hand under a shortcut.
    QuickReply {
        /// Its id: when it was made, in Unix seconds.
        id: String,
        /// Shortcut and text, or that it is gone.
        reply: QuickReplyAction,
    },
    /// Something else.
    Unknown(Unknown),
}

/// For how long a chat is muted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mute {
    /// It isn't.
    Off,
    /// Until then, in Unix milliseconds; not negative.
    Until(i64),
    /// For good.
    Forever,
}

/// Names a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageRef {
    /// JID of the chat.
    pub chat: String,
    /// Id of the message.
    pub id: String,
    /// Whether the account sent it.
    pub from_me: bool,
    /// JID of who sent it, if that doesn't follow from the rest: a member of a group.
    pub participant: Option<String>,
}

/// A record whose action isn't known, or which is not as its action has it: kept as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unknown {
    /// Where it was.
    pub collection: Collection,
    /// Its index, usually a JSON array of strings.
    pub index: Bytes,
    /// The record, an encoded `SyncActionData` with that index. It is written as it is.
    pub raw: Bytes,
}
