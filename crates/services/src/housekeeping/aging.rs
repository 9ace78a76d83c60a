//! How late it is, for what is forgotten by age: a clock that is years ahead for a second must not forget everything.

use std::time::Duration;

use storage::{Clock, SecretText, Storage, Timestamp};
use tokio::time::Instant;

/// Under this name the store keeps how late it was seen to be.
const SETTING: &str = "time seen";
/// Time is seen to pass at most so many times as fast as it does: so what was not seen while nothing ran is caught up.
const HASTE: u32 = 2;
/// The clock may be so far ahead of what was seen.
const DOUBT: Duration = Duration::from_secs(60 * 60);

/// Follows the clock, but never faster than twice the time that passes while it is looked at.
pub(super) struct Aging {
    clock: Clock,
    seen: Timestamp,
    looked: Instant,
}

/// What is known of the time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    /// It is at least this late.
    pub(super) time: Timestamp,
    /// The clock is far ahead of that.
    pub(super) doubts: bool,
}

impl Aging {
    /// Goes on from what an earlier life has seen; without one, the clock is believed.
    pub(super) async fn load(storage: &dyn Storage, clock: Clock) -> Self {
        let stored = match storage.setting(SETTING).await {
            Ok(stored) => stored,
            Err(error) => {
                tracing::warn!(%error, "how late it was can't be read");
                None
            }
        };
        let seen = stored.and_then(|text| text.expose().parse().ok()).map(Timestamp::from_millis);
        Self { seen: seen.unwrap_or_else(|| clock.now()), clock, looked: Instant::now() }
    }

    /// Looks at the clock.
    pub(super) async fn advance(&mut self, storage: &dyn Storage) -> Seen {
        let passed = self.looked.elapsed();
        self.looked += passed;
        let now = self.clock.now();
        self.seen = now.min(self.seen.after(passed * HASTE));
        let text = SecretText::new(self.seen.millis().to_string());
        if let Err(error) = storage.put_setting(SETTING.to_owned(), text).await {
            tracing::warn!(%error, "how late it is can't be stored");
        }
        Seen { time: self.seen, doubts: now > self.seen.after(DOUBT) }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use parking_lot::Mutex;
    use storage::MemoryStorage;

    use super::*;

    const HOUR: Duration = Duration::from_secs(60 * 60);
    const DAY: Duration = Duration::from_secs(24 * 60 * 60);

    fn clock() -> (Arc<Mutex<Timestamp>>, Clock) {
        let time = Arc::new(Mutex::new(Timestamp::from_seconds(1_700_000_000)));
        let shown = Arc::clone(&time);
        (time, Clock::new(move || *shown.lock()))
    }

    #[tokio::test(start_paused = true)]
    async fn a_jump_is_not_believed_and_a_long_absence_is_caught_up() {
        let storage = MemoryStorage::new();
        let (time, clock) = clock();
        let start = *time.lock();
        let mut aging = Aging::load(&storage, clock.clone()).await;
        assert_eq!(aging.advance(&storage).await, Seen { time: start, doubts: false });
        for jump in [DAY * 3_650, DAY * 8, HOUR * 5] {
            *time.lock() = start.after(jump);
            // Also over a restart.
            let mut aging = Aging::load(&storage, clock.clone()).await;
            assert_eq!(aging.advance(&storage).await, Seen { time: start, doubts: true });
        }
        *time.lock() = start.before(DAY);
        assert_eq!(aging.advance(&storage).await, Seen { time: start.before(DAY), doubts: false });
        for hour in 1..=24 {
            tokio::time::advance(HOUR).await;
            *time.lock() = start.after(HOUR * hour);
            let seen = aging.advance(&storage).await;
            assert_eq!(seen.time, start.after(HOUR * hour).min(start.before(DAY).after(HOUR * 2 * hour)));
        }
        assert!(!aging.advance(&storage).await.doubts);
    }
}
