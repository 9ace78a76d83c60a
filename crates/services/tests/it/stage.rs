//! A gateway without HTTP beside a WhatsApp without a network.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::{SinkExt as _, StreamExt as _};
use parking_lot::Mutex;
use services::{
    AuthConfig, Caller, CreateInstance, Dependencies, FirstAdmin, KeepFor, MediaOptions, Qr, SendText, Sent,
    ServiceError, Services, WhatsApp,
};
use storage::{
    CauseKind, Chat, Epoch, Event, EventData, EventKind, EventQuery, EventStart, InstanceId, MemoryStorage,
    Message, MessageData, MessageStatus, NodeId, SecretText, StatusData, Storage, StoredMessageId,
};
use wa_client::http::{Request, Response};
use wa_client::{
    ConnectRequest, Connection, Connector, MediaHost, Pieces, RequestBody, Store, TransportError, TrustRoot,
    exchange,
};
use wa_simulator::{Options, Phone, Profile, Simulator};

use crate::postgres::Postgres;

pub(crate) use test_support::until;

/// A point in time that the simulator's certificates cover.
const NOW: u64 = 1_790_000_000;

pub(crate) struct Stage {
    pub(crate) simulator: Simulator,
    clock: wa_simulator::Clock,
    pub(crate) storage: Arc<dyn Storage>,
    keys: Keys,
    node: NodeId,
    pub(crate) services: Services,
    pub(crate) caller: Caller,
}

/// What the companions store; outlives them.
#[derive(Clone)]
enum Keys {
    Memory(Arc<Mutex<HashMap<InstanceId, Store>>>),
    Postgres(Postgres),
}

impl Keys {
    fn store(&self, id: InstanceId, epoch: Epoch) -> Store {
        match self {
            Self::Memory(stores) => stores.lock().entry(id).or_insert_with(Store::memory).clone(),
            Self::Postgres(database) => database.companion_store(id, epoch),
        }
    }
}

/// Where everything is stored: in memory, or where this variable says `postgres`.
const SCENARIOS_ON: &str = "SCENARIOS_ON";

async fn stores() -> (Arc<dyn Storage>, Keys) {
    match std::env::var(SCENARIOS_ON).as_deref() {
        Ok("postgres") => {
            let database = Postgres::start().await;
            (Arc::new(database.clone()), Keys::Postgres(database))
        }
        Ok(other) => panic!("{SCENARIOS_ON} is {other:?}"),
        Err(_) => (Arc::new(MemoryStorage::new()), Keys::Memory(Arc::default())),
    }
}

impl Stage {
    pub(crate) async fn new() -> Self {
        let clock = wa_simulator::Clock::starting_at(NOW);
        let behaviour = Profile::from_environment().unwrap().behaviour();
        let options = Options { seed: Some([7; 32]), clock: Some(clock), behaviour, ..Options::default() };
        let simulator = Simulator::start(options).await.unwrap();
        let (storage, keys) = stores().await;
        let node = NodeId::generate();
        let services = services(&simulator, clock, &storage, &keys, node);
        services.resume().await.unwrap();
        let admin = FirstAdmin {
            email: "admin@example.com".to_owned(),
            password: None,
            first_name: "Ada".to_owned(),
            last_name: "Min".to_owned(),
        };
        // The hash of the password is made outside of the runtime, whose paused time would run away meanwhile.
        tokio::time::resume();
        let key = services.auth.first_start(admin).await.unwrap().unwrap().api_key;
        tokio::time::pause();
        let caller =
            services.auth.by_api_key(key.expose(), std::net::Ipv4Addr::LOCALHOST.into()).await.unwrap();
        Self { simulator, clock, storage, keys, node, services, caller }
    }

    /// The process comes back, and finds what it stored.
    pub(crate) async fn restart(&mut self) {
        self.services = services(&self.simulator, self.clock, &self.storage, &self.keys, self.node);
        self.services.resume().await.unwrap();
    }

    /// Another process on the same database.
    pub(crate) async fn second_process(&self) -> Services {
        let services = services(&self.simulator, self.clock, &self.storage, &self.keys, NodeId::generate());
        services.resume().await.unwrap();
        services
    }

    /// WhatsApp's time, in Unix seconds.
    pub(crate) fn now(&self) -> u64 {
        self.clock.unix_seconds()
    }

    pub(crate) fn phone(&self, number: &str) -> Phone {
        self.simulator.create_phone(number, None).unwrap()
    }

    pub(crate) async fn instance(&self) -> InstanceId {
        let create = CreateInstance { name: "n".to_owned(), ..CreateInstance::default() };
        self.services.instances.create(&self.caller, create).await.unwrap().instance.id
    }

    /// The text of the QR code, as soon as there is one.
    pub(crate) async fn qr(&self, id: InstanceId) -> String {
        until("a QR code", || async {
            match self.services.instances.qr(&self.caller, id).await {
                Ok(Qr::Code { text, .. }) => Some(text),
                _ => None,
            }
        })
        .await
    }

    /// An instance that is linked to this phone and online.
    pub(crate) async fn linked(&self, phone: &Phone) -> InstanceId {
        let id = self.instance().await;
        phone.scan(&self.qr(id).await).await.unwrap();
        self.online(id).await;
        id
    }

    pub(crate) async fn online(&self, id: InstanceId) {
        until("a connection", || async {
            let status = self.services.instances.status(&self.caller, id).await.unwrap();
            status.ready().then_some(())
        })
        .await;
    }

