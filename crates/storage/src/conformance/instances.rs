//! Instances, as their owner and as the supervisor sees them.

use serde_json::json;

use super::{Backend, sample_event, sample_incoming, sample_instance, sample_outgoing, sample_user};
use crate::{
    Claim, Consumer, EventKind, InstanceId, InstancePatch, Json, MessageQuery, Record, Settlement,
    StorageError, Timestamp, UserId, WebhookSettings,
};

/// Every field comes back; lists are oldest first; the last activity is that of the log.
pub async fn instances_round_trip(mut backend: impl Backend) {
    let store = backend.storage().await;
    let owner = sample_user("zoe");
    store.create_user(owner.clone()).await.unwrap();
    let (mut first, mut second) = (sample_instance(owner.id, "first"), sample_instance(owner.id, "second"));
    first.created_at = Timestamp::from_millis(1);
    second.description = None;
    second.webhook = WebhookSettings::default();
    (second.jid, second.lid, second.phone) = (None, None, None);
    (second.push_name, second.status_cause) = (None, None);
    store.create_instance(second.clone()).await.unwrap();
    store.create_instance(first.clone()).await.unwrap();
    drop(store);
    backend.reopen().await;
    let store = backend.storage().await;

    assert_eq!(store.instance(owner.id, first.id).await.unwrap().as_ref(), Some(&first));
    assert_eq!(store.fleet_instance(second.id).await.unwrap().as_ref(), Some(&second));
    assert_eq!(store.fleet_instance(InstanceId::generate()).await.unwrap(), None);
    assert_eq!(store.instances(owner.id).await.unwrap(), [first.clone(), second.clone()]);
    assert_eq!(store.fleet().await.unwrap(), [first.clone(), second]);

    let event = sample_event(EventKind::Connected, None, 1_700_000_009_000);
    store.record(Record::new(first.id).event(event.clone())).await.unwrap();
    let active = store.instance(owner.id, first.id).await.unwrap().unwrap();
    assert_eq!(active.last_activity, Some(event.timestamp));

    let again = store.create_instance(first.clone()).await;
    assert!(matches!(again, Err(StorageError::Conflict { what: "id" })), "{again:?}");
    let orphan = store.create_instance(sample_instance(UserId::generate(), "orphan")).await;
    assert!(matches!(orphan, Err(StorageError::NotFound { what: "user" })), "{orphan:?}");
}

/// To everyone but its owner an instance doesn't exist, whatever they try.
pub async fn another_users_instance_does_not_exist(backend: impl Backend) {
    let store = backend.storage().await;
    let (zoe, max) = (sample_user("zoe"), sample_user("max"));
    store.create_user(zoe.clone()).await.unwrap();
    store.create_user(max.clone()).await.unwrap();
    let instance = sample_instance(zoe.id, "hers");
    store.create_instance(instance.clone()).await.unwrap();

    assert_eq!(store.instance(max.id, instance.id).await.unwrap(), None);
    assert!(store.instances(max.id).await.unwrap().is_empty());
    let patch = InstancePatch { name: Some("mine".into()), ..InstancePatch::default() };
    not_found(&store.update_instance(max.id, instance.id, patch, Timestamp::from_millis(9)).await);
    not_found(&store.delete_instance(max.id, instance.id).await);
    assert_eq!(store.instance(zoe.id, instance.id).await.unwrap(), Some(instance));
}

/// A patch changes what it names and the time of the update.
pub async fn instance_patches_change_only_what_they_name(backend: impl Backend) {
    let store = backend.storage().await;
    let owner = sample_user("zoe");
    store.create_user(owner.clone()).await.unwrap();
    let mut expected = sample_instance(owner.id, "before");
    store.create_instance(expected.clone()).await.unwrap();
    let now = Timestamp::from_millis(1_800_000_000_000);
    let patches = [
        InstancePatch { name: Some("after".into()), ..InstancePatch::default() },
        InstancePatch { description: Some(None), ..InstancePatch::default() },
        InstancePatch { webhook: Some(WebhookSettings::default()), ..InstancePatch::default() },
        InstancePatch::default(),
    ];
    for (step, patch) in patches.into_iter().enumerate() {
        let now = now.plus_millis(step as i64);
        patch.clone().apply(&mut expected, now);
        assert_eq!(store.update_instance(owner.id, expected.id, patch, now).await.unwrap(), expected);
        assert_eq!(store.instance(owner.id, expected.id).await.unwrap().as_ref(), Some(&expected));
    }
    not_found(&store.update_instance(owner.id, InstanceId::generate(), InstancePatch::default(), now).await);
}

/// Nothing of a deleted instance is left, and its neighbour keeps everything.
pub async fn deleting_an_instance_removes_all_that_belongs_to_it(backend: impl Backend) {
    let store = backend.storage().await;
    let owner = sample_user("zoe");
    store.create_user(owner.clone()).await.unwrap();
    let (gone, kept) = (sample_instance(owner.id, "gone"), sample_instance(owner.id, "kept"));
    for instance in [&gone, &kept] {
        store.create_instance(instance.clone()).await.unwrap();
        let claim = Claim {
            scope: "send".into(),
            key: instance.name.clone(),
            fingerprint: [1; 32],
            answer: Json::from(json!({})),
            at: Timestamp::from_millis(1),
        };
        let record = Record::new(instance.id)
            .claim(Some(claim))
            .message(sample_incoming(instance.id, "15550000002", "A1", 1))
            .message(sample_outgoing(instance.id, "15550000002", "A2", 2));
        store.record(record).await.unwrap();
        let settlement = Settlement { cursor: Some(1), ..Settlement::new(Consumer::webhook(instance.id)) };
        store.settle(vec![settlement]).await.unwrap();
    }
    store.delete_instance(owner.id, gone.id).await.unwrap();

    assert_eq!(store.instances(owner.id).await.unwrap().len(), 1);
    assert_eq!(store.fleet_instance(gone.id).await.unwrap(), None);
    assert_eq!(store.claim("send", "gone").await.unwrap(), None);
    assert_eq!(store.cursor(&Consumer::webhook(gone.id)).await.unwrap(), None);
    assert!(store.events_after(gone.id, 0, 10).await.unwrap().is_empty());
    not_found(&store.pending_messages(gone.id, 10).await);
    not_found(&store.delete_instance(owner.id, gone.id).await);
    not_found(&store.record(Record::new(gone.id)).await);

    // The same id again starts from nothing.
    store.create_instance(gone.clone()).await.unwrap();
    let query = MessageQuery::newest("15550000002@s.whatsapp.net", 10);
    assert_eq!(store.messages(owner.id, gone.id, &query).await.unwrap().total, 0);
    assert!(store.pending_messages(gone.id, 10).await.unwrap().is_empty());
    assert!(store.events_after(gone.id, 0, 10).await.unwrap().is_empty());

    assert_eq!(store.messages(owner.id, kept.id, &query).await.unwrap().total, 2);
    assert_eq!(store.pending_messages(kept.id, 10).await.unwrap().len(), 1);
    assert!(store.claim("send", "kept").await.unwrap().is_some());
    assert_eq!(store.cursor(&Consumer::webhook(kept.id)).await.unwrap(), Some(1));
}

fn not_found<T: std::fmt::Debug>(result: &Result<T, StorageError>) {
    assert!(matches!(result, Err(StorageError::NotFound { what: "instance" })), "{result:?}");
}
