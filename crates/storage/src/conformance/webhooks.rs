//! Webhooks, as the owner of their instance sees them.

use super::held::Held;
use super::{Backend, SAMPLE_NODE, sample_instance, sample_user, sample_webhook};
use crate::{
    Consumer, Delivery, DeliveryState, Edit, EventData, EventFilter, InstanceId, Missing, OnGiveUp, Rotation,
    SecretText, Settlement, StorageError, Timestamp, Webhook, WebhookFormat, WebhookMark, WebhookPatch,
};

/// Every field comes back, filled in or not; lists go by name.
pub async fn webhooks_round_trip_by_name(mut backend: impl Backend) {
    let store = backend.storage().await;
    let held = Held::new(&*store).await;
    let (full, empty) = (
        sample_webhook(held.instance, "über"),
        Webhook::new(held.instance, "archive", Timestamp::from_millis(1_800_000_000_000)),
    );
    store.create_webhook(held.owner, full.clone(), 9, silently()).await.unwrap();
    store.create_webhook(held.owner, empty.clone(), 9, silently()).await.unwrap();
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

    let url = Some(Some("https://example.com/".to_owned()));
    let patch = WebhookPatch { enabled: Some(true), url, ..WebhookPatch::default() };
    store.update_webhook(owner.id, instance.id, "default".into(), patch, silently()).await.unwrap();
    store.delete_webhook(owner.id, instance.id, "default".into(), silently()).await.unwrap();
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
        store.create_webhook(held.owner, sample_webhook(held.instance, name), limit, silently())
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
    store.create_webhook(held.owner, expected.clone(), 9, silently()).await.unwrap();
    let patches = [
        WebhookPatch { url: Some(None), enabled: Some(false), ..WebhookPatch::default() },
        WebhookPatch { format: Some(WebhookFormat::Seed1), kinds: Some(None), ..WebhookPatch::default() },
        WebhookPatch { received: Some(false), read: Some(true), ..WebhookPatch::default() },
        WebhookPatch { secret: Some(Some(SecretText::new("new"))), ..WebhookPatch::default() },
        WebhookPatch { secret: Some(None), headers: Some([].into()), ..WebhookPatch::default() },
        WebhookPatch { secret: Some(Some(SecretText::new("old"))), ..WebhookPatch::default() },
        WebhookPatch { rotation: Some(rotation()), ..WebhookPatch::default() },
        WebhookPatch { max_retries: Some(0), retry_interval: Some(1), ..WebhookPatch::default() },
        WebhookPatch { on_give_up: Some(OnGiveUp::DeadLetter), ..WebhookPatch::default() },
        WebhookPatch::default(),
    ];
    for (step, patch) in patches.into_iter().enumerate() {
        let now = Timestamp::from_millis(1_800_000_000_000).plus_millis(step as i64);
        let before = expected.clone();
        patch.clone().apply(&mut expected, now).unwrap();
        let update = store.update_webhook(held.owner, held.instance, "second".into(), patch, Edit::at(now));
        let edited = update.await.unwrap();
        assert_eq!((&edited.before, &edited.now), (&before, &expected));
        assert_eq!(edited.changes(), edited.now.version() != before.version());
        assert_eq!(edited.recorded.events, []);
        assert_eq!(store.fleet_webhooks(held.instance).await.unwrap()[1], expected);
    }
    assert_eq!(
        expected.filter,
        EventFilter { received: false, sent: false, delivery: true, read: true, kinds: None }
    );
    let nothing = WebhookPatch::default();
    let missing = store.update_webhook(held.owner, held.instance, "third".into(), nothing, silently()).await;
    assert!(matches!(missing, Err(StorageError::NotFound { what: Missing::Webhook })), "{missing:?}");
}

