//! How many instances there are in each state.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use storage::Storage;
use tokio::sync::Mutex as AsyncMutex;
use tokio::time::Instant;

/// Number of instances by state, and in `total`.
pub(crate) type Counts = BTreeMap<&'static str, u64>;

/// Counts all instances, at most once a second and one at a time, however many ask.
pub(crate) struct InstanceCounter {
    storage: Arc<dyn Storage>,
    last: Mutex<Option<(Instant, Counts)>>,
    /// Held by whoever counts; the others have what that finds.
    counting: AsyncMutex<()>,
}

impl InstanceCounter {
    const FRESH: Duration = Duration::from_secs(1);

    pub(crate) fn new(storage: Arc<dyn Storage>) -> Self {
        Self { storage, last: Mutex::default(), counting: AsyncMutex::new(()) }
    }

    /// The counts, or nothing if the database can't tell.
    pub(crate) async fn count(&self) -> Option<Counts> {
        if let Some(counts) = self.recent() {
            return Some(counts);
        }
        let _counting = self.counting.lock().await;
        if let Some(counts) = self.recent() {
            return Some(counts);
        }
        let counted = self.storage.instance_counts().await;
        let counted =
            counted.inspect_err(|error| tracing::warn!(%error, "instances can't be counted")).ok()?;
        let by_status = counted.by_status.into_iter().map(|(status, count)| (status.as_str(), count));
        let counts: Counts = by_status.chain([("total", counted.total)]).collect();
        *self.last.lock() = Some((Instant::now(), counts.clone()));
        Some(counts)
    }

    fn recent(&self) -> Option<Counts> {
        let last = self.last.lock();
        last.as_ref().filter(|(at, _)| at.elapsed() < Self::FRESH).map(|(_, counts)| counts.clone())
    }
}