    /// Waits until the instance isn't connected, and says why.
    pub(crate) async fn offline(&self, id: InstanceId) -> CauseKind {
        until("the end of the connection", || async {
            self.services.instances.status(&self.caller, id).await.unwrap().cause.map(|cause| cause.kind)
        })
        .await
    }

    pub(crate) async fn send(&self, id: InstanceId, to: &Phone, text: &str) -> Result<Sent, ServiceError> {
        let send = SendText {
            phone: to.number().to_owned(),
            message: text.to_owned(),
            idempotency_key: None,
            on_limit: Default::default(),
        };
        self.services.messages.send_text(&self.caller, id, send).await
    }

    /// The instance's events of these kinds, without status posts, which nobody here writes.
    pub(crate) async fn events(&self, id: InstanceId, kinds: &[EventKind]) -> Vec<Event> {
        let query = EventQuery { start: EventStart::Oldest, kinds: kinds.to_vec(), limit: 1000 };
        let mut events =
            self.services.events.events(&self.caller, id, &query, Duration::ZERO).await.unwrap().events;
        events.retain(|event| event.chat.as_ref().is_none_or(|chat| chat.jid != "status@broadcast"));
        events
    }

    /// Waits for so many events of a kind.
    pub(crate) async fn told(&self, id: InstanceId, kind: EventKind, count: usize) -> Vec<EventData> {
        until(kind.as_str(), || async {
            let events = self.events(id, &[kind]).await;
            (events.len() >= count).then(|| events.into_iter().map(|event| event.data).collect())
        })
        .await
    }

    /// Waits for so many messages that came in, and returns how they were told, with their chats.
    pub(crate) async fn received(&self, id: InstanceId, count: usize) -> Vec<(Chat, MessageData)> {
        let kind = EventKind::MessageReceived;
        self.told(id, kind, count).await;
        let events = self.events(id, &[kind]).await.into_iter();
        events
            .map(|event| match event.data {
                EventData::MessageReceived(told) => (event.chat.unwrap(), told),
                other => panic!("{other:?}"),
            })
            .collect()
    }

    /// Waits for so many changes of status.
    pub(crate) async fn statuses(&self, id: InstanceId, count: usize) -> Vec<StatusData> {
        let told = self.told(id, EventKind::MessageStatus, count).await.into_iter();
        told.map(|told| match told {
            EventData::MessageStatus(told) => told,
            other => panic!("{other:?}"),
        })
        .collect()
    }

    /// Waits until a message has come so far.
    pub(crate) async fn until_status(&self, id: InstanceId, message_id: &str, status: MessageStatus) {
        until("the status", || async { (self.message(id, message_id).await.status == status).then_some(()) })
            .await;
    }

    pub(crate) async fn message(&self, id: InstanceId, message_id: &str) -> Message {
        let mut found = self.storage.messages_by_id(self.caller.user, id, message_id).await.unwrap();
        assert_eq!(found.len(), 1, "stored once");
        found.remove(0)
    }
}

fn services(
    simulator: &Simulator,
    clock: wa_simulator::Clock,
    storage: &Arc<dyn Storage>,
    keys: &Keys,
    node: NodeId,
) -> Services {
    let (simulator, keys) = (simulator.clone(), keys.clone());
    let root = TrustRoot::new(simulator.root_key());
    let store = move |id, epoch| keys.store(id, epoch);
    Services::new(Dependencies {
        storage: storage.clone(),
        companions: Arc::new(WhatsApp::new(store, move |_connection, client| {
            client
                .connector(Arc::new(InMemory(simulator.clone())))
                .trust_root(root)
                .media_host(Arc::new(MediaInMemory(simulator.clone())))
                .clock(Arc::new(SharedClock(clock)))
        })),
        node,
        auth: AuthConfig { bcrypt_cost: 4, ..AuthConfig::new(SecretText::new("jwt secret")) },
        webhooks: webhook::Options::default(),
        versions: services::VersionKeeper::fixed(wa_client::Version::COMPILED),
        keep_for: KeepFor::default(),
        media: media_options(),
    })
    .unwrap()
}

/// Files in a folder of their own, which is made when one is kept.
fn media_options() -> MediaOptions {
    MediaOptions::local(std::env::temp_dir().join(format!("trunkline-{}", StoredMessageId::generate())))
}

struct MediaInMemory(Simulator);

#[async_trait]
impl MediaHost for MediaInMemory {
    async fn send(&self, request: Request<RequestBody>) -> Result<Response<Pieces>, TransportError> {
        exchange(self.0.connect_media(), request).await
    }
}

struct InMemory(Simulator);

#[async_trait]
impl Connector for InMemory {
    async fn connect(&self, _request: ConnectRequest) -> Result<Connection, TransportError> {
        let connection = self.0.connect();
        let failed = |error: std::io::Error| TransportError::Io(error.to_string());
        Ok(Connection {
            outgoing: Box::pin(connection.outgoing.sink_map_err(failed)),
            incoming: Box::pin(connection.incoming.map(move |item| item.map_err(failed))),
        })
    }
}

struct SharedClock(wa_simulator::Clock);

impl wa_client::Clock for SharedClock {
    fn unix_millis(&self) -> i64 {
        i64::try_from(self.0.unix_millis()).unwrap()
    }
}
