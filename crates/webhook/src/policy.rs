//! When a failed delivery is tried again. Pure: time and chance are arguments.

use std::time::Duration;

use chrono::{DateTime, Utc};
use storage::OnGiveUp;

use crate::dialect::Pace;

/// No wait is longer than this, whatever the settings ask for.
pub const MAX_DELAY: Duration = Duration::from_secs(24 * 60 * 60);
/// No wait is longer than this because a receiver's `Retry-After` asks for it: it holds up a chat.
pub const MAX_RETRY_AFTER: Duration = Duration::from_secs(15 * 60);
/// The longest wait for a receiver that is called until it takes the call, unless the settings begin with a longer one.
pub const MAX_WAIT: Duration = Duration::from_secs(60 * 60);
/// How long a delivery waits that this gateway could not even try.
pub(crate) const OUR_PAUSE: Duration = Duration::from_secs(5);
/// A name that no name server could say anything about for so long is its owner's matter, as one that doesn't exist: an
/// outage of name servers is over by then, a domain that was given up is not.
pub(crate) const UNRESOLVED_FOR_GOOD: Duration = Duration::from_secs(24 * 60 * 60);
/// Longest wait before an event is tried again that is worth something for a minute only.
pub(crate) const PERISHABLE_PAUSE: Duration = Duration::from_secs(3);

/// Part of the delay that chance may add, so that deliveries which failed together do not return together.
const JITTER: f64 = 0.25;

/// The retry settings of one webhook.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Retries after the first attempt; 0 makes the first failure final.
    pub max_retries: u32,
    /// Delay before the first retry.
    pub interval: Duration,
    /// How it grows with each further one.
    pub pace: Pace,
    /// What follows when the retries are used up. With [`OnGiveUp::Wait`] they never are.
    pub on_give_up: OnGiveUp,
}

/// What follows a failed attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Try again after this long.
    Retry(Duration),
    /// All retries are used up: the delivery becomes a dead letter.
    GiveUp,
}

impl RetryPolicy {
    /// Judges the failure of attempt number `attempt` (from 1).
    ///
    /// The delay is `interval · 2^(attempt-1)`, or always `interval` at a steady pace, at most [`MAX_DELAY`], plus up to a quarter of it as `jitter` (0 to 1)
    /// says. What the receiver asks for in `Retry-After` lengthens it, but to no more than [`MAX_RETRY_AFTER`] or the
    /// longest delay that the settings lead to.
    ///
    /// ```
    /// use std::time::Duration;
    /// use storage::OnGiveUp;
    /// use webhook::{Pace, RetryPolicy, Verdict};
    ///
    /// let policy = RetryPolicy {
    ///     max_retries: 3,
    ///     interval: Duration::from_secs(60),
    ///     pace: Pace::Doubling,
    ///     on_give_up: OnGiveUp::DeadLetter,
    /// };
    /// assert_eq!(policy.after_failure(3, None, 0.0), Verdict::Retry(Duration::from_secs(240)));
    /// assert_eq!(policy.after_failure(4, None, 0.0), Verdict::GiveUp);
    /// ```
    pub fn after_failure(&self, attempt: u32, retry_after: Option<Duration>, jitter: f64) -> Verdict {
        if attempt > self.max_retries && self.on_give_up == OnGiveUp::DeadLetter {
            return Verdict::GiveUp;
        }
        let delay = self.step(attempt).mul_f64(1.0 + JITTER * jitter.clamp(0.0, 1.0));
        let asked = retry_after.unwrap_or_default().min(MAX_RETRY_AFTER).min(self.last());
        Verdict::Retry(delay.max(asked).min(MAX_DELAY))
    }

    /// The longest that a delivery waits for its next attempt. What is due later was dated by a clock that was wrong.
    pub(crate) fn longest(&self) -> Duration {
        self.last().mul_f64(1.0 + JITTER).clamp(OUR_PAUSE, MAX_DELAY)
    }

    /// The delay after attempt number `attempt`, without chance.
    fn step(&self, attempt: u32) -> Duration {
        let doublings = match self.pace {
            Pace::Doubling => attempt.saturating_sub(1).min(31),
            Pace::Steady => 0,
        };
        let most = match self.on_give_up {
            OnGiveUp::DeadLetter => MAX_DELAY,
            OnGiveUp::Wait => MAX_WAIT.max(self.interval).min(MAX_DELAY),
        };
        self.interval.saturating_mul(1 << doublings).min(most)
    }

    /// The longest delay that these settings lead to, without chance.
    fn last(&self) -> Duration {
        match self.on_give_up {
            OnGiveUp::DeadLetter => self.step(self.max_retries),
            OnGiveUp::Wait => self.step(u32::MAX),
        }
    }
}

