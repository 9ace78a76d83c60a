//! Messages that are to be sent later.

use serde_json::json;

use super::held::Held;
use super::{Backend, sample_outgoing, sample_user};
use crate::{
    Claim, Due, InstanceId, Json, MessageStatus, Missing, Outcome, ScheduleLimits, Scheduled, ScheduledPatch,
    Storage, StorageError, StoredMessageId, Timestamp,
};

const LIMITS: ScheduleLimits = ScheduleLimits { messages: 10, files: 1 };

fn scheduled(instance: InstanceId, message_id: &str, send_at: i64) -> Scheduled {
    Scheduled {
        instance,
        message_id: message_id.to_owned(),
        recipient: "15550000002@s.whatsapp.net".to_owned(),
        content: Json::from(json!({"text": format!("你好 {message_id}")})),
        file: None,
        send_at: Timestamp::from_millis(send_at),
        expire_at: None,
        version: 1,
        created_at: Timestamp::from_millis(1),
        updated_at: Timestamp::from_millis(1),
    }
}

async fn add(store: &dyn Storage, held: &Held, message_id: &str, send_at: i64) -> Scheduled {
    let added = scheduled(held.instance, message_id, send_at);
    assert_eq!(store.schedule(held.owner, added.clone(), None, LIMITS).await.unwrap(), None);
    added
}

fn ids(all: &[Scheduled]) -> Vec<&str> {
    all.iter().map(|one| one.message_id.as_str()).collect()
}

/// Every field comes back, in pages by time, and one by one.
pub async fn scheduled_messages_are_listed_by_their_time(mut backend: impl Backend) {
    let store = backend.storage().await;
    let held = Held::new(&*store).await;
    let with_file = Scheduled {
        file: Some(StoredMessageId::generate()),
        expire_at: Some(Timestamp::from_millis(9_000)),
        ..scheduled(held.instance, "B", 2_000)
    };
    add(&*store, &held, "A", 3_000).await;
    store.schedule(held.owner, with_file.clone(), None, LIMITS).await.unwrap();
    add(&*store, &held, "C", 3_000).await;
    add(&*store, &held, "D", 1_000).await;
    drop(store);
    backend.reopen().await;
    let store = backend.storage().await;
    let first = store.scheduled(held.owner, held.instance, None, 3).await.unwrap();
    assert_eq!((ids(&first.items), first.total, first.has_more), (vec!["D", "B", "A"], 4, true));
    assert_eq!(first.items[1], with_file);
    let rest = store.scheduled(held.owner, held.instance, first.next, 3).await.unwrap();
    assert_eq!((ids(&rest.items), rest.has_more, rest.next), (vec!["C"], false, None));
    let found = store.scheduled_message(held.owner, held.instance, "B").await.unwrap();
    assert_eq!(found.as_ref(), Some(&with_file));
    assert_eq!(store.scheduled_message(held.owner, held.instance, "X").await.unwrap(), None);
    // Its file is one that is needed.
    assert!(store.has_file(held.instance, with_file.file.unwrap()).await.unwrap());
}

/// There are no more of them than allowed, and no two with the same id.
pub async fn scheduled_messages_are_limited(backend: impl Backend) {
    let store = backend.storage().await;
    let held = Held::new(&*store).await;
    let file = |id: &str| Scheduled {
        file: Some(StoredMessageId::generate()),
        ..scheduled(held.instance, id, 1_000)
    };
    let schedule = |one, limits| store.schedule(held.owner, one, None, limits);
    schedule(file("A"), LIMITS).await.unwrap();
    let second = schedule(file("B"), LIMITS).await;
    assert!(matches!(second, Err(StorageError::LimitReached { .. })), "{second:?}");
    let doubled = schedule(scheduled(held.instance, "A", 5), LIMITS).await;
    assert!(matches!(doubled, Err(StorageError::Conflict { what: "id" })), "{doubled:?}");
    let full = schedule(scheduled(held.instance, "C", 5), ScheduleLimits { messages: 1, files: 1 }).await;
    assert!(matches!(full, Err(StorageError::LimitReached { .. })), "{full:?}");
    let other = Held::of(&*store, held.owner, "other").await;
    add(&*store, &other, "A", 5).await;
}

/// A key is taken together with what is scheduled under it, and once.
pub async fn a_scheduled_message_takes_its_key(backend: impl Backend) {
    let store = backend.storage().await;
    let held = Held::new(&*store).await;
    let claim = |answer: &str| Claim {
        scope: "send".into(),
        key: "k".into(),
        fingerprint: [7; 32],
        answer: Json::from(json!(answer)),
        at: Timestamp::from_millis(1),
    };
    let schedule =
        |id: &str| store.schedule(held.owner, scheduled(held.instance, id, 1_000), Some(claim(id)), LIMITS);
    assert_eq!(schedule("A").await.unwrap(), None);
    assert_eq!(schedule("B").await.unwrap().unwrap().answer, claim("A").answer);
    let all = store.scheduled(held.owner, held.instance, None, 10).await.unwrap();
    assert_eq!(ids(&all.items), ["A"]);
}

