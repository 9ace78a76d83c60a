//! Instances, as their owner and as the supervisor sees them.

use serde_json::json;

use super::held::Held;
use super::{
    Backend, SAMPLE_NODE, sample_event, sample_incoming, sample_instance, sample_outgoing, sample_user,
    sample_webhook,
};
use crate::{
    Claim, DeviceIcon, DeviceLook, Edit, Epoch, EventData, EventKind, Instance, InstanceAction,
    InstanceCounts, InstanceData, InstanceId, InstancePatch, InstanceStatus, Json, LimitsPatch,
    MediaDownload, MessageQuery, Missing, Record, Retention, SecretText, Settlement, Storage, StorageError,
    Timestamp, UsageLimits, UserId, Webhook, WebhookPatch,
};

/// Every field comes back, filled in or not; the last activity is that of the log.
pub async fn instances_round_trip(mut backend: impl Backend) {
    let store = backend.storage().await;
    let owner = sample_user("zoe");
    store.create_user(owner.clone()).await.unwrap();
    let (first, mut second) = (sample_instance(owner.id, "first"), sample_instance(owner.id, "second"));
    second.description = None;
    second.retention = Retention::default();
    second.look = DeviceLook::default();
    second.limits = UsageLimits::default();
    (second.jid, second.lid, second.phone) = (None, None, None);
    (second.push_name, second.status_cause) = (None, None);
    create(&*store, &second).await.unwrap();
    let epoch = create(&*store, &first).await.unwrap();
    drop(store);
    backend.reopen().await;
    let store = backend.storage().await;

    assert_eq!(store.instance(owner.id, first.id).await.unwrap().as_ref(), Some(&first));
    assert_eq!(store.fleet_instance(second.id).await.unwrap().as_ref(), Some(&second));
    assert_eq!(store.fleet_instance(InstanceId::generate()).await.unwrap(), None);

    let event = Record::new(first.id, epoch).event(sample_event(EventKind::Connected, None));
    let told = store.record(event).await.unwrap().events.remove(0);
    let active = store.instance(owner.id, first.id).await.unwrap().unwrap();
    assert_eq!(active.last_activity, Some(told.timestamp));

    let again = create(&*store, &first).await;
    assert!(matches!(again, Err(StorageError::Conflict { what: "id" })), "{again:?}");
    let orphan = create(&*store, &sample_instance(UserId::generate(), "orphan")).await;
    assert!(matches!(orphan, Err(StorageError::NotFound { what: Missing::User })), "{orphan:?}");
}

/// Oldest first, each with its default webhook; the total is that of the owner, the counts are those of all.
pub async fn instances_are_listed_in_pages_and_counted(backend: impl Backend) {
    let store = backend.storage().await;
    let (zoe, max) = (sample_user("zoe"), sample_user("max"));
    store.create_user(zoe.clone()).await.unwrap();
    store.create_user(max.clone()).await.unwrap();
    for (n, name) in ["e", "d", "c", "b", "a"].into_iter().enumerate() {
        let mut instance = sample_instance(zoe.id, name);
        instance.created_at = instance.created_at.plus_millis(-(n as i64));
        create(&*store, &instance).await.unwrap();
    }
    let mut paused = sample_instance(max.id, "paused");
    paused.status = InstanceStatus::Paused;
    create(&*store, &paused).await.unwrap();

    let mut names = Vec::new();
    for skip in [0, 2, 4, 6] {
        let page = store.instances(zoe.id, 2, skip).await.unwrap();
        assert_eq!((page.total, page.has_more), (5, skip < 3));
        for (instance, webhook) in page.items {
            assert_eq!(webhook, sample_webhook(instance.id, Webhook::DEFAULT));
            names.push(instance.name);
        }
    }
    assert_eq!(names, ["a", "b", "c", "d", "e"]);
    let counts = store.instance_counts().await.unwrap();
    let by_status = [(InstanceStatus::Connecting, 5), (InstanceStatus::Paused, 1)].into();
    assert_eq!(counts, InstanceCounts { total: 6, by_status });
}

