use compact_str::CompactString;
use wa_binary::{Jid, Node};

use crate::cache::Cache;
use crate::iq::encrypt::FetchedBundle;

/// A device asks for a message again (PROTOCOL.md 14).
#[derive(Debug)]
pub(crate) struct RetryRequest {
    /// The device that asks, as it is addressed, to which the resend goes.
    pub(crate) device: Jid,
    /// The user whose chat the message belongs to, as addressed in the receipt, or the group.
    pub(crate) chat: Jid,
    /// `recipient`, which says for an own device which chat is meant.
    pub(crate) recipient: Option<Jid>,
    pub(crate) id: String,
    /// How often this device has asked.
    pub(crate) count: u32,
    /// The number under which the device registered: another one than its session knows means that it was set up anew.
    pub(crate) registration_id: Option<u32>,
    /// Keys for a new session, if the device sent some.
    pub(crate) keys: Option<FetchedBundle>,
    /// The acknowledgement that is due once the request has been answered.
    pub(crate) ack: Node<'static>,
}

/// Requests for one message that are made, or answered, at most.
pub(crate) const MOST_REQUESTS: u32 = 5;
/// Resends of one message to one device, whatever its counts say.
const MOST_RESENDS: u32 = 5;
/// Messages whose retries are remembered per companion.
const REMEMBERED: usize = 256;

/// How often messages were asked for again, or sent again, since this process started.
#[derive(Debug)]
pub(crate) struct RetryCounts {
    asked: Cache<(Jid, CompactString), u32>,
    resent: Cache<(Jid, CompactString), u32>,
}

impl Default for RetryCounts {
    fn default() -> Self {
        Self { asked: Cache::new(REMEMBERED), resent: Cache::new(REMEMBERED) }
    }
}

impl RetryCounts {
    /// The count of the next request for a message, `None` once it has been asked for often enough. `said` is the
    /// `count` of the failed resend itself, which goes on where an earlier run of this process stopped.
    pub(crate) fn ask(&mut self, sender: &Jid, id: &str, said: u32) -> Option<u32> {
        let key = (sender.clone(), CompactString::from(id));
        let count = self.asked.get(&key).copied().unwrap_or(0).max(said).saturating_add(1);
        if count > MOST_REQUESTS {
            return None;
        }
        self.asked.put(key, count);
        Some(count)
    }

    /// The message arrived after all.
    pub(crate) fn arrived(&mut self, sender: &Jid, id: &str) {
        if !self.asked.is_empty() {
            self.asked.remove(&(sender.clone(), CompactString::from(id)));
        }
    }

    /// Whether a message may be sent to a device, named as its session is, once more.
    pub(crate) fn may_resend(&mut self, device: &Jid, id: &str) -> bool {
        let key = (device.clone(), CompactString::from(id));
        let count = self.resent.get(&key).copied().unwrap_or(0) + 1;
        self.resent.put(key, count);
        count <= MOST_RESENDS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_asked_for_five_times() {
        let mut counts = RetryCounts::default();
        let sender = Jid::lid("1").with_device(2);
        let asked: Vec<_> = (0..7).map(|_| counts.ask(&sender, "A", 0)).collect();
        assert_eq!(asked, [Some(1), Some(2), Some(3), Some(4), Some(5), None, None]);
        assert_eq!(counts.ask(&sender, "B", 0), Some(1));
        counts.arrived(&sender, "A");
        assert_eq!(counts.ask(&sender, "A", 0), Some(1));
    }

    #[test]
    fn the_count_goes_on_where_the_resend_stopped() {
        let mut counts = RetryCounts::default();
        assert_eq!(counts.ask(&Jid::lid("1"), "A", 3), Some(4));
        assert_eq!(counts.ask(&Jid::lid("1"), "B", u32::MAX), None);
    }

    #[test]
    fn a_device_gets_a_message_again_five_times_at_most() {
        let mut counts = RetryCounts::default();
        let device = Jid::lid("1");
        assert_eq!((0..12).filter(|_| counts.may_resend(&device, "A")).count(), 5);
    }
}
