use std::collections::BTreeMap;

use serde::Serialize;

/// `GET /health`.
#[derive(Serialize)]
pub(crate) struct HealthResponse {
    /// `ok`, `starting` (or stopping), or `failing`.
    status: &'static str,
    version: &'static str,
    /// How many instances there are in each state, and in `total`; absent when the database can't tell.
    #[serde(skip_serializing_if = "Option::is_none")]
    instances: Option<BTreeMap<&'static str, usize>>,
    database: DatabaseHealth,
}

#[derive(Serialize)]
struct DatabaseHealth {
    provider: &'static str,
    status: &'static str,
}

impl HealthResponse {
    /// `census` counts instances by state; `None` means that the database failed.
    pub(crate) fn new(ready: bool, census: Option<&BTreeMap<&'static str, usize>>) -> Self {
        let status = match (census, ready) {
            (None, _) => "failing",
            (Some(_), false) => "starting",
            (Some(_), true) => "ok",
        };
        let instances = census.map(|census| {
            let total = ("total", census.values().sum());
            census.iter().map(|(state, count)| (*state, *count)).chain([total]).collect()
        });
        let database =
            DatabaseHealth { provider: "sqlite", status: if census.is_some() { "ok" } else { "failing" } };
        Self { status, version: env!("CARGO_PKG_VERSION"), instances, database }
    }
}
