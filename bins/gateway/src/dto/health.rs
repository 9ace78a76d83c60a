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
    /// How many instances there are in each state, and in `total`; absent when the database can't tell.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<std::collections::BTreeMap<String, usize>>)]
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
    pub(crate) fn new(ready: bool, counts: Option<&Counts>) -> Self {
        let status = match (counts, ready) {
            (None, _) => "failing",
            (Some(_), false) => "starting",
            (Some(_), true) => "ok",
        };
        let instances = counts.map(|counts| {
            let total = ("total", counts.values().sum());
            counts.iter().map(|(state, count)| (*state, *count)).chain([total]).collect()
        });
        let database =
            DatabaseHealth { provider: "sqlite", status: if counts.is_some() { "ok" } else { "failing" } };
        Self { status, version: env!("CARGO_PKG_VERSION"), instances, database }
    }
}
