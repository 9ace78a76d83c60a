//! How many instances there are in each state.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use services::Supervisor;
use storage::Storage;
use tokio::time::Instant;

/// Number of instances by state.
pub(crate) type Counts = BTreeMap<&'static str, usize>;

/// Counts all instances, at most once a second: everybody may ask, and counting reads every instance.
pub(crate) struct InstanceCounter {
    storage: Arc<dyn Storage>,
    supervisor: Supervisor,
    last: Mutex<Option<(Instant, Counts)>>,
}

impl InstanceCounter {
    const FRESH: Duration = Duration::from_secs(1);

    pub(crate) fn new(storage: Arc<dyn Storage>, supervisor: Supervisor) -> Self {
        Self { storage, supervisor, last: Mutex::default() }
    }

    /// The counts, or nothing if the database can't tell.
    pub(crate) async fn count(&self) -> Option<Counts> {
        if let Some(counts) = self.recent() {
            return Some(counts);
        }
        let fleet = self.storage.fleet().await;
        let fleet = fleet.inspect_err(|error| tracing::warn!(%error, "instances can't be counted")).ok()?;
        let mut counts = Counts::new();
        for instance in &fleet {
            *counts.entry(self.supervisor.status(instance).status.as_str()).or_default() += 1;
        }
        *self.last.lock() = Some((Instant::now(), counts.clone()));
        Some(counts)
    }

    fn recent(&self) -> Option<Counts> {
        let last = self.last.lock();
        last.as_ref().filter(|(at, _)| at.elapsed() < Self::FRESH).map(|(_, counts)| counts.clone())
    }
}
