//! Where an instance stands, in the words of the API.

use std::fmt;

use storage::{CauseKind, ConnectionCause, Instance, InstanceStatus, Timestamp};
use wa_client::{Cause, State};

use crate::cause::connection_cause;

/// The status of an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Status {
    /// On the way to WhatsApp.
    Connecting,
    /// Waiting for a phone to scan the QR code.
    Qr,
    /// A phone has scanned, and its owner is to show a passkey.
    Passkey,
    /// Logged in, with a live socket.
    Connected,
    /// Not connected; the cause says why, and `retry_at` whether that changes by itself.
    Disconnected,
    /// Unlinked; the next connection needs a new QR code.
    LoggedOut,
    /// Its owner doesn't want it to be connected.
    Paused,
}

impl Status {
    /// The word of the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Connecting => "connecting",
            Self::Qr => "qr",
            Self::Passkey => "passkey",
            Self::Connected => "connected",
            Self::Disconnected => "disconnected",
            Self::LoggedOut => "logged_out",
            Self::Paused => "paused",
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Where an instance's connection stands now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectionStatus {
    /// Where it stands, in one word.
    pub status: Status,
    /// Why it isn't connected, where that is known.
    pub cause: Option<ConnectionCause>,
    /// Whether there is a QR code to scan.
    pub has_qr: bool,
    /// Whether there is a connection to WhatsApp, be it one on which nobody is logged in.
    pub socket: bool,
    /// When the next try to connect is due.
    pub retry_at: Option<Timestamp>,
}

impl ConnectionStatus {
    /// Whether messages can be sent.
    pub fn ready(&self) -> bool {
        self.status == Status::Connected
    }

    pub(crate) fn of_state(state: &State) -> Self {
        let socket = matches!(state, State::Pairing { .. } | State::Passkey(_) | State::Online);
        let plain = |status| Self { status, cause: None, has_qr: false, socket, retry_at: None };
        match state {
            State::Pairing { qr: Some(_) } => Self { has_qr: true, ..plain(Status::Qr) },
            State::Passkey(_) => plain(Status::Passkey),
            State::Online => plain(Status::Connected),
            State::Waiting { cause, retry_at } => {
                Self { retry_at: Some(Timestamp::from_millis(*retry_at)), ..Self::of_cause(cause) }
            }
            State::Stopped(cause) => Self::of_cause(cause),
            State::Connecting { cause, .. } => {
                Self { cause: cause.as_ref().map(connection_cause), ..plain(Status::Connecting) }
            }
            // Idle, or pairing without a code yet.
            _ => plain(Status::Connecting),
        }
    }

    pub(crate) fn of_cause(cause: &Cause) -> Self {
        let status = match cause {
            cause if cause.wipes_credentials() => Status::LoggedOut,
            Cause::Paused => Status::Paused,
            _ => Status::Disconnected,
        };
        Self { status, cause: Some(connection_cause(cause)), has_qr: false, socket: false, retry_at: None }
    }

    /// Of an instance whose turn comes.
    pub(crate) fn connecting() -> Self {
        Self { status: Status::Connecting, cause: None, has_qr: false, socket: false, retry_at: None }
    }

    /// Of an instance that another process carries, or is about to.
    pub(crate) fn fenced() -> Self {
        let cause = Some(CauseKind::Fenced.into());
        Self { status: Status::Disconnected, cause, has_qr: false, socket: false, retry_at: None }
    }

    /// Of an instance of which a part can't be read, and which therefore doesn't run.
    pub(crate) fn unreadable() -> Self {
        let cause = Some(CauseKind::Unreadable.into());
        Self { status: Status::Disconnected, cause, has_qr: false, socket: false, retry_at: None }
    }

    /// Of an instance that isn't running: what was stored last.
    pub(crate) fn of_stored(instance: &Instance) -> Self {
        if instance.needs_repair() {
            return Self::unreadable();
        }
        let status = match instance.status {
            InstanceStatus::LoggedOut => Status::LoggedOut,
            InstanceStatus::Paused => Status::Paused,
            _ => Status::Disconnected,
        };
        Self { status, cause: instance.status_cause, has_qr: false, socket: false, retry_at: None }
    }
}