/// What happened before it was made is not for it.
pub async fn a_new_webhook_starts_at_the_end_of_the_log(backend: impl Backend) {
    let store = backend.storage().await;
    let held = Held::new(&*store).await;
    held.append(&*store, 3).await;
    store.create_webhook(held.owner, sample_webhook(held.instance, "second"), 9, silently()).await.unwrap();
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
    store.create_webhook(held.owner, sample_webhook(held.instance, "second"), 9, silently()).await.unwrap();
    held.append(&*store, 3).await;
    let second = Consumer::webhook(held.instance, "second");
    let settlement = |consumer: &Consumer| Settlement {
        cursor: Some(2),
        put: vec![owed(consumer)],
        ..Settlement::new(consumer.clone(), held.epoch)
    };
    store.settle(vec![settlement(&second), settlement(&held.webhook())]).await.unwrap();
    store.delete_webhook(held.owner, held.instance, "second".into(), silently()).await.unwrap();
    assert_eq!(store.cursor(&second).await.unwrap(), None);
    assert!(store.pending_deliveries(&second, 0, 9).await.unwrap().is_empty());
    assert_eq!(store.cursor(&held.webhook()).await.unwrap(), Some(2));
    assert_eq!(store.pending_deliveries(&held.webhook(), 0, 9).await.unwrap().len(), 1);
    let again = store.delete_webhook(held.owner, held.instance, "second".into(), silently()).await;
    assert!(matches!(again, Err(StorageError::NotFound { what: Missing::Webhook })), "{again:?}");

    let end = held.log(&*store).await.last().unwrap().seq;
    store.create_webhook(held.owner, sample_webhook(held.instance, "second"), 9, silently()).await.unwrap();
    store.delete_webhook(held.owner, held.instance, "default".into(), silently()).await.unwrap();
    for consumer in [second, held.webhook()] {
        assert_eq!(store.cursor(&consumer).await.unwrap(), Some(end));
        assert!(store.pending_deliveries(&consumer, 0, 9).await.unwrap().is_empty());
    }
}

/// What changes a webhook is stored together with the event that tells of it, under the epoch of whoever holds the
/// instance; where nothing is different, nothing is told.
pub async fn a_change_and_its_event_are_one(backend: impl Backend) {
    let store = backend.storage().await;
    let held = Held::new(&*store).await;
    held.append(&*store, 1).await;
    let told = |epoch| Edit::at(Timestamp::from_millis(1_800_000_000_000)).told_by(epoch);
    let update = |patch: &WebhookPatch, edit| {
        store.update_webhook(held.owner, held.instance, "second".into(), patch.clone(), edit)
    };
    let second = || sample_webhook(held.instance, "second");
    let stale = held.epoch.next();
    let refused = store.create_webhook(held.owner, second(), 9, told(stale)).await;
    assert!(matches!(refused, Err(StorageError::Fenced)), "{refused:?}");
    let created = store.create_webhook(held.owner, second(), 9, told(held.epoch)).await.unwrap();
    let off = WebhookPatch { enabled: Some(false), ..WebhookPatch::default() };
    let refused = update(&off, told(stale)).await;
    assert!(matches!(refused, Err(StorageError::Fenced)), "{refused:?}");
    let changed = update(&off, told(held.epoch)).await.unwrap();
    let same = update(&off, told(stale)).await.unwrap();
    assert!(changed.changes() && !same.changes());
    assert_eq!(same.recorded.events, []);
    let refused = store.delete_webhook(held.owner, held.instance, "second".into(), told(stale)).await;
    assert!(matches!(refused, Err(StorageError::Fenced)), "{refused:?}");
    let deleted = store.delete_webhook(held.owner, held.instance, "second".into(), told(held.epoch));
    let deleted = deleted.await.unwrap();

    let log = held.log(&*store).await;
    let answered = [created, changed.recorded, deleted].map(|recorded| {
        assert_eq!(recorded.after + 1, recorded.events[0].seq);
        recorded.events.into_iter().next().unwrap()
    });
    assert_eq!(log[1..], answered);
    let tells = answered.map(|event| match event.data {
        EventData::WebhookUpdated(told) => (told.name, told.enabled, told.deleted),
        other => panic!("{other:?}"),
    });
    let second = |enabled, deleted| ("second".to_owned(), enabled, deleted);
    assert_eq!(tells, [second(true, false), second(false, false), second(false, true)]);
}

