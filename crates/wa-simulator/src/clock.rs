use std::{
    sync::atomic::{AtomicI64, Ordering},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use tokio::time::Instant;

/// The simulator's wall clock: a Unix time at an instant of tokio's clock.
///
/// It moves with tokio's time, so that tests on paused time see time-outs, certificate validity and
/// message timestamps move together.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    origin: Instant,
    base: Duration,
}

impl Clock {
    /// Starts at the machine's time.
    #[allow(clippy::disallowed_methods, reason = "the one place where wall time enters")]
    pub fn system() -> Self {
        Self {
            origin: Instant::now(),
            base: SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default(),
        }
    }

    /// Starts at `unix_seconds`, whatever the machine's time is.
    pub fn starting_at(unix_seconds: u64) -> Self {
        Self { origin: Instant::now(), base: Duration::from_secs(unix_seconds) }
    }

    /// Milliseconds since 1970.
    pub fn unix_millis(&self) -> u64 {
        u64::try_from(self.unix().as_millis()).unwrap_or(u64::MAX)
    }

    /// Seconds since 1970, as stanzas carry them in `t`.
    pub fn unix_seconds(&self) -> u64 {
        self.unix().as_secs()
    }

    /// Milliseconds since the simulator was started.
    pub(crate) fn elapsed_millis(&self) -> u64 {
        u64::try_from(self.origin.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn unix(&self) -> Duration {
        self.base + self.origin.elapsed()
    }
}

/// The time that server and phones tell: that of a [`Clock`], shifted.
#[derive(Debug)]
pub(crate) struct ServerClock {
    clock: Clock,
    /// Milliseconds; what is told is that much later.
    offset: AtomicI64,
}

impl ServerClock {
    pub(crate) fn new(clock: Clock, offset: i64) -> Self {
        Self { clock, offset: AtomicI64::new(offset) }
    }

    /// Shifts it anew.
    pub(crate) fn set_offset(&self, millis: i64) {
        self.offset.store(millis, Ordering::Relaxed);
    }

    pub(crate) fn offset(&self) -> i64 {
        self.offset.load(Ordering::Relaxed)
    }

    /// Milliseconds since 1970.
    pub(crate) fn unix_millis(&self) -> u64 {
        self.clock.unix_millis().saturating_add_signed(self.offset())
    }

    /// Seconds since 1970, as stanzas carry them in `t`.
    pub(crate) fn unix_seconds(&self) -> u64 {
        self.unix_millis() / 1000
    }

    /// Seconds since the simulator was started: what lasts for a while does so wherever the clock is set.
    pub(crate) fn uptime_seconds(&self) -> u64 {
        self.clock.elapsed_millis() / 1000
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn follows_paused_time() {
        let clock = Clock::starting_at(1_700_000_000);
        tokio::time::sleep(Duration::from_millis(2_500)).await;
        assert_eq!(clock.unix_seconds(), 1_700_000_002);
        assert_eq!(clock.unix_millis(), 1_700_000_002_500);
        assert_eq!(clock.elapsed_millis(), 2_500);
        let server = ServerClock::new(clock, -3_000);
        assert_eq!(server.unix_millis(), 1_699_999_999_500);
        server.set_offset(86_400_000);
        assert_eq!((server.unix_seconds(), server.uptime_seconds()), (1_700_086_402, 2));
    }
}