/// Those with a tag, whole and in its own spelling, of this owner alone.
pub async fn instances_are_listed_by_tag(backend: impl Backend) {
    let store = backend.storage().await;
    let (zoe, max) = (sample_user("zoe"), sample_user("max"));
    for user in [&zoe, &max] {
        store.create_user(user.clone()).await.unwrap();
    }
    let (first, _) = super::sample_leased(&*store, zoe.id, "a").await.unwrap();
    let (second, _) = super::sample_leased(&*store, zoe.id, "b").await.unwrap();
    super::sample_leased(&*store, max.id, "c").await.unwrap();
    let patch = InstancePatch { tags: Some(vec!["support".into()]), ..InstancePatch::default() };
    let edit = Edit::at(Timestamp::from_millis(2_000_000_000_000));
    store.update_instance(zoe.id, second.id, patch, edit).await.unwrap();
    for (tag, expected) in [
        ("sales", vec![first.id]),
        ("support", vec![second.id]),
        ("北京 'x'", vec![first.id]),
        ("sal", vec![]),
        ("Sales", vec![]),
    ] {
        let page = store.instances_tagged(zoe.id, tag, 10, 0).await.unwrap();
        let ids: Vec<_> = page.items.iter().map(|(instance, _)| instance.id).collect();
        assert_eq!((ids, page.total), (expected.clone(), expected.len() as u64), "{tag}");
    }
    let behind = store.instances_tagged(zoe.id, "sales", 10, 1).await.unwrap();
    assert_eq!((behind.items.len(), behind.total), (0, 1));
}

/// The limit is per owner, and counted where the instance is made.
pub async fn an_owner_has_no_more_instances_than_allowed(backend: impl Backend) {
    let store = backend.storage().await;
    let (zoe, max) = (sample_user("zoe"), sample_user("max"));
    store.create_user(zoe.clone()).await.unwrap();
    store.create_user(max.clone()).await.unwrap();
    let create =
        |owner, limit| store.create_instance(sample_instance(owner, "shop"), Vec::new(), SAMPLE_NODE, limit);
    let together = [create(zoe.id, 2), create(zoe.id, 2), create(zoe.id, 2)];
    let mut made = 0;
    for attempt in together {
        match attempt.await {
            Ok(_) => made += 1,
            Err(error) => {
                assert!(matches!(error, StorageError::LimitReached { what: "instances" }), "{error}")
            }
        }
    }
    assert_eq!(made, 2);
    create(max.id, 1).await.unwrap();
    create(zoe.id, 3).await.unwrap();
}

/// To everyone but its owner an instance doesn't exist, whatever they try.
pub async fn another_users_instance_does_not_exist(backend: impl Backend) {
    let store = backend.storage().await;
    let (zoe, max) = (sample_user("zoe"), sample_user("max"));
    store.create_user(zoe.clone()).await.unwrap();
    store.create_user(max.clone()).await.unwrap();
    let instance = sample_instance(zoe.id, "hers");
    create(&*store, &instance).await.unwrap();

    assert_eq!(store.instance(max.id, instance.id).await.unwrap(), None);
    assert_eq!(store.instances(max.id, 10, 0).await.unwrap().total, 0);
    let patch = InstancePatch { name: Some("mine".into()), ..InstancePatch::default() };
    not_found(&store.update_instance(max.id, instance.id, patch, Edit::at(Timestamp::from_millis(9))).await);
    not_found(&store.delete_instance(max.id, instance.id).await);
    assert_eq!(store.instance(zoe.id, instance.id).await.unwrap(), Some(instance));
}

