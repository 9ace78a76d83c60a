//! What became of a message, as its sender is told.

use storage::{Failure, FailureCause, Timestamp};
use wa_client::{DeviceCount, Limit};

use crate::error::ServiceError;
use crate::field::Field;
use crate::pending::Fate;

/// What became of a message as far as is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    /// WhatsApp's id of the message.
    pub id: String,
    /// The JID of the chat that it is in, once that is known: of the number that the recipient's account has, which may
    /// be another than the one that was given.
    pub chat: Option<String>,
    /// Whether WhatsApp has it.
    pub progress: Progress,
    /// True if the call repeated an earlier one, under its idempotency key or after a restart.
    pub replayed: bool,
    /// For how many devices it was encrypted; `None` where this call hasn't seen it leave.
    pub devices: Option<DeviceCount>,
}

/// How far a message has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// WhatsApp has acknowledged it.
    Sent,
    /// Stored or being stored, and not acknowledged yet. It goes on in the background, and after a restart.
    Pending,
    /// Stored; it leaves once WhatsApp lets the account write to the recipient.
    Held {
        /// When that is, where it is known.
        retry_at: Option<Timestamp>,
    },
    /// Stored, to be sent later.
    Scheduled {
        /// When its time comes, if nobody changes it.
        send_at: Timestamp,
    },
}

impl Sent {
    /// What is known of a message beside its chat.
    pub(super) fn so_far(id: String, chat: Option<String>, progress: Progress, replayed: bool) -> Self {
        Self { id, chat, progress, replayed, devices: None }
    }

    /// A message that waits until a limit is over.
    pub(super) fn held(id: String, chat: Option<String>, limit: Option<Limit>, replayed: bool) -> Self {
        let retry_at = limit.and_then(|limit| limit.until).map(Timestamp::from_millis);
        Self::so_far(id, chat, Progress::Held { retry_at }, replayed)
    }

    /// A message whose way has ended.
    pub(super) fn settled(
        id: String,
        chat: Option<String>,
        fate: Fate,
        replayed: bool,
    ) -> Result<Self, ServiceError> {
        match fate {
            Fate::Sent(devices) => Ok(Self { devices, ..Self::so_far(id, chat, Progress::Sent, replayed) }),
            Fate::Failed(failure) => Err(failed(failure)),
        }
    }
}

fn failed(failure: Failure) -> ServiceError {
    match failure.cause {
        FailureCause::NotOnWhatsApp => ServiceError::invalid(Field::Recipient, "is not on WhatsApp"),
        FailureCause::NotInGroup => ServiceError::Forbidden { message: "the account is not in this group" },
        FailureCause::NotAdmin => {
            ServiceError::Forbidden { message: "only administrators write to this group" }
        }
        FailureCause::TooLarge => ServiceError::invalid(Field::Text, "is too large"),
        FailureCause::ReachoutTimelock | FailureCause::NewChatCap => refused_by_limit(failure),
        cause => ServiceError::Refused { cause: Some(cause), code: failure.code, message: failure.message },
    }
}

pub(super) fn refused_by_limit(Failure { cause, message, until, .. }: Failure) -> ServiceError {
    ServiceError::Limited { cause, until: until.map(Timestamp::from_millis), message }
}