/// Changes are merged where they are stored, so none undoes another one that its author has not seen, and no order of them
/// leaves a webhook on without a URL.
pub async fn changes_made_at_once_are_merged(backend: impl Backend) {
    let store = backend.storage().await;
    let held = Held::new(&*store).await;
    let none = WebhookPatch::default;
    let patches = [
        WebhookPatch { received: Some(false), ..none() },
        WebhookPatch { sent: Some(true), ..none() },
        WebhookPatch { read: Some(true), ..none() },
        WebhookPatch { max_retries: Some(9), ..none() },
        WebhookPatch { retry_interval: Some(1_000), ..none() },
        WebhookPatch { secret: Some(Some(SecretText::new("new"))), ..none() },
        WebhookPatch { headers: Some([("A".to_owned(), "1".to_owned())].into()), ..none() },
    ];
    let update = |patch| store.update_webhook(held.owner, held.instance, "default".into(), patch, silently());
    let together: Vec<_> = patches.clone().map(update).into_iter().collect();
    let mut versions = Vec::new();
    for write in together {
        versions.push(write.await.unwrap().now.version());
    }
    let mut expected = sample_webhook(held.instance, "default");
    for patch in patches {
        patch.apply(&mut expected, Timestamp::default()).unwrap();
    }
    assert_eq!(store.fleet_webhooks(held.instance).await.unwrap(), [expected]);
    for (at, version) in versions.iter().enumerate() {
        assert!(!versions[..at].contains(version), "each change has a version of its own");
    }

    let gone = WebhookPatch { url: Some(None), ..none() };
    assert!(!update(gone).await.unwrap().now.enabled);
    let refused = update(WebhookPatch { enabled: Some(true), ..none() }).await;
    assert!(matches!(refused, Err(StorageError::Invalid { .. })), "{refused:?}");
}

/// Who changes what they saw is refused when it is another one by now.
pub async fn a_stale_change_is_refused(backend: impl Backend) {
    let store = backend.storage().await;
    let held = Held::new(&*store).await;
    let seen = store.fleet_webhooks(held.instance).await.unwrap()[0].version();
    let patch = |retries| WebhookPatch { max_retries: Some(retries), ..WebhookPatch::default() };
    let update = |retries, seen| {
        let edit = silently().expecting(Some(seen));
        store.update_webhook(held.owner, held.instance, "default".into(), patch(retries), edit)
    };
    let now = update(6, vec![seen.clone()]).await.unwrap().now;
    let refused = update(7, vec![seen.clone()]).await;
    assert!(matches!(refused, Err(StorageError::Stale)), "{refused:?}");
    let edit = silently().expecting(Some(vec![seen.clone()]));
    let refused = store.delete_webhook(held.owner, held.instance, "default".into(), edit).await;
    assert!(matches!(refused, Err(StorageError::Stale)), "{refused:?}");
    assert_eq!(store.fleet_webhooks(held.instance).await.unwrap(), std::slice::from_ref(&now));
    update(8, vec![seen.clone(), now.version()]).await.unwrap();
    store.delete_webhook(held.owner, held.instance, "default".into(), silently()).await.unwrap();
    let again = store.fleet_webhooks(held.instance).await.unwrap()[0].version();
    assert!(again != seen && again != now.version(), "what is made anew is another one");
}

/// What happened while it was off is not for it; the event that tells of its being switched on is.
pub async fn a_webhook_that_is_switched_on_starts_at_the_end_of_the_log(backend: impl Backend) {
    let store = backend.storage().await;
    let held = Held::new(&*store).await;
    let enabled = |on| WebhookPatch { enabled: Some(on), ..WebhookPatch::default() };
    let edit = || silently().told_by(held.epoch);
    let update = |on| store.update_webhook(held.owner, held.instance, "default".into(), enabled(on), edit());
    update(false).await.unwrap();
    held.append(&*store, 3).await;
    let recorded = update(true).await.unwrap().recorded;
    assert_eq!(store.cursor(&held.webhook()).await.unwrap(), Some(recorded.after));
    held.append(&*store, 1).await;
    let url = WebhookPatch { url: Some(Some("https://example.com/other".into())), ..WebhookPatch::default() };
    store.update_webhook(held.owner, held.instance, "default".into(), url, edit()).await.unwrap();
    assert_eq!(store.cursor(&held.webhook()).await.unwrap(), Some(recorded.after), "it was on before");
}

