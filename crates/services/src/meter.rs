//! Counts what is too frequent to be stored each time, and what only whoever watches the process wants to know.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use storage::{Day, Distribution, Histogram, InstanceId, Listener, Recorded, Storage, StorageError, Usage};
use tokio::time::{MissedTickBehavior, interval};
use webhook::{CallOutcome, Observer};

use crate::clock::now;

/// How long a count waits to be stored at most. A crash forgets as much.
const FLUSH: Duration = Duration::from_secs(10);
/// Instances whose counts share a write.
const PIECE: usize = 500;

/// Counts calls of the API and of webhooks in memory, and stores them in pieces; counts for whoever watches what goes on.
/// Clones are the same meter.
///
/// It holds a count for each instance that was called since the last flush, and only for instances that exist.
#[derive(Clone)]
pub struct Meter {
    inner: Arc<Inner>,
}

struct Inner {
    counts: Mutex<Counts>,
    sent: AtomicU64,
    received: AtomicU64,
    delivered: AtomicU64,
    failed: AtomicU64,
    given_up: AtomicU64,
    lag: Histogram,
}

/// By instance and day.
type ByDay = HashMap<InstanceId, BTreeMap<Day, Usage>>;

#[derive(Default)]
struct Counts {
    fresh: ByDay,
    /// On their way into the store.
    under_way: ByDay,
}

impl Counts {
    fn all(&self) -> [&ByDay; 2] {
        [&self.fresh, &self.under_way]
    }
}

/// What has gone on since the process began.
#[derive(Clone, Debug, PartialEq)]
pub struct Traffic {
    /// Messages sent and stored.
    pub sent: u64,
    /// Messages received and stored.
    pub received: u64,
    /// Calls of webhooks that were delivered.
    pub delivered: u64,
    /// Calls of webhooks that failed and are made again.
    pub failed: u64,
    /// Calls of webhooks that were given up.
    pub given_up: u64,
    /// Seconds from an event to its delivery.
    pub lag: Distribution,
}

impl Default for Meter {
    fn default() -> Self {
        Self {
            inner: Arc::new(Inner {
                counts: Mutex::default(),
                sent: AtomicU64::new(0),
                received: AtomicU64::new(0),
                delivered: AtomicU64::new(0),
                failed: AtomicU64::new(0),
                given_up: AtomicU64::new(0),
                lag: Histogram::new(Histogram::SECONDS),
            }),
        }
    }
}

impl Meter {
    /// Counts a call of the API about an instance that exists.
    pub fn api_call(&self, instance: InstanceId) {
        self.count(instance, Usage { api_calls: 1, ..Usage::default() });
    }

    /// What has gone on since the process began.
    pub fn traffic(&self) -> Traffic {
        let inner = &self.inner;
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Traffic {
            sent: read(&inner.sent),
            received: read(&inner.received),
            delivered: read(&inner.delivered),
            failed: read(&inner.failed),
            given_up: read(&inner.given_up),
            lag: inner.lag.read(),
        }
    }

    /// What is counted and not stored yet, of an instance and from a day on.
    pub(crate) fn unstored(&self, instance: InstanceId, from: Day) -> Vec<(Day, Usage)> {
        let counts = self.inner.counts.lock();
        let days = counts.all().into_iter().filter_map(|counts| counts.get(&instance));
        days.flat_map(|days| days.range(from..)).map(|(day, usage)| (*day, *usage)).collect()
    }

    /// What is counted and not stored yet, of all instances.
    pub(crate) fn all_unstored(&self) -> Usage {
        let counts = self.inner.counts.lock();
        counts.all().into_iter().flat_map(HashMap::values).flat_map(BTreeMap::values).copied().sum()
    }

