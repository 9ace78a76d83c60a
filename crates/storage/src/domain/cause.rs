use std::fmt;
use std::str::FromStr;

use super::word::words;
use crate::{Timestamp, UnknownWord};

words! {
    /// Why an instance isn't connected, by name.
    CauseKind, "cause" {
        /// The phone unlinked this companion, or a logout was confirmed. The credentials are gone.
        LoggedOut = "logged_out",
        /// The account's primary device is gone or locked. The credentials are gone.
        PrimaryGone = "primary_gone",
        /// WhatsApp ended the account's session without saying why. The credentials are gone.
        AccountRefused = "account_refused",
        /// Another connection with the same credentials took over.
        Replaced = "replaced",
        /// WhatsApp has banned the account for a while; `until` says until when.
        Banned = "banned",
        /// This version of the client is no longer accepted.
        Outdated = "outdated",
        /// The user agent was refused.
        BadUserAgent = "bad_user_agent",
        /// The account isn't known.
        NotFound = "not_found",
        /// The server doesn't know this companion's credentials.
        ClientUnknown = "client_unknown",
        /// The access token expired or is invalid.
        AccessToken = "access_token",
        /// Any other reason that the server gave.
        Failure = "failure",
        /// A stream error without a name of its own.
        StreamError = "stream_error",
        /// The server or the owner asked for a new connection.
        Restart = "restart",
        /// The socket could not be opened, was closed or died.
        Network = "network",
        /// The configured proxy can't be reached, or refuses.
        Proxy = "proxy",
        /// TLS failed: above all a certificate of an authority that isn't known here.
        Tls = "tls",
        /// The server's certificate chain or handshake was refused.
        Untrusted = "untrusted",
        /// The server's certificate isn't valid at this machine's time: most likely its clock is wrong.
        Clock = "clock",
        /// What the server sent violates the protocol.
        Protocol = "protocol",
        /// Not linked to an account yet.
        NotPaired = "not_paired",
        /// Stopped by its owner.
        Paused = "paused",
        /// All QR codes ran out without a scan.
        PairingTimedOut = "pairing_timed_out",
        /// The phone's answer to a scan was refused.
        PairingFailed = "pairing_failed",
        /// WhatsApp asks for a passkey before it links.
        PasskeyRequired = "passkey_required",
        /// The QR code was scanned by a phone without multi-device support.
        MultiDeviceRequired = "multi_device_required",
        /// What happened could not be recorded; nothing was acknowledged.
        HandlerFailed = "handler_failed",
        /// The store failed; nothing was acknowledged.
        StoreFailed = "store_failed",
        /// Another process holds the instance now.
        Fenced = "fenced",
        /// The gateway was stopped.
        Shutdown = "shutdown",
        /// What is stored of the instance can't be read, and has to be set anew. Never written.
        Unreadable = "unreadable",
    }
}

/// Why an instance isn't connected. Stored as one text, `kind[;code=N][;until=MILLIS]`, and parsed back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ConnectionCause {
    /// Which cause, without its details.
    pub kind: CauseKind,
    /// WhatsApp's code, where it gave one.
    pub code: Option<u32>,
    /// When it ends, where that is known.
    pub until: Option<Timestamp>,
}

impl From<CauseKind> for ConnectionCause {
    fn from(kind: CauseKind) -> Self {
        Self { kind, code: None, until: None }
    }
}

impl fmt::Display for ConnectionCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind.as_str())?;
        if let Some(code) = self.code {
            write!(f, ";code={code}")?;
        }
        match self.until {
            Some(until) => write!(f, ";until={}", until.millis()),
            None => Ok(()),
        }
    }
}

impl FromStr for ConnectionCause {
    type Err = UnknownWord;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let unknown = || UnknownWord { kind: "cause", word: text.to_owned() };
        let mut parts = text.split(';');
        let mut cause = Self::from(parts.next().unwrap_or_default().parse::<CauseKind>()?);
        for part in parts {
            match part.split_once('=').ok_or_else(unknown)? {
                ("code", code) => cause.code = Some(code.parse().map_err(|_| unknown())?),
                ("until", millis) => {
                    cause.until = Some(Timestamp::from_millis(millis.parse().map_err(|_| unknown())?));
                }
                _ => return Err(unknown()),
            }
        }
        Ok(cause)
    }
}

words! {
    /// Why a message of ours will never be sent.
    FailureCause, "failure" {
        /// The number has no account.
        NotOnWhatsApp = "not_on_whatsapp",
        /// Such a recipient can't be written to.
        UnsupportedRecipient = "unsupported_recipient",
        /// No LID is known for the recipient, or for this account.
        NoLid = "no_lid",
        /// No device of the recipient can be encrypted for.
        NoDevice = "no_device",
        /// The account isn't in the group.
        NotInGroup = "not_in_group",
        /// Only administrators write to the group.
        NotAdmin = "not_admin",
        /// Larger than WhatsApp takes.
        TooLarge = "too_large",
        /// WhatsApp's limit on writing to people who never wrote back.
        ReachoutTimelock = "reachout_timelock",
        /// WhatsApp's cap on how many people may be written to for the first time.
        NewChatCap = "new_chat_cap",
        /// WhatsApp refused it.
        Refused = "refused",
        /// Recipient and devices could not be looked up.
        LookUpFailed = "look_up_failed",
        /// What was stored can't be read.
        Unreadable = "unreadable",
        /// It was scheduled, and could not be sent before its time was over.
        Expired = "expired",
        /// It was scheduled, and can't be sent any more as it is: what it is about has gone or changed.
        Invalid = "invalid",
        /// The account was unlinked before it was sent.
        Unlinked = "unlinked",
        /// Another account was linked before it was sent.
        PairedAnew = "paired_anew",
        /// Anything else.
        SendFailed = "send_failed",
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_cause_is_read_back() {
        for kind in CauseKind::ALL {
            let plain = ConnectionCause::from(*kind);
            let full = ConnectionCause { code: Some(102), until: Some(Timestamp::from_millis(-5)), ..plain };
            assert_eq!(plain.to_string().parse(), Ok(plain));
            assert_eq!(full.to_string().parse(), Ok(full));
        }
        assert_eq!(
            "banned".parse(),
            Ok(ConnectionCause::from(CauseKind::Banned)),
            "as the first version wrote it"
        );
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_panic(text in ".*") {
            let _ = text.parse::<ConnectionCause>();
        }
    }
}
