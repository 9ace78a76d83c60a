use std::fmt;

use rand::RngExt;
use wa_binary::Jid;

use crate::cause::Cause;
use crate::content::Draft;
use crate::limit::Limit;
use crate::request::{Person, RequestError};

/// Id of a message, chosen by its sender. The same id sent twice is shown once.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MessageId(String);

impl MessageId {
    /// A fresh id in the form that WhatsApp Web uses: `3EB0` and 18 upper-case hex digits (PROTOCOL.md 11).
    pub fn generate() -> Self {
        Self::from_random(rand::rng().random())
    }

    /// The id that stands for these random bytes.
    pub fn from_random(random: [u8; 9]) -> Self {
        use fmt::Write as _;
        let mut id = String::with_capacity(22);
        id.push_str("3EB0");
        for byte in random {
            let _ = write!(id, "{byte:02X}");
        }
        Self(id)
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<String> for MessageId {
    fn from(id: String) -> Self {
        Self(id)
    }
}

impl From<&str> for MessageId {
    fn from(id: &str) -> Self {
        Self(id.to_owned())
    }
}

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A message to send.
#[derive(Debug, Clone)]
pub struct Outgoing {
    /// Chosen, and best stored, before sending; sending again under the same id is safe.
    pub id: MessageId,
    /// A user, by phone number or LID, whose device is ignored; or a group; or the status, which those get who may see it.
    pub to: Jid,
    /// What to send, encoded once: what an embedder stores of it is what leaves.
    pub content: Draft,
}

impl Outgoing {
    /// A message under a fresh id.
    pub fn new(to: Jid, content: impl Into<Draft>) -> Self {
        Self { id: MessageId::generate(), to, content: content.into() }
    }

    /// A plain text under a fresh id.
    pub fn text(to: Jid, text: impl Into<String>) -> Self {
        Self::new(to, Draft::text(text))
    }
}

/// WhatsApp's word that it has a message.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Ack {
    /// Unix seconds that WhatsApp gave the message.
    pub timestamp: i64,
    /// For how many devices it holds something.
    pub devices: DeviceCount,
    /// Whom it reached, as WhatsApp calls them; nobody where it went to a group.
    pub to: Person,
}

impl fmt::Debug for Ack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { timestamp, devices, .. } = self;
        f.debug_struct("Ack").field("timestamp", timestamp).field("devices", devices).finish_non_exhaustive()
    }
}

/// For how many devices a message was encrypted: those of the recipients, and the own ones but this one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DeviceCount {
    /// It was encrypted for these, or they have the group's key.
    pub reached: usize,
    /// These are known, and there were no usable keys for them. Of a group's member of whom no device is known, one.
    pub failed: usize,
}

/// Why a message was not sent, or is not known to be sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SendError {
    /// The companion isn't online; nothing left this machine.
    #[error("not connected: {cause}")]
    NotConnected {
        /// Why there is no connection.
        cause: Cause,
    },
    /// This kind of recipient isn't supported.
    #[error("messages to {server} can't be sent by this version")]
    UnsupportedRecipient {
        /// Server part of the recipient's address.
        server: String,
    },
    /// The server says that the recipient has no WhatsApp account.
    #[error("the recipient is not on WhatsApp")]
    NotOnWhatsApp,
    /// The recipient has an account, but the server told neither its LID nor a device by its number. It may do so later.
    #[error("the server did not tell the recipient's LID")]
    NoLid,
    /// The server names no device of the recipient, or none that has usable keys. It may do so later.
    #[error("no device of the recipient could be encrypted to")]
    NoDevice,
    /// The account isn't in the group, or there is no such group.
    #[error("the account is not in this group")]
    NotInGroup,
    /// Only administrators write to the group, and the account is none.
    #[error("only administrators write to this group")]
    NotAdmin,
    /// The content is larger than [`crate::Config::max_stanza`].
    #[error("the message is too large: {size} bytes")]
    TooLarge {
        /// Size of the encoded content.
        size: usize,
    },
    /// WhatsApp refused the message (`error` attribute of its ack).
    #[error("refused by the server with code {code}")]
    Refused {
        /// The server's `error` code, such as 463 or 479.
        code: u32,
    },
    /// WhatsApp is known to limit whom the account may write to, and this recipient isn't among them: nothing left this
    /// machine.
    #[error("{0}")]
    Limited(Limit),
    /// WhatsApp has refused the message because of such a limit. Sending it again makes it worse.
    #[error("refused by the server: {0}")]
    RefusedByLimit(Limit),
    /// A look-up that the message needs was refused or failed.
    #[error("look-up failed: {0}")]
    LookUp(String),
    /// It was transmitted, but no ack came; it may or may not have been accepted. Send again under the same id.
    #[error("transmitted but not acknowledged")]
    Unacknowledged,
    /// The store failed, so nothing was transmitted.
    #[error("the store failed: {0}")]
    Store(String),
    /// The client has been stopped.
    #[error("the client has been stopped")]
    Stopped,
}

impl From<RequestError> for SendError {
    /// A look-up failed that a message needs.
    fn from(error: RequestError) -> Self {
        match error {
            RequestError::Stopped => Self::Stopped,
            RequestError::NotConnected { cause } => Self::NotConnected { cause },
            RequestError::Store(problem) => Self::Store(problem),
            other => Self::LookUp(other.to_string()),
        }
    }
}

impl From<SendError> for RequestError {
    /// Somebody whom a request is about could not be found.
    fn from(error: SendError) -> Self {
        match error {
            SendError::Stopped => Self::Stopped,
            SendError::NotConnected { cause } => Self::NotConnected { cause },
            SendError::Store(problem) => Self::Store(problem),
            SendError::NotOnWhatsApp => Self::Refused { code: 404, text: "not on WhatsApp".into() },
            other => Self::Invalid(other.to_string()),
        }
    }
}

impl SendError {
    /// Whether the recipient may have got the message all the same.
    pub fn outcome_unknown(&self) -> bool {
        matches!(self, Self::Unacknowledged)
    }
}
