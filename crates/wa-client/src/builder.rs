use std::fmt;
use std::sync::Arc;

use rand::SeedableRng;
use tokio::sync::{mpsc, watch};
use tracing::Instrument;
use wa_noise::TrustRoot;
use wa_store::{Limits, Store};

use crate::address_book::AddressBook;
use crate::batch::{self, Events};
use crate::client::Client;
use crate::clock::{Clock, SystemClock};
use crate::companion::Companion;
use crate::config::{Appearance, Config};
use crate::embedder::Embedder;
use crate::media::{MediaHost, MediaHttp, Transfers};
use crate::received::ReceivedMessages;
use crate::sent::SentMessages;
use crate::server_clock::ServerClock;
use crate::shared::{Random, Shared};
use crate::state::State;
use crate::transport::websocket::WebSocket;
use crate::transport::{Connector, Meter};
use crate::version::Versions;

/// Commands that may wait for a companion; further callers wait in turn.
const QUEUE: usize = 256;

impl Client {
    /// A client over this store, which holds one companion.
    pub fn builder(store: Store) -> ClientBuilder {
        ClientBuilder::new(store)
    }
}

/// Everything a client needs, with WhatsApp's own values as defaults.
pub struct ClientBuilder {
    store: Store,
    connector: Arc<dyn Connector>,
    trust: TrustRoot,
    clock: Arc<dyn Clock>,
    sent_messages: Option<Arc<dyn SentMessages>>,
    versions: Option<Arc<dyn Versions>>,
    received_messages: Option<Arc<dyn ReceivedMessages>>,
    address_book: Option<Arc<dyn AddressBook>>,
    media_host: Arc<dyn MediaHost>,
    label: String,
    seed: Option<[u8; 32]>,
    config: Config,
}

impl ClientBuilder {
    fn new(store: Store) -> Self {
        Self {
            store,
            connector: Arc::new(WebSocket::default()),
            trust: TrustRoot::whatsapp(),
            clock: Arc::new(SystemClock),
            sent_messages: None,
            versions: None,
            received_messages: None,
            address_book: None,
            media_host: Arc::new(MediaHttp::default()),
            label: String::new(),
            seed: None,
            config: Config::default(),
        }
    }

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

    /// The wall clock that expiries and time stamps are taken from; by default the system's.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Where messages that left are found again when a device asks for one once more. By default the companion's
    /// store keeps a bounded number of them; with this it keeps none.
    #[must_use]
    pub fn sent_messages(mut self, messages: Arc<dyn SentMessages>) -> Self {
        self.sent_messages = Some(messages);
        self
    }

    /// Who knows which version of WhatsApp Web to announce; the default is the one of [`Config`], for ever.
    #[must_use]
    pub fn versions(mut self, versions: Arc<dyn Versions>) -> Self {
        self.versions = Some(versions);
        self
    }

    /// Where it is found out whether a message was recorded in an earlier run of the process. Without it, what comes
    /// again after a restart is asked for once more, which costs a little traffic and does no harm.
    #[must_use]
    pub fn received_messages(mut self, messages: Arc<dyn ReceivedMessages>) -> Self {
        self.received_messages = Some(messages);
        self
    }

    /// Who knows whom the account's owner knows: without it, posts to the status are seen by those alone whom the owner has
    /// chosen one by one, and by the own devices.
    #[must_use]
    pub fn address_book(mut self, address_book: Arc<dyn AddressBook>) -> Self {
        self.address_book = Some(address_book);
        self
    }

    /// How requests get to WhatsApp's media hosts; the default connects directly.
    #[must_use]
    pub fn media_host(mut self, host: Arc<dyn MediaHost>) -> Self {
        self.media_host = host;
        self
    }

    /// A name for this companion: every log line of it carries the field `instance` with this value.
    #[must_use]
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = label.into();
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

    /// Changes how the companion presents itself, whatever the configuration says.
    #[must_use]
    pub fn appearance(mut self, change: impl FnOnce(&mut Appearance)) -> Self {
        change(&mut self.config.appearance);
        self
    }

    /// Starts the companion's one task on the current tokio runtime; it begins to connect at once.
    pub fn start(self) -> (Client, Events) {
        let (client, events, driver) = self.build();
        tokio::spawn(driver.run());
        (client, events)
    }

    /// The client, its events and what drives both, for embedders who want the task themselves. The driver may
    /// run in the same task as the loop over the events; no thread is woken then to hand a batch over.
    pub fn build(self) -> (Client, Events, Driver) {
        let (state, watcher) = watch::channel(State::Idle);
        let (limits, limits_watcher) = watch::channel(Limits::default());
        let (sender, commands) = mpsc::channel(QUEUE);
        let (outlet, events) = batch::exchange();
        let mut random = match self.seed {
            Some(seed) => Random::from_seed(seed),
            None => Random::from_rng(&mut rand::rng()),
        };
        let server_clock = ServerClock::new(Arc::clone(&self.clock));
        let transfers = Transfers::new(
            self.media_host,
            Arc::clone(&self.clock),
            Random::from_rng(&mut random),
            self.config.max_media,
        );
        let transfers = Arc::new(transfers);
        let meter = Meter::default();
        let shared = Shared {
            store: self.store,
            connector: self.connector,
            meter: meter.clone(),
            trust: self.trust,
            clock: self.clock,
            server_clock: server_clock.clone(),
            sent_messages: self.sent_messages,
            versions: self.versions.unwrap_or_else(|| Arc::new(self.config.appearance.version)),
            received_messages: self.received_messages,
            address_book: self.address_book,
            transfers: Arc::clone(&transfers),
            config: self.config,
        };
        let embedder = Embedder::new(commands, outlet, state, limits);
        let companion = Box::new(Companion::new(Arc::new(shared), embedder, random));
        let span = if self.label.is_empty() {
            tracing::Span::none()
        } else {
            // Of the highest level, so that no filter that lets a line through hides whose it is. Of no parent, since it
            // outlives whatever starts it.
            tracing::error_span!(parent: None, "companion", instance = %self.label)
        };
        let client = Client::new(sender, watcher, server_clock, limits_watcher, transfers, meter);
        (client, events, Driver { companion, span })
    }
}

/// A companion that does nothing until it is run. Dropping the future of [`Self::run`] is like a crash: nothing is
/// finished, and nothing that was acknowledged is lost.
#[derive(Debug)]
pub struct Driver {
    companion: Box<Companion>,
    span: tracing::Span,
}

impl Driver {
    /// Connects, serves and reconnects until [`Client::stop`], or until the last [`Client`] or the [`Events`] are
    /// dropped.
    pub fn run(self) -> impl Future<Output = ()> + Send {
        self.companion.run().instrument(self.span)
    }
}

impl fmt::Debug for ClientBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientBuilder").field("config", &self.config).finish_non_exhaustive()
    }
}
