use serde::Serialize;
use utoipa::ToSchema;

use crate::counts::Counts;

/// `GET /livez` and `GET /readyz`: `{"status": "ok"}`.
#[derive(Serialize, ToSchema)]
pub(crate) struct Alive {
    status: &'static str,
}

impl Alive {
    pub(crate) fn new() -> Self {
        Self { status: "ok" }
    }
}

/// `GET /health`.
#[derive(Serialize, ToSchema)]
pub(crate) struct HealthResponse {
    /// `ok`, `starting` (or stopping), or `failing`.
    status: &'static str,
    version: &'static str,
    /// How many instances were last known to be in each state, and in `total`; absent when the database can't tell.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<std::collections::BTreeMap<String, u64>>)]
    instances: Option<Counts>,
    database: DatabaseHealth,
}

#[derive(Serialize, ToSchema)]
struct DatabaseHealth {
    provider: &'static str,
    status: &'static str,
}

impl HealthResponse {
    /// `counts` is the number of instances by state; `None` means that the database failed.
    pub(crate) fn new(ready: bool, provider: &'static str, counts: Option<Counts>) -> Self {
        let status = match (&counts, ready) {
            (None, _) => "failing",
            (Some(_), false) => "starting",
            (Some(_), true) => "ok",
        };
        let database = DatabaseHealth { provider, status: if counts.is_some() { "ok" } else { "failing" } };
        Self { status, version: env!("CARGO_PKG_VERSION"), instances: counts, database }
    }
}
