use wa_binary::Jid;

use crate::cause::Cause;

/// Whether a phone number has a WhatsApp account.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct OnWhatsApp {
    /// The number as it was asked.
    pub number: String,
    /// Whether it has an account.
    pub registered: bool,
    /// Its phone number address.
    pub pn: Option<Jid>,
    /// Its LID without device, where the server tells it.
    pub lid: Option<Jid>,
}

/// Somebody under both addresses, without device, as far as they are known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Person {
    /// The address by phone number: the number that the account has, which may be another than the one that was typed.
    pub pn: Option<Jid>,
    /// The LID without device, where it is known.
    pub lid: Option<Jid>,
}

/// What others see of the account while this companion is connected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presence {
    /// Shown as online.
    Available,
    /// Not shown as online.
    Unavailable,
}

/// Why a request to the server has no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RequestError {
    /// The companion isn't online.
    #[error("not connected: {cause}")]
    NotConnected {
        /// Why there is no connection.
        cause: Cause,
    },
    /// The server answered with an error.
    #[error("refused by the server: {code} {text}")]
    Refused {
        /// The server's `code`, such as 404 or 429.
        code: u32,
        /// The text beside the code.
        text: String,
    },
    /// No answer within [`crate::Config::iq_timeout`].
    #[error("no answer in time")]
    TimedOut,
    /// The answer has an unexpected shape.
    #[error("malformed answer: {0}")]
    Malformed(String),
    /// The argument can't be sent.
    #[error("{0}")]
    Invalid(String),
    /// The companion's own store failed; what it said. Nothing was changed.
    #[error("the store failed: {0}")]
    Store(String),
    /// The client has been stopped.
    #[error("the client has been stopped")]
    Stopped,
}

/// WhatsApp did not confirm the logout; the credentials are kept.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("logout not confirmed: {0}")]
pub struct LogoutError(#[source] pub RequestError);
