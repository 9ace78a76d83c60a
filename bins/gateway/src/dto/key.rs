use serde::{Deserialize, Serialize};
use services::NewKey;
use storage::{ApiKey, InstanceId, Page, Scope, ScopedKey, Timestamp};
use utoipa::ToSchema;

use super::page::{ListEnd, Pagination, Window};
use super::time::Time;
use crate::error::ApiError;
use crate::forms::{KeyInstances, KeyName, Scopes};
use crate::listing::Listing;

/// The words of [`Scope`].
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
#[allow(dead_code, reason = "for the description alone")]
pub(crate) enum ScopeWord {
    Read,
    Send,
    Manage,
}

/// `POST /api/keys`.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct NewKeyRequest {
    /// What it is for.
    #[schema(value_type = KeyName)]
    name: String,
    /// What it opens: calls that look, that send, and all others about instances.
    #[schema(value_type = Scopes)]
    scopes: Vec<Scope>,
    /// The only instances that there are for it; left out, all that the user has.
    #[schema(value_type = Option<KeyInstances>)]
    instances: Option<Vec<String>>,
    /// When it ends; left out, when it is deleted.
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Option<Timestamp>,
}

impl TryFrom<NewKeyRequest> for NewKey {
    type Error = ApiError;

    fn try_from(request: NewKeyRequest) -> Result<Self, ApiError> {
        let ids = |ids: Vec<String>| ids.iter().map(|id| parsed(id)).collect::<Result<Vec<_>, _>>();
        Ok(Self {
            name: request.name,
            scopes: request.scopes,
            instances: request.instances.map(ids).transpose()?,
            expires_at: request.expires_at,
        })
    }
}

fn parsed(id: &str) -> Result<InstanceId, ApiError> {
    let unknown = "\"instances\" lists what is no instance of yours.";
    id.parse().map_err(|_| ApiError::invalid(unknown).with_field("instances"))
}

/// A scoped key, without the key itself.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct KeyResponse {
    id: String,
    name: String,
    #[schema(value_type = Vec<ScopeWord>)]
    scopes: Vec<Scope>,
    /// The only instances that there are for it; `null` for all that the user has.
    instances: Option<Vec<String>>,
    expires_at: Option<Time>,
    created_at: Time,
    /// To the minute.
    last_used_at: Option<Time>,
}

impl From<ScopedKey> for KeyResponse {
    fn from(key: ScopedKey) -> Self {
        let texts = |ids: Vec<InstanceId>| ids.iter().map(ToString::to_string).collect();
        Self {
            id: key.id.to_string(),
            name: key.name,
            scopes: key.scopes,
            instances: key.instances.map(texts),
            expires_at: key.expires_at.map(Time::from),
            created_at: key.created_at.into(),
            last_used_at: key.last_used_at.map(Time::from),
        }
    }
}

/// A key that was just made.
#[derive(Serialize, ToSchema)]
pub(crate) struct CreatedKey {
    #[serde(flatten)]
    described: KeyResponse,
    /// The key itself, for `x-api-key`. It can't be shown again.
    key: String,
}

impl From<(ScopedKey, ApiKey)> for CreatedKey {
    fn from((described, key): (ScopedKey, ApiKey)) -> Self {
        Self { described: described.into(), key: key.expose().to_owned() }
    }
}

/// A page of the caller's keys.
#[derive(ToSchema)]
#[allow(dead_code, reason = "only described")]
pub(crate) struct KeysResponse {
    keys: Vec<KeyResponse>,
    pagination: Pagination,
}

impl KeysResponse {
    pub(crate) fn of(
        page: Page<ScopedKey>,
        window: Window,
    ) -> Listing<impl Iterator<Item = impl Serialize> + 'static> {
        let end = ListEnd { pagination: Pagination::of(&page, window) };
        Listing::new("keys", page.items.into_iter().map(KeyResponse::from), &end)
    }
}
