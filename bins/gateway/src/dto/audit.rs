use serde::Serialize;
use services::MAX_PAGE;
use storage::{AuditAction, AuditEntry, AuditPage, AuditQuery, Json, Timestamp, UserId};
use utoipa::{IntoParams, ToSchema};

use super::time::Time;
use crate::error::ApiError;
use crate::extract::{FromQuery, Parameters};
use crate::forms::{AuditWord, NumberedPlace};
use crate::listing::Listing;

/// `GET /api/audit`.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct AuditParameters {
    /// How many entries to show at most.
    #[param(required = false, minimum = 1, maximum = 1000, default = 100)]
    limit: u64,
    /// Only entries before this place: the `next` of a page.
    #[param(inline, value_type = Option<NumberedPlace>)]
    before: Option<i64>,
    /// Only what this user did, by their id.
    #[param(value_type = Option<String>, format = "uuid")]
    user: Option<UserId>,
    /// Only this action.
    #[param(inline, value_type = Option<AuditWord>)]
    action: Option<AuditAction>,
    /// Only from this time on.
    #[param(value_type = Option<String>, format = DateTime)]
    since: Option<Timestamp>,
    /// Only until this time.
    #[param(value_type = Option<String>, format = DateTime)]
    until: Option<Timestamp>,
}

impl AuditParameters {
    const DEFAULT_LIMIT: u64 = 100;

    pub(crate) fn query(self) -> AuditQuery {
        let Self { limit, before, user, action, since, until } = self;
        AuditQuery { limit, before, user, action, since, until }
    }
}

impl FromQuery for AuditParameters {
    fn from_query(parameters: &mut Parameters) -> Result<Self, ApiError> {
        Ok(Self {
            limit: parameters.number("limit", 1..=MAX_PAGE, Self::DEFAULT_LIMIT)?,
            before: parameters.parsed("before", "must be the `next` of a page")?,
            user: parameters.parsed("user", "must be the id of a user")?,
            action: parameters.parsed("action", "must be an action of the log")?,
            since: parameters.time("since")?,
            until: parameters.time("until")?,
        })
    }
}

/// Something that was done.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct AuditItem {
    at: Time,
    /// What was done: `login`, `login_failed`, `user_created`, `user_updated`, `user_deleted`, `password_changed`,
    /// `api_key_rotated`, `key_created`, `key_deleted`, `instance_created`, `instance_updated`, `instance_deleted`,
    /// `instance_reconnected`, `instance_paused`, `instance_resumed`, `instance_logged_out`, `instance_imported`,
    /// `instance_cleared`, `link_created`, `dialect_key_rotated`, `webhook_created`, `webhook_updated` or `webhook_deleted`.
    #[schema(value_type = String)]
    action: AuditAction,
    /// Who did it; `null` for the operator at a command line, and for those who could not log in.
    user_id: Option<String>,
    /// The scoped key that was used, if it was one.
    key_id: Option<String>,
    address: Option<String>,
    /// The id of what it was done to.
    target: Option<String>,
    /// More about it.
    #[schema(value_type = Option<Object>)]
    details: Json,
}

impl From<AuditEntry> for AuditItem {
    fn from(entry: AuditEntry) -> Self {
        Self {
            at: entry.at.into(),
            action: entry.action,
            user_id: entry.actor.user.map(|user| user.to_string()),
            key_id: entry.actor.key.map(|key| key.to_string()),
            address: entry.actor.address.map(|address| address.to_string()),
            target: entry.target,
            details: entry.details,
        }
    }
}

/// A page of the audit log, newest first.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
#[allow(dead_code, reason = "only described")]
pub(crate) struct AuditResponse {
    entries: Vec<AuditItem>,
    has_more: bool,
    next: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct AuditEnd {
    has_more: bool,
    next: Option<String>,
}

impl AuditResponse {
    pub(crate) fn of(page: AuditPage) -> Listing<impl Iterator<Item = impl Serialize> + 'static> {
        let end = AuditEnd { has_more: page.next.is_some(), next: page.next.map(|next| next.to_string()) };
        Listing::new("entries", page.entries.into_iter().map(|(_, entry)| AuditItem::from(entry)), &end)
    }
}
