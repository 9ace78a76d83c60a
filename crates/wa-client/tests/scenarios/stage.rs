//! The stage of the scenarios: the simulator, and companions that write down what they are told.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::{SinkExt, StreamExt};
use http::{Request, Response};
use test_support::until;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use wa_binary::Jid;
use wa_client::{
    Cause, Client, ClientBuilder, Clock, ConnectRequest, Connection, Connector, Event, Events,
    IncomingMessage, MediaHost, Outgoing, Pieces, QrCode, ReceiptUpdate, RequestBody, State, Store,
    TransportError, TrustRoot, exchange,
};
use wa_simulator::{Behaviour, Fault, FaultKind, Options, Phone, Profile, Simulator};

/// A point in time that certificates of the simulator cover.
pub(crate) const NOW: u64 = 1_790_000_000;

/// The simulator and the time it shares with its clients.
pub(crate) struct Stage {
    pub(crate) sim: Simulator,
    pub(crate) clock: wa_simulator::Clock,
}

pub(crate) fn be_faithful(behaviour: &mut Behaviour) {
    behaviour.empty_messages = None;
    behaviour.reused_counters = None;
    behaviour.resent_twice = false;
    behaviour.identity_changes = None;
}

impl Stage {
    pub(crate) async fn new() -> Self {
        Self::with(Options::default()).await
    }

    /// With the behaviour of the profile of this test run.
    pub(crate) async fn with(options: Options) -> Self {
        let behaviour = Profile::from_environment().unwrap().behaviour();
        Self::as_told(Options { behaviour, ..options }).await
    }

    /// With this behaviour, whatever the profile is.
    pub(crate) async fn behaving(behaviour: Behaviour) -> Self {
        Self::as_told(Options { behaviour, ..Options::default() }).await
    }

    /// With this done to the behaviour that the profile has.
    pub(crate) async fn with_behaviour(change: impl FnOnce(&mut Behaviour)) -> Self {
        let mut behaviour = Profile::from_environment().unwrap().behaviour();
        change(&mut behaviour);
        Self::behaving(behaviour).await
    }

    /// With the profile's behaviour, but each message comes once and as it was sent: where a test counts messages, or says
    /// itself what becomes of which.
    pub(crate) async fn faithful() -> Self {
        Self::with_behaviour(be_faithful).await
    }

    /// With the profile's behaviour, but for what comes by itself at every login, and faithful: where it counts what is
    /// stored or told.
    pub(crate) async fn undisturbed() -> Self {
        Self::with_behaviour(|behaviour| {
            behaviour.novelties = false;
            behaviour.overlaps = false;
            be_faithful(behaviour);
        })
        .await
    }

    pub(crate) async fn as_told(options: Options) -> Self {
        let clock = wa_simulator::Clock::starting_at(NOW);
        let options = Options { seed: Some([42; 32]), clock: Some(clock), ..options };
        Self { sim: Simulator::start(options).await.unwrap(), clock }
    }

    pub(crate) fn phone(&self, number: &str) -> Phone {
        self.sim.create_phone(number, None).unwrap()
    }

    /// A new companion of a phone, paired and online.
    pub(crate) async fn companion(&self, phone: &Phone) -> Companion {
        let companion = self.unpaired();
        companion.pair(phone).await;
        companion
    }

    /// A companion that has no account yet.
    pub(crate) fn unpaired(&self) -> Companion {
        self.start(Store::memory())
    }

    /// A companion over this store.
    pub(crate) fn start(&self, store: Store) -> Companion {
        self.start_with(store, |builder| builder)
    }

    pub(crate) fn start_with(
        &self,
        store: Store,
        customize: impl FnOnce(ClientBuilder) -> ClientBuilder,
    ) -> Companion {
        let (client, events, task) = self.start_alone(store.clone(), customize);
        let diary = Arc::new(Diary::default());
        tokio::spawn(diary.clone().keep(events));
        Companion { client, diary, store, task }
    }

