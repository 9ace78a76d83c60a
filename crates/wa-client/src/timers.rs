use std::pin::Pin;
use std::time::Duration;

use rand::{Rng, RngExt};
use tokio::time::{Instant, Sleep, sleep_until};

use crate::config::Config;

/// All deadlines of one connection behind a single timer.
#[derive(Debug)]
pub(crate) struct Timers {
    sleep: Pin<Box<Sleep>>,
    keepalive: (Duration, Duration),
    deadline: Duration,
    idle_after: Duration,
    next_ping: Instant,
    /// When the ping was sent after which nothing has arrived yet.
    unheard_since: Option<Instant>,
    /// When the caches are emptied; `None` while they are empty.
    idle_at: Option<Instant>,
}

impl Timers {
    pub(crate) fn new(config: &Config, random: &mut impl Rng) -> Self {
        let next_ping = Instant::now() + jitter(config.keepalive, random);
        Self {
            sleep: Box::pin(sleep_until(next_ping)),
            keepalive: config.keepalive,
            deadline: config.keepalive_deadline,
            idle_after: config.idle_after,
            next_ping,
            unheard_since: None,
            idle_at: None,
        }
    }

    /// Waits for the next deadline; may wake without one being due.
    pub(crate) async fn next(&mut self) {
        self.sleep.as_mut().await;
        // The next one known here; others announce theirs again with `until`.
        let next = self.own_deadline(Instant::now());
        self.sleep.as_mut().reset(next);
    }

    /// Wakes no later than this.
    pub(crate) fn until(&mut self, deadline: Instant) {
        if deadline < self.sleep.deadline() {
            self.sleep.as_mut().reset(deadline);
        }
    }

    /// Something arrived: the connection lives.
    pub(crate) fn heard(&mut self) {
        self.unheard_since = None;
    }

    /// Messages come or go, so the caches are in use.
    pub(crate) fn in_use(&mut self) {
        let idle_at = Instant::now() + self.idle_after;
        self.idle_at = Some(idle_at);
        self.until(idle_at);
    }

    pub(crate) fn ping_is_due(&self, now: Instant) -> bool {
        now >= self.next_ping
    }

    pub(crate) fn pinged(&mut self, now: Instant, random: &mut impl Rng) {
        self.unheard_since.get_or_insert(now);
        self.next_ping = now + jitter(self.keepalive, random);
        let next = self.own_deadline(now);
        self.until(next);
    }

    /// Whether a ping has been followed by silence for too long.
    pub(crate) fn is_dead(&self, now: Instant) -> bool {
        self.unheard_since.is_some_and(|since| now >= since + self.deadline)
    }

    /// Whether the caches have not been needed for long enough; says so once.
    pub(crate) fn is_idle(&mut self, now: Instant) -> bool {
        self.idle_at.take_if(|idle_at| now >= *idle_at).is_some()
    }

    fn own_deadline(&self, now: Instant) -> Instant {
        let dead_at = self.unheard_since.map(|since| since + self.deadline);
        let deadlines = [Some(self.next_ping), dead_at, self.idle_at];
        // What is due already was reported; a little later it is looked at again.
        let soon = now + Duration::from_millis(100);
        deadlines.into_iter().flatten().min().map_or(soon, |next| next.max(soon))
    }
}

fn jitter((least, most): (Duration, Duration), random: &mut impl Rng) -> Duration {
    random.random_range(least..=most.max(least))
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand_chacha::ChaCha20Rng;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn pings_come_every_20_to_30_seconds() {
        let mut random = ChaCha20Rng::from_seed([1; 32]);
        let mut timers = Timers::new(&Config::default(), &mut random);
        let mut last = Instant::now();
        for _ in 0..20 {
            while !timers.ping_is_due(Instant::now()) {
                timers.next().await;
            }
            let pause = Instant::now() - last;
            assert!((20..=31).contains(&pause.as_secs()), "{pause:?}");
            last = Instant::now();
            timers.pinged(last, &mut random);
            timers.heard();
        }
    }

    #[tokio::test(start_paused = true)]
    async fn silence_after_a_ping_means_dead_and_any_sound_alive() {
        let mut random = ChaCha20Rng::from_seed([1; 32]);
        let mut timers = Timers::new(&Config::default(), &mut random);
        let now = Instant::now();
        timers.pinged(now, &mut random);
        assert!(!timers.is_dead(now + Duration::from_secs(19)));
        assert!(timers.is_dead(now + Duration::from_secs(20)));
        timers.heard();
        assert!(!timers.is_dead(now + Duration::from_secs(20)));
    }

    #[tokio::test(start_paused = true)]
    async fn idleness_is_said_once_after_the_last_use() {
        let mut random = ChaCha20Rng::from_seed([1; 32]);
        let mut timers = Timers::new(&Config::default(), &mut random);
        assert!(!timers.is_idle(Instant::now() + Duration::from_secs(3600)));
        timers.in_use();
        let later = Instant::now() + Duration::from_secs(60);
        assert!(timers.is_idle(later));
        assert!(!timers.is_idle(later));
    }
}
