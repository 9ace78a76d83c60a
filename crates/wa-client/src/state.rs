use crate::cause::Cause;
use crate::event::{PasskeyStep, QrCode};

/// Where a companion stands. `Online` is never claimed without a live, logged-in socket.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum State {
    /// Between two steps: before the first try, and while the end of a connection is being recorded.
    Idle,
    /// Dialling, shaking hands or logging in.
    Connecting {
        /// How many tries went before this one since the last success.
        attempt: u32,
        /// Why the last of them failed.
        cause: Option<Cause>,
    },
    /// Connected without an account: waiting for a phone to scan.
    Pairing {
        /// The code to show now; `None` until the server has sent the first one.
        qr: Option<QrCode>,
    },
    /// Connected without an account: a phone has scanned, and its owner is to show a passkey.
    Passkey(PasskeyStep),
    /// Logged in and serving.
    Online,
    /// Not connected; the next try is scheduled.
    Waiting {
        /// Why the last connection ended.
        cause: Cause,
        /// Unix milliseconds of the next try.
        retry_at: i64,
    },
    /// Not connected, and nothing happens until [`crate::Client::reconnect`].
    Stopped(Cause),
}

impl State {
    /// Why the companion isn't connected, where it isn't.
    pub fn cause(&self) -> Option<&Cause> {
        match self {
            Self::Waiting { cause, .. } | Self::Stopped(cause) => Some(cause),
            Self::Connecting { cause, .. } => cause.as_ref(),
            _ => None,
        }
    }
}
