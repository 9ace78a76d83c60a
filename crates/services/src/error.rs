//! The one error of all services.

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use storage::{ConnectionCause, FailureCause, LimitName, MediaFault, Missing, StorageError, Timestamp};
use thiserror::Error;
use wa_client::RequestError;

use crate::cause::connection_cause;
use crate::field::Field;
use crate::status::{ConnectionStatus, Status};

/// Why a use case did not succeed. Each variant is one kind of answer; who is at fault is in its doc.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ServiceError {
    /// There is no such thing, or it belongs to someone else: the caller can't tell which.
    #[error("no such {what}")]
    NotFound {
        /// What was looked for.
        what: Missing,
    },
    /// The caller's fault: a value can't be accepted.
    #[error("{field} {message}")]
    Invalid {
        /// The value that is refused.
        field: Field,
        /// What is wrong; reads on after the name that an API gives the field.
        message: String,
    },
    /// The request is sound, but not now: something stands against it.
    #[error("{message}")]
    Conflict {
        /// What stands against it.
        cause: ConflictCause,
        /// The same for people: an English sentence without its first capital and its full stop.
        message: String,
    },
    /// The instance isn't connected to WhatsApp, so nothing was done.
    #[error("the instance is not connected{}", reason(*cause))]
    NotConnected {
        /// Where the connection stands.
        status: Status,
        /// Why, where that is known.
        cause: Option<ConnectionCause>,
    },
    /// What the caller saw is not what there is any more, so nothing was changed.
    #[error("it was changed meanwhile; look again")]
    Stale,
    /// Nobody's fault who is here: what is stored of this one thing is damaged. The source is for the log.
    #[error("what is stored here can't be read")]
    Unreadable(#[source] StorageError),
    /// WhatsApp refused what was asked of it; asking again changes nothing.
    #[error("{message}")]
    Refused {
        /// Why; `None` when that was told earlier, by an event.
        cause: Option<FailureCause>,
        /// WhatsApp's code, where it gave one.
        code: Option<u32>,
        /// What WhatsApp refused, and why where that is known: a sentence as in [`ServiceError::Conflict`].
        message: String,
    },
    /// WhatsApp limits whom the account may write to, and this person isn't among them. Trying makes it worse.
    #[error("{message}")]
    Limited {
        /// Which limit it is.
        cause: FailureCause,
        /// When it ends, where that is known.
        until: Option<Timestamp>,
        /// The same for people: a sentence as in [`ServiceError::Conflict`].
        message: String,
    },
    /// The owner has set a limit on what the instance may do in a period, and it is reached.
    #[error("what the instance may do until then is used up: {}", named(exceeded))]
    LimitExceeded {
        /// Which limits; one at least.
        exceeded: Vec<Exceeded>,
        /// When the next period begins.
        until: Timestamp,
    },
    /// No credential, or one that isn't good.
    #[error("{message}")]
    Unauthorized {
        /// What is missing or wrong: a sentence as in [`ServiceError::Conflict`].
        message: &'static str,
    },
    /// The credential is good, but not for this.
    #[error("{message}")]
    Forbidden {
        /// What isn't allowed: a sentence as in [`ServiceError::Conflict`].
        message: &'static str,
    },
    /// The credential is good, but not at the address that it came from.
    #[error("this credential can't be used from your address")]
    AddressNotAllowed,
    /// Too many tries in too short a time; this one wasn't looked at.
    #[error("too many tries; wait {} s", retry_after.as_secs().max(1))]
    RateLimited {
        /// When the next try makes sense.
        retry_after: Duration,
    },
    /// The caller's fault: a file is larger than is taken.
    #[error("the file is too large{}", longest.map(|longest| format!(": {longest} bytes are taken")).unwrap_or_default())]
    TooLarge {
        /// What is allowed, in bytes; `None` where WhatsApp says so.
        longest: Option<u64>,
    },
    /// As many bytes of files are kept of the user as may be.
    #[error("the files that are kept of your messages have as many bytes as they may have, {most}")]
    NoRoom {
        /// What is allowed, in bytes.
        most: u64,
    },
    /// A message's file is on its way; asking again in a moment makes sense.
    #[error("the file is being fetched; ask again in a moment")]
    FilePending,
    /// A message's file can't be had.
    #[error("the file can't be had{}", fault.map(|fault| format!(" ({fault})")).unwrap_or_default())]
    FileUnavailable {
        /// Why, where anybody has tried.
        fault: Option<MediaFault>,
    },
    /// We can't at the moment; the same request may work later.
    #[error("{message}")]
    Unavailable {
        /// What there is too little of: a sentence as in [`ServiceError::Conflict`].
        message: &'static str,
    },
    /// Our fault. The source is for the log, never for the caller.
    #[error("internal error: {0}")]
    Internal(#[source] Box<dyn Error + Send + Sync>),
}

/// A limit that is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exceeded {
    /// Which one.
    pub limit: LimitName,
    /// How much is allowed.
    pub allowed: u64,
    /// How much was used when it was looked at.
    pub used: u64,
}

