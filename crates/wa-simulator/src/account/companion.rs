use bytes::Bytes;
use compact_str::CompactString;
use tokio::time::Instant;
use wa_crypto::PublicKey;

use super::{Link, PreKeys, SignedKey};
use crate::{
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
    /// Whether the phone has sent it keys and history.
    pub(crate) bootstrapped: bool,
    pub(crate) queue: Queue,
    pub(crate) connection: Option<Connection>,
    /// A request for more prekeys is on its way.
    pub(crate) asked_for_prekeys: bool,
}

/// The live connection of a companion.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) link: Link,
    /// Whether the client has asked for what waits, so that stanzas may be delivered as they come.
    pub(crate) is_active: bool,
    /// The last presence it sent.
    pub(crate) is_available: bool,
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
            bootstrapped: false,
            queue: Queue::default(),
            connection: None,
            asked_for_prekeys: false,
        }
    }

    /// The link, if stanzas may be written to it now.
    pub(crate) fn active_link(&self) -> Option<&Link> {
        self.connection.as_ref().filter(|connection| connection.is_active).map(|connection| &connection.link)
    }

    /// Keeps a stanza until it is acknowledged, and writes it if the companion is there to take it.
    pub(crate) fn deliver(&mut self, stanza: Stanza, held: bool, not_before: Option<Instant>, limit: usize) {
        let link = if held { None } else { self.active_link() };
        if let Some(link) = link {
            link.send(stanza.bytes.clone(), not_before);
        }
        let sent = link.is_some();
        self.queue.push(stanza, sent, limit);
    }

    /// A new connection takes over; the one before is returned.
    pub(crate) fn connect(&mut self, link: Link) -> Option<Link> {
        self.queue.rewind();
        self.logins = self.logins.saturating_add(1);
        let connection = Connection { link, is_active: false, is_available: false };
        self.connection.replace(connection).map(|older| older.link)
    }

    /// The connection is gone, unless a newer one has taken over.
    pub(crate) fn disconnect(&mut self, connection: u64) -> bool {
        let is_ours = self.connection.as_ref().is_some_and(|live| live.link.connection == connection);
        if is_ours {
            self.connection = None;
            self.queue.rewind();
        }
        is_ours
    }
}
