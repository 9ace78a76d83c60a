//! Named consumers.

use std::time::Duration;

use super::held::Held;
use super::retention::{NOTHING, kept_for, prune_events};
use super::{Backend, sample_user};
use crate::{
    CONSUMER_PATIENCE, ConsumerChange, ConsumerStart, EventKind, InstanceId, Missing, NamedConsumer,
    Retention, Storage, StorageError, Timestamp, WebhookPatch,
};

const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

/// One is made, changed, moved, acknowledged forwards only, and removed; all of it survives a restart.
pub async fn named_consumers_stand_where_they_were_put(mut backend: impl Backend) {
    let store = backend.storage().await;
    let held = Held::new(&*store).await;
    held.append(&*store, 5).await;
    let put = |name: &str, kinds, start| {
        let change = ConsumerChange { kinds, start };
        store.put_consumer(held.owner, held.instance, name.to_owned(), change, 9, NOW)
    };
    let (made, is_new) = put("crm", None, None).await.unwrap();
    let expected = NamedConsumer {
        instance: held.instance,
        name: "crm".to_owned(),
        kinds: None,
        position: 5,
        seen_at: NOW,
        created_at: NOW,
        updated_at: NOW,
    };
    assert_eq!((&made, is_new), (&expected, true));
    let kinds = Some(Some(vec![EventKind::Connected]));
    let (changed, is_new) = put("crm", kinds.clone(), Some(ConsumerStart::Oldest)).await.unwrap();
    assert_eq!((changed.position, &Some(changed.kinds), is_new), (0, &kinds, false));
    put("bi", None, Some(ConsumerStart::After(2))).await.unwrap();
    let refused = put("late", None, Some(ConsumerStart::After(6))).await;
    assert!(matches!(refused, Err(StorageError::Invalid { .. })), "{refused:?}");

    let later = NOW.after(Duration::from_secs(1));
    let acknowledge = |position| store.acknowledge(held.owner, held.instance, "bi".into(), position, later);
    assert_eq!(acknowledge(4).await.unwrap().position, 4);
    let again = acknowledge(3).await.unwrap();
    assert_eq!((again.position, again.seen_at, again.updated_at), (4, later, NOW), "never back");
    let refused = acknowledge(6).await;
    assert!(matches!(refused, Err(StorageError::Invalid { .. })), "{refused:?}");
    drop(store);
    backend.reopen().await;
    let store = backend.storage().await;
    let all = store.consumers(held.owner, held.instance).await.unwrap();
    let stand: Vec<_> = all.iter().map(|consumer| (consumer.name.as_str(), consumer.position)).collect();
    assert_eq!(stand, [("bi", 4), ("crm", 0)]);
    assert_eq!(all[0], again);
    store.delete_consumer(held.owner, held.instance, "bi".into()).await.unwrap();
    missing(&store.delete_consumer(held.owner, held.instance, "bi".into()).await, Missing::Consumer);
    let gone = store.acknowledge(held.owner, held.instance, "bi".into(), 1, NOW).await;
    missing(&gone, Missing::Consumer);
    store.delete_instance(held.owner, held.instance).await.unwrap();
    missing(&store.consumers(held.owner, held.instance).await, Missing::Instance);
}

/// One more than the limit is refused; changing one that there is, is not. Others' don't exist.
pub async fn named_consumers_are_limited_and_their_owners(backend: impl Backend) {
    let store = backend.storage().await;
    let held = Held::new(&*store).await;
    let put = |owner, name: &str| {
        store.put_consumer(owner, held.instance, name.to_owned(), ConsumerChange::default(), 1, NOW)
    };
    put(held.owner, "a").await.unwrap();
    put(held.owner, "a").await.unwrap();
    let refused = put(held.owner, "b").await;
    assert!(matches!(refused, Err(StorageError::LimitReached { what: "consumers" })), "{refused:?}");
    let max = sample_user("max");
    store.create_user(max.clone()).await.unwrap();
    missing(&store.consumers(max.id, held.instance).await, Missing::Instance);
    missing(&put(max.id, "a").await, Missing::Instance);
    let id = held.instance;
    missing(&store.acknowledge(max.id, id, "a".into(), 0, NOW).await, Missing::Instance);
    missing(&store.delete_consumer(max.id, id, "a".into()).await, Missing::Instance);
    missing(&store.consumers(held.owner, InstanceId::generate()).await, Missing::Instance);
}

/// What a named consumer has not acknowledged is kept beyond its retention, until it has said nothing for too long.
pub async fn events_wait_for_named_consumers_that_are_alive(backend: impl Backend) {
    let store = backend.storage().await;
    let held = kept_for(&*store, Retention::default()).await;
    let off = WebhookPatch { enabled: Some(false), ..WebhookPatch::default() };
    let edit = crate::Edit::at(NOW);
    store.update_webhook(held.owner, held.instance, "default".into(), off, edit).await.unwrap();
    held.append(&*store, 6).await;
    let now = held.log(&*store).await.last().unwrap().timestamp;
    stand(&*store, &held, "crm", 2, now).await;
    stand(&*store, &held, "gone", 0, now.before(CONSUMER_PATIENCE + Duration::from_secs(60))).await;
    prune_events(&*store, NOTHING, 100, 2).await;
    stand(&*store, &held, "crm", 4, now.before(CONSUMER_PATIENCE + Duration::from_secs(60))).await;
    // All but the newest.
    prune_events(&*store, NOTHING, 100, 3).await;
}

async fn stand(store: &dyn Storage, held: &Held, name: &str, position: i64, now: Timestamp) {
    let change = ConsumerChange { start: Some(ConsumerStart::After(position)), ..ConsumerChange::default() };
    store.put_consumer(held.owner, held.instance, name.to_owned(), change, 9, now).await.unwrap();
}

fn missing<T: std::fmt::Debug>(result: &Result<T, StorageError>, what: Missing) {
    assert!(matches!(result, Err(StorageError::NotFound { what: found }) if *found == what), "{result:?}");
}