/// What stands against a request that is sound in itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ConflictCause {
    /// A name or the like belongs to something else.
    Taken,
    /// There are as many of them as are allowed.
    TooMany,
    /// The user has as many instances as are allowed.
    TooManyInstances,
    /// The idempotency key was used for another request.
    IdempotencyKeyReused,
    /// Nobody would administer the gateway any more.
    LastAdmin,
    /// The user has instances.
    HasInstances,
    /// An account is linked to the instance.
    AlreadyLinked,
    /// No passkey is asked for, or nothing is to be compared.
    NoPasskeyAsked,
    /// A webhook has no URL that could be called.
    NoUrl,
    /// A group, or who is in it, is so already, or can't become so.
    GroupState,
    /// A channel is the account's own, or it is so already.
    ChannelState,
}

impl ConflictCause {
    /// A word for programs, snake case.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Taken => "taken",
            Self::TooMany => "too_many",
            Self::TooManyInstances => "too_many_instances",
            Self::IdempotencyKeyReused => "idempotency_key_reused",
            Self::LastAdmin => "last_admin",
            Self::HasInstances => "has_instances",
            Self::AlreadyLinked => "already_linked",
            Self::NoPasskeyAsked => "no_passkey_asked",
            Self::NoUrl => "no_url",
            Self::GroupState => "group_state",
            Self::ChannelState => "channel_state",
        }
    }
}

impl fmt::Display for ConflictCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl ServiceError {
    pub(crate) fn invalid(field: Field, message: impl Into<String>) -> Self {
        Self::Invalid { field, message: message.into() }
    }

    pub(crate) fn not_connected(connection: &ConnectionStatus) -> Self {
        Self::NotConnected { status: connection.status, cause: connection.cause }
    }

    /// Another process carries the instance, and this one must not touch it.
    pub(crate) fn held_elsewhere() -> Self {
        Self::Unavailable { message: "another process carries this instance" }
    }

    /// A message has failed, and that was told when it did.
    pub(crate) fn failed_earlier() -> Self {
        let message = "the message has failed; its message_status event says why".to_owned();
        Self::Refused { cause: None, code: None, message }
    }

    /// A write failed together with others.
    pub(crate) fn not_stored(error: Arc<StorageError>) -> Self {
        match &*error {
            StorageError::NotFound { what } => Self::NotFound { what: *what },
            StorageError::Overloaded => StorageError::Overloaded.into(),
            StorageError::Closed => StorageError::Closed.into(),
            StorageError::Fenced => StorageError::Fenced.into(),
            _ => Self::internal(error),
        }
    }

