use std::collections::{HashMap, VecDeque};

use bytes::Bytes;
use compact_str::CompactString;
use serde::Serialize;

use super::say::Envelope;

/// A message that a phone sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct OutboxEntry {
    /// The message's id.
    pub id: String,
    /// The chat: `15550000001@s.whatsapp.net`, `120363…@g.us`.
    pub to: String,
    /// When it was sent, in seconds since 1970.
    pub timestamp: u64,
    /// What came back for it.
    pub receipts: Vec<Receipt>,
    /// How often a device asked for it again and got it.
    pub resent: u32,
}

/// A receipt for a message that a phone sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Receipt {
    /// Who sent the receipt, by phone number.
    pub from: String,
    /// The device that sent it.
    pub device: u16,
    /// `delivered`, or the type of the receipt: `read`, `played`, ….
    #[serde(rename = "type")]
    pub kind: String,
    /// When the server took it, in seconds since 1970.
    pub timestamp: u64,
}

/// What a phone has sent lately.
#[derive(Debug)]
pub(crate) struct Outbox {
    limit: usize,
    order: VecDeque<CompactString>,
    by_id: HashMap<CompactString, Sent>,
}

#[derive(Debug)]
pub(crate) struct Sent {
    pub(crate) entry: OutboxEntry,
    /// An encoded `Message`, kept to be encrypted again.
    pub(crate) content: Bytes,
    /// What its stanza said about it.
    pub(crate) envelope: Envelope,
    /// How often each device got it again.
    pub(crate) again: HashMap<(CompactString, u16), u32>,
}

impl Outbox {
    pub(crate) fn new(limit: usize) -> Self {
        let (order, by_id) = Default::default();
        Self { limit, order, by_id }
    }

    pub(crate) fn add(&mut self, sent: Sent) {
        let id = CompactString::from(&sent.entry.id);
        self.order.push_back(id.clone());
        self.by_id.insert(id, sent);
        if self.order.len() > self.limit
            && let Some(oldest) = self.order.pop_front()
        {
            self.by_id.remove(&oldest);
        }
    }

    pub(crate) fn get(&self, id: &str) -> Option<&Sent> {
        self.by_id.get(id)
    }

    pub(crate) fn get_mut(&mut self, id: &str) -> Option<&mut Sent> {
        self.by_id.get_mut(id)
    }

    pub(crate) fn entries(&self) -> Vec<OutboxEntry> {
        self.order.iter().filter_map(|id| self.by_id.get(id)).map(|sent| sent.entry.clone()).collect()
    }
}
