//! Streams of events.

use services::{EventStream, Overview, ServiceError};
use storage::{Event, EventKind, Json, Timestamp};
use utoipa::IntoParams;
use webhook::{Dialect as _, Seed1};

use crate::codes::Codes;
use crate::error::ApiError;
use crate::extract::{FromQuery, Parameters};
use crate::forms::EventKindList;
use crate::sse::{Frames, Source};

/// `GET …/events/stream?types&after` of an instance.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct StreamQuery {
    /// Only events of these types, separated by commas.
    #[param(rename = "types", inline, value_type = Option<EventKindList>, example = "message_received,message_sent")]
    pub(crate) kinds: Vec<EventKind>,
    /// Only what follows on the event with this `id`; 0 for the whole log. Without it, what happens from now on.
    #[param(value_type = Option<i64>, minimum = 0)]
    pub(crate) after: Option<i64>,
}

impl FromQuery for StreamQuery {
    fn from_query(parameters: &mut Parameters) -> Result<Self, ApiError> {
        Ok(Self {
            kinds: parameters.list("types", |word| word.parse().ok())?,
            after: parameters.parsed("after", "must be the id of an event")?,
        })
    }
}

/// `GET /api/events/stream?types&after`.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct OverviewQuery {
    /// Only events of these types, separated by commas.
    #[param(rename = "types", inline, value_type = Option<EventKindList>, example = "connected,disconnected")]
    pub(crate) kinds: Vec<EventKind>,
    /// Only what was recorded after this time: ISO 8601. Without it, what happens from now on.
    #[param(value_type = Option<String>, format = DateTime)]
    pub(crate) after: Option<Timestamp>,
}

impl FromQuery for OverviewQuery {
    fn from_query(parameters: &mut Parameters) -> Result<Self, ApiError> {
        Ok(Self {
            kinds: parameters.list("types", |word| word.parse().ok())?,
            after: parameters.time("after")?,
        })
    }
}

/// Events as they are told to somebody.
pub(crate) struct Told<S> {
    events: S,
    codes: Codes,
}

impl<S> Told<S> {
    pub(crate) fn new(events: S, codes: Codes) -> Self {
        Self { events, codes }
    }

    fn listed(&self, event: &Event) -> Json {
        Seed1.listed(&self.codes.of(event))
    }
}

impl Source for Told<EventStream> {
    async fn next(&mut self) -> Result<Option<Frames>, ServiceError> {
        let mut frames = Frames::default();
        for event in self.events.next().await? {
            let place = event.seq.to_string();
            frames.add(Some(&place), self.listed(&event).text());
        }
        Ok(Some(frames))
    }

    fn place(&self) -> Option<String> {
        Some(self.events.position().to_string())
    }
}

impl Source for Told<Overview> {
    async fn next(&mut self) -> Result<Option<Frames>, ServiceError> {
        let events = self.events.next().await?;
        let (place, mut frames) = (self.place(), Frames::default());
        // Only with the last of them all are told.
        let last = events.len().saturating_sub(1);
        for (at, event) in events.into_iter().enumerate() {
            frames.add(place.as_deref().filter(|_| at == last), self.listed(&event).text());
        }
        Ok(Some(frames))
    }

    fn place(&self) -> Option<String> {
        self.events.resumes_at().map(|time| time.to_string())
    }
}
