use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rand::SeedableRng;
use rand_chacha::ChaCha20Rng;
use tokio::sync::watch;
use wa_noise::TrustRoot;
use wa_store::Store;

use crate::clock::{Clock, SystemClock};
use crate::config::Config;
use crate::handle::Handle;
use crate::handler::Handler;
use crate::instance::{Instance, Shared};
use crate::state::State;
use crate::transport::Connector;
use crate::transport::websocket::WebSocket;

/// Entry point of this crate.
#[derive(Debug)]
pub struct Client;

impl Client {
    /// A client over this store (one companion each) that reports to this handler.
    pub fn builder(store: Arc<dyn Store>, handler: Arc<dyn Handler>) -> ClientBuilder {
        ClientBuilder {
            store,
            handler,
            connector: Arc::new(WebSocket::default()),
            trust: TrustRoot::whatsapp(),
            clock: Arc::new(SystemClock),
            seed: None,
            config: Config::default(),
        }
    }
}

/// Everything a client needs, with WhatsApp's own values as defaults.
pub struct ClientBuilder {
    store: Arc<dyn Store>,
    handler: Arc<dyn Handler>,
    connector: Arc<dyn Connector>,
    trust: TrustRoot,
    clock: Arc<dyn Clock>,
    seed: Option<[u8; 32]>,
    config: Config,
}

impl ClientBuilder {
    /// How connections are opened; the default dials WhatsApp.
    #[must_use]
    pub fn connector(mut self, connector: Arc<dyn Connector>) -> Self {
        self.connector = connector;
        self
    }

    /// Whose servers are trusted; the default is WhatsApp's key.
    #[must_use]
    pub fn trust_root(mut self, trust: TrustRoot) -> Self {
        self.trust = trust;
        self
    }

    /// The wall clock.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Makes all keys and all jitter follow from this seed. For tests only: whoever knows it knows the keys.
    #[must_use]
    pub fn seed(mut self, seed: [u8; 32]) -> Self {
        self.seed = Some(seed);
        self
    }

    /// Time-outs, bounds and identity.
    #[must_use]
    pub fn config(mut self, config: Config) -> Self {
        self.config = config;
        self
    }

    /// Starts the client's one task on the current tokio runtime; it begins to connect at once.
    pub fn spawn(self) -> Handle {
        let (handle, driver) = self.build();
        tokio::spawn(driver.run());
        handle
    }

    /// The client and its handle, for embedders who want the task themselves.
    pub fn build(self) -> (Handle, Driver) {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let id = NEXT.fetch_add(1, Ordering::Relaxed);
        let (state, watcher) = watch::channel(State::Idle);
        let (handle, commands) = Handle::new(id, watcher);
        let rng = match self.seed {
            Some(seed) => ChaCha20Rng::from_seed(seed),
            None => ChaCha20Rng::from_rng(&mut rand::rng()),
        };
        let shared = Shared {
            id,
            store: self.store,
            handler: self.handler,
            connector: self.connector,
            trust: self.trust,
            clock: self.clock,
            config: self.config,
        };
        (handle, Driver(Instance::new(Arc::new(shared), commands, state, rng)))
    }
}

/// A client that does nothing until it is run. Dropping the future of [`Self::run`] is like a crash: nothing is
/// finished, and nothing that was acknowledged is lost.
#[derive(Debug)]
pub struct Driver(Instance);

impl Driver {
    /// Connects, serves and reconnects until [`Handle::stop`] or until the last handle is dropped.
    pub async fn run(self) {
        self.0.run().await;
    }
}

impl fmt::Debug for ClientBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientBuilder").field("config", &self.config).finish_non_exhaustive()
    }
}
