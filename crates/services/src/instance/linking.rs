//! Linking an instance with an account: by QR code, or by a code that is entered on the phone.

use crate::auth::Caller;
use crate::error::{ConflictCause, ServiceError};
use crate::field::Field;
use crate::recipient::parse_recipient;
use crate::running::RunningInstance;
use crate::status::ConnectionStatus;
use std::time::Duration;
use storage::{CauseKind, ConnectionCause, FailureCause, InstanceAction, InstanceId, Timestamp};
use tokio::time::{sleep, timeout};
use wa_client::{PairingCode, RequestError, State};

use super::InstanceService;

/// How long a wish for a pairing code may take, the way to WhatsApp included.
const CODE_TIMEOUT: Duration = Duration::from_secs(30);

/// How often is looked whether a code can be asked for.
const CODE_POLL: Duration = Duration::from_millis(100);

/// How long to wait when WhatsApp has heard of too many codes.
const CODE_RETRY: Duration = Duration::from_secs(60);

/// The answer to a wish for a QR code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Qr {
    /// A code that the phone can scan now.
    Code {
        /// What WhatsApp Web shows today: an https link that carries the code.
        text: String,
        /// The code alone, as older clients show it.
        bare: String,
        /// When the next code replaces it.
        expires_at: Timestamp,
    },
    /// There is none yet.
    Generating {
        /// Why the last try to connect failed; without, there will be a code in a few seconds.
        cause: Option<ConnectionCause>,
        /// When the next try is due.
        retry_at: Option<Timestamp>,
    },
}

impl InstanceService {
    /// The QR code to scan. An instance that gave up waiting for a scan, or was unlinked, starts anew.
    ///
    /// # Errors
    /// `NotFound`; `Conflict` when an account is linked already; `NotConnected` when no code can come, with
    /// the cause; `Unavailable` when another process carries the instance.
    pub async fn qr(&self, caller: &Caller, id: InstanceId) -> Result<Qr, ServiceError> {
        if let Some(running) = self.inner.supervisor.find(caller.user, id) {
            return qr_of(&running);
        }
        let instance = self.stored(caller, id).await?;
        let connection = self.inner.supervisor.status(&instance);
        let needs_more = [CauseKind::Outdated, CauseKind::BadUserAgent];
        if instance.jid.is_some() || connection.cause.is_some_and(|cause| needs_more.contains(&cause.kind)) {
            return Err(ServiceError::not_connected(&connection));
        }
        self.refuse_if_paused(&instance)?;
        self.inner.supervisor.start(&instance).await?;
        Ok(Qr::Generating { cause: None, retry_at: None })
    }

    /// A code by which the owner of this phone number can link the instance without scanning: in WhatsApp under "Linked
    /// devices", "Link with phone number instead". Each call makes a new one, and the one before is good no longer. An
    /// instance that gave up waiting for a scan, or was unlinked, starts anew.
    ///
    /// # Errors
    /// `NotFound`; `Invalid` for what is no phone number; `Conflict` when an account is linked already; `NotConnected`
    /// when no code can come, with the cause; `RateLimited` when WhatsApp says that there were too many; `Refused` when it
    /// doesn't link this number by code; `Unavailable` when there is none in time, or another process carries the
    /// instance.
    pub async fn pairing_code(
        &self,
        caller: &Caller,
        id: InstanceId,
        phone: &str,
    ) -> Result<PairingCode, ServiceError> {
        let number = number_of(phone)?;
        let asking = async {
            loop {
                // Starts it where it has to be started, and says what stands against a code.
                if let Qr::Code { .. } = self.qr(caller, id).await?
                    && let Some(running) = self.inner.supervisor.find(caller.user, id)
                    && let Some(code) = answered(running.companion.pairing_code(&number).await)?
                {
                    self.tell(id, running.recorder.epoch(), InstanceAction::PairingCode).await?;
                    return Ok(code);
                }
                sleep(CODE_POLL).await;
            }
        };
        let late = ServiceError::Unavailable { message: "WhatsApp did not give a code in time" };
        timeout(CODE_TIMEOUT, asking).await.unwrap_or(Err(late))
    }
}

/// The digits of a phone number.
pub(super) fn number_of(phone: &str) -> Result<String, ServiceError> {
    let number =
        parse_recipient(phone).map_err(|error| ServiceError::invalid(Field::Recipient, error.to_string()))?;
    if !number.is_pn() {
        return Err(ServiceError::invalid(Field::Recipient, "must be a phone number"));
    }
    Ok(number.user.to_string())
}

fn qr_of(running: &RunningInstance) -> Result<Qr, ServiceError> {
    match running.state() {
        State::Pairing { qr: Some(code) } => Ok(Qr::Code {
            text: code.text,
            bare: code.bare,
            expires_at: Timestamp::from_millis(code.expires_at),
        }),
        State::Online => Err(linked()),
        _ if running.recorder.own_jid().is_some() => Err(linked()),
        State::Stopped(cause) => Err(ServiceError::not_connected(&ConnectionStatus::of_cause(&cause))),
        state => {
            let ConnectionStatus { cause, retry_at, .. } = ConnectionStatus::of_state(&state);
            Ok(Qr::Generating { cause, retry_at })
        }
    }
}

/// What WhatsApp said to a wish for a pairing code; `None` if there is no connection to ask on at the moment.
pub(super) fn answered(
    answer: Result<PairingCode, RequestError>,
) -> Result<Option<PairingCode>, ServiceError> {
    let refused = |code, message: &str| ServiceError::Refused {
        cause: Some(if code == 404 { FailureCause::NotOnWhatsApp } else { FailureCause::Refused }),
        code: Some(code),
        message: message.to_owned(),
    };
    Err(match answer {
        Ok(code) => return Ok(Some(code)),
        Err(RequestError::NotConnected { .. } | RequestError::Stopped | RequestError::TimedOut) => {
            return Ok(None);
        }
        Err(RequestError::Invalid(_)) => {
            ServiceError::invalid(Field::Recipient, "is no international phone number")
        }
        // WhatsApp says 400 as well when codes were asked for too often for a number.
        Err(RequestError::Refused { code: 400 | 429, .. }) => {
            ServiceError::RateLimited { retry_after: CODE_RETRY }
        }
        Err(RequestError::Refused { code: code @ (404 | 452), .. }) => {
            refused(code, "WhatsApp does not link this number by code; scan the QR code instead")
        }
        Err(RequestError::Refused { code, .. }) => refused(code, "WhatsApp refused to give a pairing code"),
        Err(error) => ServiceError::internal(error),
    })
}

fn linked() -> ServiceError {
    let message = "an account is linked already; log out to link another one".to_owned();
    ServiceError::Conflict { cause: ConflictCause::AlreadyLinked, message }
}
