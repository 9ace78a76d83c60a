use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use compact_str::CompactString;
use tokio::time::Instant;

/// What kind of stanza waits: clients acknowledge by class and type, since a delivery and a read receipt
/// of one message share their id (PROTOCOL.md 7.8).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Class {
    Message,
    Receipt,
    Notification,
    /// Any other, by its tag: `status`, `appdata`, and what will come one day.
    Other(CompactString),
}

impl Class {
    /// The class named by the `class` attribute of an `<ack>`, which is the tag of what it acknowledges.
    pub(crate) fn named(name: &str) -> Self {
        match name {
            "message" => Self::Message,
            "receipt" => Self::Receipt,
            "notification" => Self::Notification,
            other => Self::Other(other.into()),
        }
    }

    /// Whether its acknowledgements name its type.
    fn has_type(&self) -> bool {
        matches!(self, Self::Receipt | Self::Notification)
    }
}

/// An encoded stanza for one device (with flag byte), and how it will be acknowledged.
#[derive(Clone, Debug)]
pub(crate) struct Stanza {
    pub(crate) class: Class,
    pub(crate) id: CompactString,
    /// The `type` attribute; empty where acknowledgements don't name it.
    pub(crate) kind: CompactString,
    /// Whether it is what another device of the own account sent to somebody: then only a receipt takes it
    /// out, and a bare `<ack>` doesn't count (PROTOCOL.md 7.3).
    pub(crate) is_own_copy: bool,
    pub(crate) bytes: Bytes,
}

/// What a device has not acknowledged yet, in the order of arrival.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    entries: VecDeque<Entry>,
    /// Messages that a retry receipt took out. Some clients acknowledge them besides (PROTOCOL.md 12), and
    /// the message sent again, under the same id, must not be taken for them.
    retried: VecDeque<CompactString>,
    /// The message that was acknowledged last.
    settled_last: Option<Stanza>,
}

/// How many retried messages are remembered.
const MAX_RETRIED: usize = 64;

#[derive(Debug)]
struct Entry {
    stanza: Stanza,
    /// When it was written to the present connection.
    sent: Option<Instant>,
    /// Whether it has cost a connection: what is behind it is withheld.
    is_overdue: bool,
}

/// How many stanzas of each class wait, for `offline_preview`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Waiting {
    pub(crate) messages: usize,
    pub(crate) receipts: usize,
    pub(crate) notifications: usize,
    pub(crate) others: usize,
}

impl Waiting {
    pub(crate) fn total(self) -> usize {
        self.messages + self.receipts + self.notifications + self.others
    }
}

impl Queue {
    /// Adds a stanza, which is being written or waits; past `limit` the oldest is lost.
    pub(crate) fn push(&mut self, stanza: Stanza, is_sent: bool, limit: usize) {
        let sent = is_sent.then(Instant::now);
        self.entries.push_back(Entry { stanza, sent, is_overdue: false });
        if self.entries.len() > limit {
            self.entries.pop_front();
        }
    }

    /// A receipt takes out the oldest message, or stanza like one, with this id.
    pub(crate) fn settle(&mut self, id: &str) -> bool {
        self.take_out(|stanza| {
            stanza.id == id && !matches!(stanza.class, Class::Receipt | Class::Notification)
        })
    }

    /// A retry receipt takes a message out: its plain acknowledgement, if one follows, takes out nothing.
    pub(crate) fn settle_by_retry(&mut self, id: &str) {
        if self.settle(id) {
            self.retried.push_back(id.into());
            if self.retried.len() > MAX_RETRIED {
                self.retried.pop_front();
            }
        }
    }

    /// An `<ack>` takes a stanza out, unless that needs a receipt.
    pub(crate) fn settle_by_ack(&mut self, class: &Class, id: &str, kind: &str) -> bool {
        let retried = self.retried.iter().position(|retried| *class == Class::Message && retried == id);
        if let Some(index) = retried {
            self.retried.remove(index);
            return false;
        }
        self.take_out(|stanza| {
            stanza.class == *class
                && stanza.id == id
                && !stanza.is_own_copy
                && (!class.has_type() || stanza.kind == kind)
        })
    }

