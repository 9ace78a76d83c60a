//! The one error of all services.

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use storage::{ConnectionCause, FailureCause, Missing, StorageError, Timestamp};
use thiserror::Error;

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
    /// Too many tries in too short a time; this one wasn't looked at.
    #[error("too many tries; wait {} s", retry_after.as_secs().max(1))]
    RateLimited {
        /// When the next try makes sense.
        retry_after: Duration,
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
    /// An account is linked to the instance.
    AlreadyLinked,
    /// No passkey is asked for, or nothing is to be compared.
    NoPasskeyAsked,
}

impl ConflictCause {
    /// A word for programs, snake case.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Taken => "taken",
            Self::TooMany => "too_many",
            Self::TooManyInstances => "too_many_instances",
            Self::IdempotencyKeyReused => "idempotency_key_reused",
            Self::AlreadyLinked => "already_linked",
            Self::NoPasskeyAsked => "no_passkey_asked",
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
