mod app_state;
mod history;
mod message;
mod pairing;
mod receipt;

use std::fmt;

use wa_binary::Jid;
use wa_protobuf::e2e;
use wa_store::{AppStateKey, Limits, PeerData};

use crate::cause::{Cause, PairingFailure};
use crate::group::GroupUpdate;
use crate::newsletter::NewsletterUpdate;
use crate::people::{CallUpdate, ChatStateUpdate, PresenceUpdate};
use crate::version::Version;

pub use app_state::AppStateChange;
pub use history::{HistoryChat, HistoryContact, HistoryKind, HistoryMessage, HistoryPart, HistoryStatus};
pub use message::{IncomingMessage, MessageInfo, Undecryptable, UndecryptableReason};
pub use pairing::{Paired, PairingCode, PasskeyAssertion, PasskeyStep, QrCode};
pub use receipt::{ReceiptKind, ReceiptUpdate};

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
    /// A part of what the phone tells of the time before.
    History(Box<HistoryPart>),
    /// A setting or a mark of the account has changed.
    AppState(Box<AppStateChange>),
    /// WhatsApp has changed whom the account may write to.
    Limits(Limits),
    /// Something has happened to a group.
    Group(Box<GroupUpdate>),
    /// Something has happened in a newsletter.
    Newsletter(Box<NewsletterUpdate>),
    /// Somebody whose presence was asked for came or went.
    Presence(PresenceUpdate),
    /// Somebody is about to write, or no longer.
    ChatState(ChatStateUpdate),
    /// Something happens to a call.
    Call(Box<CallUpdate>),
    /// Internal traffic from the own phone that belongs to a later layer.
    Peer(PeerMessage),
    /// A notification that this client acknowledges but does not interpret.
    Notification(Box<Notification>),
    /// WhatsApp will refuse this version of the client after a time; told at each login until then.
    ClientExpires {
        /// The version that this client announced at its login.
        version: Version,
        /// From when on logins with it are refused: Unix milliseconds.
        at: i64,
    },
    /// The server has delivered everything that waited while this companion was offline.
    OfflineDone {
        /// How many stanzas the server says it delivered.
        count: u32,
    },
}

/// What the own phone tells its companions in messages of category `peer`.
#[derive(Clone)]
#[non_exhaustive]
pub enum PeerMessage {
    /// Keys of the app state collections.
    AppStateKeys(Vec<AppStateKey>),
    /// Something that can't be read. It is kept as it came ([`wa_store::Store::peer_data`]), and tried again by each new
    /// start.
    Unreadable(PeerData),
    /// Any other protocol message of the phone.
    Other(Box<e2e::ProtocolMessage>),
}

impl fmt::Debug for PeerMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AppStateKeys(_) => "AppStateKeys",
            Self::Unreadable(_) => "Unreadable",
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
    /// `from` attribute: whom or what it is about.
    pub from: Option<Jid>,
    /// When the server wrote it: Unix seconds.
    pub timestamp: i64,
    /// The whole stanza, for what this client doesn't interpret.
    pub node: wa_binary::Node<'static>,
}
