use serde::Serialize;
use services::VersionStatus;
use utoipa::ToSchema;

use super::time::Time;
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
    whatsapp: WhatsAppHealth,
}

/// The version of WhatsApp Web that instances announce.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct WhatsAppHealth {
    version: String,
    /// `compiled` into this program, `fetched` from WhatsApp, or `configured`.
    origin: &'static str,
    /// When the newest one was last looked up.
    #[serde(skip_serializing_if = "Option::is_none")]
    checked_at: Option<Time>,
    /// When WhatsApp will begin to refuse it, where it said so.
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<Time>,
}

impl From<VersionStatus> for WhatsAppHealth {
    fn from(status: VersionStatus) -> Self {
        Self {
            version: status.version.to_string(),
            origin: status.origin.as_str(),
            checked_at: status.checked_at.map(Time::from),
            expires_at: status.expires_at.map(Time::from),
        }
    }
}

#[derive(Serialize, ToSchema)]
struct DatabaseHealth {
    provider: &'static str,
    status: &'static str,
}

impl HealthResponse {
    /// `counts` is the number of instances by state; `None` means that the database failed.
    pub(crate) fn new(
        ready: bool,
        provider: &'static str,
        counts: Option<Counts>,
        versions: VersionStatus,
    ) -> Self {
        let status = match (&counts, ready) {
            (None, _) => "failing",
            (Some(_), false) => "starting",
            (Some(_), true) => "ok",
        };
        let database = DatabaseHealth { provider, status: if counts.is_some() { "ok" } else { "failing" } };
        let whatsapp = versions.into();
        Self { status, version: env!("CARGO_PKG_VERSION"), instances: counts, database, whatsapp }
    }
}
