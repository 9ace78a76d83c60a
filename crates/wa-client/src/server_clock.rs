use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use wa_binary::Node;

use crate::clock::Clock;

/// How far ahead of what is known of the server's clock it may date something, in seconds: ours may go wrong by days
/// while a connection lasts. What is dated later, or before 1970, is dated wrongly.
const MOST_AHEAD: i64 = 31 * 24 * 3600;

/// A time (Unix seconds) that somebody said something happened at, unless it can't be. `now`: the server's time as far
/// as it is known.
pub(crate) fn plausible(said: i64, now: i64) -> Option<i64> {
    (1..=now.saturating_add(MOST_AHEAD)).contains(&said).then_some(said)
}

/// When something happened, as the `t` of its stanza has it: Unix seconds.
pub(crate) fn time_of(node: &Node<'_>, now: i64) -> Option<i64> {
    plausible(node.attrs.number("t").and_then(Result::ok)?, now)
}

/// The server's clock, as its stanzas show it. Clones are the same clock.
///
/// A stanza tells the second in which it was sent, so its `t` can't be later than the server's time on arrival: the
/// largest lead over our clock that any stanza of a connection shows is the closest to the truth, and never beyond it.
/// So what is dated by this clock never comes after what answers it.
#[derive(Clone)]
pub(crate) struct ServerClock {
    ours: Arc<dyn Clock>,
    /// Milliseconds that the server's is ahead.
    lead: Arc<AtomicI64>,
}

impl ServerClock {
    /// That of a server that was not heard of yet: ours.
    pub(crate) fn new(ours: Arc<dyn Clock>) -> Self {
        Self { ours, lead: Arc::default() }
    }

    /// The server has told its time (Unix seconds) anew: what was seen before counts no more.
    pub(crate) fn set(&self, seconds: i64) {
        self.lead.store(self.shown(seconds), Ordering::Relaxed);
    }

    /// A stanza has arrived.
    pub(crate) fn heard(&self, stanza: &Node<'_>) {
        if let Some(seconds) = time_of(stanza, self.unix_millis() / 1000) {
            self.lead.fetch_max(self.shown(seconds), Ordering::Relaxed);
        }
    }

    /// The server's time as far as it is known: Unix milliseconds.
    pub(crate) fn unix_millis(&self) -> i64 {
        self.ours.unix_millis().saturating_add(self.lead.load(Ordering::Relaxed))
    }

    fn shown(&self, seconds: i64) -> i64 {
        seconds.saturating_mul(1000).saturating_sub(self.ours.unix_millis())
    }
}

impl fmt::Debug for ServerClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerClock").field("lead", &self.lead).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Ours, which a test moves.
    #[derive(Default)]
    struct Ours(AtomicI64);

    impl Clock for Ours {
        fn unix_millis(&self) -> i64 {
            self.0.load(Ordering::Relaxed)
        }
    }

    #[test]
    fn what_is_dated_wrongly_has_no_time() {
        let of = |t: &'static str| time_of(&Node::new("message").attr("t", t), 100);
        assert_eq!((of("1"), of("101"), of("2678500")), (Some(1), Some(101), Some(2_678_500)));
        for wrong in ["2678501", "99999999999999", "9223372036854775807", "0", "-5", "1e9", ""] {
            assert_eq!(of(wrong), None, "{wrong}");
        }
        assert_eq!(time_of(&Node::new("message"), 100), None);
    }

    #[test]
    fn the_largest_lead_that_is_shown_counts() {
        let ours = Arc::new(Ours::default());
        let clock = ServerClock::new(ours.clone());
        let at = |millis| ours.0.store(millis, Ordering::Relaxed);
        at(105_900);
        assert_eq!(clock.unix_millis(), 105_900);
        clock.set(100);
        assert_eq!(clock.unix_millis(), 100_000);
        // Sent in second 101, and here 0.2 s after the login.
        at(106_100);
        clock.heard(&Node::new("ack").attr("t", 101_u32));
        assert_eq!(clock.unix_millis(), 101_000);
        at(107_000);
        for late in ["90", "x", "-5", "99999999999999"] {
            clock.heard(&Node::new("message").attr("t", late));
        }
        assert_eq!(clock.unix_millis(), 101_900);
        clock.set(300);
        assert_eq!(clock.unix_millis(), 300_000);
    }
}