/// Reads a `Retry-After` header: seconds, or an HTTP date compared with `now`. A date in the past means no
/// wait.
pub(crate) fn parse_retry_after(value: &str, now: DateTime<Utc>) -> Option<Duration> {
    let value = value.trim();
    if !value.is_empty() && value.bytes().all(|b| b.is_ascii_digit()) {
        return Some(value.parse().map_or(MAX_DELAY, Duration::from_secs));
    }
    let date = DateTime::parse_from_rfc2822(value).ok()?;
    Some(date.signed_duration_since(now).to_std().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn secs(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    #[test]
    fn delays_double_until_the_retries_are_used_up() {
        let policy = RetryPolicy {
            max_retries: 4,
            interval: secs(60),
            pace: Pace::Doubling,
            on_give_up: OnGiveUp::DeadLetter,
        };
        let table = [(1, 60), (2, 120), (3, 240), (4, 480)];
        for (attempt, delay) in table {
            assert_eq!(
                policy.after_failure(attempt, None, 0.0),
                Verdict::Retry(secs(delay)),
                "attempt {attempt}"
            );
        }
        assert_eq!(policy.after_failure(5, None, 0.0), Verdict::GiveUp);
        assert_eq!(policy.after_failure(u32::MAX, None, 0.0), Verdict::GiveUp);
    }

    #[test]
    fn at_a_steady_pace_all_delays_are_alike() {
        let policy = RetryPolicy {
            max_retries: 3,
            interval: secs(20),
            pace: Pace::Steady,
            on_give_up: OnGiveUp::DeadLetter,
        };
        for attempt in 1..=3 {
            assert_eq!(policy.after_failure(attempt, None, 0.0), Verdict::Retry(secs(20)));
        }
        assert_eq!(policy.after_failure(4, None, 0.0), Verdict::GiveUp);
        assert_eq!(policy.longest(), secs(25));
    }

    #[test]
    fn who_waits_gives_nothing_up() {
        let policy = RetryPolicy {
            max_retries: 0,
            interval: secs(1),
            pace: Pace::Doubling,
            on_give_up: OnGiveUp::Wait,
        };
        for (attempt, delay) in [(1, 1), (2, 2), (11, 1_024), (13, 3_600), (1_000_000, 3_600)] {
            assert_eq!(policy.after_failure(attempt, None, 0.0), Verdict::Retry(secs(delay)), "{attempt}");
        }
        let rarely = RetryPolicy { interval: secs(7_200), ..policy };
        assert_eq!(rarely.after_failure(9, None, 0.0), Verdict::Retry(secs(7_200)));
        assert_eq!(policy.after_failure(1, Some(secs(600)), 0.0), Verdict::Retry(secs(600)));
        assert_eq!(policy.longest(), secs(4_500));
    }

    #[test]
    fn without_retries_the_first_failure_is_final() {
        let policy = RetryPolicy {
            max_retries: 0,
            interval: secs(1),
            pace: Pace::Doubling,
            on_give_up: OnGiveUp::DeadLetter,
        };
        assert_eq!(policy.after_failure(1, Some(secs(5)), 0.5), Verdict::GiveUp);
    }

    #[test]
    fn jitter_adds_up_to_a_quarter_and_never_shortens() {
        let policy = RetryPolicy {
            max_retries: 9,
            interval: secs(100),
            pace: Pace::Doubling,
            on_give_up: OnGiveUp::DeadLetter,
        };
        let table = [(0.0, 100), (0.5, 112), (1.0, 125), (7.0, 125), (-3.0, 100)];
        for (jitter, expected) in table {
            let Verdict::Retry(delay) = policy.after_failure(1, None, jitter) else { panic!("gave up") };
            assert_eq!(delay.as_secs(), expected, "jitter {jitter}");
        }
    }

    #[test]
    fn retry_after_lengthens_the_delay_within_bounds_and_never_shortens_it() {
        let table = [(0, 60), (30, 60), (90, 90), (900, 900), (901, 900), (86_400, 900), (10_000_000, 900)];
        assert_retry_after(9, &table);
        // The longest delay of these settings is 120 s.
        assert_retry_after(2, &[(90, 90), (120, 120), (900, 120), (86_400, 120)]);
    }

    fn assert_retry_after(max_retries: u32, table: &[(u64, u64)]) {
        let policy = RetryPolicy {
            max_retries,
            interval: secs(60),
            pace: Pace::Doubling,
            on_give_up: OnGiveUp::DeadLetter,
        };
        for (asked, expected) in table {
            let verdict = policy.after_failure(1, Some(secs(*asked)), 0.0);
            assert_eq!(verdict, Verdict::Retry(secs(*expected)), "{asked}");
        }
    }

    #[test]
    fn no_setting_overflows_or_passes_the_cap() {
        for interval in [Duration::ZERO, secs(1), secs(86_400), Duration::MAX] {
            for attempt in [1, 2, 31, 32, 33, 1000] {
                for on_give_up in [OnGiveUp::DeadLetter, OnGiveUp::Wait] {
                    let policy =
                        RetryPolicy { max_retries: u32::MAX, interval, pace: Pace::Doubling, on_give_up };
                    let Verdict::Retry(delay) = policy.after_failure(attempt, None, 1.0) else {
                        panic!("gave up")
                    };
                    assert!(delay <= MAX_DELAY);
                }
            }
        }
    }

    #[test]
    fn retry_after_is_read_in_both_forms() {
        let now = DateTime::parse_from_rfc3339("2026-01-02T03:04:05Z").unwrap().to_utc();
        let table: &[(&str, Option<Duration>)] = &[
            ("0", Some(secs(0))),
            (" 120 ", Some(secs(120))),
            ("99999999999999999999999", Some(MAX_DELAY)),
            ("Fri, 02 Jan 2026 03:05:05 GMT", Some(secs(60))),
            ("Fri, 02 Jan 2026 03:00:00 GMT", Some(secs(0))),
            ("", None),
            ("-5", None),
            ("1.5", None),
            ("soon", None),
        ];
        for (value, expected) in table {
            assert_eq!(parse_retry_after(value, now), *expected, "{value:?}");
        }
    }
}
