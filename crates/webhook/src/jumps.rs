use std::time::{Duration, Instant};

use storage::Timestamp;

/// Less than this is no jump: a clock that is put right gently, or a thread that had to wait between two looks.
const NOTICED: Duration = Duration::from_secs(10);

/// Notices jumps of the clock, by the one that only goes forward.
#[derive(Debug)]
pub(crate) struct Jumps {
    /// When the clock was last looked at, and what it said.
    looked: (Instant, Timestamp),
}

impl Jumps {
    pub(crate) fn since(at: Instant, now: Timestamp) -> Self {
        Self { looked: (at, now) }
    }

    /// By how many milliseconds the clock has jumped since the last look, forwards or (negative) backwards.
    pub(crate) fn look(&mut self, at: Instant, now: Timestamp) -> Option<i64> {
        let passed =
            i64::try_from(at.saturating_duration_since(self.looked.0).as_millis()).unwrap_or(i64::MAX);
        let jump = now.millis().saturating_sub(self.looked.1.millis()).saturating_sub(passed);
        self.looked = (at, now);
        (u128::from(jump.unsigned_abs()) > NOTICED.as_millis()).then_some(jump)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_that_passes_is_no_jump() {
        let began = Instant::now();
        let later = |seconds| began + Duration::from_secs(seconds);
        let at = |seconds: i64| Timestamp::from_millis(seconds * 1_000);
        let mut jumps = Jumps::since(began, at(0));
        assert_eq!(jumps.look(later(3_600), at(3_605)), None);
        assert_eq!(jumps.look(later(3_601), at(3_606 - 86_400)), Some(-86_400_000));
        assert_eq!(jumps.look(later(3_602), at(3_607 - 86_400)), None, "told once");
        assert_eq!(jumps.look(later(3_603), at(3_608)), Some(86_400_000));
    }
}
