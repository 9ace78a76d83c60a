use std::fmt;

/// Why a connection ended (PROTOCOL.md 7.5 and 7.6).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Cause {
    /// The phone removed this companion (stream error 401 with `device_removed`, failure 401),
    /// or [`crate::Client::logout`] was confirmed, or stream error 516. The credentials are gone.
    LoggedOut,
    /// Failure 403: the account's primary device is gone or locked. The credentials are gone.
    PrimaryGone,
    /// Failure 406: WhatsApp ended the account's session without saying why, usually a permanent
    /// ban. The credentials are gone.
    AccountRefused,
    /// Another connection with the same credentials took over (also stream error 409).
    Replaced,
    /// Failure 402: a temporary ban. With a known end the client waits for it, over restarts, and tries once after it.
    Banned {
        /// 101 too many people, 102 blocked by users, 103 too many groups, 104 same message
        /// too often, 106 broadcast lists.
        code: u32,
        /// Unix milliseconds when it ends, if WhatsApp said so.
        until: Option<i64>,
    },
    /// Failure 405: this version of the client is no longer accepted.
    Outdated,
    /// Failure 409: the user agent was refused.
    BadUserAgent,
    /// Failure 415: the account isn't known.
    NotFound,
    /// Failure 418: the server doesn't know this companion's credentials.
    ClientUnknown,
    /// Failure 413 or 414: the access token expired or is invalid.
    AccessToken {
        /// The server's code: 413 or 414.
        code: u32,
    },
    /// Any other failure reason: the server's trouble, or a reason that this client doesn't know. Retried, with long
    /// pauses unless it is 500 or 503.
    Failure {
        /// The `reason` attribute.
        reason: u32,
    },
    /// A stream error that has no variant of its own; 503 and unknown ones are retried, the latter with ever longer pauses
    /// if they end each connection.
    StreamError {
        /// The `code` attribute; without one the name of what the error holds, if anything.
        code: String,
    },
    /// Stream error 515, with which the server asks for a new connection after pairing, or
    /// [`crate::Client::reconnect`].
    Restart,
    /// The socket could not be opened, was closed or died.
    Network,
    /// The way through the configured proxy is closed: it can't be reached, refuses the credentials or the destination.
    Proxy,
    /// TLS failed: above all a certificate that is for another name, or of an authority that isn't known here.
    Tls,
    /// The server's certificate chain or handshake was refused by this client.
    Untrusted,
    /// The server's certificate is genuine, but not valid at the time that this machine believes it is: most likely the
    /// machine's clock is wrong.
    Clock,
    /// What the server sent violates the protocol.
    Protocol,
    /// Not linked to an account yet.
    NotPaired,
    /// [`crate::Client::disconnect`] was called.
    Paused,
    /// All QR codes ran out without a scan.
    PairingTimedOut,
    /// The phone's answer to a scan was refused, see [`PairingFailure`].
    PairingFailed(PairingFailure),
    /// WhatsApp asked for a passkey before it links this companion, and nobody showed one.
    PasskeyRequired,
    /// The QR code was scanned by a phone without multi-device support.
    MultiDeviceRequired,
    /// A batch was dropped instead of accepted: nothing was acknowledged, the server will redeliver.
    HandlerFailed,
    /// The store failed: nothing was acknowledged, the server will redeliver.
    StoreFailed,
    /// Another owner of the store has taken the companion over: this one must not go on.
    Fenced,
    /// [`crate::Client::stop`] was called, or every [`crate::Client`] or the [`crate::Events`] were dropped.
    Shutdown,
}

/// Codes and names of stream errors that are known to be temporary: 401 without the word that the device was removed, too
/// many connections, the server's own trouble, and an answer that it misses (PROTOCOL.md 7.5).
const KNOWN_STREAM_ERRORS: [&str; 5] = ["401", "429", "500", "503", "ack"];

/// How soon another try is worth it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pace {
    /// It may work again in a moment.
    Quick,
    /// The server has refused, and will hardly think otherwise in a moment.
    Slow,
    /// Nobody knows: it may work again in a moment, but hardly so if it comes again.
    Unsure,
}

