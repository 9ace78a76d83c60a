//! How a message is sent, whatever it says.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::later::Later;

/// Longest wait of a call for what becomes of its message.
pub const MAX_SEND_WAIT: Duration = Duration::from_secs(60);
/// How long a send waits for WhatsApp's ack before it answers that the message is pending.
pub const ACK_TIMEOUT: Duration = Duration::from_secs(10);

/// How a message is sent.
#[derive(Clone)]
pub struct SendTerms {
    /// With a key, repeating the call sends nothing and gives the answer about the first message.
    pub idempotency_key: Option<String>,
    /// What to do if WhatsApp doesn't let the account write to the recipient at present.
    pub on_limit: OnLimit,
    /// What to do if it equals a message that an earlier process has left.
    pub repeats: Repeats,
    /// How long to wait for WhatsApp's ack; [`MAX_SEND_WAIT`] at most.
    pub patience: Duration,
    /// Whether the caller answers whoever wants it sent before anything is known: then its event tells them.
    pub queued: bool,
    /// When to send it, if not now.
    pub later: Option<Later>,
}

impl Default for SendTerms {
    fn default() -> Self {
        Self {
            idempotency_key: None,
            on_limit: OnLimit::default(),
            repeats: Repeats::default(),
            patience: ACK_TIMEOUT,
            queued: false,
            later: None,
        }
    }
}

impl std::fmt::Debug for SendTerms {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SendTerms").field("idempotency_key", &self.idempotency_key).finish_non_exhaustive()
    }
}

/// What to do with a message that WhatsApp, as far as is known, would refuse because of a limit. It is not tried.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnLimit {
    /// Refuse it: nothing is stored.
    #[default]
    Refuse,
    /// Store it, and send it when the limit is over or the recipient has come to trust the account.
    Hold,
}

/// What to do with a message without an idempotency key that equals one which was still to be sent when the instance was
/// started: most likely its caller has heard no answer before the process ended, and calls again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Repeats {
    /// Answer about the first message.
    #[default]
    Answer,
    /// Send it: it is meant to come twice.
    Send,
}
