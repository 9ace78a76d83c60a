use std::{net::SocketAddr, time::Duration};

use crate::{Addressing, Behaviour, Clock};

/// How a [`Simulator`](crate::Simulator) is set up. `Options::default()` is a strict WhatsApp without a socket.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where to listen; port 0 picks one; `None` serves in-memory connections only.
    pub listen: Option<SocketAddr>,
    /// Whether the listener may be on an address that is not a loopback one.
    pub allow_remote: bool,
    /// What callers of the control API must show as `Authorization: Bearer <token>`; without one, a listener that is not on
    /// loopback makes one ([`Info::control_token`](crate::Info::control_token)).
    pub control_token: Option<String>,
    /// Serve TLS with a self-signed certificate made at the start (`GET /sim/info` shows it).
    pub tls: bool,
    /// Makes every key, id and random choice reproducible; `None` draws from the operating system.
    pub seed: Option<[u8; 32]>,
    /// The simulator's time; `None` starts at the machine's.
    pub clock: Option<Clock>,
    /// When the references of a QR code expire.
    pub references: References,
    /// Most companions a phone may link. WhatsApp allows four.
    pub max_companions: usize,
    /// The newest web version, which `/sw.js` and the page tell.
    pub newest_version: [u32; 3],
    /// The oldest web version let in; older ones fail with 405.
    pub minimum_version: [u32; 3],
    /// What a phone sends to a companion that logs in for the first time.
    pub bootstrap: Vec<BootstrapStep>,
    /// Which form of a recipient's address phones write to.
    pub addressing: Addressing,
    /// Whether accounts count as moved to LIDs (`client-props` of pair-success).
    pub lid_migrated: bool,
    /// Send `<ib><edge_routing/></ib>` after login, so that clients reconnect with an `ED` preamble.
    pub edge_routing: bool,
    /// Send `<ib><dirty type="account_sync"/></ib>` after login.
    pub dirty: bool,
    /// Below this many one-time prekeys the server asks a companion for more. Clients act below 5.
    pub prekeys_low: usize,
    /// A connection that sends nothing for this long is closed.
    pub idle_timeout: Duration,
    /// How long the server waits for the next step of a handshake or of a pairing.
    pub step_timeout: Duration,
    /// What it does beyond the first day with an account.
    pub behaviour: Behaviour,
    /// Bounds of what is kept in memory.
    pub limits: Limits,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            listen: None,
            allow_remote: false,
            control_token: None,
            tls: false,
            seed: None,
            clock: None,
            references: References::default(),
            max_companions: 4,
            newest_version: [2, 3000, 1_050_000_000],
            minimum_version: [2, 3000, 0],
            bootstrap: BootstrapStep::ALL.to_vec(),
            addressing: Addressing::Lid,
            lid_migrated: true,
            edge_routing: true,
            dirty: false,
            prekeys_low: 5,
            idle_timeout: Duration::from_secs(180),
            step_timeout: Duration::from_secs(20),
            behaviour: Behaviour::default(),
            limits: Limits::default(),
        }
    }
}

/// Life of the references in a QR code, counted from the moment they were sent (PROTOCOL.md 6.1).
///
/// Clients show the first for a minute and each later one for 20 s; the server takes a reference a little
/// longer than it is shown.
#[derive(Clone, Copy, Debug)]
pub struct References {
    /// References in one `pair-device`.
    pub count: usize,
    /// How long the first is shown.
    pub first: Duration,
    /// How long each later one is shown.
    pub next: Duration,
    /// How much longer each is taken.
    pub grace: Duration,
}

impl Default for References {
    fn default() -> Self {
        Self {
            count: 6,
            first: Duration::from_secs(60),
            next: Duration::from_secs(20),
            grace: Duration::from_secs(10),
        }
    }
}

impl References {
    /// How long the reference at `index` is taken, counted from the start.
    pub(crate) fn lifetime(&self, index: usize) -> Duration {
        self.first + self.next * u32::try_from(index).unwrap_or(u32::MAX) + self.grace
    }
}

/// One thing a phone sends to a companion after its first login (PROTOCOL.md 20).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BootstrapStep {
    /// The keys of the app state.
    KeyShare,
    /// History: the chats as they are at pairing.
    InitialBootstrap,
    /// History: the names of contacts.
    PushNames,
    /// History: recent messages, complete.
    Recent,
}

impl BootstrapStep {
    /// All steps in the order phones send them.
    pub const ALL: [Self; 4] = [Self::KeyShare, Self::InitialBootstrap, Self::PushNames, Self::Recent];
}

/// Bounds of what the simulator keeps in memory.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Stanzas waiting for one device; the oldest goes first.
    pub queue: usize,
    /// One-time prekeys stored for one device.
    pub prekeys: usize,
    /// Messages in one phone's inbox; the oldest goes first.
    pub inbox: usize,
    /// Sent messages that one phone can send again.
    pub sent: usize,
    /// Stanzas in the trace; 0 switches it off.
    pub trace: usize,
    /// Bytes of stanzas in the trace.
    pub trace_bytes: usize,
    /// Bytes of one media file.
    pub media_file: usize,
    /// Bytes of all media files.
    pub media_total: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            queue: 100_000,
            prekeys: 10_000,
            inbox: 20_000,
            sent: 2_000,
            trace: 20_000,
            trace_bytes: 16 << 20,
            // A file of 100 MiB, which is encrypted, with its padding and MAC.
            media_file: (100 << 20) + 32,
            media_total: 512 << 20,
        }
    }
}
