//! What was tried of a webhook's deliveries, and delivering it again.

use serde::{Deserialize, Serialize};
use services::{LogPlace, MAX_PAGE, Redeliver};
use storage::{Attempt, AttemptOutcome, AttemptQuery, Cursor, EventKind, Page, Timestamp};
use utoipa::{IntoParams, ToSchema};
use webhook::{Replay, Tested};

use super::page::place;
use super::time::Time;
use crate::error::ApiError;
use crate::extract::{FromQuery, Parameters};
use crate::forms::{Count, OutcomeWord, PagePlace};
use crate::listing::Listing;

/// `GET …/deliveries?limit&before&state`.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct AttemptsQuery {
    /// How many to show at most.
    #[param(required = false, minimum = 1, maximum = 1000, default = 50)]
    limit: u64,
    /// Only those before this place: the `next` of the last page.
    #[param(inline, value_type = Option<PagePlace>)]
    before: Option<Cursor>,
    /// Only attempts that ended like this: `delivered`, `failed` (and tried again) or `given_up`.
    #[param(inline, value_type = Option<OutcomeWord>, example = "failed")]
    state: Option<AttemptOutcome>,
}

impl AttemptsQuery {
    const DEFAULT_LIMIT: u64 = 50;

    pub(crate) fn to_query(&self) -> AttemptQuery {
        AttemptQuery { outcome: self.state, before: self.before, limit: self.limit }
    }
}

impl FromQuery for AttemptsQuery {
    fn from_query(parameters: &mut Parameters) -> Result<Self, ApiError> {
        Ok(Self {
            limit: parameters.number("limit", 1..=MAX_PAGE, Self::DEFAULT_LIMIT)?,
            before: place("before", parameters)?,
            state: parameters.parsed("state", "must be `delivered`, `failed` or `given_up`")?,
        })
    }
}

/// The last attempts to call a webhook, newest first.
#[derive(ToSchema)]
#[allow(dead_code, reason = "only described")]
pub(crate) struct AttemptsResponse {
    deliveries: Vec<AttemptResponse>,
    pagination: AttemptsPagination,
}

/// One attempt.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct AttemptResponse {
    /// Names the delivery in a replay.
    id: String,
    /// The id that the webhook carries.
    event_id: String,
    #[schema(value_type = String)]
    event: EventKind,
    /// From 1.
    attempt: u32,
    /// `delivered`, `failed` (and tried again) or `given_up`.
    #[schema(value_type = String)]
    state: AttemptOutcome,
    /// HTTP status of the answer, if there was one.
    status: Option<u16>,
    error: Option<String>,
    /// When it began.
    at: Time,
    duration_ms: u32,
    /// Whether somebody had asked for the call again.
    replayed: bool,
}

/// Where the page stands among the attempts that are kept.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct AttemptsPagination {
    total: u64,
    limit: u64,
    has_more: bool,
    /// Where the next page begins, as `before`.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

#[derive(Serialize)]
struct End {
    pagination: AttemptsPagination,
}

impl AttemptsResponse {
    pub(crate) fn of(
        page: Page<Attempt>,
        query: &AttemptsQuery,
    ) -> Listing<impl Iterator<Item = impl Serialize> + 'static> {
        let pagination = AttemptsPagination {
            total: page.total,
            limit: query.limit,
            has_more: page.has_more,
            next: page.next.map(|next| next.to_string()),
        };
        Listing::new("deliveries", page.items.into_iter().map(AttemptResponse::from), &End { pagination })
    }
}

impl From<Attempt> for AttemptResponse {
    fn from(attempt: Attempt) -> Self {
        Self {
            id: attempt.seq.to_string(),
            event_id: attempt.event.to_string(),
            event: attempt.kind,
            attempt: attempt.number,
            state: attempt.outcome,
            status: attempt.status_code,
            error: attempt.error,
            at: attempt.at.into(),
            duration_ms: attempt.millis,
            replayed: attempt.replayed,
        }
    }
}

/// Which event a path names.
///
/// # Errors
/// 404 for what can be neither.
pub(crate) fn named(event: &str) -> Result<Redeliver, ApiError> {
    let position = event.parse().map(Redeliver::Position).ok();
    let found = position.or_else(|| event.parse().map(Redeliver::Event).ok());
    found.ok_or_else(|| ApiError::not_found("No such event."))
}

/// `POST …/replay`: a part of the log.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RangeRequest {
    /// The first event: its position, or the time from which on.
    from: Place,
    /// The last event, likewise; without it, up to now.
    to: Option<Place>,
}

/// The position of an event, or a time.
#[derive(Deserialize, ToSchema)]
#[serde(untagged, expecting = "the position of an event, or an ISO 8601 time")]
#[schema(as = LogPlace)]
enum Place {
    #[schema(value_type = Count)]
    Position(u32),
    #[schema(value_type = String, format = DateTime)]
    Time(Timestamp),
}

impl RangeRequest {
    pub(crate) fn into_places(self) -> (LogPlace, Option<LogPlace>) {
        (self.from.into(), self.to.map(LogPlace::from))
    }
}

impl From<Place> for LogPlace {
    fn from(place: Place) -> Self {
        match place {
            Place::Position(position) => Self::Position(position.into()),
            Place::Time(time) => Self::Time(time),
        }
    }
}

/// What a replay of a part of the log answers.
#[derive(Serialize, ToSchema)]
pub(crate) struct RangeResponse {
    success: bool,
    /// How many events are delivered again.
    replayed: u64,
    /// The `from` of the call for the rest, where there was too much for one call.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<i64>,
}

impl From<Replay> for RangeResponse {
    fn from(replay: Replay) -> Self {
        Self { success: true, replayed: replay.count, next: replay.next }
    }
}

/// What came of a test call.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TestResponse {
    /// Whether a delivery would have succeeded.
    delivered: bool,
    /// HTTP status of the answer; `null` if there was none.
    status: Option<u16>,
    /// Why there was no answer.
    error: Option<String>,
    /// The beginning of the answer's body as text, 1 KB at most.
    body: Option<String>,
    duration_ms: u64,
}

impl From<Tested> for TestResponse {
    fn from(tested: Tested) -> Self {
        let duration_ms = u64::try_from(tested.took.as_millis()).unwrap_or(u64::MAX);
        let (status, body, error) = match tested.answer {
            Ok((status, body)) => (Some(status), Some(String::from_utf8_lossy(&body).into_owned()), None),
            Err(error) => (None, None, Some(error)),
        };
        let delivered = status.is_some_and(|status| (200..300).contains(&status));
        Self { delivered, status, error, body, duration_ms }
    }
}
