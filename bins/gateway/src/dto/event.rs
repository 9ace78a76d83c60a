use serde::Serialize;
use services::MAX_PAGE;
use storage::{Event, EventKind, EventPage, EventQuery, EventStart, Json, Timestamp};

use crate::ApiError;
use crate::extract::{FromQuery, Parameters};

/// `GET …/events?since&limit&types`.
pub(crate) struct EventsQuery {
    since: Option<Timestamp>,
    limit: u64,
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
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct EventsResponse {
    events: Vec<EventResponse>,
    /// The value for the next call's `since`.
    latest_timestamp: Option<Timestamp>,
    count: usize,
    has_more: bool,
}

#[derive(Serialize)]
struct EventResponse {
    /// The same id that webhooks carry.
    id: String,
    #[serde(rename = "type")]
    kind: EventKind,
    timestamp: Timestamp,
    data: Json,
}

impl EventsResponse {
    pub(crate) fn new(page: EventPage, query: &EventsQuery) -> Self {
        let latest_timestamp = page.events.last().map(|event| event.timestamp).or(query.since);
        let events: Vec<EventResponse> = page.events.into_iter().map(EventResponse::from).collect();
        Self { latest_timestamp, count: events.len(), has_more: page.has_more, events }
    }
}

impl From<Event> for EventResponse {
    fn from(event: Event) -> Self {
        Self { id: event.id.to_string(), kind: event.kind, timestamp: event.timestamp, data: event.data }
    }
}
