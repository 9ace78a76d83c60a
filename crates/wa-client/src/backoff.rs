use std::time::Duration;

use rand::{Rng, RngExt};

use crate::cause::Pace;

/// Exponential back-off with jitter: thousands of companions that lose the same server come back spread out.
#[derive(Debug)]
pub(crate) struct Backoff {
    quick: Steps,
    slow: Steps,
    /// How many connections have ended for a reason that nobody knows since one has lasted.
    unsure: u32,
    /// Tries without a pause since the last success.
    at_once: u32,
}

/// Pauses that double.
#[derive(Debug)]
struct Steps {
    first: Duration,
    max: Duration,
    attempts: u32,
}

/// So often a try may follow without a pause before the next has to wait.
const AT_ONCE: u32 = 3;

impl Backoff {
    /// Pauses from `first` to `max`, at either pace.
    pub(crate) fn new(first: Duration, max: Duration) -> Self {
        let steps = || Steps { first, max, attempts: 0 };
        Self { quick: steps(), slow: steps(), unsure: 0, at_once: 0 }
    }

    /// The same with other pauses at the slow pace.
    pub(crate) fn slowly(self, first: Duration, max: Duration) -> Self {
        Self { slow: Steps { first, max, attempts: 0 }, ..self }
    }

    /// The next pause is to be a long one, as after this many failures more.
    pub(crate) fn lengthen(&mut self, failures: u32) {
        self.quick.attempts = self.quick.attempts.saturating_add(failures);
    }

    /// How many tries failed since the last success.
    pub(crate) fn attempts(&self) -> u32 {
        self.quick.attempts.saturating_add(self.slow.attempts)
    }

    /// Whether connections end for a reason that nobody knows.
    pub(crate) fn is_unsure(&self) -> bool {
        self.unsure > 0
    }

    /// A connection has lasted, or whoever may has asked for one.
    pub(crate) fn reset(&mut self) {
        self.unsure = 0;
        self.achieved();
    }

    /// Something was done with a connection. Where connections end for a reason that nobody knows, that may be the very
    /// thing, so that the pauses go on growing.
    pub(crate) fn achieved(&mut self) {
        self.quick.attempts = 0;
        self.at_once = 0;
        if self.unsure == 0 {
            self.slow.attempts = 0;
        }
    }

    /// Whether the next try may come without a pause: not in a circle.
    pub(crate) fn may_skip(&mut self) -> bool {
        self.at_once += 1;
        self.at_once <= AT_ONCE
    }

    /// Whether another failure is worth a line for people: the first one, then after ever more.
    pub(crate) fn is_worth_telling(attempts: u32) -> bool {
        attempts == 0 || attempts.is_power_of_two() && attempts > 2
    }

    /// The pause before the next try: between half and all of `first · 2^n`, at most `max`.
    pub(crate) fn pause(&mut self, pace: Pace, rng: &mut impl Rng) -> Duration {
        self.unsure = self.unsure.saturating_add(u32::from(pace == Pace::Unsure));
        let steps = match pace {
            Pace::Quick => &mut self.quick,
            Pace::Unsure if self.unsure == 1 => &mut self.quick,
            Pace::Slow | Pace::Unsure => &mut self.slow,
        };
        let full = steps.first.saturating_mul(1 << steps.attempts.min(20)).min(steps.max);
        steps.attempts = steps.attempts.saturating_add(1);
        full.mul_f64(rng.random_range(0.5..=1.0))
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand_chacha::ChaCha20Rng;

    use super::*;

    #[test]
    fn pauses_double_up_to_the_maximum_and_start_over_after_a_success() {
        let mut rng = ChaCha20Rng::from_seed([1; 32]);
        let mut backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(10));
        for full in [1, 2, 4, 8, 10, 10] {
            let pause = backoff.pause(Pace::Quick, &mut rng);
            let full = Duration::from_secs(full);
            assert!(pause >= full / 2 && pause <= full, "{pause:?} of {full:?}");
        }
        assert_eq!(backoff.attempts(), 6);
        assert_eq!([(); 5].map(|()| backoff.may_skip()), [true, true, true, false, false]);
        backoff.reset();
        assert!(backoff.pause(Pace::Quick, &mut rng) <= Duration::from_secs(1));
    }

    #[test]
    fn refusals_count_apart_from_outages() {
        let mut rng = ChaCha20Rng::from_seed([1; 32]);
        let minute = Duration::from_secs(60);
        let mut backoff = Backoff::new(Duration::from_secs(1), minute).slowly(minute, minute * 60);
        for _ in 0..20 {
            backoff.pause(Pace::Quick, &mut rng);
        }
        let pauses = [(); 8].map(|()| backoff.pause(Pace::Slow, &mut rng));
        assert!(pauses[0] >= minute / 2 && pauses[0] <= minute, "{pauses:?}");
        assert!(pauses[7] >= minute * 30 && pauses[7] <= minute * 60, "{pauses:?}");
        assert_eq!(backoff.attempts(), 28);
    }

    #[test]
    fn what_ends_each_connection_for_an_unknown_reason_is_met_ever_more_rarely() {
        let mut rng = ChaCha20Rng::from_seed([1; 32]);
        let (second, minute) = (Duration::from_secs(1), Duration::from_secs(60));
        let mut backoff = Backoff::new(second, minute).slowly(minute, minute * 60);
        let pauses = [(); 8].map(|()| {
            // Whatever is done between.
            backoff.achieved();
            backoff.pause(Pace::Unsure, &mut rng)
        });
        assert!(pauses[0] <= second && pauses[1] >= minute / 2, "{pauses:?}");
        assert!(pauses[7] >= minute * 30, "{pauses:?}");
        // One that lasts ends it.
        backoff.reset();
        assert!(backoff.pause(Pace::Unsure, &mut rng) <= second);
    }

    #[test]
    fn failures_are_told_ever_more_rarely() {
        let told: Vec<_> = (0..100).filter(|attempts| Backoff::is_worth_telling(*attempts)).collect();
        assert_eq!(told, [0, 4, 8, 16, 32, 64]);
    }

    #[test]
    fn many_failures_do_not_overflow() {
        let mut rng = ChaCha20Rng::from_seed([1; 32]);
        let mut backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(60));
        backoff.quick.attempts = u32::MAX;
        assert!(backoff.pause(Pace::Quick, &mut rng) <= Duration::from_secs(60));
    }
}