    fn take_out(&mut self, fits: impl Fn(&Stanza) -> bool) -> bool {
        let index = self.entries.iter().position(|entry| fits(&entry.stanza));
        let Some(entry) = index.and_then(|index| self.entries.remove(index)) else { return false };
        if entry.stanza.class == Class::Message {
            self.settled_last = Some(entry.stanza);
        }
        true
    }

    /// The message that was acknowledged last comes once more, before everything else.
    pub(crate) fn repeat_last(&mut self) {
        let last = self.settled_last.take();
        let again = last.map(|stanza| Entry { stanza, sent: None, is_overdue: false });
        again.into_iter().for_each(|entry| self.entries.push_front(entry));
    }

    /// At most so much of what was not written to the present connection, marking it as written. What is
    /// behind a stanza that has cost a connection stays.
    pub(crate) fn take_unsent(&mut self, most: usize) -> Vec<Stanza> {
        let now = Instant::now();
        let mut taken = Vec::new();
        for entry in &mut self.entries {
            if taken.len() == most {
                break;
            }
            if entry.sent.is_none() {
                entry.sent = Some(now);
                taken.push(entry.stanza.clone());
            }
            if entry.is_overdue {
                break;
            }
        }
        taken
    }

    /// Whether something was not written to the present connection.
    pub(crate) fn has_unsent(&self) -> bool {
        self.entries.iter().any(|entry| entry.sent.is_none())
    }

    /// The stanza that has been written and not acknowledged for so long, if there is one: from now on what
    /// is behind it is withheld. Else when the oldest of those that are written will be due.
    pub(crate) fn overdue(&mut self, patience: Duration) -> Result<Option<Instant>, CompactString> {
        let now = Instant::now();
        let mut next = None;
        for entry in &mut self.entries {
            let Some(due) = entry.sent.map(|sent| sent + patience) else { continue };
            if due <= now {
                entry.is_overdue = true;
                return Err(entry.stanza.id.clone());
            }
            next = Some(next.map_or(due, |next: Instant| next.min(due)));
        }
        Ok(next)
    }

