use serde::{Deserialize, Serialize};
use serde_with::rust::double_option;
use services::{MAX_PAGE, Reschedule, ScheduledMessage};
use storage::{Cursor, MessageKind, Page};
use utoipa::{IntoParams, ToSchema};

use super::page::place;
use super::sending::time;
use super::time::Time;
use crate::error::ApiError;
use crate::extract::{FromQuery, Parameters};
use crate::forms::{PagePlace, Words};
use crate::listing::Listing;

/// `GET …/scheduled?limit&after`.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct ScheduledQuery {
    /// How many to show at most.
    #[param(required = false, minimum = 1, maximum = 1000, default = 50)]
    pub(crate) limit: u64,
    /// Only what follows this place: the `next` of the last page.
    #[param(inline, value_type = Option<PagePlace>)]
    pub(crate) after: Option<Cursor>,
}

impl FromQuery for ScheduledQuery {
    fn from_query(parameters: &mut Parameters) -> Result<Self, ApiError> {
        Ok(Self { limit: parameters.number("limit", 1..=MAX_PAGE, 50)?, after: place("after", parameters)? })
    }
}

/// `PUT …/scheduled/{message}`: what isn't named stays as it is.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[allow(clippy::option_option, reason = "absent, null and a value are three different wishes")]
pub(crate) struct RescheduleRequest {
    /// Another time, ISO 8601.
    #[schema(format = DateTime)]
    send_at: Option<String>,
    /// Another end, ISO 8601; `null` removes it.
    #[serde(default, with = "double_option")]
    #[schema(value_type = Option<String>, format = DateTime)]
    expire_at: Option<Option<String>>,
    /// Another text: of a text, of an edit, or under a file.
    #[schema(value_type = Option<Words>)]
    message: Option<String>,
}

impl RescheduleRequest {
    pub(crate) fn checked(self) -> Result<Reschedule, ApiError> {
        let expire_at =
            self.expire_at.map(|end| end.map(|end| time("expireAt", &end)).transpose()).transpose()?;
        let send_at = self.send_at.map(|at| time("sendAt", &at)).transpose()?;
        Ok(Reschedule { send_at, expire_at, text: self.message })
    }
}

/// A message that is to be sent later.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ScheduledResponse {
    /// WhatsApp's id, which it will have.
    id: String,
    /// Whom it is for, as a JID.
    phone: String,
    #[serde(rename = "type")]
    #[schema(value_type = String)]
    kind: MessageKind,
    /// Its text, or the text under its file.
    message: Option<String>,
    /// The name of its file.
    #[serde(skip_serializing_if = "Option::is_none")]
    filename: Option<String>,
    send_at: Time,
    expire_at: Option<Time>,
    created_at: Time,
    updated_at: Time,
}

impl From<ScheduledMessage> for ScheduledResponse {
    fn from(ScheduledMessage { scheduled, kind, text, file_name }: ScheduledMessage) -> Self {
        Self {
            id: scheduled.message_id,
            phone: scheduled.recipient,
            kind,
            message: text,
            filename: file_name,
            send_at: scheduled.send_at.into(),
            expire_at: scheduled.expire_at.map(Time::from),
            created_at: scheduled.created_at.into(),
            updated_at: scheduled.updated_at.into(),
        }
    }
}

/// A page of what is to be sent later, by its time.
#[derive(ToSchema)]
#[allow(dead_code, reason = "only described")]
pub(crate) struct ScheduledListResponse {
    scheduled: Vec<ScheduledResponse>,
    #[schema(inline)]
    #[serde(flatten)]
    end: ScheduledEnd,
}

/// What follows them.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct ScheduledEnd {
    /// How many there are in all pages.
    total: u64,
    has_more: bool,
    /// Where the next page begins, as `after`.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

impl ScheduledListResponse {
    pub(crate) fn of(
        page: Page<ScheduledMessage>,
    ) -> Listing<impl Iterator<Item = impl Serialize> + 'static> {
        let next = page.next.map(|next| next.to_string());
        let end = ScheduledEnd { total: page.total, has_more: page.has_more, next };
        Listing::new("scheduled", page.items.into_iter().map(ScheduledResponse::from), &end)
    }
}
