use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use wa_binary::Node;

use crate::clock::Clock;

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
        if let Some(Ok(seconds)) = stanza.attrs.number::<i64>("t") {
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
        for late in [Node::new("message").attr("t", 90_u32), Node::new("message").attr("t", "x")] {
            clock.heard(&late);
        }
        assert_eq!(clock.unix_millis(), 101_900);
        clock.set(300);
        assert_eq!(clock.unix_millis(), 300_000);
    }
}