/// A patch changes what it names and the time of the update.
pub async fn instance_patches_change_only_what_they_name(backend: impl Backend) {
    let store = backend.storage().await;
    let owner = sample_user("zoe");
    store.create_user(owner.clone()).await.unwrap();
    let mut expected = sample_instance(owner.id, "before");
    create(&*store, &expected).await.unwrap();
    let mut webhook = sample_webhook(expected.id, Webhook::DEFAULT);
    let now = Timestamp::from_millis(1_800_000_000_000);
    let patches = [
        InstancePatch { name: Some("after".into()), ..InstancePatch::default() },
        InstancePatch { description: Some(None), ..InstancePatch::default() },
        InstancePatch { event_days: Some(None), ..InstancePatch::default() },
        InstancePatch { message_days: Some(Some(5)), ..InstancePatch::default() },
        InstancePatch { media_days: Some(None), ..InstancePatch::default() },
        InstancePatch { media_download: Some(Some(MediaDownload::Never)), ..InstancePatch::default() },
        InstancePatch { proxy: Some(None), ..InstancePatch::default() },
        InstancePatch { shows_delivery: Some(true), ..InstancePatch::default() },
        InstancePatch { device_name: Some(None), ..InstancePatch::default() },
        InstancePatch {
            limits: Some(LimitsPatch { webhooks: Some(Some(7)), ..LimitsPatch::default() }),
            ..InstancePatch::default()
        },
        InstancePatch { limits: Some(LimitsPatch::none()), ..InstancePatch::default() },
        InstancePatch { device_icon: Some(Some(DeviceIcon::Opera)), ..InstancePatch::default() },
        InstancePatch {
            webhook: WebhookPatch { secret: Some(Some(SecretText::new("new"))), ..WebhookPatch::default() },
            ..InstancePatch::default()
        },
        InstancePatch::default(),
    ];
    for (step, patch) in patches.into_iter().enumerate() {
        let now = now.plus_millis(step as i64);
        let before = (expected.clone(), webhook.clone());
        patch.clone().apply(&mut expected, &mut webhook, now).unwrap();
        let updated = store.update_instance(owner.id, expected.id, patch, Edit::at(now)).await.unwrap();
        assert_eq!((updated.before, updated.now), (before, (expected.clone(), webhook.clone())));
        assert_eq!(store.instance(owner.id, expected.id).await.unwrap().as_ref(), Some(&expected));
        assert_eq!(store.fleet_webhooks(expected.id).await.unwrap(), std::slice::from_ref(&webhook));
    }
    not_found(
        &store
            .update_instance(owner.id, InstanceId::generate(), InstancePatch::default(), Edit::at(now))
            .await,
    );
}

/// Which settings have changed is told in the commit of the change, behind what is told of the default webhook. Who doesn't
/// hold the instance changes them without a word.
pub async fn a_change_of_settings_and_its_event_are_one(backend: impl Backend) {
    let store = backend.storage().await;
    let held = Held::new(&*store).await;
    let change = |name: &str, webhook: WebhookPatch| InstancePatch {
        name: Some(name.into()),
        event_days: Some(None),
        webhook,
        ..InstancePatch::default()
    };
    let (at, off) =
        (Edit::at(Timestamp::default()), WebhookPatch { enabled: Some(false), ..Default::default() });
    let told_by = |epoch| at.clone().told_by(epoch);
    let both = store
        .update_instance(held.owner, held.instance, change("b", off), told_by(held.epoch))
        .await
        .unwrap();
    let told = InstanceData {
        action: InstanceAction::Updated,
        fields: vec!["name".into(), "eventRetentionDays".into()],
    };
    let data: Vec<_> = both.recorded.events.iter().map(|event| event.data.clone()).collect();
    assert_eq!(data[0].kind(), EventKind::WebhookUpdated);
    assert!(data[1..] == [EventData::InstanceChanged(told)]);
    assert_eq!((both.recorded.after, held.log(&*store).await), (0, both.recorded.events.clone()));

    for edit in [at.clone(), told_by(held.epoch.next())] {
        let silent = change("c", WebhookPatch::default());
        let silent = store.update_instance(held.owner, held.instance, silent, edit).await.unwrap();
        assert_eq!((&*silent.now.0.name, silent.recorded.events.len()), ("c", 0));
    }
    let limits = LimitsPatch { api_calls: Some(Some(1)), ..LimitsPatch::default() };
    let limits = InstancePatch { limits: Some(limits), ..InstancePatch::default() };
    let refused = store.update_instance(held.owner, held.instance, limits, told_by(held.epoch.next())).await;
    assert!(matches!(refused, Err(StorageError::Fenced)), "{refused:?}");
    let same = change("c", WebhookPatch::default());
    let same = store.update_instance(held.owner, held.instance, same, told_by(held.epoch)).await.unwrap();
    assert_eq!(same.recorded.events, []);
}

