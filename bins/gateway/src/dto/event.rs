use std::time::Duration;

use serde::Serialize;
use services::{MAX_PAGE, MAX_WAIT};
use storage::{EventKind, EventPage, EventQuery, EventStart, Json, Timestamp};
use utoipa::{IntoParams, ToSchema};
use webhook::{Dialect as _, Seed1};

use super::time::Time;
use crate::codes::Codes;
use crate::error::ApiError;
use crate::extract::{FromQuery, Parameters};
use crate::forms::EventKindList;
use crate::listing::Listing;

/// `GET …/events?since&limit&types&wait`.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct EventsQuery {
    /// Only what was recorded after this time, oldest first: ISO 8601, or the `latestTimestamp` of the last answer.
    /// Without it, the newest events.
    #[param(value_type = Option<String>, format = DateTime)]
    since: Option<Timestamp>,
    /// How many events at most.
    #[param(required = false, minimum = 1, maximum = 1000, default = 20)]
    limit: u64,
    /// Only events of these types, separated by commas.
    #[param(rename = "types", inline, value_type = Option<EventKindList>, example = "message_received,message_sent")]
    kinds: Vec<EventKind>,
    /// How many seconds to wait for an event while there is none to answer.
    #[param(required = false, minimum = 0, maximum = 60, default = 0)]
    wait: u64,
}

impl EventsQuery {
    const DEFAULT_LIMIT: u64 = 20;

    /// The log from `since` on, or its newest end.
    pub(crate) fn to_query(&self) -> EventQuery {
        let start = self.since.map_or(EventStart::Newest, EventStart::AfterTime);
        EventQuery { start, kinds: self.kinds.clone(), limit: self.limit }
    }

    /// How long the answer may take while there is nothing to tell.
    pub(crate) fn wait(&self) -> Duration {
        Duration::from_secs(self.wait)
    }
}

impl FromQuery for EventsQuery {
    fn from_query(parameters: &mut Parameters) -> Result<Self, ApiError> {
        Ok(Self {
            since: parameters.time("since")?,
            limit: parameters.number("limit", 1..=MAX_PAGE, Self::DEFAULT_LIMIT)?,
            kinds: parameters.list("types", |word| word.parse().ok())?,
            wait: parameters.number("wait", 0..=MAX_WAIT.as_secs(), 0)?,
        })
    }
}

/// A page of the event log, oldest first.
#[derive(ToSchema)]
#[allow(dead_code, reason = "only described")]
pub(crate) struct EventsResponse {
    events: Vec<EventResponse>,
    #[schema(inline)]
    #[serde(flatten)]
    end: EventsEnd,
}

/// What follows the events.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct EventsEnd {
    /// The value for the next call's `since`.
    latest_timestamp: Option<Time>,
    count: usize,
    /// Whether there are newer ones: a page ends at its limit or at its size, about 1 MB.
    has_more: bool,
}

/// An entry of the event log, as the dialect writes it.
#[derive(ToSchema)]
#[allow(dead_code, reason = "only described")]
struct EventResponse {
    /// The same id that webhooks carry.
    id: String,
    #[schema(rename = "type")]
    kind: String,
    timestamp: Time,
    #[schema(value_type = Object)]
    data: Json,
}

impl EventsResponse {
    pub(crate) fn of(
        page: EventPage,
        query: &EventsQuery,
        codes: Codes,
    ) -> Listing<impl Iterator<Item = Json> + 'static> {
        let newest = page.events.last().map(|event| event.timestamp).or(query.since);
        let end = EventsEnd {
            latest_timestamp: newest.map(Time::from),
            count: page.events.len(),
            has_more: page.has_more,
        };
        let listed = move |event| Seed1.listed(&codes.of(&event));
        Listing::new("events", page.events.into_iter().map(listed), &end)
    }
}