    /// The connection is gone: what it did not acknowledge counts as not written.
    pub(crate) fn rewind(&mut self) {
        self.entries.iter_mut().for_each(|entry| entry.sent = None);
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// What waits, by class.
    pub(crate) fn waiting(&self) -> Waiting {
        let mut waiting = Waiting::default();
        for entry in self.entries.iter().filter(|entry| entry.sent.is_none()) {
            match entry.stanza.class {
                Class::Message => waiting.messages += 1,
                Class::Receipt => waiting.receipts += 1,
                Class::Notification => waiting.notifications += 1,
                Class::Other(_) => waiting.others += 1,
            }
        }
        waiting
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stanza(class: Class, id: &str, kind: &str) -> Stanza {
        Stanza { class, id: id.into(), kind: kind.into(), is_own_copy: false, bytes: Bytes::new() }
    }

    fn ids(stanzas: &[Stanza]) -> Vec<&str> {
        stanzas.iter().map(|stanza| stanza.id.as_str()).collect()
    }

    #[tokio::test]
    async fn read_and_delivery_receipts_of_one_message_are_acknowledged_apart() {
        let mut queue = Queue::default();
        queue.push(stanza(Class::Receipt, "A", ""), true, 10);
        queue.push(stanza(Class::Receipt, "A", "read"), true, 10);
        assert!(!queue.settle_by_ack(&Class::Notification, "A", "read"));
        assert!(!queue.settle("A"), "a receipt acknowledges messages");
        assert!(queue.settle_by_ack(&Class::Receipt, "A", "read"));
        assert!(!queue.settle_by_ack(&Class::Receipt, "A", "read"));
        assert!(queue.settle_by_ack(&Class::Receipt, "A", ""));
        assert_eq!(queue.len(), 0);
    }

    #[tokio::test]
    async fn what_has_a_tag_of_its_own_is_acknowledged_by_that_tag() {
        let mut queue = Queue::default();
        queue.push(stanza(Class::named("status"), "1", ""), true, 10);
        queue.push(stanza(Class::named("novelty"), "2", ""), true, 10);
        assert!(!queue.settle_by_ack(&Class::Message, "1", ""));
        assert!(queue.settle_by_ack(&Class::named("status"), "1", "text"));
        assert!(!queue.settle_by_ack(&Class::named("status"), "2", ""));
        assert!(queue.settle_by_ack(&Class::named("novelty"), "2", ""));
    }

    #[tokio::test]
    async fn a_copy_of_an_own_message_needs_a_receipt() {
        let mut queue = Queue::default();
        queue.push(Stanza { is_own_copy: true, ..stanza(Class::Message, "1", "") }, true, 10);
        assert!(!queue.settle_by_ack(&Class::Message, "1", ""));
        assert!(queue.settle("1"));
    }

    #[tokio::test]
    async fn a_new_connection_gets_what_the_last_did_not_acknowledge() {
        let mut queue = Queue::default();
        queue.push(stanza(Class::Message, "1", ""), true, 10);
        queue.push(stanza(Class::Message, "2", ""), false, 10);
        assert_eq!(queue.take_unsent(9).len(), 1);
        assert_eq!(queue.take_unsent(9).len(), 0);
        queue.settle("2");
        queue.rewind();
        assert_eq!(queue.waiting(), Waiting { messages: 1, ..Waiting::default() });
        assert_eq!(ids(&queue.take_unsent(9)), ["1"]);
    }

    #[tokio::test]
    async fn what_waits_is_given_out_piece_by_piece() {
        let mut queue = Queue::default();
        ["1", "2", "3"].iter().for_each(|id| queue.push(stanza(Class::Message, id, ""), false, 10));
        assert_eq!(ids(&queue.take_unsent(2)), ["1", "2"]);
        assert!(queue.has_unsent());
        assert_eq!(ids(&queue.take_unsent(2)), ["3"]);
        assert!(!queue.has_unsent());
    }

    #[tokio::test(start_paused = true)]
    async fn what_has_cost_a_connection_holds_back_what_is_behind_it() {
        let (mut queue, patience) = (Queue::default(), Duration::from_secs(10));
        assert_eq!(queue.overdue(patience), Ok(None));
        ["1", "2"].iter().for_each(|id| queue.push(stanza(Class::named("status"), id, ""), true, 10));
        let due = Instant::now() + patience;
        assert_eq!(queue.overdue(patience), Ok(Some(due)));
        tokio::time::advance(patience).await;
        assert_eq!(queue.overdue(patience), Err("1".into()));
        queue.rewind();
        assert_eq!(ids(&queue.take_unsent(9)), ["1"]);
        assert!(queue.take_unsent(9).is_empty() && queue.has_unsent());
        assert!(queue.settle_by_ack(&Class::named("status"), "1", ""));
        assert_eq!(ids(&queue.take_unsent(9)), ["2"]);
    }

    #[tokio::test]
    async fn the_acknowledgement_behind_a_retry_receipt_spares_the_message_sent_again() {
        let mut queue = Queue::default();
        queue.push(stanza(Class::Message, "1", ""), true, 10);
        queue.settle_by_retry("1");
        queue.push(stanza(Class::Message, "1", ""), true, 10);
        assert!(!queue.settle_by_ack(&Class::Message, "1", "text"));
        assert!(queue.settle_by_ack(&Class::Message, "1", "text"));
    }

    #[tokio::test]
    async fn what_was_acknowledged_last_can_come_once_more() {
        let mut queue = Queue::default();
        ["1", "2", "3"].iter().for_each(|id| queue.push(stanza(Class::Message, id, ""), true, 10));
        assert!(queue.settle("1") && queue.settle("2"));
        queue.rewind();
        queue.repeat_last();
        queue.repeat_last();
        assert_eq!(ids(&queue.take_unsent(9)), ["2", "3"]);
    }

    #[tokio::test]
    async fn the_oldest_is_lost_past_the_limit() {
        let mut queue = Queue::default();
        for id in ["1", "2", "3"] {
            queue.push(stanza(Class::Message, id, ""), false, 2);
        }
        assert_eq!(ids(&queue.take_unsent(9)), ["2", "3"]);
    }
}
