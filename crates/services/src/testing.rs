//! What the tests of several modules share: stored samples, and companions that do what a test tells them.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use async_trait::async_trait;
use outbound::AddressGuard;
use parking_lot::Mutex;
use storage::{
    ApiKey, ConnectionSettings, DeviceLook, Epoch, Event, EventData, EventLog as _, EventQuery, EventStart,
    Instance, InstanceId, InstanceStatus, MemoryStorage, Message, MessageStore as _, NodeId, Retention, Role,
    SecretText, StoredMessageId, UsageLimits, User, UserId, UserStore as _, Webhook, WebhookPatch,
};
use tokio::sync::{oneshot, watch};
use tokio_util::sync::CancellationToken;
use wa_binary::Jid;
use wa_client::content::{Content, Draft};
use wa_client::{
    Cause, DeviceCount, IncomingMessage, Limit, LimitKind, Limits, LogoutError, MessageInfo, Outgoing,
    PairingCode, PasskeyAssertion, Person, RequestError, SendError, State, StoreError, TimeLock,
};
use wa_import::Import;
use webhook::Options;

use crate::clock::now;
use crate::companion::{Acked, Companion, Companions, NotRecorded, Recorder, Started};
use crate::versions::VersionKeeper;
use crate::{AuthConfig, Caller, CreateInstance, Dependencies, KeepFor, MediaOptions, Services};

pub(crate) use test_support::until;

pub(crate) fn user(id: UserId) -> User {
    User {
        id,
        email: format!("{id}@example.com"),
        password_hash: SecretText::new("-"),
        first_name: String::new(),
        last_name: String::new(),
        role: Role::User,
        api_key: ApiKey::new(id.to_string()),
        disabled_at: None,
        credentials_version: 0,
        allowed_ips: Vec::new(),
        created_at: now(),
        updated_at: now(),
    }
}

pub(crate) fn instance() -> Instance {
    Instance {
        id: InstanceId::generate(),
        owner: UserId::generate(),
        name: "instance".to_owned(),
        description: None,
        tags: Vec::new(),
        retention: Retention::default(),
        media_download: None,
        connection: ConnectionSettings::default(),
        look: DeviceLook::default(),
        limits: UsageLimits::default(),
        status: InstanceStatus::Connecting,
        status_cause: None,
        jid: None,
        lid: None,
        phone: None,
        push_name: None,
        last_activity: None,
        created_at: now(),
        updated_at: now(),
        unreadable: Vec::new(),
    }
}

/// A text that comes in from this JID, written a moment ago.
pub(crate) fn incoming(sender: &str, id: &str, text: &str) -> wa_client::Event {
    incoming_content(sender, id, &Draft::text(text))
}

/// A message that comes in from this JID, written a moment ago.
pub(crate) fn incoming_content(sender: &str, id: &str, draft: &Draft) -> wa_client::Event {
    let info = MessageInfo::new(id, sender.parse().unwrap(), now().seconds());
    let content = Content::decode(draft.encode_once()).unwrap();
    wa_client::Event::Message(Box::new(IncomingMessage::new(info, content)))
}

pub(crate) fn disconnected(cause: Cause, will_reconnect: bool) -> wa_client::Event {
    wa_client::Event::Disconnected { cause, will_reconnect, raw: None }
}

/// The time in every ack, Unix seconds.
pub(crate) const ACKED_AT: i64 = 1_700_000_000;
/// For whom every message is encrypted.
pub(crate) const DEVICES: DeviceCount = DeviceCount { reached: 2, failed: 1 };

/// All services over a memory store and scripted companions.
pub(crate) struct World {
    pub(crate) storage: Arc<MemoryStorage>,
    pub(crate) companions: Arc<ScriptedCompanions>,
    pub(crate) services: Services,
    pub(crate) caller: Caller,
    pub(crate) node: NodeId,
}

impl World {
    pub(crate) async fn new() -> Self {
        let storage = Arc::new(MemoryStorage::new());
        let owner = user(UserId::generate());
        storage.create_user(owner.clone()).await.unwrap();
        let caller = Caller::new(owner.id, owner.role);
        let companions = Arc::new(ScriptedCompanions::default());
        let node = NodeId::generate();
        let services = services(&storage, &companions, node);
        services.supervisor.acquire().await;
        Self { storage, companions, services, caller, node }
    }