    /// Stores what was counted, now and then. Never ends.
    pub(crate) async fn keep(self, storage: Arc<dyn Storage>) {
        let mut ticks = interval(FLUSH);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            self.flush(&*storage).await;
        }
    }

    /// Stores what was counted until now.
    pub(crate) async fn flush(&self, storage: &dyn Storage) {
        let counts: Vec<_> = {
            let mut counts = self.inner.counts.lock();
            for (instance, days) in std::mem::take(&mut counts.fresh) {
                let under_way = counts.under_way.entry(instance).or_default();
                days.into_iter().for_each(|(day, usage)| *under_way.entry(day).or_default() += usage);
            }
            let by_day = |(instance, days): (&InstanceId, &BTreeMap<Day, Usage>)| {
                let instance = *instance;
                days.iter().map(move |(day, usage)| (instance, *day, *usage)).collect::<Vec<_>>()
            };
            counts.under_way.iter().flat_map(by_day).collect()
        };
        for piece in counts.chunks(PIECE) {
            if let Err(error) = self.store(storage, piece).await {
                tracing::warn!(%error, "counts of calls could not be stored; they are kept for the next time");
                return;
            }
        }
    }

    async fn store(
        &self,
        storage: &dyn Storage,
        piece: &[(InstanceId, Day, Usage)],
    ) -> Result<(), StorageError> {
        storage.add_usage(piece.to_vec()).await?;
        let mut counts = self.inner.counts.lock();
        for (instance, day, _) in piece {
            if let Some(days) = counts.under_way.get_mut(instance) {
                days.remove(day);
            }
        }
        counts.under_way.retain(|_, days| !days.is_empty());
        Ok(())
    }

    fn count(&self, instance: InstanceId, usage: Usage) {
        let mut counts = self.inner.counts.lock();
        *counts.fresh.entry(instance).or_default().entry(Day::of(now())).or_default() += usage;
    }
}

impl Observer for Meter {
    fn called(&self, instance: InstanceId, outcome: CallOutcome, lag: Duration) {
        let inner = &self.inner;
        let counter = match outcome {
            CallOutcome::Delivered => {
                inner.lag.record_time(lag);
                self.count(instance, Usage { webhook_calls: 1, ..Usage::default() });
                &inner.delivered
            }
            CallOutcome::Failed => &inner.failed,
            CallOutcome::GivenUp => &inner.given_up,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

impl Listener for Meter {
    fn rang(&self, _: InstanceId, recorded: &Recorded) {
        let usage: Usage = recorded.events.iter().map(|event| Usage::of(&event.data)).sum();
        self.inner.sent.fetch_add(usage.messages_sent, Ordering::Relaxed);
        self.inner.received.fetch_add(usage.messages_received, Ordering::Relaxed);
    }
}

impl std::fmt::Debug for Meter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Meter").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use storage::conformance::{sample_leased, sample_user};
    use storage::{MemoryStorage, UsageStore as _, UserStore as _};

    use super::*;

    const CALL: Usage = Usage {
        messages_sent: 0,
        messages_received: 0,
        media_sent: 0,
        media_received: 0,
        media_size: 0,
        api_calls: 1,
        webhook_calls: 0,
    };

    #[tokio::test]
    async fn what_is_counted_is_stored_once() {
        let (meter, storage) = (Meter::default(), MemoryStorage::new());
        let user = sample_user("zoe");
        storage.create_user(user.clone()).await.unwrap();
        let (instance, _) = sample_leased(&storage, user.id, "shop").await.unwrap();
        meter.api_call(instance.id);
        meter.called(instance.id, CallOutcome::Delivered, Duration::from_millis(3));
        meter.called(instance.id, CallOutcome::Failed, Duration::ZERO);
        let counted = Usage { webhook_calls: 1, ..CALL };
        let today = Day::of(now());
        assert_eq!(meter.all_unstored(), counted);
        assert_eq!(meter.unstored(instance.id, today), [(today, counted)]);
        assert_eq!(meter.unstored(instance.id, today.before(-1)), []);

        meter.flush(&storage).await;
        meter.flush(&storage).await;
        assert_eq!(storage.usage_since(instance.id, today).await.unwrap(), counted);
        assert_eq!(meter.all_unstored(), Usage::default());
        meter.api_call(instance.id);
        meter.flush(&storage).await;
        assert_eq!(storage.usage_since(instance.id, today).await.unwrap().api_calls, 2);
        let Traffic { delivered, failed, given_up, lag, .. } = meter.traffic();
        assert_eq!((delivered, failed, given_up, lag.count), (1, 1, 0, 1));
    }
}
