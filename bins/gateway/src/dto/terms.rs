//! How a message is sent: what every request to send says beside its content.

use std::time::Duration;

use serde::Deserialize;
use services::{Later, MAX_SEND_WAIT, OnLimit, Repeats, SendTerms, WaitFor};
use tokio::time::Instant;
use utoipa::{IntoParams, ToSchema};

use super::sending::time;
use crate::error::ApiError;
use crate::extract::Form;
use crate::forms::IdempotencyKey;

/// Declares requests that send something. Beside its own fields each takes a recipient and the terms, as all do.
macro_rules! send_requests {
    ($($(#[$meta:meta])* $name:ident { $($(#[$of_field:meta])* $field:ident: $type:ty,)* })+) => {$(
        with_terms! {
            $(#[$meta])*
            $name {
                /// A phone number in any usual notation, or the JID of a person or a group.
                #[schema(value_type = $crate::forms::Recipient)]
                phone: String,
                $($(#[$of_field])* $field: $type,)*
            }
        }

        impl $crate::dto::terms::Sending for $name {
            fn phone(&self) -> &str {
                &self.phone
            }

            fn terms(&self) -> $crate::dto::terms::TermsRequest {
                self.said_terms()
            }
        }
    )+};
}

/// Declares requests that post something to the status: the same without a recipient.
macro_rules! post_requests {
    ($($(#[$meta:meta])* $name:ident { $($(#[$of_field:meta])* $field:ident: $type:ty,)* })+) => {$(
        with_terms! {
            $(#[$meta])*
            $name { $($(#[$of_field])* $field: $type,)* }
        }

        impl $crate::dto::terms::Sending for $name {
            fn phone(&self) -> &str {
                $crate::dto::terms::STATUS
            }

            fn terms(&self) -> $crate::dto::terms::TermsRequest {
                self.said_terms()
            }
        }
    )+};
}

/// Declares a request with the terms beside its own fields.
macro_rules! with_terms {
    ($(#[$meta:meta])* $name:ident { $($(#[$of_field:meta])* $field:ident: $type:ty,)* }) => {
        $(#[$meta])*
        #[derive(serde::Deserialize, utoipa::ToSchema)]
        #[serde(deny_unknown_fields, rename_all = "camelCase")]
        pub(crate) struct $name {
            $($(#[$of_field])* pub(crate) $field: $type,)*
            /// What to do if WhatsApp doesn't let the account write to the recipient at present, which is never tried:
            /// `refuse` (429), or `hold` the message until it may leave.
            #[serde(default, rename = "on_limit", alias = "onLimit")]
            on_limit: $crate::dto::terms::OnLimitRequest,
            /// Send it although it equals a message that was still pending when the gateway was started, two minutes ago
            /// at most. Without an `Idempotency-Key` such a call is answered about the first message.
            #[serde(default)]
            allow_duplicate: bool,
            /// Answer when the message has come so far, with its `status` and with `devices`; 202 when it has not in time.
            wait: Option<$crate::dto::terms::WaitRequest>,
            /// For how many seconds to wait.
            #[schema(minimum = 1, maximum = 60, default = 30)]
            wait_seconds: Option<u64>,
            /// Send it then, ISO 8601: a year ahead at most. It has its id from now on, and the instance needn't be connected.
            #[schema(format = DateTime)]
            send_at: Option<String>,
            /// A message with `sendAt` that could not be sent before this time has failed, with the cause `expired`.
            #[schema(format = DateTime)]
            expire_at: Option<String>,
        }

        impl $name {
            fn said_terms(&self) -> $crate::dto::terms::TermsRequest {
                $crate::dto::terms::TermsRequest {
                    on_limit: self.on_limit,
                    allow_duplicate: self.allow_duplicate,
                    wait: self.wait,
                    wait_seconds: self.wait_seconds,
                    send_at: self.send_at.clone(),
                    expire_at: self.expire_at.clone(),
                }
            }
        }
    };
}

/// The chat that posts go to.
pub(crate) const STATUS: &str = "status@broadcast";

/// The header by which a repeat is known.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[allow(dead_code, reason = "only described")]
pub(crate) struct IdempotencyHeader {
    /// A repeat of the call under the same key answers what the first one did, without a second message. Give one with
    /// every call: whoever gets no answer can't know whether the message was taken, and it is sent whatever happens.
    #[param(rename = "Idempotency-Key", required = false, inline, value_type = IdempotencyKey)]
    key: String,
}

/// What every request to send has.
pub(crate) trait Sending {
    /// The recipient, as the caller wrote it.
    fn phone(&self) -> &str;

    /// How it is to be sent.
    fn terms(&self) -> TermsRequest;
}

/// How a message is to be sent, as the caller says it.
#[derive(Default)]
pub(crate) struct TermsRequest {
    pub(crate) on_limit: OnLimitRequest,
    pub(crate) allow_duplicate: bool,
    pub(crate) wait: Option<WaitRequest>,
    pub(crate) wait_seconds: Option<u64>,
    pub(crate) send_at: Option<String>,
    pub(crate) expire_at: Option<String>,
}

/// What a call waits for once its message is handed in.
pub(crate) struct Wait {
    pub(crate) wanted: WaitFor,
    pub(crate) deadline: Instant,
}

impl TermsRequest {
    /// How long a call waits if it doesn't say.
    const WAIT_SECONDS: u64 = 30;

    /// The terms that stand in a form.
    pub(crate) fn of_form(form: &mut Form) -> Result<Self, ApiError> {
        Ok(Self {
            on_limit: word(form, "on_limit", "refuse or hold")?.unwrap_or_default(),
            allow_duplicate: word(form, "allowDuplicate", "true or false")?.unwrap_or(Answer::False).into(),
            wait: word(form, "wait", "server, delivered or read")?,
            wait_seconds: form
                .text("waitSeconds")
                .map(|text| text.parse().map_err(|_| seconds()))
                .transpose()?,
            send_at: form.text("sendAt"),
            expire_at: form.text("expireAt"),
        })
    }

    /// The same as the services take it, and what the call waits for, counted from now.
    ///
    /// # Errors
    /// A 400 that names the field.
    pub(crate) fn checked(self, key: Option<String>) -> Result<(SendTerms, Option<Wait>), ApiError> {
        let later = self.later()?;
        if later.is_some() && self.wait.is_some() {
            let problem = "Nothing can be waited for that is sent later.";
            return Err(ApiError::invalid(problem).with_field("wait"));
        }
        let within = match (self.wait, self.wait_seconds) {
            (None, None) => None,
            (None, Some(_)) => {
                let problem = "\"waitSeconds\" says how long to wait for what \"wait\" names.";
                return Err(ApiError::invalid(problem).with_field("waitSeconds"));
            }
            (Some(_), given) => Some(given.unwrap_or(Self::WAIT_SECONDS)),
        };
        if within.is_some_and(|within| !(1..=MAX_SEND_WAIT.as_secs()).contains(&within)) {
            return Err(seconds());
        }
        let within = within.map(Duration::from_secs);
        let wait = self.wait.zip(within);
        let wait = wait.map(|(wait, within)| Wait { wanted: wait.into(), deadline: Instant::now() + within });
        let repeats = if self.allow_duplicate { Repeats::Send } else { Repeats::Answer };
        let terms = SendTerms {
            idempotency_key: key,
            on_limit: self.on_limit.into(),
            repeats,
            later,
            ..SendTerms::default()
        };
        Ok((SendTerms { patience: within.unwrap_or(terms.patience), ..terms }, wait))
    }

    /// When it is to be sent, if not now.
    fn later(&self) -> Result<Option<Later>, ApiError> {
        let send_at = self.send_at.as_deref().map(|text| time("sendAt", text)).transpose()?;
        let expire_at = self.expire_at.as_deref().map(|text| time("expireAt", text)).transpose()?;
        if send_at.is_none() && expire_at.is_some() {
            return Err(ApiError::invalid("\"expireAt\" belongs to \"sendAt\".").with_field("expireAt"));
        }
        Ok(send_at.map(|send_at| Later { send_at, expire_at }))
    }
}

fn seconds() -> ApiError {
    let most = MAX_SEND_WAIT.as_secs();
    ApiError::invalid(format!("\"waitSeconds\" must be a whole number from 1 to {most}."))
        .with_field("waitSeconds")
}

/// A word of a form.
fn word<T: for<'de> Deserialize<'de>>(
    form: &mut Form,
    name: &'static str,
    words: &str,
) -> Result<Option<T>, ApiError> {
    let parse = |text: String| serde_json::from_value(text.into());
    form.text(name)
        .map(parse)
        .transpose()
        .map_err(|_| ApiError::invalid(format!("{name:?} must be {words}.")).with_field(name))
}

/// A yes or no of a form.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Answer {
    True,
    False,
}

impl From<Answer> for bool {
    fn from(answer: Answer) -> Self {
        matches!(answer, Answer::True)
    }
}

/// How far a message is to come before the call is answered.
#[derive(Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum WaitRequest {
    Server,
    Delivered,
    Read,
}

impl From<WaitRequest> for WaitFor {
    fn from(request: WaitRequest) -> Self {
        match request {
            WaitRequest::Server => Self::Server,
            WaitRequest::Delivered => Self::Delivered,
            WaitRequest::Read => Self::Read,
        }
    }
}

/// What to do with a message that may not leave yet.
#[derive(Clone, Copy, Default, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum OnLimitRequest {
    #[default]
    Refuse,
    Hold,
}

impl From<OnLimitRequest> for OnLimit {
    fn from(request: OnLimitRequest) -> Self {
        match request {
            OnLimitRequest::Refuse => Self::Refuse,
            OnLimitRequest::Hold => Self::Hold,
        }
    }
}
