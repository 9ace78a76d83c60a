//! Webhooks, as the owner of their instance sees them.

use super::held::Held;
use super::{Backend, SAMPLE_NODE, sample_instance, sample_user, sample_webhook};
use crate::{
    Consumer, Delivery, DeliveryState, EventFilter, InstanceId, Missing, SecretText, Settlement,
    StorageError, Timestamp, Webhook, WebhookFormat, WebhookPatch,
};

/// Every field comes back, filled in or not; lists go by name.
pub async fn webhooks_round_trip_by_name(mut backend: impl Backend) {
    let store = backend.storage().await;
    let held = Held::new(&*store).await;
    let (full, empty) = (
        sample_webhook(held.instance, "über"),
        Webhook::new(held.instance, "archive", Timestamp::from_millis(1_800_000_000_000)),
    );
    store.create_webhook(held.owner, full.clone(), 9).await.unwrap();
    store.create_webhook(held.owner, empty.clone(), 9).await.unwrap();
    drop(store);
    backend.reopen().await;
    let store = backend.storage().await;
    let expected = [empty, sample_webhook(held.instance, Webhook::DEFAULT), full];
    assert_eq!(store.webhooks(held.owner, held.instance).await.unwrap(), expected);
    assert_eq!(store.fleet_webhooks(held.instance).await.unwrap(), expected);
    assert_eq!(store.fleet_webhooks(InstanceId::generate()).await.unwrap(), []);
}

/// It is there although creation names none, and although it is deleted: then it is off again.
pub async fn every_instance_has_a_default_webhook(backend: impl Backend) {
    let store = backend.storage().await;
    let owner = sample_user("zoe");
    store.create_user(owner.clone()).await.unwrap();
    let instance = sample_instance(owner.id, "shop");
    let webhooks = vec![sample_webhook(InstanceId::generate(), "other")];
    store.create_instance(instance.clone(), webhooks, SAMPLE_NODE, 9).await.unwrap();
    let default = Webhook::new(instance.id, Webhook::DEFAULT, instance.created_at);
    let expected = [default.clone(), sample_webhook(instance.id, "other")];
    assert_eq!(store.webhooks(owner.id, instance.id).await.unwrap(), expected);

    let patch = WebhookPatch { enabled: Some(true), ..WebhookPatch::default() };
    store.update_webhook(owner.id, instance.id, "default".into(), patch, Timestamp::default()).await.unwrap();
    store.delete_webhook(owner.id, instance.id, "default".into()).await.unwrap();
    let again = store.webhooks(owner.id, instance.id).await.unwrap().remove(0);
    let (created_at, updated_at) = (again.created_at, again.updated_at);
    assert_eq!(again, Webhook { created_at, updated_at, ..default });
}

/// A name is taken once per instance; one more than the limit is refused.
pub async fn names_are_unique_and_their_number_is_limited(backend: impl Backend) {
    let store = backend.storage().await;
    let held = Held::new(&*store).await;
    let other = Held::of(&*store, held.owner, "other").await;
    let create = |held: &Held, name, limit| {
        store.create_webhook(held.owner, sample_webhook(held.instance, name), limit)
    };
    create(&held, "second", 2).await.unwrap();
    let taken = create(&held, "second", 9).await;
    assert!(matches!(taken, Err(StorageError::Conflict { what: "name" })), "{taken:?}");
    let refused = create(&held, "third", 2).await;
    assert!(matches!(refused, Err(StorageError::LimitReached { what: "webhooks" })), "{refused:?}");
    create(&other, "second", 2).await.unwrap();

    let instance = sample_instance(held.owner, "twice");
    let twice = vec![sample_webhook(instance.id, "a"), sample_webhook(instance.id, "a")];
    let refused = store.create_instance(instance.clone(), twice, SAMPLE_NODE, 9).await;
    assert!(matches!(refused, Err(StorageError::Conflict { what: "name" })), "{refused:?}");
    assert_eq!(store.instance(held.owner, instance.id).await.unwrap(), None);
}