/// Time and content change, each change is a new version, and what isn't there can't be changed.
pub async fn scheduled_messages_are_changed_and_cancelled(backend: impl Backend) {
    let store = backend.storage().await;
    let held = Held::new(&*store).await;
    let before = add(&*store, &held, "A", 1_000).await;
    let patch = ScheduledPatch {
        content: Some(Json::from(json!("new"))),
        send_at: Some(Timestamp::from_millis(5_000)),
        expire_at: Some(Some(Timestamp::from_millis(6_000))),
    };
    let now = Timestamp::from_millis(2_000);
    let change = |due: Due| store.reschedule(held.owner, held.instance, due, patch.clone(), now);
    let changed = change(before.due()).await.unwrap();
    let expected = Scheduled {
        content: Json::from(json!("new")),
        send_at: Timestamp::from_millis(5_000),
        expire_at: Some(Timestamp::from_millis(6_000)),
        version: 2,
        updated_at: now,
        ..before.clone()
    };
    assert_eq!(changed, expected);
    let stale = change(before.due()).await;
    assert!(matches!(stale, Err(StorageError::Stale)), "{stale:?}");
    let unknown = change(Due { message_id: "X".into(), version: 1 }).await;
    assert!(matches!(unknown, Err(StorageError::NotFound { what: Missing::Scheduled })), "{unknown:?}");

    assert_eq!(store.unschedule(held.owner, held.instance, "A".into()).await.unwrap(), expected);
    let gone = store.unschedule(held.owner, held.instance, "A".into()).await;
    assert!(matches!(gone, Err(StorageError::NotFound { what: Missing::Scheduled })), "{gone:?}");
}

/// What is due is found by time, and its record takes it away in the same commit: once, and only as it was read.
pub async fn a_due_message_leaves_once(backend: impl Backend) {
    let store = backend.storage().await;
    let held = Held::new(&*store).await;
    let other = Held::of(&*store, held.owner, "other").await;
    add(&*store, &held, "A", 2_000).await;
    let first = add(&*store, &held, "B", 1_000).await;
    add(&*store, &other, "C", 3_000).await;
    let at = Timestamp::from_millis;
    assert_eq!(store.due_instances(at(2_999)).await.unwrap(), [held.instance]);
    assert_eq!(store.due_instances(at(3_000)).await.unwrap().len(), 2);
    assert_eq!(store.next_due(at(999)).await.unwrap(), Some(at(1_000)));
    assert_eq!(store.next_due(at(1_000)).await.unwrap(), Some(at(2_000)));
    assert_eq!(store.next_due(at(3_000)).await.unwrap(), None);
    assert_eq!(ids(&store.due_messages(held.instance, at(9_000), 10).await.unwrap()), ["B", "A"]);
    assert_eq!(ids(&store.due_messages(held.instance, at(9_000), 1).await.unwrap()), ["B"]);
    assert!(store.due_messages(held.instance, at(999), 10).await.unwrap().is_empty());

    let leave = |due: Due| {
        let message = sample_outgoing(held.instance, "15550000002", &due.message_id, 1_000);
        store.record(held.record().due(Some(due)).message(message))
    };
    let changed = Due { version: 2, ..first.due() };
    let stale = leave(changed).await;
    assert!(matches!(stale, Err(StorageError::Stale)), "{stale:?}");
    assert!(store.pending_messages(held.instance, 10).await.unwrap().is_empty());
    assert_eq!(leave(first.due()).await.unwrap().outcomes, [Outcome::Added]);
    let again = leave(first.due()).await;
    assert!(matches!(again, Err(StorageError::Stale)), "{again:?}");
    let pending = store.pending_messages(held.instance, 10).await.unwrap();
    assert_eq!((pending.len(), pending[0].status), (1, MessageStatus::Pending));
    assert_eq!(ids(&store.due_messages(held.instance, at(9_000), 10).await.unwrap()), ["A"]);
}

/// With their instance they go; to everyone but its owner they don't exist.
pub async fn scheduled_messages_belong_to_their_instance(backend: impl Backend) {
    let store = backend.storage().await;
    let held = Held::new(&*store).await;
    let max = sample_user("max");
    store.create_user(max.clone()).await.unwrap();
    let one = add(&*store, &held, "A", 1_000).await;
    let refused = [
        store.scheduled(max.id, held.instance, None, 10).await.map(drop),
        store.scheduled_message(max.id, held.instance, "A").await.map(drop),
        store.unschedule(max.id, held.instance, "A".into()).await.map(drop),
        store.schedule(max.id, scheduled(held.instance, "B", 1), None, LIMITS).await.map(drop),
        store
            .reschedule(max.id, held.instance, one.due(), ScheduledPatch::default(), one.created_at)
            .await
            .map(drop),
    ];
    for refused in refused {
        assert!(matches!(refused, Err(StorageError::NotFound { what: Missing::Instance })), "{refused:?}");
    }
    store.delete_instance(held.owner, held.instance).await.unwrap();
    assert!(store.due_instances(Timestamp::from_millis(9_000)).await.unwrap().is_empty());
    assert_eq!(store.next_due(Timestamp::from_millis(0)).await.unwrap(), None);
}