/// Changes are merged where they are stored, so none undoes another one that its author has not seen. One that is made under
/// an older version is refused; what concerns webhooks and connections is for the holder to change, and told.
pub async fn instance_changes_made_at_once_are_merged(backend: impl Backend) {
    let store = backend.storage().await;
    let held = Held::new(&*store).await;
    let at = || Edit::at(Timestamp::default()).told_by(held.epoch);
    let none = InstancePatch::default;
    let patches = [
        InstancePatch { name: Some("new".into()), ..none() },
        InstancePatch { description: Some(None), ..none() },
        InstancePatch { tags: Some(vec!["support".into()]), ..none() },
        InstancePatch { event_days: Some(Some(1)), ..none() },
        InstancePatch { message_days: Some(None), ..none() },
        InstancePatch { media_days: Some(Some(3)), ..none() },
        InstancePatch { media_download: Some(None), ..none() },
        InstancePatch { proxy: Some(None), ..none() },
        InstancePatch { shows_delivery: Some(true), ..none() },
        InstancePatch { device_name: Some(None), ..none() },
        InstancePatch { device_icon: Some(Some(DeviceIcon::Opera)), ..none() },
        InstancePatch { webhook: WebhookPatch { max_retries: Some(9), ..WebhookPatch::default() }, ..none() },
    ];
    let seen = store.instance(held.owner, held.instance).await.unwrap().unwrap();
    let update = |patch, edit| store.update_instance(held.owner, held.instance, patch, edit);
    let together: Vec<_> = patches.clone().map(|patch| update(patch, at())).into_iter().collect();
    for write in together {
        write.await.unwrap();
    }
    let (mut expected, mut webhook) = (seen.clone(), sample_webhook(held.instance, Webhook::DEFAULT));
    let first = expected.version(&webhook);
    for patch in patches {
        patch.apply(&mut expected, &mut webhook, Timestamp::default()).unwrap();
    }
    let log = held.log(&*store).await;
    let told = |kind| log.iter().filter(|event| event.kind() == kind).count();
    assert_eq!((told(EventKind::InstanceChanged), told(EventKind::WebhookUpdated), log.len()), (11, 1, 12));
    expected.last_activity = log.last().map(|event| event.timestamp);
    assert_eq!(store.instance(held.owner, held.instance).await.unwrap().as_ref(), Some(&expected));

    let rename = || InstancePatch { name: Some("late".into()), ..none() };
    let late = update(rename(), at().expecting(Some(vec![first]))).await;
    assert!(matches!(late, Err(StorageError::Stale)), "{late:?}");
    let stale = || Edit::at(Timestamp::default()).told_by(held.epoch.next());
    let elsewhere = InstancePatch { shows_delivery: Some(false), ..none() };
    let refused = update(elsewhere, stale()).await;
    assert!(matches!(refused, Err(StorageError::Fenced)), "{refused:?}");
    update(rename(), stale()).await.unwrap();
}

/// Nothing of a deleted instance is left, and its neighbour keeps everything.
pub async fn deleting_an_instance_removes_all_that_belongs_to_it(backend: impl Backend) {
    let store = backend.storage().await;
    let owner = sample_user("zoe");
    store.create_user(owner.clone()).await.unwrap();
    let (gone, kept) = (Held::of(&*store, owner.id, "gone").await, Held::of(&*store, owner.id, "kept").await);
    for held in [&gone, &kept] {
        fill(&*store, held).await;
    }
    let instance = store.fleet_instance(gone.instance).await.unwrap().unwrap();
    store.delete_instance(owner.id, gone.instance).await.unwrap();

    assert_eq!(store.instances(owner.id, 10, 0).await.unwrap().total, 1);
    assert_eq!(store.fleet_instance(gone.instance).await.unwrap(), None);
    assert_eq!(store.fleet_webhooks(gone.instance).await.unwrap(), []);
    assert_eq!(store.claim("send", &gone.instance.to_string()).await.unwrap(), None);
    assert_eq!(store.cursor(&gone.webhook()).await.unwrap(), None);
    assert!(gone.log(&*store).await.is_empty());
    not_found(&store.pending_messages(gone.instance, 10).await);
    not_found(&store.delete_instance(owner.id, gone.instance).await);
    not_found(&store.record(gone.record()).await);

    // The same id again starts from nothing.
    let epoch = create(&*store, &instance).await.unwrap();
    assert_eq!(epoch.number(), 1);
    let query = MessageQuery::newest("15550000002@s.whatsapp.net", 10);
    assert_eq!(store.messages(owner.id, gone.instance, &query).await.unwrap().total, 0);
    assert!(store.pending_messages(gone.instance, 10).await.unwrap().is_empty());
    assert!(gone.log(&*store).await.is_empty());
    assert_eq!(store.cursor(&gone.webhook()).await.unwrap(), None);

    assert_eq!(store.messages(owner.id, kept.instance, &query).await.unwrap().total, 2);
    assert_eq!(store.pending_messages(kept.instance, 10).await.unwrap().len(), 1);
    assert_eq!(kept.log(&*store).await.len(), 1);
    assert_eq!(store.cursor(&kept.webhook()).await.unwrap(), Some(1));
    assert!(store.claim("send", &kept.instance.to_string()).await.unwrap().is_some());
}

