use std::collections::BTreeMap;

use bytes::Bytes;
use compact_str::CompactString;
use tokio::time::Instant;
use wa_crypto::PublicKey;

use super::{Link, PreKeys, SignedKey};
use crate::{
    RateLimit,
    behaviour::Rhythm,
    pairing::Registration,
    queue::{Queue, Stanza},
};

/// A linked device, as the server keeps it.
#[derive(Debug)]
pub(crate) struct Companion {
    pub(crate) key_index: u32,
    /// Static Noise key that its logins must use.
    pub(crate) noise: PublicKey,
    pub(crate) identity: PublicKey,
    pub(crate) registration_id: u32,
    pub(crate) signed_prekey: SignedKey,
    pub(crate) prekeys: PreKeys,
    /// The signed `device-identity` that goes with its bundles.
    pub(crate) device_identity: Bytes,
    /// What it calls itself in its device props.
    pub(crate) name: CompactString,
    pub(crate) linked_at: u64,
    pub(crate) logins: u32,
    /// How far the phone's first words to it are.
    pub(crate) bootstrap: Bootstrap,
    /// What it said of itself at its last login: which one that is.
    pub(crate) login_counter: Option<i32>,
    pub(crate) queue: Queue,
    pub(crate) connection: Option<Connection>,
    /// A request for more prekeys is on its way.
    pub(crate) asked_for_prekeys: bool,
    /// What it has left of the requests that are counted.
    pub(crate) allowance: Allowance,
    /// Its messages to LIDs.
    pub(crate) sent: Rhythm,
    /// Messages from phones of other accounts.
    pub(crate) heard: Rhythm,
    /// Numbers of those whose LIDs it is to ask for again.
    pub(crate) stale: BTreeMap<CompactString, StaleLid>,
}

/// A LID that a companion is to ask for again.
#[derive(Clone, Debug)]
pub(crate) struct StaleLid {
    /// Since when it knows: since an `<ack>` that says so was written to its present connection.
    pub(crate) known_since: Option<Instant>,
    /// The LID that it wrote to: receipts name the person by it until it has asked.
    pub(crate) lid: CompactString,
}

/// How far the phone's first words to a companion are: keys of the app state, and history. A phone opens its session
/// with a one-time prekey, so it waits for some (PROTOCOL.md 20).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bootstrap {
    /// It has not uploaded any prekeys yet.
    AwaitsKeys,
    /// It has, and hears from the phone as soon as it is there.
    Due,
    /// The phone was told to speak.
    Ordered,
}

/// Requests of the present period.
#[derive(Debug, Default)]
pub(crate) struct Allowance {
    since: Option<Instant>,
    spent: u32,
}

impl Allowance {
    /// Spends one request; false if there is none left.
    pub(crate) fn spend(&mut self, limit: RateLimit) -> bool {
        let now = Instant::now();
        if self.since.is_none_or(|since| now - since >= limit.period) {
            *self = Self { since: Some(now), spent: 0 };
        }
        self.spent = self.spent.saturating_add(1);
        self.spent <= limit.requests
    }
}

/// The live connection of a companion.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) link: Link,
    /// What of its queue the client gets now.
    pub(crate) delivery: Delivery,
    /// The last presence it sent.
    pub(crate) is_available: bool,
    /// The name that it announced on this connection.
    pub(crate) name: Option<CompactString>,
}

/// How far a connection is with what waits for its device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Delivery {
    /// The client has not asked for anything.
    Passive,
    /// What waited is being delivered.
    Backlog {
        /// How much more of it may be written before the client asks again.
        credit: usize,
        /// How much of it has been written.
        delivered: usize,
    },
    /// Everything comes as it arrives.
    Live,
}

impl Companion {
    pub(crate) fn new(
        registration: Registration,
        key_index: u32,
        device_identity: Bytes,
        linked_at: u64,
    ) -> Self {
        Self {
            key_index,
            noise: registration.noise,
            identity: registration.identity,
            registration_id: registration.registration_id,
            signed_prekey: registration.signed_prekey,
            prekeys: PreKeys::default(),
            device_identity,
            name: registration.props.os.map(CompactString::from).unwrap_or_default(),
            linked_at,
            logins: 0,
            bootstrap: Bootstrap::AwaitsKeys,
            login_counter: None,
            queue: Queue::default(),
            connection: None,
            asked_for_prekeys: false,
            allowance: Allowance::default(),
            sent: Rhythm::default(),
            heard: Rhythm::default(),
            stale: BTreeMap::new(),
        }
    }

    /// The link, if stanzas are written to it as they come.
    pub(crate) fn live_link(&self) -> Option<&Link> {
        let live = self.connection.as_ref().filter(|connection| connection.delivery == Delivery::Live);
        live.map(|connection| &connection.link)
    }

    /// Whether the client has asked for what comes.
    pub(crate) fn is_active(&self) -> bool {
        self.connection.as_ref().is_some_and(|connection| connection.delivery != Delivery::Passive)
    }

    /// Whether this is the present connection.
    pub(crate) fn is_served_by(&self, connection: u64) -> bool {
        self.connection.as_ref().is_some_and(|present| present.link.connection == connection)
    }

    /// It has uploaded prekeys.
    pub(crate) fn has_keys(&mut self) {
        if self.bootstrap == Bootstrap::AwaitsKeys {
            self.bootstrap = Bootstrap::Due;
        }
    }

    /// Whether the phone is to speak to it now; true once.
    pub(crate) fn takes_bootstrap(&mut self) -> bool {
        let is_due = self.bootstrap == Bootstrap::Due && self.is_active();
        if is_due {
            self.bootstrap = Bootstrap::Ordered;
        }
        is_due
    }

    /// Keeps a stanza until it is acknowledged, and writes it if the companion is there to take it.
    pub(crate) fn deliver(&mut self, stanza: Stanza, held: bool, not_before: Option<Instant>, limit: usize) {
        let link = if held { None } else { self.live_link() };
        if let Some(link) = link {
            link.send(stanza.bytes.clone(), not_before);
        }
        let sent = link.is_some();
        self.queue.push(stanza, sent, limit);
    }

    /// A new connection takes over; the one before is returned. `overlaps`: their ends crossed with an acknowledgement.
    pub(crate) fn connect(&mut self, link: Link, overlaps: bool) -> Option<Link> {
        self.queue.rewind();
        if overlaps {
            self.queue.repeat_last();
        }
        // What was written to the connection before may have been lost with it.
        self.stale.values_mut().for_each(|stale| stale.known_since = None);
        self.logins = self.logins.saturating_add(1);
        let connection = Connection { link, delivery: Delivery::Passive, is_available: false, name: None };
        self.connection.replace(connection).map(|older| older.link)
    }

    /// The connection is gone, unless a newer one has taken over.
    pub(crate) fn disconnect(&mut self, connection: u64) -> bool {
        let is_ours = self.is_served_by(connection);
        if is_ours {
            self.connection = None;
            self.queue.rewind();
        }
        is_ours
    }
}
