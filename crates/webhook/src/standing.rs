//! Whether a webhook's receiver takes what it is called with, and when it is worth asking one that takes nothing. Pure: time
//! is an argument.

use std::time::Duration;

use storage::{Timestamp, Webhook, WebhookMark};

/// Failures that are over sooner are told to nobody.
const NOTICED: Duration = Duration::from_secs(60);
/// So many probes are made while a pause lasts as long as it took to begin.
const PROBES: u32 = 72;
/// Between two probes, at most and at least.
const PROBE_PAUSES: (Duration, Duration) = (Duration::from_millis(10), Duration::from_secs(60 * 60));

/// How a receiver stands with one webhook.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Standing {
    /// After this long without a success only probes are made.
    patience: Duration,
    /// When the first failure after the last success was.
    failing_since: Option<Timestamp>,
    /// Whether the store knows that.
    is_known: bool,
    /// Before this time there is no probe, while only probes are made.
    paused_until: Option<Timestamp>,
    took_at: Option<Timestamp>,
}

impl Standing {
    pub(crate) fn of(webhook: &Webhook, patience: Duration) -> Self {
        Self {
            patience,
            failing_since: webhook.failing_since,
            is_known: webhook.failing_since.is_some(),
            paused_until: webhook.paused_at,
            took_at: None,
        }
    }

    /// A call was not taken. Answers what the store is to know.
    pub(crate) fn failed(&mut self, now: Timestamp) -> Option<WebhookMark> {
        let since = *self.failing_since.get_or_insert(now);
        if self.paused_until.is_some() {
            return None;
        }
        if now >= since.after(self.patience) {
            self.is_known = true;
            self.paused_until = Some(now.after(self.probe_pause()));
            return Some(WebhookMark::Paused { since });
        }
        if self.is_known || now < since.after(NOTICED) {
            return None;
        }
        self.is_known = true;
        Some(WebhookMark::Failing { since })
    }

    /// A call was taken. Answers what the store is to know.
    pub(crate) fn took(&mut self, now: Timestamp) -> Option<WebhookMark> {
        let was_known = std::mem::take(&mut self.is_known) || self.paused_until.is_some();
        (self.failing_since, self.paused_until, self.took_at) = (None, None, Some(now));
        was_known.then_some(WebhookMark::Answering)
    }

    /// Whether only probes are made.
    pub(crate) fn is_paused(&self) -> bool {
        self.paused_until.is_some()
    }

    /// When the next probe may be made, while only probes are made.
    pub(crate) fn next_probe(&self) -> Option<Timestamp> {
        self.paused_until
    }

    /// A probe is made.
    pub(crate) fn probes(&mut self, now: Timestamp) {
        let pause = self.probe_pause();
        self.paused_until = self.paused_until.map(|_| now.after(pause));
    }

    pub(crate) fn probe_pause(&self) -> Duration {
        (self.patience / PROBES).clamp(PROBE_PAUSES.0, PROBE_PAUSES.1)
    }

    /// Whether the receiver has refused this for good: for all this time, while it took others.
    pub(crate) fn is_refused(&self, created_at: Timestamp, now: Timestamp) -> bool {
        now >= created_at.after(self.patience) && self.took_at.is_some_and(|took_at| took_at > created_at)
    }

    /// The clock has jumped by so many milliseconds.
    pub(crate) fn follow_clock(&mut self, jump: i64) {
        for time in [&mut self.failing_since, &mut self.paused_until, &mut self.took_at].into_iter().flatten()
        {
            *time = Timestamp::from_millis(time.millis().saturating_add(jump));
        }
    }
}

#[cfg(test)]
mod tests {
    use storage::InstanceId;

    use super::*;

    const HOURS: Duration = Duration::from_secs(72 * 60 * 60);

    fn at(minutes: i64) -> Timestamp {
        Timestamp::from_seconds(minutes * 60)
    }

    fn standing() -> Standing {
        Standing::of(&Webhook::new(InstanceId::generate(), "crm", at(0)), HOURS)
    }

    #[test]
    fn a_receiver_that_takes_nothing_for_days_is_paused_and_probed() {
        let mut standing = standing();
        assert_eq!(standing.failed(at(0)), None);
        assert_eq!(standing.failed(at(1)), Some(WebhookMark::Failing { since: at(0) }));
        assert_eq!(standing.failed(at(2)), None, "told once");
        assert!(!standing.is_paused());
        let end = 72 * 60;
        assert_eq!(standing.failed(at(end)), Some(WebhookMark::Paused { since: at(0) }));
        assert_eq!(standing.next_probe(), Some(at(end + 60)));
        standing.probes(at(end + 60));
        assert_eq!((standing.failed(at(end + 60)), standing.next_probe()), (None, Some(at(end + 120))));
        assert_eq!(standing.took(at(end + 120)), Some(WebhookMark::Answering));
        assert!(!standing.is_paused() && standing.took(at(end + 121)).is_none());
    }

    #[test]
    fn failures_that_are_soon_over_are_told_to_nobody() {
        let mut standing = standing();
        for minute in 0..10_000 {
            assert_eq!(standing.failed(at(minute)), None);
            assert_eq!(standing.took(at(minute)), None);
        }
    }

    #[test]
    fn what_is_refused_while_others_are_taken_is_refused_for_good() {
        let mut standing = standing();
        let late = at(72 * 60 + 5);
        assert!(!standing.is_refused(at(1), late), "it took nothing");
        standing.took(at(5));
        assert!(standing.is_refused(at(1), late) && !standing.is_refused(at(6), late));
        assert!(!standing.is_refused(at(1), at(60)));
    }

    #[test]
    fn a_clock_that_jumps_pauses_nothing() {
        let mut standing = standing();
        standing.failed(at(0));
        standing.follow_clock(1_000 * 60 * 60 * 24 * 365);
        assert_eq!(standing.failed(at(60 * 24 * 365)), None);
    }
}