/// What is known of a receiver is kept beside the settings and is none of them; a pause and its end are told.
pub async fn a_receiver_that_takes_nothing_is_noted(backend: impl Backend) {
    let store = backend.storage().await;
    let held = Held::new(&*store).await;
    let (now, since) = (Timestamp::from_millis(1_800_000_000_000), Timestamp::from_millis(1_700_000_000_000));
    let mark = |mark| store.mark_webhook(held.webhook(), held.epoch, mark, now);
    let stands = async || {
        let webhook = store.fleet_webhooks(held.instance).await.unwrap().remove(0);
        assert_eq!(webhook.version(), sample_webhook(held.instance, "default").version());
        (webhook.failing_since, webhook.paused_at)
    };
    assert_eq!(mark(WebhookMark::Failing { since }).await.unwrap().events, []);
    assert_eq!(stands().await, (Some(since), None));
    let paused = mark(WebhookMark::Paused { since }).await.unwrap();
    assert_eq!(stands().await, (Some(since), Some(now)));
    assert_eq!(mark(WebhookMark::Paused { since }).await.unwrap().events, [], "told once");
    let stale = store.mark_webhook(held.webhook(), held.epoch.next(), WebhookMark::Answering, now).await;
    assert!(matches!(stale, Err(StorageError::Fenced)), "{stale:?}");
    let resumed = mark(WebhookMark::Answering).await.unwrap();
    assert_eq!(stands().await, (None, None));
    let told = [paused, resumed].map(|recorded| match &recorded.events[0].data {
        EventData::WebhookPaused(told) => (told.name.clone(), told.paused),
        other => panic!("{other:?}"),
    });
    assert_eq!(told, [("default".to_owned(), true), ("default".to_owned(), false)]);
    assert_eq!(held.log(&*store).await.len(), 2);

    mark(WebhookMark::Paused { since }).await.unwrap();
    let on = WebhookPatch { enabled: Some(true), ..WebhookPatch::default() };
    let update = store.update_webhook(held.owner, held.instance, "default".into(), on, Edit::at(now));
    let edited = update.await.unwrap();
    assert!(edited.changes() && edited.now.paused_at.is_none() && edited.before.paused_at == Some(now));
    let other = Consumer::webhook(held.instance, "other");
    let missing = store.mark_webhook(other, held.epoch, WebhookMark::Answering, now).await;
    assert!(matches!(missing, Err(StorageError::NotFound { what: Missing::Webhook })), "{missing:?}");
}

/// To everyone but the owner the webhooks don't exist.
pub async fn another_users_webhooks_do_not_exist(backend: impl Backend) {
    let store = backend.storage().await;
    let held = Held::new(&*store).await;
    let max = sample_user("max");
    store.create_user(max.clone()).await.unwrap();
    let id = held.instance;
    not_found(&store.webhooks(max.id, id).await);
    not_found(&store.create_webhook(max.id, sample_webhook(id, "second"), 9, silently()).await);
    not_found(&store.update_webhook(max.id, id, "default".into(), WebhookPatch::default(), silently()).await);
    not_found(&store.delete_webhook(max.id, id, "default".into(), silently()).await);
    assert_eq!(store.fleet_webhooks(id).await.unwrap(), [sample_webhook(id, "default")]);
}

fn rotation() -> Rotation {
    Rotation { secret: SecretText::new("newer"), overlap: std::time::Duration::from_secs(60) }
}

fn silently() -> Edit {
    Edit::at(Timestamp::default())
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
        replayed: false,
        created_at: Timestamp::from_millis(1),
        updated_at: Timestamp::from_millis(1),
    }
}

fn not_found<T: std::fmt::Debug>(result: &Result<T, StorageError>) {
    assert!(matches!(result, Err(StorageError::NotFound { what: Missing::Instance })), "{result:?}");
}