    /// A companion without a diary: its events are the test's.
    pub(crate) fn start_alone(
        &self,
        store: Store,
        customize: impl FnOnce(ClientBuilder) -> ClientBuilder,
    ) -> (Client, Events, JoinHandle<()>) {
        let builder = Client::builder(store)
            .connector(Arc::new(InMemory(self.sim.clone())))
            .media_host(Arc::new(MediaOf(self.sim.clone())))
            .trust_root(TrustRoot::new(self.sim.root_key()))
            .clock(Arc::new(SharedClock(self.clock)))
            .seed([u8::try_from(STARTED.fetch_add(1, Ordering::Relaxed) % 251).unwrap(); 32]);
        let (client, events, driver) = customize(builder).build();
        (client, events, tokio::spawn(driver.run()))
    }

    pub(crate) fn fault(&self, kind: FaultKind) {
        self.sim.add_fault(Fault::new(kind)).unwrap();
    }

    pub(crate) fn fault_for(&self, phone: &Phone, kind: FaultKind) -> u64 {
        self.sim.add_fault(Fault::new(kind).number(phone.number())).unwrap().id
    }

    /// How many stanzas, either way, contain this text.
    pub(crate) fn seen(&self, text: &str) -> usize {
        self.sim.trace(None).iter().filter(|entry| entry.xml.contains(text)).count()
    }
}

static STARTED: AtomicUsize = AtomicUsize::new(1);

/// A running client and its diary.
pub(crate) struct Companion {
    pub(crate) client: Client,
    pub(crate) diary: Arc<Diary>,
    pub(crate) store: Store,
    task: JoinHandle<()>,
}

impl Companion {
    /// Shows a code to the phone and waits until it is online.
    pub(crate) async fn pair(&self, phone: &Phone) {
        let qr = self.qr().await;
        phone.scan(&qr.text).await.unwrap();
        self.online().await;
    }

    /// The code that is shown.
    pub(crate) async fn qr(&self) -> QrCode {
        let state = self.state(|state| matches!(state, State::Pairing { qr: Some(_) })).await;
        match state {
            State::Pairing { qr: Some(qr) } => qr,
            other => panic!("{other:?}"),
        }
    }

    /// Waits for a state.
    pub(crate) async fn state(&self, wanted: impl FnMut(&State) -> bool) -> State {
        let mut states = self.client.watch();
        patiently(states.wait_for(wanted)).await.unwrap().clone()
    }

    pub(crate) async fn online(&self) {
        self.state(|state| *state == State::Online).await;
    }

    /// Waits until it stands still, and says why.
    pub(crate) async fn stopped(&self) -> Cause {
        match self.state(|state| matches!(state, State::Stopped(_))).await {
            State::Stopped(cause) => cause,
            other => panic!("{other:?}"),
        }
    }

    /// Waits until a connection has ended, and says why.
    pub(crate) async fn disconnected(&self) -> Cause {
        let cause = |event: &Event| match event {
            Event::Disconnected { cause, .. } => Some(cause.clone()),
            _ => None,
        };
        let events = self.diary.wait_for(|events| events.iter().any(|event| cause(event).is_some())).await;
        events.iter().find_map(cause).unwrap()
    }

    /// Waits until it has been online so many times.
    pub(crate) async fn connected(&self, times: usize) {
        let connected = |event: &&Event| matches!(event, Event::Connected);
        self.diary.wait_for(|events| events.iter().filter(connected).count() >= times).await;
    }

    /// Waits until it waits for the next try, and says why.
    pub(crate) async fn waiting(&self) -> Cause {
        match self.state(|state| matches!(state, State::Waiting { .. })).await {
            State::Waiting { cause, .. } => cause,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) async fn send(&self, to: Jid, text: &str) -> String {
        let message = Outgoing::text(to, text);
        let id = message.id.to_string();
        self.client.send(message).await.unwrap();
        id
    }

    /// Kills the client as a crash would: at once, in the middle of whatever it does.
    pub(crate) async fn crash(self) -> Store {
        self.task.abort();
        let _ = self.task.await;
        self.store
    }

    /// Stops in good order.
    pub(crate) async fn stop(self) -> Store {
        self.client.stop().await;
        self.task.await.unwrap();
        self.store
    }
}

/// Accepts what it is told and keeps it, or refuses it.
pub(crate) struct Diary {
    events: watch::Sender<Vec<Event>>,
    failures: AtomicUsize,
    fail_on_messages: AtomicUsize,
}

impl Default for Diary {
    fn default() -> Self {
        Self {
            events: watch::Sender::new(Vec::new()),
            failures: AtomicUsize::new(0),
            fail_on_messages: AtomicUsize::new(0),
        }
    }
}

impl Diary {
    /// Takes batch after batch until the client has ended.
    pub(crate) async fn keep(self: Arc<Self>, mut events: Events) {
        while let Some(batch) = events.next().await {
            let has_message = batch.events().iter().any(|event| matches!(event, Event::Message(_)));
            if has_message && self.is_to_refuse() {
                self.failures.fetch_add(1, Ordering::SeqCst);
                continue;
            }
            self.events.send_modify(|known| known.extend_from_slice(batch.events()));
            let _ = batch.accept().await;
        }
    }

