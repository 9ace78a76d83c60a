//! Linking accounts that ask for a passkey.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use storage::{FailureCause, InstanceId};
use wa_client::{PasskeyAssertion, PasskeyStep, RequestError, State};

use super::InstanceService;
use crate::auth::Caller;
use crate::error::{ConflictCause, ServiceError};
use crate::field::Field;

/// Longest part of an assertion, in bytes of base64url.
pub const MAX_PASSKEY_PART: usize = 16 << 10;

/// What an authenticator answered, as browsers write it: binary parts in base64url.
#[derive(Clone, Default)]
pub struct ShownPasskey {
    /// `rawId`: the credential's id, in unpadded base64url as all of these.
    pub raw_id: String,
    /// `response.clientDataJSON`: what the browser signed.
    pub client_data_json: String,
    /// `response.authenticatorData`: what the authenticator says of itself.
    pub authenticator_data: String,
    /// `response.signature`, over both.
    pub signature: String,
    /// `response.userHandle`: whose credential it is, where the authenticator says so.
    pub user_handle: Option<String>,
}

impl InstanceService {
    /// How far a pairing is whose account asks for a passkey.
    ///
    /// # Errors
    /// `NotFound`; `Conflict` when none is asked for.
    pub async fn passkey(&self, caller: &Caller, id: InstanceId) -> Result<PasskeyStep, ServiceError> {
        match self.inner.supervisor.find(caller.user, id).map(|running| running.state()) {
            Some(State::Passkey(step)) => Ok(step),
            Some(_) => Err(unasked()),
            None => self.stored(caller, id).await.and_then(|_| Err(unasked())),
        }
    }

    /// Shows the passkey that is asked for. After a refusal another one may be shown.
    ///
    /// # Errors
    /// `NotFound`; `Invalid` for what is no answer of an authenticator; `Conflict` when none is asked for; `Refused` by
    /// WhatsApp; `Unavailable` when WhatsApp doesn't answer.
    pub async fn show_passkey(
        &self,
        caller: &Caller,
        id: InstanceId,
        shown: &ShownPasskey,
    ) -> Result<(), ServiceError> {
        let assertion = shown.read()?;
        self.passkey(caller, id).await?;
        let Some(running) = self.inner.supervisor.find(caller.user, id) else { return Err(unasked()) };
        heard(running.companion.answer_passkey(assertion).await)
    }

    /// Says that the phone shows the code that is to be compared. Only for a person to say.
    ///
    /// # Errors
    /// `NotFound`; `Conflict` when nothing is to be compared; `Refused` by WhatsApp; `Unavailable` when it doesn't answer.
    pub async fn confirm_passkey(&self, caller: &Caller, id: InstanceId) -> Result<(), ServiceError> {
        self.passkey(caller, id).await?;
        let Some(running) = self.inner.supervisor.find(caller.user, id) else { return Err(unasked()) };
        heard(running.companion.confirm_passkey().await)
    }
}

impl ShownPasskey {
    fn read(&self) -> Result<PasskeyAssertion, ServiceError> {
        Ok(PasskeyAssertion {
            credential_id: bytes("rawId", &self.raw_id)?,
            client_data_json: bytes("response.clientDataJSON", &self.client_data_json)?,
            authenticator_data: bytes("response.authenticatorData", &self.authenticator_data)?,
            signature: bytes("response.signature", &self.signature)?,
            user_handle: match self.user_handle.as_deref() {
                None | Some("") => None,
                Some(handle) => Some(bytes("response.userHandle", handle)?),
            },
        })
    }
}

fn bytes(part: &str, text: &str) -> Result<Vec<u8>, ServiceError> {
    let text = text.trim_end_matches('=');
    let decoded = URL_SAFE_NO_PAD.decode(text).ok().filter(|bytes| !bytes.is_empty());
    let wrong = || ServiceError::invalid(Field::Passkey, format!("must have {part:?} in base64url"));
    decoded.filter(|_| text.len() <= MAX_PASSKEY_PART).ok_or_else(wrong)
}

fn heard(answer: Result<(), RequestError>) -> Result<(), ServiceError> {
    answer.map_err(|error| match error {
        RequestError::Invalid(_) | RequestError::NotConnected { .. } | RequestError::Stopped => unasked(),
        RequestError::Refused { code, .. } => ServiceError::Refused {
            cause: Some(FailureCause::Refused),
            code: Some(code),
            message: "WhatsApp refused the passkey".to_owned(),
        },
        RequestError::TimedOut => {
            ServiceError::Unavailable { message: "WhatsApp did not answer to the passkey in time" }
        }
        error => ServiceError::internal(error),
    })
}

fn unasked() -> ServiceError {
    let message = "nothing of the kind is asked for at the moment".to_owned();
    ServiceError::Conflict { cause: ConflictCause::NoPasskeyAsked, message }
}

impl std::fmt::Debug for ShownPasskey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ShownPasskey").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_authenticator_answers_is_named() {
        let good = ShownPasskey {
            raw_id: "AQ".to_owned(),
            client_data_json: "e30".to_owned(),
            authenticator_data: "AQID".to_owned(),
            signature: "_-8=".to_owned(),
            user_handle: None,
        };
        assert_eq!(good.read().unwrap().signature, [0xff, 0xef]);
        let without = ShownPasskey { raw_id: String::new(), ..good.clone() };
        let error = without.read().unwrap_err().to_string();
        assert_eq!(error, "passkey must have \"rawId\" in base64url");
        let wrong = ShownPasskey { signature: "a+b/".to_owned(), ..good };
        assert!(wrong.read().unwrap_err().to_string().contains("response.signature"));
    }
}
