mod accounts;
mod calls;
mod chat;
mod communities;
mod damage;
mod delivery;
mod groups;
mod newsletters;

use std::sync::{
    Arc, OnceLock, Weak,
    atomic::{AtomicU64, Ordering},
};

use bytes::Bytes;
use compact_str::{CompactString, format_compact};
use parking_lot::{Mutex, RwLock};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha20Rng;
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;
use wa_crypto::{KeyPair, Secret};

use crate::{
    Clock, Options,
    certificate::Authority,
    clock::ServerClock,
    faults::{FaultKind, Faults},
    impostor::Impostors,
    media::Media,
    pairing::Pairings,
    trace::Trace,
    versions::Versions,
};

use accounts::Accounts;
pub use calls::CallInfo;
use calls::Calls;
pub(crate) use chat::{Chat, Circle};
pub(crate) use damage::without_ciphertext;
use groups::Groups;
use newsletters::Newsletters;
pub(crate) use newsletters::figures_of;

/// How long a certificate chain is handed out before it is signed anew, in seconds.
const CHAIN_LIFE: u64 = 24 * 60 * 60;

/// Everything that the server knows. Connections, phones and the control API share it.
pub(crate) struct World {
    pub(crate) options: Options,
    pub(crate) clock: ServerClock,
    pub(crate) trace: Trace,
    pub(crate) faults: Faults,
    pub(crate) impostors: Impostors,
    pub(crate) media: Media,
    pub(crate) pairings: Pairings,
    pub(crate) versions: Versions,
    pub(crate) authority: Authority,
    pub(crate) server_key: KeyPair,
    /// `host:port` of the media host; set once the listener is bound.
    pub(crate) media_host: OnceLock<String>,
    /// Makes tokens that only the server can make.
    secret: Secret<32>,
    chain: Mutex<Option<(u64, Bytes)>>,
    rng: Mutex<ChaCha20Rng>,
    accounts: RwLock<Accounts>,
    groups: Groups,
    newsletters: Newsletters,
    calls: Calls,
    ids: AtomicU64,
    connections: AtomicU64,
    /// Ends every connection and phone of the present age; a reset begins a new one.
    age: Mutex<CancellationToken>,
    /// Where phones and connections run.
    pub(crate) runtime: Handle,
    me: Weak<World>,
}

impl World {
    /// Must be called within a tokio runtime.
    pub(crate) fn new(options: Options) -> Arc<Self> {
        let clock = options.clock.unwrap_or_else(Clock::system);
        let mut rng = match options.seed {
            Some(seed) => ChaCha20Rng::from_seed(seed),
            None => seed_from_system(),
        };
        let authority = Authority::generate(&mut rng);
        let server_key = KeyPair::generate(&mut rng);
        let secret = Secret::generate(&mut rng);
        Arc::new_cyclic(|me| Self {
            trace: Trace::new(clock, options.limits.trace, options.limits.trace_bytes),
            faults: Faults::default(),
            impostors: Impostors::default(),
            media: Media::new(options.limits.media_file, options.limits.media_total, secret.clone()),
            pairings: Pairings::default(),
            versions: Versions::new(&options, clock),
            authority,
            server_key,
            media_host: OnceLock::new(),
            secret,
            chain: Mutex::default(),
            rng: Mutex::new(rng),
            accounts: RwLock::default(),
            groups: Groups::default(),
            newsletters: Newsletters::default(),
            calls: Calls::default(),
            ids: AtomicU64::new(1),
            connections: AtomicU64::new(1),
            age: Mutex::new(CancellationToken::new()),
            runtime: Handle::current(),
            me: me.clone(),
            clock: ServerClock::new(clock, options.behaviour.clock_offset),
            options,
        })
    }

    pub(crate) fn weak(&self) -> Weak<Self> {
        self.me.clone()
    }

    /// A generator of its own, so that tasks don't wait for each other.
    pub(crate) fn fork_rng(&self) -> ChaCha20Rng {
        let mut seed = [0; 32];
        self.rng.lock().fill_bytes(&mut seed);
        ChaCha20Rng::from_seed(seed)
    }

    pub(crate) fn next_id(&self) -> CompactString {
        format_compact!("{}", self.ids.fetch_add(1, Ordering::Relaxed))
    }

    pub(crate) fn next_connection(&self) -> u64 {
        self.connections.fetch_add(1, Ordering::Relaxed)
    }

    /// What ends with the present age.
    pub(crate) fn age(&self) -> CancellationToken {
        self.age.lock().clone()
    }

    /// An opaque token for `parts`, the same every time.
    pub(crate) fn token(&self, parts: &[&[u8]]) -> [u8; 32] {
        wa_crypto::mac::hmac_sha256(self.secret.expose(), parts)
    }

    /// The certificate chain for a handshake.
    pub(crate) fn certificate_chain(&self, rng: &mut ChaCha20Rng) -> Bytes {
        let now = self.clock.unix_seconds();
        let fault = self.faults.strike_anybody(|kind| match kind {
            FaultKind::Certificate { what } => Some(*what),
            _ => None,
        });
        if fault.is_some() {
            return self.authority.issue(self.server_key.public(), now, fault, rng).into();
        }
        let mut chain = self.chain.lock();
        match &*chain {
            Some((signed_at, bytes)) if now.saturating_sub(*signed_at) < CHAIN_LIFE => bytes.clone(),
            _ => {
                let bytes = Bytes::from(self.authority.issue(self.server_key.public(), now, None, rng));
                *chain = Some((now, bytes.clone()));
                bytes
            }
        }
    }

    /// Forgets everything and ends every connection.
    pub(crate) fn reset(&self) {
        let ended = std::mem::replace(&mut *self.age.lock(), CancellationToken::new());
        *self.accounts.write() = Accounts::default();
        self.groups.clear();
        self.newsletters.clear();
        self.calls.clear();
        self.pairings.clear();
        self.faults.clear(None);
        self.impostors.clear();
        self.media.clear();
        self.trace.clear();
        self.clock.set_offset(self.options.behaviour.clock_offset);
        ended.cancel();
    }

    /// Ends everything for good.
    pub(crate) fn stop(&self) {
        self.age.lock().cancel();
    }
}

#[allow(clippy::disallowed_methods, reason = "the one place where the system's randomness enters")]
fn seed_from_system() -> ChaCha20Rng {
    ChaCha20Rng::from_rng(&mut rand::rng())
}
