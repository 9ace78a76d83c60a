//! Whether a destination answers, and when it is worth asking again. Pure: time is an argument.

use std::time::Duration;

use storage::Backoff;
use tokio::time::Instant;

/// Attempts in a row without an answer before only one at a time is made.
pub(crate) const PATIENCE: u32 = 5;
/// Between two of these: from the first to the longest, doubled each time.
const PAUSES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));

/// What is known of a destination.
#[derive(Clone, Debug)]
pub(crate) struct Circuit {
    /// It has answered, whatever the status, since the process began.
    has_answered: bool,
    /// Attempts without an answer since the last one.
    unanswered: u32,
    pauses: Backoff,
    /// No attempt is made before this time.
    closed_until: Option<Instant>,
}

/// Which of three groups a destination belongs to. Each group has its own share of what may be under way, so that those
/// that don't answer hold up neither those that do nor those that nobody has tried yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// The last attempt was answered.
    Answering,
    /// Nothing is known yet.
    New,
    /// The last attempt was not answered.
    Failing,
}

impl Circuit {
    /// Nothing is known but whether what is to be delivered has failed before, perhaps in an earlier process.
    pub(crate) fn new(failed_before: bool) -> Self {
        let pauses = Backoff::new(PAUSES.0, PAUSES.1);
        Self { has_answered: false, unanswered: failed_before.into(), pauses, closed_until: None }
    }

    pub(crate) fn standing(&self) -> Standing {
        match (self.unanswered, self.has_answered) {
            (1.., _) => Standing::Failing,
            (0, true) => Standing::Answering,
            (0, false) => Standing::New,
        }
    }

    /// An attempt was answered.
    pub(crate) fn answered(&mut self) {
        self.has_answered = true;
        self.unanswered = 0;
        self.closed_until = None;
        self.pauses.reset();
    }

    /// An attempt was not answered.
    pub(crate) fn unanswered(&mut self, now: Instant) {
        self.unanswered = self.unanswered.saturating_add(1);
        // Those that began before the pause say nothing new.
        if self.is_open() && self.pause_ends(now).is_none() {
            self.closed_until = Some(now + self.pauses.pause());
        }
    }

    /// Whether one more attempt may begin beside so many that are under way.
    pub(crate) fn admits(&self, under_way: usize, now: Instant) -> bool {
        !self.is_open() || (under_way == 0 && self.pause_ends(now).is_none())
    }

    /// Whether only one attempt at a time is made.
    pub(crate) fn is_open(&self) -> bool {
        self.unanswered >= PATIENCE
    }

    /// How many attempts in a row were not answered.
    pub(crate) fn failures(&self) -> u32 {
        self.unanswered
    }

    /// The end of the pause, if there is one now.
    pub(crate) fn pause_ends(&self, now: Instant) -> Option<Instant> {
        self.closed_until.filter(|until| *until > now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn after_some_failures_in_a_row_one_attempt_at_a_time_is_made() {
        let mut circuit = Circuit::new(false);
        let mut now = Instant::now();
        for _ in 1..PATIENCE {
            circuit.unanswered(now);
            assert!(circuit.admits(99, now) && !circuit.is_open());
        }
        circuit.unanswered(now);
        for seconds in [1, 2, 4, 8, 16, 32, 60, 60] {
            // Others that were under way fail as well: the pause does not grow by them.
            circuit.unanswered(now);
            assert_eq!(circuit.pause_ends(now), Some(now + Duration::from_secs(seconds)));
            assert!(!circuit.admits(0, now));
            now += Duration::from_secs(seconds);
            assert!(circuit.admits(0, now) && !circuit.admits(1, now), "one at a time");
            circuit.unanswered(now);
        }
        circuit.answered();
        assert!(circuit.admits(99, now) && circuit.standing() == Standing::Answering);
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_between_failures_begins_the_count_anew() {
        let mut circuit = Circuit::new(false);
        assert_eq!(circuit.standing(), Standing::New);
        for _ in 0..10 {
            (1..PATIENCE).for_each(|_| circuit.unanswered(Instant::now()));
            assert_eq!(circuit.standing(), Standing::Failing);
            circuit.answered();
            assert!(!circuit.is_open());
        }
        assert_eq!(Circuit::new(true).standing(), Standing::Failing);
    }
}
