use serde::Serialize;
use serde_json::{Map, Value};
use services::{Activity, ActivityWish, ActivityWord, MAX_PAGE};
use storage::{Event, InstanceId, Page, Timestamp};
use utoipa::{IntoParams, ToSchema};
use webhook::{Dialect as _, Seed1};

use super::page::{ListEnd, Pagination, Window};
use super::time::Time;
use crate::error::ApiError;
use crate::extract::{FromQuery, Parameters};
use crate::forms::ActivityList;
use crate::listing::Listing;

/// `GET …/activity?limit&skip&actions&startDate&endDate`.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct ActivityParameters {
    /// How many entries at most.
    #[param(required = false, minimum = 1, maximum = 1000, default = 100)]
    limit: u64,
    /// How many to leave out first.
    #[param(required = false, maximum = 100_000_000, default = 0)]
    skip: u64,
    /// Only these actions, separated by commas.
    #[param(inline, value_type = Option<ActivityList>, example = "connected,disconnected,qr_received")]
    actions: Vec<ActivityWord>,
    /// Only what happened at or after this time: ISO 8601.
    #[param(rename = "startDate", value_type = Option<String>, format = DateTime)]
    start: Option<Timestamp>,
    /// Only what happened at or before this time.
    #[param(rename = "endDate", value_type = Option<String>, format = DateTime)]
    end: Option<Timestamp>,
}

impl ActivityParameters {
    const DEFAULT_LIMIT: u64 = 100;

    pub(crate) fn wish(&self) -> ActivityWish {
        let Self { limit, skip, start, end, .. } = *self;
        ActivityWish { actions: self.actions.clone(), start, end, limit, skip }
    }
}

/// What the older revision of the API calls the ends of a connection, and what they are called now.
const OLDER: [(&str, &str); 2] = [("connection_opened", "connected"), ("connection_closed", "disconnected")];

/// Programs that were written from it filter by its words.
fn present(word: &str) -> &str {
    OLDER.iter().find(|(older, _)| *older == word).map_or(word, |(_, present)| present)
}

impl FromQuery for ActivityParameters {
    fn from_query(parameters: &mut Parameters) -> Result<Self, ApiError> {
        let Window { limit, skip } = Window::up_to(MAX_PAGE, Self::DEFAULT_LIMIT, parameters)?;
        Ok(Self {
            limit,
            skip,
            actions: parameters.list("actions", |word| ActivityWord::parse(present(word)))?,
            start: parameters.time("startDate")?,
            end: parameters.time("endDate")?,
        })
    }
}

/// What happened to an instance, newest first.
#[derive(ToSchema)]
#[allow(dead_code, reason = "only described")]
pub(crate) struct ActivityResponse {
    logs: Vec<ActivityEntry>,
    pagination: Pagination,
}

/// Something that happened to an instance.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct ActivityEntry {
    /// That of the event that tells of it.
    id: String,
    instance_id: String,
    /// `created`, `updated`, `connecting`, `reconnect` (it was asked for), `pairing_code`, `paired`, `logged_out`, `unreadable`, or the
    /// type of an event: `connected`, `disconnected`, `qr_received`, `webhook_updated`, `limit_exceeded`,
    /// `limits_changed`, `client_expiring`.
    action: &'static str,
    /// What the event tells beside, without codes to scan; of `updated` the `fields`.
    #[schema(value_type = Object)]
    details: Map<String, Value>,
    created_at: Time,
}

impl ActivityResponse {
    pub(crate) fn of(
        page: Page<Activity>,
        instance: InstanceId,
        wish: &ActivityWish,
    ) -> Listing<impl Iterator<Item = impl Serialize> + 'static> {
        let window = Window { limit: wish.limit, skip: wish.skip };
        let end = ListEnd { pagination: Pagination::of(&page, window) };
        let entries = page.items.into_iter().map(move |activity| ActivityEntry::of(&activity, instance));
        Listing::new("logs", entries, &end)
    }
}

impl ActivityEntry {
    fn of(activity: &Activity, instance: InstanceId) -> Self {
        let (id, details) = match activity {
            Activity::Created(_) => (instance.to_string(), Map::new()),
            Activity::Event(event) => (event.id.to_string(), details(event)),
        };
        Self {
            id,
            instance_id: instance.to_string(),
            action: activity.action(),
            details,
            created_at: activity.at().into(),
        }
    }
}

/// The event's data without what stands beside it in the entry, and without the code, which holds a secret.
fn details(event: &Event) -> Map<String, Value> {
    let mut told: Map<String, Value> = Seed1.data(event).parse().unwrap_or_default();
    for name in ["instanceId", "action", "timestamp", "qrCode", "expiresAt"] {
        told.remove(name);
    }
    told
}