/// A buried instance is gone for its owner; who takes it hears since when, and can forget it.
pub async fn a_buried_instance_is_nobodys_until_it_is_forgotten(mut backend: impl Backend) {
    let store = backend.storage().await;
    let (owner, max) = (sample_user("zoe"), sample_user("max"));
    store.create_user(owner.clone()).await.unwrap();
    store.create_user(max.clone()).await.unwrap();
    let held = Held::of(&*store, owner.id, "gone").await;
    fill(&*store, &held).await;
    let at = Timestamp::from_millis(1_790_000_000_000);
    not_found(&store.bury_instance(max.id, held.instance, at).await);
    not_found(&store.forget_buried(held.instance, held.epoch).await);
    let epoch = store.bury_instance(owner.id, held.instance, at).await.unwrap();

    assert!(epoch > held.epoch);
    assert_eq!(store.instance(owner.id, held.instance).await.unwrap(), None);
    assert_eq!(store.instances(owner.id, 10, 0).await.unwrap().total, 0);
    assert_eq!(store.instance_counts().await.unwrap(), InstanceCounts::default());
    assert_eq!(store.fleet_webhooks(held.instance).await.unwrap(), []);
    assert_eq!(store.claim("send", &held.instance.to_string()).await.unwrap(), None);
    assert!(store.pending_messages(held.instance, 10).await.unwrap().is_empty());
    not_found(&store.bury_instance(owner.id, held.instance, at).await);
    not_found(&store.delete_instance(owner.id, held.instance).await);
    let late = store.record(held.record().event(sample_event(EventKind::Connected, None))).await;
    assert!(matches!(late, Err(StorageError::Fenced)), "{late:?}");
    drop(store);
    backend.reopen().await;
    let store = backend.storage().await;

    let leased = store.acquire(SAMPLE_NODE, true, 9, std::time::Duration::from_secs(60)).await.unwrap();
    let [buried] = leased.try_into().unwrap();
    assert_eq!((buried.instance.id, buried.buried_at), (held.instance, Some(at)));
    assert_eq!((buried.instance.owner, buried.instance.name.as_str()), (UserId::NOBODY, ""));
    let stale = store.forget_buried(held.instance, epoch).await;
    assert!(matches!(stale, Err(StorageError::Fenced)), "{stale:?}");
    store.forget_buried(held.instance, buried.epoch).await.unwrap();
    assert_eq!(store.fleet_instance(held.instance).await.unwrap(), None);
    not_found(&store.forget_buried(held.instance, buried.epoch).await);
}

async fn fill(store: &dyn Storage, held: &Held) {
    let claim = Claim {
        scope: "send".into(),
        key: held.instance.to_string(),
        fingerprint: [1; 32],
        answer: Json::from(json!({})),
        at: Timestamp::from_millis(1),
    };
    let record = held
        .record()
        .claim(Some(claim))
        .message(sample_incoming(held.instance, "15550000002", "A1", 1))
        .message(sample_outgoing(held.instance, "15550000002", "A2", 2));
    store.record(record).await.unwrap();
    store.settle(vec![Settlement { cursor: Some(1), ..held.settlement() }]).await.unwrap();
}

/// Adds it with the sample webhook, held by the sample node.
async fn create(store: &dyn Storage, instance: &Instance) -> Result<Epoch, StorageError> {
    let webhooks = vec![sample_webhook(instance.id, Webhook::DEFAULT)];
    store.create_instance(instance.clone(), webhooks, SAMPLE_NODE, u64::MAX).await
}

fn not_found<T: std::fmt::Debug>(result: &Result<T, StorageError>) {
    assert!(matches!(result, Err(StorageError::NotFound { what: Missing::Instance })), "{result:?}");
}