    fn is_to_refuse(&self) -> bool {
        let left = &self.fail_on_messages;
        left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok()
    }

    /// Refuses so many batches with messages.
    pub(crate) fn refuse_messages(&self, times: usize) {
        self.fail_on_messages.store(times, Ordering::SeqCst);
    }

    pub(crate) fn refused(&self) -> usize {
        self.failures.load(Ordering::SeqCst)
    }

    pub(crate) fn events(&self) -> Vec<Event> {
        self.events.borrow().clone()
    }

    /// Waits until the events are as wanted.
    pub(crate) async fn wait_for(&self, mut wanted: impl FnMut(&[Event]) -> bool) -> Vec<Event> {
        let mut events = self.events.subscribe();
        patiently(events.wait_for(|events| wanted(events))).await.unwrap().clone()
    }

    /// Waits for so many messages for people, and returns them.
    pub(crate) async fn messages(&self, count: usize) -> Vec<IncomingMessage> {
        messages_of(&self.wait_for(|events| messages_of(events).len() >= count).await)
    }

    /// Waits for so many texts.
    pub(crate) async fn texts(&self, count: usize) -> Vec<String> {
        texts_of(&self.messages(count).await)
    }

    /// Waits for so many receipts.
    pub(crate) async fn receipts(&self, wanted: impl Fn(&ReceiptUpdate) -> bool) -> Vec<ReceiptUpdate> {
        let events = self
            .wait_for(|events| {
                events.iter().any(|event| matches!(event, Event::Receipt(receipt) if wanted(receipt)))
            })
            .await;
        events
            .into_iter()
            .filter_map(|event| match event {
                Event::Receipt(receipt) if wanted(&receipt) => Some(receipt),
                _ => None,
            })
            .collect()
    }
}

/// Waits until all that the server holds for the phone's companions has been acknowledged.
pub(crate) async fn nothing_waits(phone: &Phone) {
    let answered = || phone.devices().iter().all(|device| device.waiting == 0);
    until("everything is acknowledged", || async { answered().then_some(()) }).await;
}

/// Waits until no piece of the history is left to be told.
pub(crate) async fn all_told(companion: &Companion) {
    let is_told = || async { companion.store.peer_data(None, 1).await.unwrap().is_empty().then_some(()) };
    until("the history is told", is_told).await;
}

/// What has not happened after two hours of paused time doesn't happen any more.
pub(crate) async fn patiently<T>(waiting: impl Future<Output = T>) -> T {
    timeout(Duration::from_secs(7200), waiting).await.expect("it never happened")
}

pub(crate) fn messages_of(events: &[Event]) -> Vec<IncomingMessage> {
    events
        .iter()
        .filter_map(|event| match event {
            Event::Message(message) => Some((**message).clone()),
            _ => None,
        })
        .collect()
}

pub(crate) fn texts_of(messages: &[IncomingMessage]) -> Vec<String> {
    messages.iter().filter_map(|message| message.text().map(str::to_owned)).collect()
}

/// Connects without a socket.
pub(crate) struct InMemory(pub(crate) Simulator);

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

/// The simulator's media host without a socket.
struct MediaOf(Simulator);

#[async_trait]
impl MediaHost for MediaOf {
    async fn send(&self, request: Request<RequestBody>) -> Result<Response<Pieces>, TransportError> {
        exchange(self.0.connect_media(), request).await
    }
}

/// The simulator's time, for clients.
pub(crate) struct SharedClock(pub(crate) wa_simulator::Clock);

impl Clock for SharedClock {
    fn unix_millis(&self) -> i64 {
        i64::try_from(self.0.unix_millis()).unwrap()
    }
}