impl Cause {
    /// Whether WhatsApp confirmed that these credentials will never work again, so that they are deleted.
    pub fn wipes_credentials(&self) -> bool {
        matches!(self, Self::LoggedOut | Self::PrimaryGone | Self::AccountRefused)
    }

    /// Whether the server wants to be left alone for a while.
    pub(crate) fn is_rate_limit(&self) -> bool {
        matches!(self, Self::StreamError { code } if code == "429")
    }

    /// Whether the client comes back by itself.
    pub fn reconnects(&self) -> bool {
        match self {
            Self::Restart
            | Self::Network
            | Self::Proxy
            | Self::Tls
            | Self::Untrusted
            | Self::Clock
            | Self::Protocol
            | Self::Failure { .. }
            | Self::AccessToken { .. }
            | Self::NotFound
            | Self::ClientUnknown
            | Self::StreamError { .. }
            | Self::HandlerFailed
            | Self::StoreFailed => true,
            Self::Banned { until, .. } => until.is_some(),
            _ => false,
        }
    }

    /// How soon another try is worth it, where one is (PROTOCOL.md 7.6).
    pub(crate) fn pace(&self) -> Pace {
        match self {
            Self::Failure { reason: 500 | 503 } => Pace::Quick,
            Self::Failure { .. } | Self::AccessToken { .. } | Self::NotFound | Self::ClientUnknown => {
                Pace::Slow
            }
            Self::StreamError { code } if !KNOWN_STREAM_ERRORS.contains(&&**code) => Pace::Unsure,
            _ => Pace::Quick,
        }
    }

    /// Whether somebody has to look into it, however often it is tried again: no outage of a server ends it.
    pub(crate) fn needs_a_look(&self) -> bool {
        matches!(self, Self::Proxy | Self::Tls | Self::Untrusted | Self::Clock)
    }

    /// A stable snake_case name for APIs and logs.
    pub fn name(&self) -> &'static str {
        match self {
            Self::LoggedOut => "logged_out",
            Self::PrimaryGone => "primary_gone",
            Self::AccountRefused => "account_refused",
            Self::Replaced => "replaced",
            Self::Banned { .. } => "banned",
            Self::Outdated => "outdated",
            Self::BadUserAgent => "bad_user_agent",
            Self::NotFound => "not_found",
            Self::ClientUnknown => "client_unknown",
            Self::AccessToken { .. } => "access_token",
            Self::Failure { .. } => "failure",
            Self::StreamError { .. } => "stream_error",
            Self::Restart => "restart",
            Self::Network => "network",
            Self::Proxy => "proxy",
            Self::Tls => "tls",
            Self::Untrusted => "untrusted",
            Self::Clock => "clock",
            Self::Protocol => "protocol",
            Self::NotPaired => "not_paired",
            Self::Paused => "paused",
            Self::PairingTimedOut => "pairing_timed_out",
            Self::PairingFailed(_) => "pairing_failed",
            Self::PasskeyRequired => "passkey_required",
            Self::MultiDeviceRequired => "multi_device_required",
            Self::HandlerFailed => "handler_failed",
            Self::StoreFailed => "store_failed",
            Self::Fenced => "fenced",
            Self::Shutdown => "shutdown",
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Banned { code, .. } => write!(f, "banned (code {code})"),
            Self::AccessToken { code } => write!(f, "access_token (code {code})"),
            Self::Failure { reason } => write!(f, "failure (reason {reason})"),
            Self::StreamError { code } => write!(f, "stream_error (code {code})"),
            Self::PairingFailed(failure) => write!(f, "pairing_failed ({failure})"),
            _ => f.write_str(self.name()),
        }
    }
}

/// Which check of pair-success failed (PROTOCOL.md 6.2, in the order of the checks).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum PairingFailure {
    /// The stanza or one of its protobufs is malformed; answered with 500.
    #[error("the pairing stanza is malformed")]
    Malformed,
    /// The phone doesn't know the secret of the QR code; answered with 401 hmac-mismatch.
    #[error("the HMAC of the device identity does not match the QR code")]
    HmacMismatch,
    /// The account's signature is wrong; answered with 401 signature-mismatch.
    #[error("the account signature of the device identity is wrong")]
    SignatureMismatch,
}
