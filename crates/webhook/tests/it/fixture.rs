//! An instance in a memory store, and dispatchers that serve it.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use storage::{
    ApiKey, Consumer, Delivery, DeliveryState, DeliveryStore, EventId, EventKind, Fleet, Instance,
    InstanceId, InstancePatch, InstanceStatus, InstanceStore, Json, MemoryStorage, NewEvent, Record, Role,
    SecretText, Timestamp, User, UserId, UserStore, WebhookSettings,
};
use webhook::{AddressGuard, Dispatcher, Options};

use crate::receiver::until;

/// One user with one instance.
pub(crate) struct Fixture {
    pub(crate) storage: Arc<MemoryStorage>,
    pub(crate) owner: UserId,
    pub(crate) instance: InstanceId,
    pub(crate) dispatcher: Dispatcher,
}

/// Retries at once, and many of them.
pub(crate) fn eager(url: &str) -> WebhookSettings {
    WebhookSettings {
        url: Some(url.to_owned()),
        enabled: true,
        max_retries: 50,
        retry_interval: 1,
        ..WebhookSettings::default()
    }
}

pub(crate) fn dispatcher(storage: &Arc<MemoryStorage>) -> Dispatcher {
    let guard = AddressGuard::new("127.0.0.0/8".parse().expect("a list"));
    Dispatcher::new(storage.clone(), Options { guard, ..Options::default() }).expect("an HTTP client")
}

impl Fixture {
    pub(crate) async fn new(webhook: WebhookSettings) -> Self {
        let storage = Arc::new(MemoryStorage::default());
        let (owner, instance) = (UserId::generate(), InstanceId::generate());
        storage.create_user(user(owner)).await.expect("created");
        storage.create_instance(self::instance(instance, owner, webhook)).await.expect("created");
        let dispatcher = dispatcher(&storage);
        Self { storage, owner, instance, dispatcher }
    }

    /// Records events numbered `n` of these chats and tells the dispatcher.
    pub(crate) async fn record(&self, events: impl IntoIterator<Item = (&str, i64)>) {
        let record = events.into_iter().fold(Record::new(self.instance), |record, (chat, n)| {
            record.event(event(EventKind::MessageReceived, Some(chat), json!({ "n": n })))
        });
        self.storage.record(record).await.expect("recorded");
        self.dispatcher.notify(self.instance);
    }

    pub(crate) async fn record_one(&self, event: NewEvent) {
        self.storage.record(Record::new(self.instance).event(event)).await.expect("recorded");
        self.dispatcher.notify(self.instance);
    }

    pub(crate) async fn configure(&self, webhook: WebhookSettings) {
        let patch = InstancePatch { webhook: Some(webhook), ..InstancePatch::default() };
        self.storage.update_instance(self.owner, self.instance, patch, now()).await.expect("updated");
        self.dispatcher.reload(self.instance);
    }

    pub(crate) async fn cursor(&self) -> i64 {
        self.storage.cursor(&Consumer::webhook(self.instance)).await.expect("read").unwrap_or(0)
    }

    pub(crate) async fn pending(&self) -> Vec<Delivery> {
        self.storage.pending_deliveries(&Consumer::webhook(self.instance), 0, 1000).await.expect("read")
    }

    pub(crate) async fn dead(&self) -> Vec<Delivery> {
        let consumer = Consumer::webhook(self.instance);
        let page = self.storage.deliveries(self.owner, &consumer, DeliveryState::Dead, 1000, 0).await;
        page.expect("read").items
    }

    /// Waits until the newest event is settled and nothing is pending.
    pub(crate) async fn until_settled(&self) {
        until("settled", || async {
            let work = self.storage.work(Consumer::WEBHOOK).await.expect("read");
            work.is_empty().then_some(())
        })
        .await;
    }

    /// What is left of the process after SIGKILL: the store.
    pub(crate) fn restart(&mut self) {
        self.dispatcher = dispatcher(&self.storage);
    }

    pub(crate) async fn stop(&self) {
        assert!(self.dispatcher.stop(Duration::from_secs(20)).await, "stopped in time");
    }
}

pub(crate) fn event(kind: EventKind, chat: Option<&str>, data: serde_json::Value) -> NewEvent {
    NewEvent {
        id: EventId::generate(),
        kind,
        chat: chat.map(str::to_owned),
        timestamp: now(),
        data: Json::from(data),
    }
}

pub(crate) fn now() -> Timestamp {
    chrono::Utc::now().into()
}

fn user(id: UserId) -> User {
    User {
        id,
        email: "owner@example.com".to_owned(),
        password_hash: SecretText::new("-"),
        first_name: String::new(),
        last_name: String::new(),
        role: Role::User,
        api_key: ApiKey::new("key"),
        disabled_at: None,
        created_at: now(),
        updated_at: now(),
    }
}

fn instance(id: InstanceId, owner: UserId, webhook: WebhookSettings) -> Instance {
    Instance {
        id,
        owner,
        name: "instance".to_owned(),
        description: None,
        webhook,
        status: InstanceStatus::Connected,
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
