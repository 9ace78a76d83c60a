use serde::Serialize;
use services::MAX_PAGE;
use storage::{Event, EventKind, EventPage, EventQuery, EventStart, Json, Timestamp};
use utoipa::{IntoParams, ToSchema};

use super::time::Time;

use crate::ApiError;
use crate::extract::{FromQuery, Parameters};

/// `GET …/events?since&limit&types`.
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
    #[param(rename = "types", value_type = Option<String>, example = "message_received,message_sent")]
    kinds: Vec<EventKind>,
}

impl EventsQuery {
    const DEFAULT_LIMIT: u64 = 20;

    /// The log from `since` on, or its newest end.
    pub(crate) fn to_query(&self) -> EventQuery {
        let start = self.since.map_or(EventStart::Newest, EventStart::AfterTime);
        EventQuery { start, kinds: self.kinds.clone(), limit: self.limit }
    }
}

impl FromQuery for EventsQuery {
    fn from_query(parameters: &mut Parameters) -> Result<Self, ApiError> {
        Ok(Self {
            since: parameters.time("since")?,
            limit: parameters.number("limit", 1..=MAX_PAGE, Self::DEFAULT_LIMIT)?,
            kinds: parameters.list("types", |word| word.parse().ok())?,
        })
    }
}

/// A page of the event log, oldest first.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct EventsResponse {
    events: Vec<EventResponse>,
    /// The value for the next call's `since`.
    latest_timestamp: Option<Time>,
    count: usize,
    has_more: bool,
}

#[derive(Serialize, ToSchema)]
struct EventResponse {
    /// The same id that webhooks carry.
    id: String,
    #[serde(rename = "type")]
    #[schema(value_type = String)]
    kind: EventKind,
    timestamp: Time,
    #[schema(value_type = Object)]
    data: Json,
}

impl EventsResponse {
    pub(crate) fn new(page: EventPage, query: &EventsQuery) -> Self {
        let newest = page.events.last().map(|event| event.timestamp).or(query.since);
        let events: Vec<EventResponse> = page.events.into_iter().map(EventResponse::from).collect();
        let latest_timestamp = newest.map(Time::from);
        Self { latest_timestamp, count: events.len(), has_more: page.has_more, events }
    }
}

impl From<Event> for EventResponse {
    fn from(event: Event) -> Self {
        Self {
            id: event.id.to_string(),
            kind: event.kind,
            timestamp: event.timestamp.into(),
            data: event.data,
        }
    }
}