    /// Something that was asked of WhatsApp besides sending, and has no good answer.
    pub(crate) fn request(error: RequestError) -> Self {
        match error {
            RequestError::NotConnected { cause } => {
                Self::NotConnected { status: Status::Disconnected, cause: Some(connection_cause(&cause)) }
            }
            RequestError::Stopped => Self::NotConnected { status: Status::Disconnected, cause: None },
            RequestError::Refused { code: 401 | 403, .. } => {
                Self::Forbidden { message: "WhatsApp doesn't let this account do that" }
            }
            RequestError::Refused { code: 429, .. } => Self::RateLimited { retry_after: PAUSE },
            RequestError::Refused { code, text } => {
                let message = format!("WhatsApp refused it with {code} {text}");
                Self::Refused { cause: Some(FailureCause::Refused), code: Some(code), message }
            }
            RequestError::Invalid(why) => Self::invalid(Field::Value, format!("can't be taken: {why}")),
            RequestError::TimedOut => Self::Unavailable { message: "WhatsApp did not answer in time" },
            error => Self::internal(error),
        }
    }

    pub(crate) fn internal(error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Internal(error.into())
    }
}

impl From<StorageError> for ServiceError {
    fn from(error: StorageError) -> Self {
        match error {
            StorageError::NotFound { what } => Self::NotFound { what },
            StorageError::Conflict { what } => {
                Self::Conflict { cause: ConflictCause::Taken, message: format!("{what} is taken") }
            }
            StorageError::LimitReached { what } => Self::Conflict {
                cause: ConflictCause::TooMany,
                message: format!("there are too many {what} already"),
            },
            StorageError::LastAdmin => Self::Conflict {
                cause: ConflictCause::LastAdmin,
                message: "this is the last administrator".to_owned(),
            },
            StorageError::InUse { what } => {
                Self::Conflict { cause: ConflictCause::HasInstances, message: format!("it still has {what}") }
            }
            StorageError::Overloaded => {
                Self::Unavailable { message: "the database is overloaded; try again in a moment" }
            }
            StorageError::Closed => Self::Unavailable { message: "the gateway is stopping" },
            StorageError::Fenced => Self::held_elsewhere(),
            StorageError::Invalid { .. } => {
                Self::invalid(Field::WebhookUrl, "is required while the webhook is switched on")
            }
            StorageError::Stale => Self::Stale,
            error @ StorageError::Corrupt { .. } => Self::Unreadable(error),
            error => Self::internal(error),
        }
    }
}

/// How long to wait once WhatsApp has said that it was asked too often.
const PAUSE: Duration = Duration::from_secs(60);

fn named(exceeded: &[Exceeded]) -> String {
    exceeded.iter().map(|exceeded| exceeded.limit.as_str()).collect::<Vec<_>>().join(", ")
}

fn reason(cause: Option<ConnectionCause>) -> String {
    cause.map(|cause| format!(" ({})", cause.kind)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use storage::CauseKind;

    use super::*;

    #[test]
    fn errors_read_as_sentences() {
        let not_connected = ServiceError::NotConnected {
            status: Status::LoggedOut,
            cause: Some(CauseKind::LoggedOut.into()),
        };
        assert_eq!(not_connected.to_string(), "the instance is not connected (logged_out)");
        assert_eq!(ServiceError::invalid(Field::Recipient, "is missing").to_string(), "recipient is missing");
        let limited = ServiceError::RateLimited { retry_after: Duration::from_millis(1) };
        assert_eq!(limited.to_string(), "too many tries; wait 1 s");
    }

    #[test]
    fn storage_errors_keep_their_meaning() {
        let of = |error: StorageError| ServiceError::from(error);
        assert!(matches!(
            of(StorageError::NotFound { what: Missing::Instance }),
            ServiceError::NotFound { .. }
        ));
        assert!(matches!(of(StorageError::Overloaded), ServiceError::Unavailable { .. }));
        assert!(matches!(of(StorageError::Fenced), ServiceError::Unavailable { .. }));
        assert!(matches!(of(StorageError::backend("disk")), ServiceError::Internal(_)));
    }
}
