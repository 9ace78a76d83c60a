//! Named consumers of the event log.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_with::rust::double_option;
use services::{MAX_PAGE, MAX_WAIT, Pulled};
use storage::{ConsumerChange, ConsumerStart, Event, EventKind, Json, NamedConsumer};
use utoipa::{IntoParams, ToSchema};
use webhook::{Dialect as _, Seed1};

use super::time::Time;
use crate::codes::Codes;
use crate::error::ApiError;
use crate::extract::{FromQuery, Parameters};
use crate::forms::{Count, EventKinds};
use crate::listing::Listing;

/// `PUT …/consumers/{name}`: what isn't there stays as it is.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[allow(clippy::option_option, reason = "absent, null and a value are three different wishes")]
pub(crate) struct ConsumerRequest {
    /// Only events of these types; `null` means all.
    #[serde(default, with = "double_option")]
    #[schema(value_type = Option<EventKinds>)]
    types: Option<Option<Vec<EventKind>>>,
    from: Option<StartRequest>,
}

/// Where it goes on. Without it, a new consumer begins with what happens from now on.
#[derive(Deserialize, ToSchema)]
#[serde(untagged, expecting = "\"start\", \"now\" or the position of an event")]
#[schema(as = ConsumerStart)]
enum StartRequest {
    Word(Word),
    /// Behind the event at this position.
    #[schema(value_type = Count)]
    Position(u32),
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = ConsumerStartWord)]
enum Word {
    /// With the oldest event that is kept.
    Start,
    /// With what happens from now on.
    Now,
}

impl From<ConsumerRequest> for ConsumerChange {
    fn from(request: ConsumerRequest) -> Self {
        let start = request.from.map(|from| match from {
            StartRequest::Word(Word::Start) => ConsumerStart::Oldest,
            StartRequest::Word(Word::Now) => ConsumerStart::Newest,
            StartRequest::Position(position) => ConsumerStart::After(position.into()),
        });
        Self { kinds: request.types, start }
    }
}

/// `POST …/consumers/{name}/ack`.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AckRequest {
    /// The `position` of an event, or of an answer.
    pub(crate) position: i64,
}

/// The named consumers of an instance, by name.
#[derive(Serialize, ToSchema)]
pub(crate) struct ConsumersResponse {
    consumers: Vec<ConsumerResponse>,
}

impl From<Vec<NamedConsumer>> for ConsumersResponse {
    fn from(consumers: Vec<NamedConsumer>) -> Self {
        Self { consumers: consumers.into_iter().map(ConsumerResponse::from).collect() }
    }
}

/// A named consumer of the event log.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ConsumerResponse {
    instance_id: String,
    name: String,
    /// Only events of these types; `null` means all.
    #[schema(value_type = Option<Vec<String>>)]
    types: Option<Vec<EventKind>>,
    /// It has acknowledged everything up to this position in the log.
    position: i64,
    /// When it last acknowledged something, or was changed.
    seen_at: Time,
    created_at: Time,
    updated_at: Time,
}

impl From<NamedConsumer> for ConsumerResponse {
    fn from(consumer: NamedConsumer) -> Self {
        Self {
            instance_id: consumer.instance.to_string(),
            name: consumer.name,
            types: consumer.kinds,
            position: consumer.position,
            seen_at: consumer.seen_at.into(),
            created_at: consumer.created_at.into(),
            updated_at: consumer.updated_at.into(),
        }
    }
}

/// `GET …/consumers/{name}/events?limit&wait`.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct PullQuery {
    /// How many events at most.
    #[param(required = false, minimum = 1, maximum = 1000, default = 100)]
    pub(crate) limit: u64,
    /// How many seconds to wait for an event while there is none to answer.
    #[param(required = false, minimum = 0, maximum = 60, default = 0)]
    wait: u64,
}

impl PullQuery {
    const DEFAULT_LIMIT: u64 = 100;

    /// How long the answer may take while there is nothing to tell.
    pub(crate) fn wait(&self) -> Duration {
        Duration::from_secs(self.wait)
    }
}

impl FromQuery for PullQuery {
    fn from_query(parameters: &mut Parameters) -> Result<Self, ApiError> {
        Ok(Self {
            limit: parameters.number("limit", 1..=MAX_PAGE, Self::DEFAULT_LIMIT)?,
            wait: parameters.number("wait", 0..=MAX_WAIT.as_secs(), 0)?,
        })
    }
}

/// What a consumer has not acknowledged, oldest first.
#[derive(ToSchema)]
#[allow(dead_code, reason = "only described")]
pub(crate) struct PulledResponse {
    events: Vec<PulledEvent>,
    #[schema(inline)]
    #[serde(flatten)]
    end: PulledEnd,
}

/// An entry of the event log, with its position.
#[derive(ToSchema)]
#[allow(dead_code, reason = "only described")]
struct PulledEvent {
    position: i64,
    /// The same id that webhooks carry.
    id: String,
    #[schema(rename = "type")]
    kind: String,
    timestamp: Time,
    #[schema(value_type = Object)]
    data: Json,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct PulledEnd {
    /// What to acknowledge once all of these are done with; also of an answer without events, so that what isn't wanted is
    /// passed.
    position: i64,
    count: usize,
    /// Whether there are newer ones.
    has_more: bool,
}

impl PulledResponse {
    pub(crate) fn of(pulled: Pulled, codes: Codes) -> Listing<impl Iterator<Item = Json> + 'static> {
        let Pulled { page, position } = pulled;
        let end = PulledEnd { position, count: page.events.len(), has_more: page.has_more };
        let listed = move |event| positioned(&codes.of(&event));
        Listing::new("events", page.events.into_iter().map(listed), &end)
    }
}

/// The event as the log lists it, with its position before the rest.
fn positioned(event: &Event) -> Json {
    let listed = Seed1.listed(event);
    let rest = listed.text().strip_prefix('{').unwrap_or("}");
    // It is an object that has fields.
    Json::from_text(format!("{{\"position\":{},{rest}", event.seq)).unwrap_or_default()
}
