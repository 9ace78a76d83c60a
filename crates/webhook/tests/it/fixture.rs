//! An instance in a memory store, and dispatchers that serve it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use outbound::AddressGuard;
use storage::conformance::{SAMPLE_NODE, sample_instance, sample_user};
use storage::{
    Chat, ConnectedData, Consumer, Delivery, DeliveryQuery, DeliveryState, Edit, Epoch, Event, EventData,
    EventFilter, InstanceId, Journal, Listener, MemoryStorage, MessageData, MessageKind, MessageStatus,
    NewEvent, Record, Storage, Timestamp, UserId, Webhook, WebhookPatch,
};
use webhook::{Dispatcher, Options};

use crate::receiver::until;

/// One user with one instance that is served.
pub(crate) struct Fixture {
    pub(crate) storage: Arc<dyn Storage>,
    pub(crate) owner: UserId,
    pub(crate) instance: InstanceId,
    pub(crate) epoch: Epoch,
    pub(crate) dispatcher: Dispatcher,
    options: Options,
}

/// A default webhook that retries at once, and many times.
pub(crate) fn eager(url: &str) -> Webhook {
    named(Webhook::DEFAULT, url)
}

/// The same under another name.
pub(crate) fn named(name: &str, url: &str) -> Webhook {
    Webhook {
        url: Some(url.to_owned()),
        enabled: true,
        max_retries: 50,
        retry_interval: 1,
        // The fixture puts in its own instance.
        ..Webhook::new(InstanceId::from_bytes([0; 16]), name, now())
    }
}

/// Options that allow receivers on this machine.
pub(crate) fn open_options() -> Options {
    Options { guard: AddressGuard::new("127.0.0.0/8".parse().expect("a list")), ..Options::default() }
}

impl Fixture {
    pub(crate) async fn new(webhook: Webhook) -> Self {
        Self::with(Arc::new(MemoryStorage::default()), [webhook], open_options()).await
    }

    pub(crate) async fn with(
        storage: Arc<dyn Storage>,
        webhooks: impl IntoIterator<Item = Webhook>,
        options: Options,
    ) -> Self {
        let user = sample_user("owner");
        let new = sample_instance(user.id, "instance");
        let (owner, instance) = (user.id, new.id);
        storage.create_user(user).await.expect("created");
        let webhooks = webhooks.into_iter().map(|webhook| Webhook { instance, ..webhook }).collect();
        let epoch = storage.create_instance(new, webhooks, SAMPLE_NODE, 9).await.expect("created");
        let dispatcher = Dispatcher::new(Arc::clone(&storage), options.clone()).expect("an HTTP client");
        dispatcher.serve(instance, owner, epoch);
        Self { storage, owner, instance, epoch, dispatcher, options }
    }

    /// Records messages numbered `n` of these chats; the dispatcher hears of them.
    pub(crate) async fn record(&self, messages: impl IntoIterator<Item = (&str, i64)>) {
        self.record_events(messages.into_iter().map(|(chat, n)| message(chat, n))).await;
    }

    pub(crate) async fn record_events(&self, events: impl IntoIterator<Item = NewEvent>) {
        let record = events.into_iter().fold(Record::new(self.instance, self.epoch), Record::event);
        let listener: Arc<dyn Listener> = Arc::new(self.dispatcher.clone());
        Journal::new(Arc::clone(&self.storage), [listener]).record(record).await.expect("recorded");
    }

    /// Makes the webhook of this name what is given, and tells the dispatcher.
    pub(crate) async fn configure(&self, webhook: Webhook) {
        let Webhook { name, url, enabled, format, max_retries, retry_interval, on_give_up, .. } = webhook;
        let (secret, headers) = (webhook.secret, webhook.headers);
        let EventFilter { received, sent, delivery, read, kinds } = webhook.filter;
        let patch = WebhookPatch {
            url: Some(url),
            enabled: Some(enabled),
            ends_pause: false,
            format: Some(format),
            received: Some(received),
            sent: Some(sent),
            delivery: Some(delivery),
            read: Some(read),
            kinds: Some(kinds),
            max_retries: Some(max_retries),
            retry_interval: Some(retry_interval),
            on_give_up: Some(on_give_up),
            secret: Some(secret),
            rotation: None,
            headers: Some(headers),
        };
        self.storage
            .update_webhook(self.owner, self.instance, name, patch, Edit::at(now()))
            .await
            .expect("updated");
        self.dispatcher.changed(self.instance);
    }

