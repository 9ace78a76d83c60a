use serde::{Deserialize, Serialize};
use services::{Owed, Replayed};
use storage::{Cursor, Delivery, DeliveryQuery, DeliveryState, Event, EventKind, Json, Page};
use utoipa::{IntoParams, ToSchema};
use webhook::{Dialect as _, Seed1};

use super::page::{ListEnd, Pagination, Window, place};
use super::time::Time;
use crate::codes::Codes;
use crate::error::ApiError;
use crate::extract::{FromQuery, Parameters};
use crate::forms::PagePlace;
use crate::listing::Listing;

/// `GET …/dead-letters?limit&skip&after`, and `…/pending`.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct LettersQuery {
    #[param(ignore)]
    pub(crate) window: Window,
    /// Only those after this place: the `next` of the last page. Cheaper than `skip`, and stays where it is while others
    /// are replayed or delivered.
    #[param(inline, value_type = Option<PagePlace>)]
    pub(crate) after: Option<Cursor>,
}

impl LettersQuery {
    pub(crate) fn of_state(&self, state: DeliveryState) -> DeliveryQuery {
        let Window { limit, skip } = self.window;
        DeliveryQuery { state, after: self.after, limit, skip }
    }
}

impl FromQuery for LettersQuery {
    fn from_query(parameters: &mut Parameters) -> Result<Self, ApiError> {
        Ok(Self { window: Window::from_query(parameters)?, after: place("after", parameters)? })
    }
}

/// What is told of a delivery in any state. What is told of the event is `null` where the log has it no more.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct DeliveryResponse {
    /// Names the delivery in a replay.
    id: String,
    /// The id that the webhook carries.
    event_id: Option<String>,
    #[schema(value_type = Option<String>)]
    event: Option<EventKind>,
    timestamp: Option<Time>,
    /// How often it was tried; what this gateway could not try doesn't count.
    attempts: u32,
    last_status: Option<u16>,
    last_error: Option<String>,
}

impl DeliveryResponse {
    fn new(delivery: &mut Delivery, event: Option<&Event>) -> Self {
        Self {
            id: delivery.seq.to_string(),
            event_id: event.map(|event| event.id.to_string()),
            event: event.map(Event::kind),
            timestamp: event.map(|event| event.timestamp.into()),
            attempts: delivery.attempts,
            last_status: delivery.status_code,
            last_error: delivery.last_error.take(),
        }
    }
}

/// Deliveries that were given up, oldest first.
#[derive(ToSchema)]
#[serde(rename_all = "camelCase")]
#[allow(dead_code, reason = "only described")]
pub(crate) struct DeadLettersResponse {
    dead_letters: Vec<DeadLetter>,
    pagination: Pagination,
}

/// A delivery that was given up.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct DeadLetter {
    #[serde(flatten)]
    delivery: DeliveryResponse,
    #[schema(value_type = Option<Object>)]
    data: Option<Json>,
    failed_at: Time,
}

impl DeadLettersResponse {
    pub(crate) fn of(
        page: Page<Owed>,
        window: Window,
        codes: Codes,
    ) -> Listing<impl Iterator<Item = impl Serialize> + 'static> {
        let end = ListEnd { pagination: Pagination::of(&page, window) };
        let letter = move |owed| DeadLetter::of(owed, codes);
        Listing::new("deadLetters", page.items.into_iter().map(letter), &end)
    }
}

impl DeadLetter {
    fn of(Owed { mut delivery, event }: Owed, codes: Codes) -> Self {
        Self {
            data: event.as_ref().map(|event| Seed1.data(&codes.of(event))),
            failed_at: delivery.updated_at.into(),
            delivery: DeliveryResponse::new(&mut delivery, event.as_ref()),
        }
    }
}

/// Deliveries that are still to be tried, oldest first.
#[derive(ToSchema)]
#[allow(dead_code, reason = "only described")]
pub(crate) struct PendingResponse {
    pending: Vec<PendingDelivery>,
    pagination: Pagination,
}

/// A delivery that failed, or that waits behind one of its chat that did.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct PendingDelivery {
    #[serde(flatten)]
    delivery: DeliveryResponse,
    /// The JID of the chat, whose later events wait behind this one.
    chat: Option<String>,
    /// When it is tried next at the earliest.
    next_attempt: Time,
}

impl PendingResponse {
    pub(crate) fn of(
        page: Page<Owed>,
        window: Window,
    ) -> Listing<impl Iterator<Item = impl Serialize> + 'static> {
        let end = ListEnd { pagination: Pagination::of(&page, window) };
        Listing::new("pending", page.items.into_iter().map(PendingDelivery::from), &end)
    }
}

impl From<Owed> for PendingDelivery {
    fn from(Owed { mut delivery, event }: Owed) -> Self {
        Self {
            delivery: DeliveryResponse::new(&mut delivery, event.as_ref()),
            chat: delivery.chat,
            next_attempt: delivery.next_attempt.into(),
        }
    }
}

/// `POST …/dead-letters/replay`: those named, or all.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ReplayRequest {
    ids: Option<Vec<String>>,
    /// Whether what is pending is due at once, too; an empty `ids` leaves it at that.
    #[serde(default)]
    #[schema(required = false)]
    pending: bool,
}

impl ReplayRequest {
    const MAX_IDS: usize = 1000;

    pub(crate) fn with_pending(&self) -> bool {
        self.pending
    }

    pub(crate) fn into_seqs(self) -> Result<Option<Vec<i64>>, ApiError> {
        let Some(ids) = self.ids else { return Ok(None) };
        if ids.len() > Self::MAX_IDS {
            let message = format!("\"ids\" must name at most {} letters.", Self::MAX_IDS);
            return Err(ApiError::invalid(message).with_field("ids"));
        }
        // A text that can't be an id is a letter that doesn't exist: like one that is gone, it isn't replayed.
        Ok(Some(ids.iter().filter_map(|id| id.parse().ok()).collect()))
    }
}

/// What a replay answers.
#[derive(Serialize, ToSchema)]
pub(crate) struct ReplayResponse {
    success: bool,
    /// How many letters are due again.
    replayed: u64,
    /// How many pending deliveries are due now that would have been tried later; only where they were asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pending: Option<u64>,
}

impl ReplayResponse {
    pub(crate) fn new(replayed: Replayed, with_pending: bool) -> Self {
        let Replayed { dead, pending } = replayed;
        Self { success: true, replayed: dead, pending: with_pending.then_some(pending) }
    }
}
