//! WhatsApp's words for what went wrong, in those that are stored and told.

use storage::{CauseKind, ConnectionCause, Failure, FailureCause, Timestamp};
use wa_client::{Cause, Limit, LimitKind, SendError};

/// Why a connection ended.
pub(crate) fn connection_cause(cause: &Cause) -> ConnectionCause {
    let code = match cause {
        Cause::Banned { code, .. } | Cause::AccessToken { code } => Some(*code),
        Cause::Failure { reason } => Some(*reason),
        Cause::StreamError { code } => code.parse().ok(),
        _ => None,
    };
    let until = match cause {
        Cause::Banned { until, .. } => until.map(Timestamp::from_millis),
        _ => None,
    };
    ConnectionCause { kind: cause_kind(cause), code, until }
}

fn cause_kind(cause: &Cause) -> CauseKind {
    match cause {
        Cause::LoggedOut => CauseKind::LoggedOut,
        Cause::PrimaryGone => CauseKind::PrimaryGone,
        Cause::AccountRefused => CauseKind::AccountRefused,
        Cause::Replaced => CauseKind::Replaced,
        Cause::Banned { .. } => CauseKind::Banned,
        Cause::Outdated => CauseKind::Outdated,
        Cause::BadUserAgent => CauseKind::BadUserAgent,
        Cause::NotFound => CauseKind::NotFound,
        Cause::ClientUnknown => CauseKind::ClientUnknown,
        Cause::AccessToken { .. } => CauseKind::AccessToken,
        Cause::StreamError { .. } => CauseKind::StreamError,
        Cause::Restart => CauseKind::Restart,
        Cause::Network => CauseKind::Network,
        Cause::Proxy => CauseKind::Proxy,
        Cause::Tls => CauseKind::Tls,
        Cause::Untrusted => CauseKind::Untrusted,
        Cause::Clock => CauseKind::Clock,
        Cause::Protocol => CauseKind::Protocol,
        Cause::NotPaired => CauseKind::NotPaired,
        Cause::Paused => CauseKind::Paused,
        Cause::PairingTimedOut => CauseKind::PairingTimedOut,
        Cause::PairingFailed(_) => CauseKind::PairingFailed,
        Cause::PasskeyRequired => CauseKind::PasskeyRequired,
        Cause::MultiDeviceRequired => CauseKind::MultiDeviceRequired,
        Cause::HandlerFailed => CauseKind::HandlerFailed,
        Cause::StoreFailed => CauseKind::StoreFailed,
        Cause::Fenced => CauseKind::Fenced,
        Cause::Shutdown => CauseKind::Shutdown,
        // What a later protocol version adds is a failure with or without a code.
        _ => CauseKind::Failure,
    }
}

/// What follows from a send that did not succeed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Remedy {
    /// Another try, under the same id, after a pause.
    Again,
    /// Another try, under the same id, after the next connection.
    WhenOnline,
    /// It will never be sent: the failure to tell.
    GiveUp(Failure),
}

/// What helps against this error. `look_ups` is how many look-ups of the same message failed, this one included.
pub(crate) fn remedy(error: &SendError, look_ups: u32) -> Remedy {
    use FailureCause as Cause;
    let (cause, code) = match error {
        SendError::NotConnected { .. } | SendError::Stopped => return Remedy::WhenOnline,
        SendError::Unacknowledged | SendError::Store(_) => return Remedy::Again,
        error if is_about_look_up(error) && look_ups < MAX_LOOK_UPS => return Remedy::Again,
        SendError::LookUp(_) => (Cause::LookUpFailed, None),
        SendError::NotOnWhatsApp => (Cause::NotOnWhatsApp, None),
        SendError::UnsupportedRecipient { .. } => (Cause::UnsupportedRecipient, None),
        SendError::NoLid => (Cause::NoLid, None),
        SendError::NoDevice => (Cause::NoDevice, None),
        SendError::NotInGroup => (Cause::NotInGroup, None),
        SendError::NotAdmin => (Cause::NotAdmin, None),
        SendError::TooLarge { .. } => (Cause::TooLarge, None),
        SendError::Limited(limit) | SendError::RefusedByLimit(limit) => {
            return Remedy::GiveUp(limited(*limit, error.to_string()));
        }
        SendError::Refused { code } => (Cause::Refused, Some(*code)),
        _ => (Cause::SendFailed, None),
    };
    Remedy::GiveUp(Failure { cause, code, message: error.to_string(), until: None })
}

