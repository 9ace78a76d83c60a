//! Following an instance from nothing to ready.

use serde::Serialize;
use services::{LinkStep, Linking, ServiceError};
use storage::CauseKind;
use utoipa::{IntoParams, ToSchema};

use super::linking::PasskeyResponse;
use super::time::Time;
use crate::error::{ApiError, ErrorResponse};
use crate::extract::{FromQuery, Parameters};
use crate::forms::PhoneNumber;
use crate::sse::{Frames, Source};

/// `GET …/link?phone`.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct LinkQuery {
    /// The number of the phone that is to enter a code, with the country code; without it, a phone scans.
    #[param(inline, value_type = Option<PhoneNumber>)]
    pub(crate) phone: Option<String>,
}

impl FromQuery for LinkQuery {
    fn from_query(parameters: &mut Parameters) -> Result<Self, ApiError> {
        // In a query string `+` means a space, which a phone number may begin with.
        Ok(Self { phone: parameters.parsed("phone", "must be a phone number")? })
    }
}

/// The `data` of an event: how far the instance is.
#[derive(Serialize, ToSchema)]
#[serde(tag = "step", rename_all = "snake_case", rename_all_fields = "camelCase")]
pub(crate) enum LinkResponse {
    /// On the way to WhatsApp; with a `cause`, the last try failed and another one follows.
    Connecting {
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schema(value_type = Option<String>)]
        cause: Option<CauseKind>,
        #[serde(skip_serializing_if = "Option::is_none")]
        retry_at: Option<Time>,
    },
    /// To be scanned. Another one replaces it in time.
    Qr { qr_code: String, expires_at: Time },
    /// To be entered on the phone. Another one replaces it in time.
    Code { code: String, expires_at: Time },
    /// The account asks for a passkey: what `GET …/passkey` answers.
    Passkey { passkey: PasskeyResponse },
    /// A phone has linked it.
    Linked {},
    /// It can send: the last step.
    Ready { jid: Option<String> },
}

impl From<LinkStep> for LinkResponse {
    fn from(step: LinkStep) -> Self {
        match step {
            LinkStep::Connecting { cause, retry_at } => {
                Self::Connecting { cause: cause.map(|cause| cause.kind), retry_at: retry_at.map(Time::from) }
            }
            LinkStep::Qr { text, expires_at } => Self::Qr { qr_code: text, expires_at: expires_at.into() },
            LinkStep::Code { code, expires_at } => Self::Code { code, expires_at: expires_at.into() },
            LinkStep::Passkey(step) => Self::Passkey { passkey: step.into() },
            LinkStep::Linked => Self::Linked {},
            LinkStep::Ready { jid } => Self::Ready { jid },
        }
    }
}

/// The last `data` where the instance can't become ready.
#[derive(Serialize)]
struct Failed<'a> {
    step: &'static str,
    #[serde(flatten)]
    error: ErrorResponse<'a>,
}

/// The `id` of the last event. A browser that connects again with it is told to stop.
pub(crate) const END: &str = "end";

/// A stream of the steps.
pub(crate) struct Link {
    linking: Linking,
    has_failed: bool,
}

impl From<Linking> for Link {
    fn from(linking: Linking) -> Self {
        Self { linking, has_failed: false }
    }
}

impl Source for Link {
    async fn next(&mut self) -> Result<Option<Frames>, ServiceError> {
        if self.has_failed {
            return Ok(None);
        }
        let mut frames = Frames::default();
        match self.linking.next().await {
            Ok(None) => return Ok(None),
            Ok(Some(step)) => {
                let end = matches!(step, LinkStep::Ready { .. }).then_some(END);
                frames.add(end, &json(&LinkResponse::from(step)));
            }
            Err(error) => {
                self.has_failed = true;
                let error = ApiError::from(error);
                frames.add(Some(END), &json(&Failed { step: "failed", error: error.response() }));
            }
        }
        Ok(Some(frames))
    }

    fn place(&self) -> Option<String> {
        None
    }
}

/// Our own types always have a JSON form.
fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}