    /// The same, as the process that serves it.
    pub(crate) async fn serving() -> Self {
        let world = Self::new().await;
        world.services.resume().await.unwrap();
        world
    }

    /// What is left after SIGKILL: the store. Companions and services are new; the node is the same.
    pub(crate) fn restart(&mut self) {
        *self = self.beside(self.node);
    }

    /// Another process on the same database.
    pub(crate) fn second_process(&self) -> Self {
        self.beside(NodeId::generate())
    }

    fn beside(&self, node: NodeId) -> Self {
        let companions = Arc::new(ScriptedCompanions::default());
        let services = services(&self.storage, &companions, node);
        Self { storage: self.storage.clone(), companions, services, caller: self.caller, node }
    }

    pub(crate) async fn stranger(&self) -> Caller {
        let stranger = user(UserId::generate());
        self.storage.create_user(stranger.clone()).await.unwrap();
        Caller::new(stranger.id, stranger.role)
    }

    /// Creates an instance; its companion is idle.
    pub(crate) async fn instance(&self) -> InstanceId {
        let create = CreateInstance { name: "n".to_owned(), ..CreateInstance::default() };
        self.services.instances.create(&self.caller, create).await.unwrap().instance.id
    }

    /// Creates an instance that is linked to an account and online.
    pub(crate) async fn online(&self) -> (InstanceId, Arc<ScriptedCompanion>) {
        let id = self.instance().await;
        let companion = self.companions.of(id);
        let paired = wa_client::Paired {
            jid: "15550000001:7@s.whatsapp.net".parse().unwrap(),
            lid: Some("900001:7@lid".parse().unwrap()),
            platform: "android".to_owned(),
            business_name: None,
        };
        companion.tell([wa_client::Event::Paired(paired), wa_client::Event::Connected]).await.unwrap();
        companion.become_state(State::Online);
        (id, companion)
    }

    /// The whole event log of an instance.
    pub(crate) async fn log(&self, instance: InstanceId) -> Vec<Event> {
        let query = EventQuery { start: EventStart::Oldest, kinds: Vec::new(), limit: 1_000 };
        self.storage.events(self.caller.user, instance, &query).await.unwrap().events
    }

    /// What the newest event of an instance tells.
    pub(crate) async fn last_told(&self, instance: InstanceId) -> EventData {
        self.log(instance).await.pop().unwrap().data
    }

    /// Kinds in the log, in order.
    pub(crate) async fn kinds(&self, instance: InstanceId) -> Vec<&'static str> {
        self.log(instance).await.iter().map(|event| event.kind().as_str()).collect()
    }

    /// The one message with this id.
    pub(crate) async fn message(&self, instance: InstanceId, message_id: &str) -> Message {
        let mut found = self.storage.messages_by_id(self.caller.user, instance, message_id).await.unwrap();
        assert_eq!(found.len(), 1, "stored once");
        found.remove(0)
    }
}

fn services(storage: &Arc<MemoryStorage>, companions: &Arc<ScriptedCompanions>, node: NodeId) -> Services {
    let guard = AddressGuard::new("127.0.0.0/8".parse().unwrap());
    Services::new(Dependencies {
        storage: storage.clone(),
        companions: companions.clone(),
        node,
        auth: AuthConfig { bcrypt_cost: 4, ..AuthConfig::new(SecretText::new("jwt secret")) },
        webhooks: Options { guard, ..Options::default() },
        versions: VersionKeeper::fixed(wa_client::Version::COMPILED),
        keep_for: KeepFor::default(),
        media: media_options(),
    })
    .unwrap()
}

/// Files in a folder of their own, which is made when one is kept.
pub(crate) fn media_options() -> MediaOptions {
    MediaOptions::local(std::env::temp_dir().join(format!("trunkline-{}", StoredMessageId::generate())))
}

/// A patch that sets the URL of a webhook.
pub(crate) fn with_url(url: &str) -> WebhookPatch {
    WebhookPatch { url: Some(Some(url.to_owned())), ..WebhookPatch::default() }
}

/// A fresh default webhook.
pub(crate) fn webhook(instance: InstanceId) -> Webhook {
    Webhook::new(instance, Webhook::DEFAULT, now())
}

/// Remembers every companion that was started.
#[derive(Default)]
pub(crate) struct ScriptedCompanions {
    started: Mutex<HashMap<InstanceId, Vec<Arc<ScriptedCompanion>>>>,
    numbers: Mutex<HashMap<String, String>>,
}

