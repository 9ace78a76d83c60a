use std::fmt;

use bytes::Bytes;
use wa_binary::Jid;
use wa_protobuf::e2e;

use crate::message::MessageId;
use crate::state::{Cause, PairingFailure};

/// What a handler is told, in the order in which it happened.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Event {
    /// A code to show; it replaces the one before.
    Qr(QrCode),
    /// The phone's answer to a scan was refused; the client stops.
    PairingFailed(PairingFailure),
    /// The phone accepted. The client reconnects and logs in by itself.
    Paired(Paired),
    /// Logged in; messages can be sent from now on.
    Connected,
    /// A connection ended.
    Disconnected {
        /// Why.
        cause: Cause,
        /// Whether the client comes back by itself.
        will_reconnect: bool,
    },
    /// A message that could be decrypted.
    Message(Box<IncomingMessage>),
    /// Somebody received, read or played messages of ours, or our other device read some of theirs.
    Receipt(ReceiptUpdate),
    /// A message that can't be decrypted (yet). The sender was asked to send it again, if that is possible;
    /// a [`Event::Message`] with the same id follows when the resend works.
    Undecryptable(Undecryptable),
    /// Internal traffic from the own phone that belongs to a later layer.
    Peer(PeerMessage),
    /// A notification that this client acknowledges but does not interpret.
    Notification(Notification),
    /// The server has delivered everything that waited while this companion was offline.
    OfflineDone {
        /// How many stanzas the server says it delivered.
        count: u32,
    },
}

/// A pairing code in its two textual forms. `Debug` shows neither: whoever reads one can link an account.
#[derive(Clone, PartialEq, Eq)]
pub struct QrCode {
    /// `https://wa.me/settings/linked_devices#ref,noise,identity,secret,type`: what WhatsApp Web shows today.
    pub text: String,
    /// The five comma-separated parts alone, as older clients show them.
    pub bare: String,
    /// Unix milliseconds when the next code replaces this one.
    pub expires_at: i64,
}

impl fmt::Debug for QrCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("QrCode").field("expires_at", &self.expires_at).finish_non_exhaustive()
    }
}

/// The account that a phone has linked this companion to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paired {
    /// Phone number address of this companion, with its device id.
    pub jid: Jid,
    /// LID address of this companion, with its device id.
    pub lid: Option<Jid>,
    /// Platform of the phone, such as `android`.
    pub platform: String,
    /// Verified business name, for business accounts.
    pub business_name: Option<String>,
}

/// A decrypted message. `Debug` prints neither content nor names nor numbers.
#[derive(Clone)]
#[non_exhaustive]
pub struct IncomingMessage {
    /// Chosen by the sender; unique per chat and sender.
    pub id: MessageId,
    /// The conversation: the other user (without device), a group, a broadcast list.
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
    /// `edit` attribute of the stanza: 1 edit, 7 revoke by sender, 8 revoke by admin.
    pub edit: Option<String>,
    /// Content with the wrapper for own devices removed.
    pub message: e2e::Message,
    /// The decrypted protobuf as it came, wrapper included.
    pub raw: Bytes,
}

impl fmt::Debug for IncomingMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IncomingMessage")
            .field("id", &self.id)
            .field("from_me", &self.from_me)
            .field("timestamp", &self.timestamp)
            .field("offline", &self.offline)
            .finish_non_exhaustive()
    }
}

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
    /// Unix seconds.
    pub timestamp: i64,
}

/// What a receipt says (protocol.md 13).
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

/// A message that could not be decrypted.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Undecryptable {
    /// Id of the message.
    pub id: MessageId,
    /// The conversation, without device.
    pub chat: Jid,
    /// Who wrote it, with device.
    pub sender: Jid,
    /// Whether another device of the own account wrote it.
    pub from_me: bool,
    /// Unix seconds, as the server saw it.
    pub timestamp: i64,
    /// Why.
    pub reason: UndecryptableReason,
    /// How often the sender was asked to resend it, this time included; 0 if it wasn't asked.
    pub retries: u32,
}

/// Why a message could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum UndecryptableReason {
    /// No session with the sending device.
    NoSession,
    /// It was encrypted for a prekey that this device doesn't have (any more).
    UnknownPreKey,
    /// The ciphertext is damaged or was made with other keys.
    BadCiphertext,
    /// It decrypted to something that isn't a message.
    BadContent,
    /// The server holds only a placeholder, for instance of a view-once message.
    Unavailable,
    /// An encryption that this version does not read (groups, bots).
    Unsupported,
}

/// What the own phone tells its companions in messages of category `peer`.
#[derive(Clone)]
#[non_exhaustive]
pub enum PeerMessage {
    /// Keys of the app state collections.
    AppStateKeys(Vec<AppStateKey>),
    /// A part of the chat history is ready, inline or on the media host.
    History(Box<e2e::HistorySyncNotification>),
    /// Any other protocol message of the phone.
    Other(Box<e2e::ProtocolMessage>),
}

impl fmt::Debug for PeerMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AppStateKeys(_) => "AppStateKeys",
            Self::History(_) => "History",
            Self::Other(_) => "Other",
        })
    }
}

/// One app state key. `Debug` prints the id only.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct AppStateKey {
    /// Names the key in patches.
    pub id: Bytes,
    /// 32 secret bytes from which the collection keys are derived.
    pub data: Bytes,
    /// Unix milliseconds when the phone made it.
    pub timestamp: i64,
}

impl fmt::Debug for AppStateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AppStateKey").field("id", &self.id).finish_non_exhaustive()
    }
}

/// A notification (or call) stanza that is passed on as it came.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Notification {
    /// `type` attribute, such as `picture` or `w:gp2`; `call` for calls.
    pub kind: String,
    /// `from` attribute.
    pub from: Option<Jid>,
    /// Unix seconds.
    pub timestamp: i64,
    /// The whole stanza.
    pub node: wa_binary::Node<'static>,
}