/// Whether the server didn't say enough of the recipient, and may do so when it is asked again.
pub(crate) fn is_about_look_up(error: &SendError) -> bool {
    matches!(error, SendError::LookUp(_) | SendError::NoLid | SendError::NoDevice)
}

/// A message whose look-ups fail this often is given up: the server answers, and goes on refusing.
const MAX_LOOK_UPS: u32 = 5;

/// What a limit of WhatsApp's does to a message.
pub(crate) fn limited(limit: Limit, message: String) -> Failure {
    let cause = match limit.kind {
        LimitKind::TimeLock => FailureCause::ReachoutTimelock,
        LimitKind::NewChats => FailureCause::NewChatCap,
    };
    Failure { cause, code: Some(limit.kind.code()), message, until: limit.until }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cause_keeps_its_name_and_what_belongs_to_it() {
        let plain = [
            Cause::LoggedOut,
            Cause::PrimaryGone,
            Cause::AccountRefused,
            Cause::Replaced,
            Cause::Outdated,
            Cause::BadUserAgent,
            Cause::NotFound,
            Cause::ClientUnknown,
            Cause::Restart,
            Cause::Network,
            Cause::Proxy,
            Cause::Tls,
            Cause::Untrusted,
            Cause::Clock,
            Cause::Protocol,
            Cause::NotPaired,
            Cause::Paused,
            Cause::PairingTimedOut,
            Cause::PairingFailed(wa_client::PairingFailure::Malformed),
            Cause::PasskeyRequired,
            Cause::MultiDeviceRequired,
            Cause::HandlerFailed,
            Cause::StoreFailed,
            Cause::Fenced,
            Cause::Shutdown,
        ];
        for cause in plain {
            let stored = connection_cause(&cause);
            assert_eq!((stored.kind.as_str(), stored.code, stored.until), (cause.name(), None, None));
        }
        let banned = connection_cause(&Cause::Banned { code: 102, until: Some(5) });
        assert_eq!(banned.to_string(), "banned;code=102;until=5");
        assert_eq!(connection_cause(&Cause::Failure { reason: 503 }).to_string(), "failure;code=503");
        assert_eq!(connection_cause(&Cause::AccessToken { code: 413 }).to_string(), "access_token;code=413");
        for (code, stored) in [("515", "stream_error;code=515"), ("", "stream_error")] {
            let cause = Cause::StreamError { code: code.to_owned() };
            assert_eq!(connection_cause(&cause).to_string(), stored);
        }
    }

    #[test]
    fn errors_are_judged_by_what_helps_against_them() {
        let table = [
            (SendError::NotConnected { cause: Cause::Network }, Remedy::WhenOnline),
            (SendError::Stopped, Remedy::WhenOnline),
            (SendError::Unacknowledged, Remedy::Again),
            (SendError::Store("disk".into()), Remedy::Again),
            (SendError::LookUp("time-out".into()), Remedy::Again),
            (SendError::NoLid, Remedy::Again),
            (SendError::NoDevice, Remedy::Again),
        ];
        for (error, expected) in table {
            assert_eq!(remedy(&error, MAX_LOOK_UPS - 1), expected, "{error}");
        }
        let table = [
            (SendError::LookUp("time-out".into()), FailureCause::LookUpFailed, None),
            (SendError::NotOnWhatsApp, FailureCause::NotOnWhatsApp, None),
            (SendError::NoDevice, FailureCause::NoDevice, None),
            (SendError::TooLarge { size: 9 }, FailureCause::TooLarge, None),
            (SendError::Refused { code: 479 }, FailureCause::Refused, Some(479)),
        ];
        for (error, cause, code) in table {
            let message = error.to_string();
            assert_eq!(
                remedy(&error, MAX_LOOK_UPS),
                Remedy::GiveUp(Failure { cause, code, message, until: None })
            );
        }
        let limit = Limit { kind: LimitKind::NewChats, until: Some(5) };
        for error in [SendError::Limited(limit), SendError::RefusedByLimit(limit)] {
            let Remedy::GiveUp(failure) = remedy(&error, 1) else { panic!("{error} is repeated") };
            let told = (failure.cause, failure.code, failure.until);
            assert_eq!(told, (FailureCause::NewChatCap, Some(475), Some(5)));
        }
    }
}
