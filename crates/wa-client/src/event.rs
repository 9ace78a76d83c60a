use std::fmt;

use wa_binary::Jid;
use wa_protobuf::e2e;
use wa_store::{AppStateKey, Limits};

use crate::cause::{Cause, PairingFailure};
use crate::content::Content;
use crate::message::MessageId;
use crate::version::Version;

/// What happens to a companion.
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
        /// What ended it.
        cause: Cause,
        /// Whether the client comes back by itself.
        will_reconnect: bool,
        /// The server's last word, `<failure>` or `<stream:error>`, as XML text, where it had one: it may hold more than
        /// `cause` does, such as the text and the address that WhatsApp shows a banned user.
        raw: Option<String>,
    },
    /// A message that could be decrypted.
    Message(Box<IncomingMessage>),
    /// Somebody received, read or played messages of ours, or our other device read some of theirs.
    Receipt(ReceiptUpdate),
    /// A message that can't be read (yet). Where that may help, its sender was asked to send it again: an
    /// [`Event::Message`] with the same id follows if the resend can be read.
    Undecryptable(Box<Undecryptable>),
    /// A phone number and a LID are the same person; told once, and again if it changes.
    SamePerson {
        /// The phone number address, without device.
        pn: Jid,
        /// The LID, without device.
        lid: Jid,
    },
    /// A contact's identity key is another one: they have set up WhatsApp anew (a new phone, a new installation), or
    /// somebody else answers in their name. What is sent from now on is encrypted for the new identity; what they had
    /// received before isn't encrypted for it again. Told once per change, and only if an older identity was known.
    IdentityChanged {
        /// The phone number address, without device, where known.
        pn: Option<Jid>,
        /// The LID, without device, where known.
        lid: Option<Jid>,
    },
    /// The account goes by this name from now on: its owner gave it, or [`crate::Client::set_push_name`] did.
    OwnName {
        /// What recipients see beside the number.
        name: String,
    },
    /// WhatsApp has changed whom the account may write to.
    Limits(Limits),
    /// Internal traffic from the own phone that belongs to a later layer.
    Peer(PeerMessage),
    /// A notification that this client acknowledges but does not interpret.
    Notification(Box<Notification>),
    /// WhatsApp will refuse this version of the client after a time; told at each login until then.
    ClientExpires {
        /// What was announced.
        version: Version,
        /// Unix milliseconds.
        at: i64,
    },
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

/// A code to be entered on the phone. `Debug` doesn't show it: whoever reads it can link an account.
#[derive(Clone, PartialEq, Eq)]
pub struct PairingCode {
    /// Eight characters with a dash in the middle, which doesn't count: `ABCD-1234`.
    pub code: String,
    /// Unix milliseconds after which the phone may no longer be able to use it.
    pub expires_at: i64,
}

impl fmt::Debug for PairingCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PairingCode").field("expires_at", &self.expires_at).finish_non_exhaustive()
    }
}

/// How far a pairing is whose account asks for a passkey (PROTOCOL.md 6.5).
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum PasskeyStep {
    /// The account's owner is to show their passkey: [`crate::Client::answer_passkey`].
    Asked {
        /// WebAuthn's `PublicKeyCredentialRequestOptions` in JSON, binary parts in unpadded base64url, as
        /// `PublicKeyCredential.parseRequestOptionsFromJSON` takes it. A browser answers it only to pages of `rpId`,
        /// which is `whatsapp.com`.
        options: String,
    },
    /// They did, and the phone is awaited.
    Answered,
    /// They are to compare this code with what their phone shows, and say that it is the same:
    /// [`crate::Client::confirm_passkey`].
    Compare {
        /// Eight characters with a dash in the middle.
        code: String,
        /// Whether the phone knows already that this is the companion whose code it has scanned, and may show nothing.
        is_optional: bool,
    },
    /// They did, and the phone links this companion next.
    Confirmed,
}

impl fmt::Debug for PasskeyStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Asked { .. } => "Asked",
            Self::Answered => "Answered",
            Self::Compare { .. } => "Compare",
            Self::Confirmed => "Confirmed",
        })
    }
}

/// What an authenticator answers to WebAuthn's request. `Debug` shows nothing of it.
#[derive(Clone, PartialEq, Eq)]
pub struct PasskeyAssertion {
    /// The credential's id (`rawId`).
    pub credential_id: Vec<u8>,
    /// What the browser signed (`response.clientDataJSON`).
    pub client_data_json: Vec<u8>,
    /// What the authenticator says of itself (`response.authenticatorData`).
    pub authenticator_data: Vec<u8>,
    /// The signature over both (`response.signature`).
    pub signature: Vec<u8>,
    /// Whose credential it is (`response.userHandle`), where the authenticator says so.
    pub user_handle: Option<Vec<u8>>,
}

impl fmt::Debug for PasskeyAssertion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PasskeyAssertion").finish_non_exhaustive()
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
    /// `edit` attribute of the stanza: 1 edit, 7 revoke by sender, 8 revoke by admin.
    pub edit: Option<String>,
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
    /// What it says. Its bytes are those that came, without the envelope of copies for own devices.
    pub content: Content,
}

impl IncomingMessage {
    /// A message with this content. For tests of embedders.
    pub fn new(info: MessageInfo, content: Content) -> Self {
        Self { info, content }
    }

    /// The text of a text message, be it plain or with a preview, a quote or mentions.
    pub fn text(&self) -> Option<&str> {
        self.content.view().text()
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
    /// No session with the sending device.
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
    /// Group messages are not supported by this version.
    Group,
    /// Broadcast lists and status updates are not supported by this version.
    Broadcast,
    /// Newsletters (channels) are not supported by this version.
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
        matches!(self, Self::Group | Self::Broadcast | Self::Newsletter | Self::Bot | Self::Unknown)
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
            Self::Group => "group",
            Self::Broadcast => "broadcast",
            Self::Newsletter => "newsletter",
            Self::Bot => "bot",
            Self::Unknown => "unknown",
            Self::Malformed => "malformed",
        }
    }
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
