use std::collections::VecDeque;

use bytes::Bytes;
use compact_str::CompactString;

/// What kind of stanza waits: clients acknowledge by class and type, since a delivery and a read receipt
/// of one message share their id (PROTOCOL.md 7.8).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Class {
    Message,
    Receipt,
    Notification,
}

impl Class {
    /// The class named by the `class` attribute of an `<ack>`.
    pub(crate) fn named(name: &str) -> Option<Self> {
        match name {
            "message" => Some(Self::Message),
            "receipt" => Some(Self::Receipt),
            "notification" => Some(Self::Notification),
            _ => None,
        }
    }
}

/// An encoded stanza for one device (with flag byte), and how it will be acknowledged.
#[derive(Clone, Debug)]
pub(crate) struct Stanza {
    pub(crate) class: Class,
    pub(crate) id: CompactString,
    /// The `type` attribute; empty for messages, whose acknowledgement doesn't name it.
    pub(crate) kind: CompactString,
    pub(crate) bytes: Bytes,
}

/// What a device has not acknowledged yet, in the order of arrival.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    entries: VecDeque<Entry>,
    /// Messages that a retry receipt took out. Some clients acknowledge them besides (PROTOCOL.md 12), and
    /// the message sent again, under the same id, must not be taken for them.
    retried: VecDeque<CompactString>,
}

/// How many retried messages are remembered.
const MAX_RETRIED: usize = 64;

#[derive(Debug)]
struct Entry {
    stanza: Stanza,
    /// Whether it was written to the present connection.
    sent: bool,
}

/// How many stanzas of each class wait, for `offline_preview`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Waiting {
    pub(crate) messages: usize,
    pub(crate) receipts: usize,
    pub(crate) notifications: usize,
}

impl Waiting {
    pub(crate) fn total(self) -> usize {
        self.messages + self.receipts + self.notifications
    }
}

impl Queue {
    /// Adds a stanza; past `limit` the oldest is lost.
    pub(crate) fn push(&mut self, stanza: Stanza, sent: bool, limit: usize) {
        self.entries.push_back(Entry { stanza, sent });
        if self.entries.len() > limit {
            self.entries.pop_front();
        }
    }

    /// Takes out the oldest stanza that the acknowledgement fits.
    pub(crate) fn settle(&mut self, class: Class, id: &str, kind: &str) -> bool {
        let fits = |entry: &Entry| {
            entry.stanza.class == class
                && entry.stanza.id == id
                && (class == Class::Message || entry.stanza.kind == kind)
        };
        match self.entries.iter().position(fits) {
            Some(index) => self.entries.remove(index).is_some(),
            None => false,
        }
    }

    /// A retry receipt takes a message out: its plain acknowledgement, if one follows, takes out nothing.
    pub(crate) fn settle_by_retry(&mut self, id: &str) {
        if self.settle(Class::Message, id, "") {
            self.retried.push_back(id.into());
            if self.retried.len() > MAX_RETRIED {
                self.retried.pop_front();
            }
        }
    }

    /// An `<ack>` takes a stanza out.
    pub(crate) fn settle_by_ack(&mut self, class: Class, id: &str, kind: &str) {
        let retried = self.retried.iter().position(|retried| class == Class::Message && retried == id);
        match retried {
            Some(index) => {
                self.retried.remove(index);
            }
            None => {
                self.settle(class, id, kind);
            }
        }
    }

    /// Everything that was not written to the present connection, marking it as written.
    pub(crate) fn take_unsent(&mut self) -> Vec<Stanza> {
        let unsent = self.entries.iter_mut().filter(|entry| !entry.sent);
        unsent
            .map(|entry| {
                entry.sent = true;
                entry.stanza.clone()
            })
            .collect()
    }

    /// The connection is gone: what it did not acknowledge counts as not written.
    pub(crate) fn rewind(&mut self) {
        self.entries.iter_mut().for_each(|entry| entry.sent = false);
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }
}

/// Counts a batch by class.
pub(crate) fn count(stanzas: &[Stanza]) -> Waiting {
    let mut waiting = Waiting::default();
    for stanza in stanzas {
        match stanza.class {
            Class::Message => waiting.messages += 1,
            Class::Receipt => waiting.receipts += 1,
            Class::Notification => waiting.notifications += 1,
        }
    }
    waiting
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stanza(class: Class, id: &str, kind: &str) -> Stanza {
        Stanza { class, id: id.into(), kind: kind.into(), bytes: Bytes::new() }
    }

    #[test]
    fn read_and_delivery_receipts_of_one_message_are_acknowledged_apart() {
        let mut queue = Queue::default();
        queue.push(stanza(Class::Receipt, "A", ""), true, 10);
        queue.push(stanza(Class::Receipt, "A", "read"), true, 10);
        assert!(!queue.settle(Class::Notification, "A", "read"));
        assert!(queue.settle(Class::Receipt, "A", "read"));
        assert!(!queue.settle(Class::Receipt, "A", "read"));
        assert!(queue.settle(Class::Receipt, "A", ""));
        assert_eq!(queue.len(), 0);
    }

    #[test]
    fn a_new_connection_gets_what_the_last_did_not_acknowledge() {
        let mut queue = Queue::default();
        queue.push(stanza(Class::Message, "1", ""), true, 10);
        queue.push(stanza(Class::Message, "2", ""), false, 10);
        assert_eq!(queue.take_unsent().len(), 1);
        assert_eq!(queue.take_unsent().len(), 0);
        queue.settle(Class::Message, "2", "text");
        queue.rewind();
        let again = queue.take_unsent();
        assert_eq!(again[0].id, "1");
        assert_eq!(count(&again), Waiting { messages: 1, ..Waiting::default() });
    }

    #[test]
    fn the_acknowledgement_behind_a_retry_receipt_spares_the_message_sent_again() {
        let mut queue = Queue::default();
        queue.push(stanza(Class::Message, "1", ""), true, 10);
        queue.settle_by_retry("1");
        queue.push(stanza(Class::Message, "1", ""), true, 10);
        queue.settle_by_ack(Class::Message, "1", "text");
        assert_eq!(queue.len(), 1);
        queue.settle_by_ack(Class::Message, "1", "text");
        assert_eq!(queue.len(), 0);
    }

    #[test]
    fn the_oldest_is_lost_past_the_limit() {
        let mut queue = Queue::default();
        for id in ["1", "2", "3"] {
            queue.push(stanza(Class::Message, id, ""), false, 2);
        }
        assert_eq!(queue.take_unsent()[0].id, "2");
    }
}
