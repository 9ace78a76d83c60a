use serde::{Deserialize, Serialize};
use services::DeadLetter;
use storage::{EventKind, Json, Page};
use utoipa::ToSchema;

use super::page::{Pagination, Window};
use super::time::Time;
use crate::ApiError;

/// Deliveries that were given up, oldest first.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DeadLettersResponse {
    dead_letters: Vec<DeadLetterResponse>,
    pagination: Pagination,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct DeadLetterResponse {
    /// Names the letter in a replay.
    id: String,
    /// The id that the webhook carried.
    event_id: Option<String>,
    #[schema(value_type = Option<String>)]
    event: Option<EventKind>,
    timestamp: Option<Time>,
    #[schema(value_type = Option<Object>)]
    data: Option<Json>,
    attempts: u32,
    last_status: Option<u16>,
    last_error: Option<String>,
    failed_at: Time,
}

impl DeadLettersResponse {
    pub(crate) fn new(page: Page<DeadLetter>, window: Window) -> Self {
        let pagination = Pagination::of(&page, window);
        Self { dead_letters: page.items.into_iter().map(DeadLetterResponse::from).collect(), pagination }
    }
}

impl From<DeadLetter> for DeadLetterResponse {
    fn from(DeadLetter { delivery, event }: DeadLetter) -> Self {
        Self {
            id: delivery.seq.to_string(),
            event_id: event.as_ref().map(|event| event.id.to_string()),
            event: event.as_ref().map(|event| event.kind),
            timestamp: event.as_ref().map(|event| event.timestamp.into()),
            data: event.map(|event| event.data),
            attempts: delivery.attempts,
            last_status: delivery.status_code,
            last_error: delivery.last_error,
            failed_at: delivery.updated_at.into(),
        }
    }
}

/// `POST …/webhook/dead-letters/replay`: those named, or all.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ReplayRequest {
    ids: Option<Vec<String>>,
}

impl ReplayRequest {
    const MAX_IDS: usize = 1000;

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
}

impl ReplayResponse {
    pub(crate) fn new(replayed: u64) -> Self {
        Self { success: true, replayed }
    }
}