/// What to store about the end of a connection.
pub(crate) fn stored_status(cause: &Cause, will_reconnect: bool) -> InstanceStatus {
    match cause {
        _ if will_reconnect => InstanceStatus::Connecting,
        cause if cause.wipes_credentials() => InstanceStatus::LoggedOut,
        Cause::Paused => InstanceStatus::Paused,
        Cause::Shutdown => InstanceStatus::Connecting,
        _ => InstanceStatus::Disconnected,
    }
}

/// Whether a start of the gateway takes the instance up again. What needs a person first stays down, so that
/// no QR code is shown to nobody and no other session is pushed away.
pub(crate) fn resumes(instance: &Instance) -> bool {
    if instance.needs_repair() {
        return false;
    }
    match instance.status {
        InstanceStatus::Connecting | InstanceStatus::Pairing | InstanceStatus::Connected => true,
        InstanceStatus::LoggedOut | InstanceStatus::Paused => false,
        InstanceStatus::Disconnected => {
            // These can end without anybody's doing, the first by an update of this gateway.
            let passing = [CauseKind::Outdated, CauseKind::Banned];
            instance.status_cause.is_some_and(|cause| passing.contains(&cause.kind))
        }
    }
}

#[cfg(test)]
mod tests {
    use wa_client::{PasskeyStep, QrCode};

    use super::*;

    #[test]
    fn states_map_to_the_words_of_the_api() {
        let qr = QrCode { text: "t".into(), bare: "b".into(), expires_at: 1 };
        let banned = Cause::Banned { code: 101, until: Some(5_000) };
        let table = [
            (State::Idle, "connecting", None),
            (State::Connecting { attempt: 3, cause: None }, "connecting", None),
            (State::Connecting { attempt: 1, cause: Some(Cause::Tls) }, "connecting", Some("tls")),
            (State::Pairing { qr: None }, "connecting", None),
            (State::Pairing { qr: Some(qr) }, "qr", None),
            (State::Passkey(PasskeyStep::Answered), "passkey", None),
            (State::Online, "connected", None),
            (State::Waiting { cause: Cause::Network, retry_at: 9_000 }, "disconnected", Some("network")),
            (State::Stopped(Cause::LoggedOut), "logged_out", Some("logged_out")),
            (State::Stopped(Cause::PrimaryGone), "logged_out", Some("primary_gone")),
            (State::Stopped(Cause::Replaced), "disconnected", Some("replaced")),
            (State::Stopped(Cause::Paused), "paused", Some("paused")),
            (State::Stopped(banned), "disconnected", Some("banned")),
        ];
        for (state, status, cause) in table {
            let found = ConnectionStatus::of_state(&state);
            let kind = found.cause.map(|cause| cause.kind.as_str());
            assert_eq!((found.status.as_str(), kind), (status, cause), "{state:?}");
            assert_eq!(found.ready(), state == State::Online);
            assert_eq!(found.has_qr, matches!(state, State::Pairing { qr: Some(_) }));
            assert_eq!(found.retry_at.is_some(), matches!(state, State::Waiting { .. }));
            let until = found.cause.and_then(|cause| cause.until);
            assert_eq!(until.is_some(), matches!(state, State::Stopped(Cause::Banned { .. })));
        }
    }

    #[test]
    fn only_what_needs_nobody_comes_back_after_a_restart() {
        let table = [
            (Cause::Network, true, true),
            (Cause::Shutdown, false, true),
            (Cause::Outdated, false, true),
            (Cause::Banned { code: 101, until: None }, false, true),
            (Cause::Paused, false, false),
            (Cause::LoggedOut, false, false),
            (Cause::Replaced, false, false),
            (Cause::PairingTimedOut, false, false),
            (Cause::PasskeyRequired, false, false),
            (Cause::ClientUnknown, true, true),
            (Cause::Banned { code: 101, until: Some(9) }, true, true),
        ];
        for (cause, will_reconnect, expected) in table {
            let mut instance = crate::testing::instance();
            instance.status = stored_status(&cause, will_reconnect);
            instance.status_cause = Some(connection_cause(&cause));
            assert_eq!(resumes(&instance), expected, "{cause}");
        }
    }
}