impl ScriptedCompanions {
    /// The companion that was started last.
    pub(crate) fn of(&self, instance: InstanceId) -> Arc<ScriptedCompanion> {
        Arc::clone(self.started.lock()[&instance].last().unwrap())
    }

    pub(crate) fn starts(&self, instance: InstanceId) -> usize {
        self.started.lock().get(&instance).map_or(0, Vec::len)
    }

    pub(crate) fn learn(&self, lid: &str, number: &str) {
        self.numbers.lock().insert(lid.to_owned(), number.to_owned());
    }
}

#[async_trait]
impl Companions for ScriptedCompanions {
    fn start(
        &self,
        instance: InstanceId,
        _connection: &ConnectionSettings,
        _look: &DeviceLook,
        epoch: Epoch,
        recorder: Arc<dyn Recorder>,
    ) -> Started {
        let (state, watcher) = watch::channel(State::Idle);
        let companion = Arc::new(ScriptedCompanion {
            epoch,
            recorder,
            state: Mutex::new(Some(state)),
            watcher,
            sends: Mutex::default(),
            calls: Mutex::default(),
            ended: CancellationToken::new(),
            panics: Mutex::new(false),
            refuses: Mutex::new(false),
            is_deaf: Mutex::new(false),
            limits: Mutex::default(),
            trusted: Mutex::default(),
        });
        self.started.lock().entry(instance).or_default().push(Arc::clone(&companion));
        let running = Arc::clone(&companion);
        let run = async move {
            running.ended.cancelled().await;
            assert!(!*running.panics.lock(), "it panics, as it was told");
        };
        Started { companion, run: Box::pin(run) }
    }

    async fn is_linked(&self, _: InstanceId, _: Epoch) -> bool {
        false
    }

    async fn take_over(&self, _: InstanceId, _: Epoch, _: Import) -> Result<(), StoreError> {
        Ok(())
    }

    async fn number_of(&self, _: InstanceId, lid: &str) -> Option<String> {
        self.numbers.lock().get(lid).cloned()
    }
}

/// A message on its way, and how to answer it.
pub(crate) type HandedOver = (Outgoing, oneshot::Sender<Result<i64, SendError>>);

/// A companion whose every move is the test's.
pub(crate) struct ScriptedCompanion {
    pub(crate) epoch: Epoch,
    pub(crate) recorder: Arc<dyn Recorder>,
    state: Mutex<Option<watch::Sender<State>>>,
    watcher: watch::Receiver<State>,
    sends: Mutex<VecDeque<HandedOver>>,
    calls: Mutex<Vec<&'static str>>,
    ended: CancellationToken,
    panics: Mutex<bool>,
    refuses: Mutex<bool>,
    is_deaf: Mutex<bool>,
    limits: Mutex<Limits>,
    trusted: Mutex<Vec<Jid>>,
}

impl ScriptedCompanion {
    /// Tells the recorder, as a client does.
    pub(crate) async fn tell(
        &self,
        events: impl IntoIterator<Item = wa_client::Event>,
    ) -> Result<(), NotRecorded> {
        self.recorder.record(&events.into_iter().collect::<Vec<_>>()).await
    }

    pub(crate) fn become_state(&self, state: State) {
        self.state.lock().as_ref().unwrap().send_replace(state);
    }

    /// Ends in a panic.
    pub(crate) fn panic(&self) {
        *self.panics.lock() = true;
        self.die();
    }

    /// Ends without having been told to.
    pub(crate) fn die(&self) {
        self.state.lock().take();
        self.sends.lock().clear();
        self.ended.cancel();
    }

    /// The next message that was handed over, and the way to answer it.
    pub(crate) async fn next_send(&self) -> HandedOver {
        until("a send", || async { self.sends.lock().pop_front() }).await
    }

    /// Acknowledges the next message; returns its id and text.
    pub(crate) async fn acknowledge(&self) -> (String, String) {
        let (outgoing, reply) = self.next_send().await;
        let _ = reply.send(Ok(ACKED_AT));
        (outgoing.id.to_string(), text_of(&outgoing))
    }

    /// Refuses the next message without a wait, as if there were no connection.
    pub(crate) fn refuse_at_once(&self) {
        *self.refuses.lock() = true;
    }

    /// From now on WhatsApp answers no question about other people.
    pub(crate) fn hears_nothing(&self) {
        *self.is_deaf.lock() = true;
    }

