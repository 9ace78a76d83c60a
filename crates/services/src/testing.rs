//! What the tests of several modules share: stored samples, and companions that do what a test tells them.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use storage::{
    ApiKey, Event, EventLog as _, EventQuery, EventStart, Instance, InstanceId, InstanceStatus,
    MemoryStorage, Role, SecretText, User, UserId, UserStore as _, WebhookSettings,
};
use tokio::sync::{oneshot, watch};
use wa_client::{Handler, HandlerError, LogoutError, Outgoing, RequestError, SendError, State};
use webhook::{AddressGuard, Options};

use crate::clock::now;
use crate::companion::{Companion, Companions};
use crate::{AuthConfig, Caller, CreateInstance, Dependencies, Services};

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
        webhook: WebhookSettings::default(),
        status: InstanceStatus::Connecting,
        status_cause: None,
        jid: None,
        lid: None,
        phone: None,
        push_name: None,
        last_activity: None,
        created_at: now(),
        updated_at: now(),
    }
}

/// The time in every ack, Unix seconds.
pub(crate) const ACKED_AT: i64 = 1_700_000_000;

/// All services over a memory store and scripted companions.
pub(crate) struct World {
    pub(crate) storage: Arc<MemoryStorage>,
    pub(crate) companions: Arc<ScriptedCompanions>,
    pub(crate) services: Services,
    pub(crate) caller: Caller,
}

impl World {
    pub(crate) async fn new() -> Self {
        let storage = Arc::new(MemoryStorage::new());
        let owner = user(UserId::generate());
        storage.create_user(owner.clone()).await.unwrap();
        let caller = Caller { user: owner.id, role: owner.role };
        let companions = Arc::new(ScriptedCompanions::default());
        let services = services(&storage, &companions);
        Self { storage, companions, services, caller }
    }

    /// What is left after SIGKILL: the store. Companions and services are new.
    pub(crate) fn restart(&mut self) {
        self.companions = Arc::new(ScriptedCompanions::default());
        self.services = services(&self.storage, &self.companions);
    }

    pub(crate) async fn stranger(&self) -> Caller {
        let stranger = user(UserId::generate());
        self.storage.create_user(stranger.clone()).await.unwrap();
        Caller { user: stranger.id, role: stranger.role }
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

    /// Kinds in the log, in order.
    pub(crate) async fn kinds(&self, instance: InstanceId) -> Vec<&'static str> {
        self.log(instance).await.iter().map(|event| event.kind.as_str()).collect()
    }
}

fn services(storage: &Arc<MemoryStorage>, companions: &Arc<ScriptedCompanions>) -> Services {
    let guard = AddressGuard::new("127.0.0.0/8".parse().unwrap());
    Services::new(Dependencies {
        storage: storage.clone(),
        companions: companions.clone(),
        auth: AuthConfig { bcrypt_cost: 4, ..AuthConfig::new(SecretText::new("jwt secret")) },
        webhooks: Options { guard, ..Options::default() },
    })
    .unwrap()
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
        Arc::clone(self.started.lock().unwrap()[&instance].last().unwrap())
    }

    pub(crate) fn starts(&self, instance: InstanceId) -> usize {
        self.started.lock().unwrap().get(&instance).map_or(0, Vec::len)
    }

    pub(crate) fn learn(&self, lid: &str, number: &str) {
        self.numbers.lock().unwrap().insert(lid.to_owned(), number.to_owned());
    }
}

#[async_trait]
impl Companions for ScriptedCompanions {
    fn start(&self, instance: InstanceId, handler: Arc<dyn Handler>) -> Arc<dyn Companion> {
        let (state, watcher) = watch::channel(State::Idle);
        let companion = Arc::new(ScriptedCompanion {
            handler,
            state: Mutex::new(Some(state)),
            watcher,
            sends: Mutex::default(),
            calls: Mutex::default(),
        });
        self.started.lock().unwrap().entry(instance).or_default().push(Arc::clone(&companion));
        companion
    }

    async fn number_of(&self, _: InstanceId, lid: &str) -> Option<String> {
        self.numbers.lock().unwrap().get(lid).cloned()
    }
}

/// A message on its way, and how to answer it.
pub(crate) type HandedOver = (Outgoing, oneshot::Sender<Result<i64, SendError>>);

/// A companion whose every move is the test's.
pub(crate) struct ScriptedCompanion {
    handler: Arc<dyn Handler>,
    state: Mutex<Option<watch::Sender<State>>>,
    watcher: watch::Receiver<State>,
    sends: Mutex<VecDeque<HandedOver>>,
    calls: Mutex<Vec<&'static str>>,
}

impl ScriptedCompanion {
    /// Tells the handler, as a client does.
    pub(crate) async fn tell(
        &self,
        events: impl IntoIterator<Item = wa_client::Event>,
    ) -> Result<(), HandlerError> {
        self.handler.handle(events.into_iter().collect()).await
    }

    pub(crate) fn become_state(&self, state: State) {
        self.state.lock().unwrap().as_ref().unwrap().send_replace(state);
    }

    /// Ends as a task that panics does.
    pub(crate) fn die(&self) {
        self.state.lock().unwrap().take();
        self.sends.lock().unwrap().clear();
    }

    /// The next message that was handed over, and the way to answer it.
    pub(crate) async fn next_send(&self) -> HandedOver {
        until("a send", || async { self.sends.lock().unwrap().pop_front() }).await
    }

    /// Acknowledges the next message; returns its id and text.
    pub(crate) async fn acknowledge(&self) -> (String, String) {
        let (outgoing, reply) = self.next_send().await;
        let _ = reply.send(Ok(ACKED_AT));
        (outgoing.id.to_string(), outgoing.content.conversation.unwrap_or_default())
    }

    pub(crate) fn waiting(&self) -> usize {
        self.sends.lock().unwrap().len()
    }

    pub(crate) fn calls(&self) -> Vec<&'static str> {
        self.calls.lock().unwrap().clone()
    }

    fn note(&self, call: &'static str) {
        self.calls.lock().unwrap().push(call);
    }
}

#[async_trait]
impl Companion for ScriptedCompanion {
    fn watch(&self) -> watch::Receiver<State> {
        self.watcher.clone()
    }

    async fn send(&self, message: Outgoing) -> Result<i64, SendError> {
        let (reply, answer) = oneshot::channel();
        self.sends.lock().unwrap().push_back((message, reply));
        answer.await.unwrap_or(Err(SendError::Stopped))
    }

    async fn logout(&self) -> Result<(), LogoutError> {
        self.note("logout");
        let online = *self.watcher.borrow() == State::Online;
        if !online {
            return Err(LogoutError(RequestError::NotConnected { cause: wa_client::Cause::Network }));
        }
        let cause = wa_client::Cause::LoggedOut;
        let ended = wa_client::Event::Disconnected { cause: cause.clone(), will_reconnect: false };
        self.tell([ended]).await.unwrap();
        self.become_state(State::Stopped(cause));
        Ok(())
    }

    async fn reconnect(&self) {
        self.note("reconnect");
    }

    async fn stop(&self) {
        self.note("stop");
        self.die();
    }
}

/// Asks again and again until there is an answer; the limit only stops a test that would wait for ever.
pub(crate) async fn until<T, F: Future<Output = Option<T>>>(what: &str, mut ask: impl FnMut() -> F) -> T {
    for _ in 0..6000 {
        if let Some(answer) = ask().await {
            return answer;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("waited too long for {what}");
}
