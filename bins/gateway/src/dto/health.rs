use std::collections::BTreeMap;

use serde::Serialize;
use services::{VersionStatus, Waiting};
use storage::CauseKind;
use utoipa::ToSchema;

use super::time::Time;
use crate::counts::Counts;
use crate::vitals::Failure;

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

/// `GET /health`. Without a credential it is `status` alone.
#[derive(Serialize, ToSchema)]
pub(crate) struct HealthResponse {
    /// `ok`, `starting` (or stopping), or `failing`.
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<&'static str>,
    /// How many instances were last known to be in each state, and in `total`; absent when the database can't tell.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<std::collections::BTreeMap<String, u64>>)]
    instances: Option<Counts>,
    /// What the instances of this process wait for that aren't connected, by cause; absent where none does.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schema(value_type = Option<BTreeMap<String, WaitingHealth>>)]
    waiting: BTreeMap<&'static str, WaitingHealth>,
    #[serde(skip_serializing_if = "Option::is_none")]
    database: Option<DatabaseHealth>,
    #[serde(skip_serializing_if = "Option::is_none")]
    whatsapp: Option<WhatsAppHealth>,
}

/// Instances that wait for the same.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct WaitingHealth {
    instances: u64,
    /// When the first of them tries again; absent where each needs somebody first.
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_at: Option<Time>,
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
    /// `ok`, or `failing`: nothing can be written, or nothing read.
    status: &'static str,
    /// Since when nothing can be written.
    #[serde(skip_serializing_if = "Option::is_none")]
    since: Option<Time>,
    /// What went wrong when something was last written.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

impl HealthResponse {
    /// What everybody may know.
    pub(crate) fn brief(ready: bool, is_sound: bool) -> Self {
        let status = match (is_sound, ready) {
            (false, _) => "failing",
            (true, false) => "starting",
            (true, true) => "ok",
        };
        Self {
            status,
            version: None,
            instances: None,
            waiting: BTreeMap::new(),
            database: None,
            whatsapp: None,
        }
    }

    /// The same with everything that there is to know. `counts` is the number of instances by state.
    pub(crate) fn with_details(
        self,
        provider: &'static str,
        failure: Option<Failure>,
        counts: Option<Counts>,
        versions: VersionStatus,
        waiting: BTreeMap<CauseKind, Waiting>,
    ) -> Self {
        let status = if failure.is_some() { "failing" } else { "ok" };
        let (since, error) = failure.map(|failure| (failure.since, failure.error)).unzip();
        let database = DatabaseHealth { provider, status, since: since.flatten().map(Time::from), error };
        Self {
            version: Some(env!("CARGO_PKG_VERSION")),
            instances: counts,
            waiting: waiting.into_iter().map(waiting_for).collect(),
            database: Some(database),
            whatsapp: Some(versions.into()),
            ..self
        }
    }
}

fn waiting_for((cause, waiting): (CauseKind, Waiting)) -> (&'static str, WaitingHealth) {
    let Waiting { instances, retry_at } = waiting;
    (cause.as_str(), WaitingHealth { instances, retry_at: retry_at.map(Time::from) })
}