    pub(crate) fn consumer(&self) -> Consumer {
        Consumer::webhook(self.instance, Webhook::DEFAULT)
    }

    pub(crate) async fn cursor(&self) -> i64 {
        self.storage.cursor(&self.consumer()).await.expect("read").unwrap_or(0)
    }

    pub(crate) async fn pending(&self) -> Vec<Delivery> {
        self.storage.pending_deliveries(&self.consumer(), 0, 1000).await.expect("read")
    }

    pub(crate) async fn dead(&self) -> Vec<Delivery> {
        self.dead_of(Webhook::DEFAULT).await.into_iter().map(|(delivery, _)| delivery).collect()
    }

    pub(crate) async fn dead_of(&self, webhook: &str) -> Vec<(Delivery, Option<Event>)> {
        let consumer = Consumer::webhook(self.instance, webhook);
        let page = self
            .storage
            .deliveries(self.owner, &consumer, &DeliveryQuery::first(DeliveryState::Dead, 1000))
            .await;
        page.expect("read").items
    }

    /// Waits until all webhooks have passed the newest event and nothing is pending.
    pub(crate) async fn until_settled(&self) {
        until("settled", || async {
            let webhooks = self.storage.fleet_webhooks(self.instance).await.expect("read");
            let on: BTreeMap<_, _> =
                webhooks.into_iter().map(|webhook| (webhook.name, webhook.enabled)).collect();
            let work = self.storage.work(self.instance).await.expect("read");
            work.iter().all(|work| !on[&work.consumer.name]).then_some(())
        })
        .await;
    }

    /// Waits until no task of the dispatcher is left.
    pub(crate) async fn until_idle(&self) {
        until("no task", || async { format!("{:?}", self.dispatcher).contains("tasks: 0,").then_some(()) })
            .await;
    }

    /// What is left of the process after SIGKILL is the store: a new one takes the instance back.
    pub(crate) async fn restart(&mut self) {
        let lease = Duration::from_secs(30);
        let leased = self.storage.acquire(SAMPLE_NODE, true, 9, lease).await.expect("acquired");
        let [leased] = &leased[..] else { panic!("one instance") };
        self.epoch = leased.epoch;
        let options = self.options.clone();
        self.dispatcher = Dispatcher::new(Arc::clone(&self.storage), options).expect("an HTTP client");
        self.dispatcher.serve(self.instance, self.owner, self.epoch);
    }

    pub(crate) async fn stop(&self) {
        assert!(self.dispatcher.stop(Duration::from_secs(20)).await, "stopped in time");
    }
}

/// A text numbered `n` that came in.
pub(crate) fn message(chat: &str, n: i64) -> NewEvent {
    NewEvent::new(Some(self::chat(chat)), EventData::MessageReceived(text(n)))
}

pub(crate) fn text(n: i64) -> MessageData {
    MessageData {
        message_id: n.to_string(),
        participant: None,
        kind: MessageKind::Text,
        text: Some("你好".to_owned()),
        target: None,
        quoted: None,
        timestamp: 1_672_531_200,
        push_name: None,
        media: None,
        details: None,
        status: MessageStatus::Received,
        by_us: false,
        queued: false,
    }
}

pub(crate) fn connected() -> NewEvent {
    NewEvent::new(None, EventData::Connected(ConnectedData { jid: None }))
}

pub(crate) fn chat(jid: &str) -> Chat {
    Chat { jid: jid.to_owned(), pn: None, lid: None }
}

pub(crate) fn now() -> Timestamp {
    chrono::Utc::now().into()
}
