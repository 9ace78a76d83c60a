use std::time::Duration;

use rand::{Rng, RngExt};

/// Exponential back-off with jitter: thousands of companions that lose the same server come back spread out.
#[derive(Debug)]
pub(crate) struct Backoff {
    first: Duration,
    max: Duration,
    attempts: u32,
    /// Tries without a pause since the last success.
    at_once: u32,
}

/// So often a try may follow without a pause before the next has to wait.
const AT_ONCE: u32 = 3;

impl Backoff {
    pub(crate) fn new(first: Duration, max: Duration) -> Self {
        Self { first, max, attempts: 0, at_once: 0 }
    }

    /// The next pause is to be a long one, as after this many failures more.
    pub(crate) fn lengthen(&mut self, failures: u32) {
        self.attempts = self.attempts.saturating_add(failures);
    }

    /// How many tries failed since the last success.
    pub(crate) fn attempts(&self) -> u32 {
        self.attempts
    }

    pub(crate) fn reset(&mut self) {
        self.attempts = 0;
        self.at_once = 0;
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
    pub(crate) fn pause(&mut self, rng: &mut impl Rng) -> Duration {
        let full = self.first.saturating_mul(1 << self.attempts.min(20)).min(self.max);
        self.attempts = self.attempts.saturating_add(1);
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
            let pause = backoff.pause(&mut rng);
            let full = Duration::from_secs(full);
            assert!(pause >= full / 2 && pause <= full, "{pause:?} of {full:?}");
        }
        assert_eq!(backoff.attempts(), 6);
        assert_eq!([(); 5].map(|()| backoff.may_skip()), [true, true, true, false, false]);
        backoff.reset();
        assert!(backoff.pause(&mut rng) <= Duration::from_secs(1));
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
        backoff.attempts = u32::MAX;
        assert!(backoff.pause(&mut rng) <= Duration::from_secs(60));
    }
}