/// A patch changes what it names and the time of the update.
pub async fn webhook_patches_change_only_what_they_name(backend: impl Backend) {
    let store = backend.storage().await;
    let held = Held::new(&*store).await;
    let mut expected = sample_webhook(held.instance, "second");
    store.create_webhook(held.owner, expected.clone(), 9).await.unwrap();
    let patches = [
        WebhookPatch { url: Some(None), enabled: Some(false), ..WebhookPatch::default() },
        WebhookPatch { format: Some(WebhookFormat::Seed1), kinds: Some(None), ..WebhookPatch::default() },
        WebhookPatch { received: Some(false), read: Some(true), ..WebhookPatch::default() },
        WebhookPatch { secret: Some(Some(SecretText::new("new"))), ..WebhookPatch::default() },
        WebhookPatch { secret: Some(None), headers: Some([].into()), ..WebhookPatch::default() },
        WebhookPatch { max_retries: Some(0), retry_interval: Some(1), ..WebhookPatch::default() },
        WebhookPatch::default(),
    ];
    for (step, patch) in patches.into_iter().enumerate() {
        let now = Timestamp::from_millis(1_800_000_000_000).plus_millis(step as i64);
        patch.clone().apply(&mut expected, now);
        let update = store.update_webhook(held.owner, held.instance, "second".into(), patch, now);
        assert_eq!(update.await.unwrap(), expected);
        assert_eq!(store.fleet_webhooks(held.instance).await.unwrap()[1], expected);
    }
    assert_eq!(
        expected.filter,
        EventFilter { received: false, sent: false, delivery: true, read: true, kinds: None }
    );
    let now = Timestamp::default();
    let missing =
        store.update_webhook(held.owner, held.instance, "third".into(), WebhookPatch::default(), now).await;
    assert!(matches!(missing, Err(StorageError::NotFound { what: Missing::Webhook })), "{missing:?}");
}

/// What happened before it was made is not for it.
pub async fn a_new_webhook_starts_at_the_end_of_the_log(backend: impl Backend) {
    let store = backend.storage().await;
    let held = Held::new(&*store).await;
    held.append(&*store, 3).await;
    store.create_webhook(held.owner, sample_webhook(held.instance, "second"), 9).await.unwrap();
    let end = held.log(&*store).await.last().unwrap().seq;
    let second = Consumer::webhook(held.instance, "second");
    assert_eq!(store.cursor(&second).await.unwrap(), Some(end));
    let work = store.work(held.instance).await.unwrap();
    assert!(work.iter().all(|work| work.consumer == held.webhook()), "{work:?}");
}

/// Its cursor and its deliveries go with it, those of others stay; a new one of the same name starts anew.
pub async fn deleting_a_webhook_removes_its_cursor_and_deliveries(backend: impl Backend) {
    let store = backend.storage().await;
    let held = Held::new(&*store).await;
    store.create_webhook(held.owner, sample_webhook(held.instance, "second"), 9).await.unwrap();
    held.append(&*store, 3).await;
    let second = Consumer::webhook(held.instance, "second");
    let settlement = |consumer: &Consumer| Settlement {
        cursor: Some(2),
        put: vec![owed(consumer)],
        ..Settlement::new(consumer.clone(), held.epoch)
    };
    store.settle(vec![settlement(&second), settlement(&held.webhook())]).await.unwrap();
    store.delete_webhook(held.owner, held.instance, "second".into()).await.unwrap();
    assert_eq!(store.cursor(&second).await.unwrap(), None);
    assert!(store.pending_deliveries(&second, 0, 9).await.unwrap().is_empty());
    assert_eq!(store.cursor(&held.webhook()).await.unwrap(), Some(2));
    assert_eq!(store.pending_deliveries(&held.webhook(), 0, 9).await.unwrap().len(), 1);
    let again = store.delete_webhook(held.owner, held.instance, "second".into()).await;
    assert!(matches!(again, Err(StorageError::NotFound { what: Missing::Webhook })), "{again:?}");

    let end = held.log(&*store).await.last().unwrap().seq;
    store.create_webhook(held.owner, sample_webhook(held.instance, "second"), 9).await.unwrap();
    store.delete_webhook(held.owner, held.instance, "default".into()).await.unwrap();
    for consumer in [second, held.webhook()] {
        assert_eq!(store.cursor(&consumer).await.unwrap(), Some(end));
        assert!(store.pending_deliveries(&consumer, 0, 9).await.unwrap().is_empty());
    }
}

/// To everyone but the owner the webhooks don't exist.
pub async fn another_users_webhooks_do_not_exist(backend: impl Backend) {
    let store = backend.storage().await;
    let held = Held::new(&*store).await;
    let max = sample_user("max");
    store.create_user(max.clone()).await.unwrap();
    let (id, now) = (held.instance, Timestamp::default());
    not_found(&store.webhooks(max.id, id).await);
    not_found(&store.create_webhook(max.id, sample_webhook(id, "second"), 9).await);
    not_found(&store.update_webhook(max.id, id, "default".into(), WebhookPatch::default(), now).await);
    not_found(&store.delete_webhook(max.id, id, "default".into()).await);
    assert_eq!(store.fleet_webhooks(id).await.unwrap(), [sample_webhook(id, "default")]);
}

fn owed(consumer: &Consumer) -> Delivery {
    Delivery {
        consumer: consumer.clone(),
        seq: 1,
        chat: None,
        state: DeliveryState::Pending,
        attempts: 1,
        next_attempt: Timestamp::from_millis(1),
        last_error: None,
        status_code: None,
        created_at: Timestamp::from_millis(1),
        updated_at: Timestamp::from_millis(1),
    }
}

fn not_found<T: std::fmt::Debug>(result: &Result<T, StorageError>) {
    assert!(matches!(result, Err(StorageError::NotFound { what: Missing::Instance })), "{result:?}");
}
