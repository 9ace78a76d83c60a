use std::collections::VecDeque;

use bytes::Bytes;
use compact_str::CompactString;
use parking_lot::Mutex;
use serde::Serialize;
use wa_binary::{Content, Node};

use crate::Clock;

/// Lists longer than this are shown by their first children and a count: an upload of 812 prekeys tells
/// nothing more in full.
const SHOWN_CHILDREN: usize = 12;
/// Stanzas longer than this are kept in their abbreviated form only.
const LONG_STANZA: usize = 4 << 10;

/// Which way a stanza went, seen from the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Direction {
    /// From a client or a phone to the server.
    #[serde(rename = "C>S")]
    Received,
    /// From the server.
    #[serde(rename = "S>C")]
    Sent,
}

/// One stanza of the trace.
#[derive(Clone, Debug, Serialize)]
pub struct TraceEntry {
    /// Milliseconds since the simulator was started.
    pub millis: u64,
    /// The account, once the connection belongs to one.
    pub number: Option<String>,
    /// The device; 0 is the phone.
    pub device: u16,
    /// Which way it went.
    pub direction: Direction,
    /// The stanza as XML text; `[nB]` stands for n bytes.
    pub xml: String,
}

impl std::fmt::Display for TraceEntry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let arrow = match self.direction {
            Direction::Received => "C>S",
            Direction::Sent => "S>C",
        };
        let number = self.number.as_deref().unwrap_or("unpaired");
        write!(f, "{:>7} {number}:{} {arrow} {}", self.millis, self.device, self.xml)
    }
}

/// Who is at the other end of a traced stanza.
#[derive(Clone, Debug, Default)]
pub(crate) struct Peer {
    pub(crate) connection: u64,
    pub(crate) number: Option<CompactString>,
    pub(crate) device: u16,
}

/// The most recent stanzas of all connections and phones. Rendering happens when somebody asks.
pub(crate) struct Trace {
    clock: Clock,
    entries: usize,
    bytes: usize,
    ring: Mutex<Ring>,
}

#[derive(Default)]
struct Ring {
    entries: VecDeque<Entry>,
    bytes: usize,
}

struct Entry {
    millis: u64,
    peer: Peer,
    direction: Direction,
    body: Body,
}

enum Body {
    /// An encoded node, without its flag byte.
    Encoded(Bytes),
    Abbreviated(String),
}

impl Body {
    fn len(&self) -> usize {
        match self {
            Self::Encoded(bytes) => bytes.len(),
            Self::Abbreviated(text) => text.len(),
        }
    }
}

impl Trace {
    pub(crate) fn new(clock: Clock, entries: usize, bytes: usize) -> Self {
        Self { clock, entries, bytes, ring: Mutex::default() }
    }

    pub(crate) fn is_on(&self) -> bool {
        self.entries > 0
    }

    /// Records an encoded node (without flag byte).
    pub(crate) fn record(&self, peer: &Peer, direction: Direction, node: &Bytes) {
        if !self.is_on() {
            return;
        }
        let body = match node.len() {
            0..=LONG_STANZA => Body::Encoded(node.clone()),
            _ => Body::Abbreviated(render(node)),
        };
        let entry = Entry { millis: self.clock.elapsed_millis(), peer: peer.clone(), direction, body };
        let mut ring = self.ring.lock();
        ring.bytes += entry.body.len();
        ring.entries.push_back(entry);
        while ring.entries.len() > self.entries || ring.bytes > self.bytes {
            let Some(oldest) = ring.entries.pop_front() else { break };
            ring.bytes -= oldest.body.len();
        }
    }

    /// Gives what a connection exchanged before its pairing to the account it was linked to.
    pub(crate) fn claim(&self, connection: u64, number: &CompactString, device: u16) {
        for entry in &mut self.ring.lock().entries {
            if entry.peer.connection == connection && entry.peer.number.is_none() {
                entry.peer.number = Some(number.clone());
                entry.peer.device = device;
            }
        }
    }

    /// What is kept, oldest first, of one account or of all.
    pub(crate) fn entries(&self, number: Option<&str>) -> Vec<TraceEntry> {
        let ring = self.ring.lock();
        let wanted =
            ring.entries.iter().filter(|entry| number.is_none() || entry.peer.number.as_deref() == number);
        wanted
            .map(|entry| TraceEntry {
                millis: entry.millis,
                number: entry.peer.number.as_ref().map(ToString::to_string),
                device: entry.peer.device,
                direction: entry.direction,
                xml: match &entry.body {
                    Body::Encoded(bytes) => render(bytes),
                    Body::Abbreviated(text) => text.clone(),
                },
            })
            .collect()
    }

    pub(crate) fn clear(&self) {
        *self.ring.lock() = Ring::default();
    }
}

fn render(node: &[u8]) -> String {
    match wa_binary::decode(node) {
        Ok(mut node) => {
            abbreviate(&mut node);
            node.to_string()
        }
        Err(error) => format!("<!-- {} bytes that are no node: {error} -->", node.len()),
    }
}

fn abbreviate(node: &mut Node<'_>) {
    let Content::Nodes(children) = &mut node.content else { return };
    let total = children.len();
    if total > SHOWN_CHILDREN {
        children.truncate(2);
        children.push(Node::new("more").attr("children", total - 2));
    }
    children.iter_mut().for_each(abbreviate);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trace(entries: usize) -> Trace {
        Trace::new(Clock::starting_at(0), entries, 1 << 20)
    }

    fn peer(connection: u64, number: Option<&str>) -> Peer {
        Peer { connection, number: number.map(CompactString::from), device: 1 }
    }

    fn encoded(node: &Node<'_>) -> Bytes {
        Bytes::from(wa_binary::encode(node).unwrap()).slice(1..)
    }

    #[test]
    fn keeps_the_most_recent() {
        let trace = trace(2);
        for id in ["1", "2", "3"] {
            trace.record(
                &peer(1, Some("15550001")),
                Direction::Sent,
                &encoded(&Node::new("iq").attr("id", id)),
            );
        }
        let xml: Vec<String> = trace.entries(None).into_iter().map(|entry| entry.xml).collect();
        assert_eq!(xml, [r#"<iq id="2"/>"#, r#"<iq id="3"/>"#]);
    }

    #[test]
    fn gives_the_pairing_to_its_account() {
        let trace = trace(10);
        let node = encoded(&Node::new("iq"));
        trace.record(&peer(1, None), Direction::Received, &node);
        trace.record(&peer(2, None), Direction::Received, &node);
        trace.claim(1, &CompactString::from("15550001"), 3);
        let entries = trace.entries(Some("15550001"));
        assert_eq!(entries.len(), 1);
        assert_eq!(entries[0].device, 3);
        assert_eq!(trace.entries(None).len(), 2);
    }

    #[test]
    fn shortens_long_lists() {
        let keys = (0..812).map(|id| Node::new("key").child(Node::new("id").with_bytes(vec![id as u8; 3])));
        let trace = trace(10);
        let upload = encoded(&Node::new("iq").child(Node::new("list").with_children(keys)));
        trace.record(&peer(1, None), Direction::Received, &upload);
        let xml = &trace.entries(None)[0].xml;
        assert!(xml.len() < 200 && xml.contains("810"), "{xml}");
    }
}
