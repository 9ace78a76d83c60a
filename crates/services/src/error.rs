//! The one error of all services.

use std::error::Error;
use std::time::Duration;

use storage::StorageError;
use thiserror::Error;

use crate::instance::Status;

/// Why a use case did not succeed. Each variant is one kind of answer; who is at fault is in its doc.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ServiceError {
    /// There is no such thing, or it belongs to someone else: the caller can't tell which.
    #[error("no such {what}")]
    NotFound {
        /// What was looked for, in lower case.
        what: &'static str,
    },
    /// The caller's fault: a value can't be accepted.
    #[error("{field} {message}")]
    Invalid {
        /// Path of the field, as the API names it.
        field: String,
        /// What is wrong; reads on after the field's name.
        message: String,
    },
    /// The request is sound, but not now: something stands against it.
    #[error("{message}")]
    Conflict {
        /// For programs, snake case.
        cause: &'static str,
        /// For people.
        message: String,
    },
    /// The instance isn't connected to WhatsApp, so nothing was done.
    #[error("the instance is not connected{}", reason(cause.as_deref()))]
    NotConnected {
        /// Where it stands.
        status: Status,
        /// Why, for programs: `logged_out`, `replaced`, `banned`, `network`, …
        cause: Option<String>,
    },
    /// WhatsApp refused.
    #[error("{message}")]
    Refused {
        /// For programs, snake case.
        cause: &'static str,
        /// WhatsApp's code, where it gave one.
        code: Option<u32>,
        /// For people.
        message: String,
    },
    /// No credential, or one that isn't good.
    #[error("{message}")]
    Unauthorized {
        /// For people.
        message: &'static str,
    },
    /// The credential is good, but not for this.
    #[error("{message}")]
    Forbidden {
        /// For people.
        message: &'static str,
    },
    /// Too many tries.
    #[error("too many tries; wait {} s", retry_after.as_secs().max(1))]
    RateLimited {
        /// When the next try makes sense.
        retry_after: Duration,
    },
    /// We can't at the moment; the same request may work later.
    #[error("{message}")]
    Unavailable {
        /// For people.
        message: &'static str,
    },
    /// Our fault. The source is for the log, never for the caller.
    #[error("internal error: {0}")]
    Internal(#[source] Box<dyn Error + Send + Sync>),
}

impl ServiceError {
    pub(crate) fn invalid(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self::Invalid { field: field.into(), message: message.into() }
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
                Self::Conflict { cause: "taken", message: format!("{what} is taken") }
            }
            StorageError::Overloaded => {
                Self::Unavailable { message: "the database is overloaded; try again in a moment" }
            }
            StorageError::Closed => Self::Unavailable { message: "the gateway is stopping" },
            error => Self::internal(error),
        }
    }
}

fn reason(cause: Option<&str>) -> String {
    cause.map(|cause| format!(" ({cause})")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_read_as_sentences() {
        let not_connected =
            ServiceError::NotConnected { status: Status::LoggedOut, cause: Some("logged_out".to_owned()) };
        assert_eq!(not_connected.to_string(), "the instance is not connected (logged_out)");
        assert_eq!(ServiceError::invalid("phone", "is missing").to_string(), "phone is missing");
        let limited = ServiceError::RateLimited { retry_after: Duration::from_millis(1) };
        assert_eq!(limited.to_string(), "too many tries; wait 1 s");
    }

    #[test]
    fn storage_errors_keep_their_meaning() {
        let of = |error: StorageError| ServiceError::from(error);
        assert!(matches!(of(StorageError::NotFound { what: "instance" }), ServiceError::NotFound { .. }));
        assert!(matches!(of(StorageError::Overloaded), ServiceError::Unavailable { .. }));
        assert!(matches!(of(StorageError::backend("disk")), ServiceError::Internal(_)));
    }
}