    /// From now on it may write only to those who trust it.
    pub(crate) fn lock(&self, until: i64) -> Limits {
        let time_lock = Some(TimeLock { until: Some(until), kind: "DEFAULT".to_owned() });
        *self.limits.lock() = Limits { time_lock, ..Limits::default() };
        self.limits()
    }

    /// Lifts the lock.
    pub(crate) fn unlock(&self) -> Limits {
        *self.limits.lock() = Limits::default();
        Limits::default()
    }

    /// This person trusts it.
    pub(crate) fn is_trusted_by(&self, person: &str) {
        self.trusted.lock().push(person.parse().unwrap());
    }

    fn limit_for(&self, to: &Jid) -> Option<Limit> {
        let limits = self.limits.lock();
        let lock = limits.time_lock.as_ref().filter(|_| !self.trusted.lock().contains(to))?;
        Some(Limit { kind: LimitKind::TimeLock, until: lock.until })
    }

    pub(crate) fn waiting(&self) -> usize {
        self.sends.lock().len()
    }

    pub(crate) fn calls(&self) -> Vec<&'static str> {
        self.calls.lock().clone()
    }

    fn note(&self, call: &'static str) {
        self.calls.lock().push(call);
    }
}

/// The text that is being sent.
pub(crate) fn text_of(outgoing: &Outgoing) -> String {
    outgoing.content.view().text().unwrap_or_default().to_owned()
}

#[async_trait]
impl Companion for ScriptedCompanion {
    fn watch(&self) -> watch::Receiver<State> {
        self.watcher.clone()
    }

    async fn send(&self, message: Outgoing) -> Result<Acked, SendError> {
        if std::mem::take(&mut *self.refuses.lock()) {
            return Err(SendError::NotConnected { cause: Cause::Network });
        }
        if let Some(limit) = self.limit_for(&message.to) {
            return Err(SendError::Limited(limit));
        }
        let (reply, answer) = oneshot::channel();
        self.sends.lock().push_back((message, reply));
        let timestamp = answer.await.unwrap_or(Err(SendError::Stopped))?;
        Ok(Acked { timestamp, devices: Some(DEVICES), to: Person::default() })
    }

    async fn who_is(&self, user: &Jid) -> Result<Person, SendError> {
        if *self.is_deaf.lock() {
            std::future::pending().await
        }
        Ok(Person { pn: Some(user.clone()).filter(Jid::is_pn), lid: Some(user.clone()).filter(Jid::is_lid) })
    }

    fn limits(&self) -> Limits {
        self.limits.lock().clone()
    }

    async fn limit_on(&self, to: &Jid) -> Result<Option<Limit>, RequestError> {
        Ok(self.limit_for(to))
    }

    async fn set_push_name(&self, name: Option<&str>) -> Result<(), RequestError> {
        self.note("set_push_name");
        if *self.watcher.borrow() != State::Online {
            return Err(RequestError::NotConnected { cause: Cause::Network });
        }
        let name = name.unwrap_or("Owner").to_owned();
        self.tell([wa_client::Event::OwnName { name }]).await.unwrap();
        Ok(())
    }

    async fn logout(&self) -> Result<(), LogoutError> {
        self.note("logout");
        let online = *self.watcher.borrow() == State::Online;
        if !online {
            return Err(LogoutError(RequestError::NotConnected { cause: Cause::Network }));
        }
        self.tell([disconnected(Cause::LoggedOut, false)]).await.unwrap();
        self.become_state(State::Stopped(Cause::LoggedOut));
        Ok(())
    }

    async fn pairing_code(&self, _: &str) -> Result<PairingCode, RequestError> {
        self.note("pairing_code");
        Err(RequestError::Refused { code: 452, text: "feature-not-available".to_owned() })
    }

    async fn answer_passkey(&self, _: PasskeyAssertion) -> Result<(), RequestError> {
        self.note("answer_passkey");
        Ok(())
    }

    async fn confirm_passkey(&self) -> Result<(), RequestError> {
        self.note("confirm_passkey");
        Ok(())
    }

    async fn reconnect(&self) {
        self.note("reconnect");
    }

    async fn pause(&self) {
        self.note("pause");
        self.tell([disconnected(Cause::Paused, false)]).await.unwrap();
        self.become_state(State::Stopped(Cause::Paused));
    }

    async fn stop(&self) {
        self.note("stop");
        self.die();
    }
}
