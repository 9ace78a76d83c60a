use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::forms::ProviderWord;

/// `GET /api/db/status`.
#[derive(Serialize, ToSchema)]
pub(crate) struct DatabaseResponse {
    /// As `DATABASE_PROVIDER` names it.
    pub(crate) provider: &'static str,
    /// Where it is, without credentials.
    pub(crate) url: String,
}

/// `POST /api/db/switch`.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SwitchRequest {
    /// Where everything is to be stored.
    #[schema(value_type = ProviderWord)]
    pub(crate) provider: String,
}

/// The provider is the one that was asked for.
#[derive(Serialize, ToSchema)]
pub(crate) struct SwitchedResponse {
    success: bool,
    message: String,
    provider: &'static str,
}

impl SwitchedResponse {
    pub(crate) fn to(provider: &'static str) -> Self {
        Self { success: true, message: format!("Database provider switched to {provider}"), provider }
    }
}
