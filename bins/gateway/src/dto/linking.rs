//! Linking an instance: QR code, pairing code, passkey.

use super::time::Time;
use crate::forms::{Base64Url, Base64UrlOrNone, PhoneNumber};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use services::{PairingCode, PasskeyStep, ShownPasskey};
use storage::{CauseKind, ConnectionCause, Timestamp};
use utoipa::ToSchema;

/// `POST …/pairing-code`.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PairingCodeRequest {
    /// The number of the phone that is to enter the code, with the country code.
    #[schema(value_type = PhoneNumber)]
    pub(crate) phone: String,
}

/// What that answers.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PairingCodeResponse {
    /// Eight characters; the dash in the middle doesn't count.
    #[schema(example = "ABCD-1234")]
    code: String,
    /// Until when the phone can use it.
    expires_at: Time,
}

impl From<PairingCode> for PairingCodeResponse {
    fn from(code: PairingCode) -> Self {
        Self { code: code.code, expires_at: Timestamp::from_millis(code.expires_at).into() }
    }
}

/// `POST …/passkey`.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PasskeyRequest {
    credential: Credential,
}

/// A `PublicKeyCredential` as its `toJSON()` writes it; what isn't listed here is not looked at.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Credential {
    #[schema(value_type = Base64Url)]
    raw_id: String,
    response: Assertion,
}

/// The authenticator's part of it, in base64url.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Assertion {
    #[serde(rename = "clientDataJSON")]
    #[schema(value_type = Base64Url)]
    client_data_json: String,
    #[schema(value_type = Base64Url)]
    authenticator_data: String,
    #[schema(value_type = Base64Url)]
    signature: String,
    #[schema(value_type = Option<Base64UrlOrNone>)]
    user_handle: Option<String>,
}

impl From<PasskeyRequest> for ShownPasskey {
    fn from(PasskeyRequest { credential }: PasskeyRequest) -> Self {
        let Credential { raw_id, response } = credential;
        Self {
            raw_id,
            client_data_json: response.client_data_json,
            authenticator_data: response.authenticator_data,
            signature: response.signature,
            user_handle: response.user_handle,
        }
    }
}

/// `GET …/passkey`: `asked` (with `options`), `answered`, `compare` (with `code` and `optional`), `confirmed`.
#[derive(Serialize, ToSchema)]
pub(crate) struct PasskeyResponse {
    step: &'static str,
    /// WebAuthn's request, for `PublicKeyCredential.parseRequestOptionsFromJSON`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    options: Option<Value>,
    /// The code that the phone has to show, too.
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<String>,
    /// Whether the phone may show no code, because it knows already whom it links.
    #[serde(skip_serializing_if = "Option::is_none")]
    optional: Option<bool>,
}

impl From<PasskeyStep> for PasskeyResponse {
    fn from(step: PasskeyStep) -> Self {
        let plain = |step| Self { step, options: None, code: None, optional: None };
        match step {
            PasskeyStep::Asked { options } => {
                Self { options: serde_json::from_str(&options).ok(), ..plain("asked") }
            }
            PasskeyStep::Compare { code, is_optional } => {
                Self { code: Some(code), optional: Some(is_optional), ..plain("compare") }
            }
            PasskeyStep::Confirmed => plain("confirmed"),
            _ => plain("answered"),
        }
    }
}

/// `GET …/qr`.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
pub(crate) enum QrResponse {
    /// The text to show as a QR code, for the phone to scan.
    #[serde(rename_all = "camelCase")]
    Code { qr_code: String },
    /// There is no code yet. Without `cause` there will be one in a few seconds.
    #[serde(rename_all = "camelCase")]
    Generating {
        message: &'static str,
        status: &'static str,
        /// Why the last try to reach WhatsApp failed, for programs.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schema(value_type = Option<String>)]
        cause: Option<CauseKind>,
        /// When the next try is due.
        #[serde(skip_serializing_if = "Option::is_none")]
        retry_at: Option<Time>,
    },
}

impl QrResponse {
    pub(crate) fn generating(cause: Option<ConnectionCause>, retry_at: Option<Timestamp>) -> Self {
        let message = match cause {
            None => "QR code generation in progress. Please try again in a few seconds.",
            Some(_) => "There is no QR code yet: WhatsApp could not be reached. It is tried again.",
        };
        Self::Generating {
            message,
            status: "generating",
            cause: cause.map(|cause| cause.kind),
            retry_at: retry_at.map(Time::from),
        }
    }
}
