//! Consumers, cursors and deliveries.

use super::record::{instance, log};
use super::{Backend, sample_incoming, sample_instance, sample_user};
use crate::{
    Consumer, ConsumerWork, Delivery, DeliveryState, InstanceId, Record, Settlement, Storage, StorageError,
    Timestamp,
};

/// A cursor starts absent, moves forward, survives a restart and ignores being moved back.
pub async fn a_cursor_only_moves_forward(mut backend: impl Backend) {
    let store = backend.storage().await;
    let (_, instance) = instance(&*store).await;
    let (webhook, stream) = (Consumer::webhook(instance), Consumer { instance, name: "stream".into() });
    assert_eq!(store.cursor(&webhook).await.unwrap(), None);
    let at = |consumer: &Consumer, cursor| Settlement {
        cursor: Some(cursor),
        ..Settlement::new(consumer.clone())
    };
    store.settle(vec![at(&webhook, 3), at(&stream, 1)]).await.unwrap();
    store.settle(vec![at(&webhook, 2), Settlement::new(stream.clone())]).await.unwrap();
    drop(store);
    backend.reopen().await;
    let store = backend.storage().await;
    assert_eq!(store.cursor(&webhook).await.unwrap(), Some(3));
    assert_eq!(store.cursor(&stream).await.unwrap(), Some(1));
    // The worker may be behind a deletion.
    let unknown = Consumer::webhook(InstanceId::generate());
    store.settle(vec![at(&unknown, 5), at(&webhook, 4)]).await.unwrap();
    assert_eq!(store.cursor(&unknown).await.unwrap(), None);
    assert_eq!(store.cursor(&webhook).await.unwrap(), Some(4));
}

/// Deliveries come and go by position; `done` wins over `put` of the same settlement; pages join.
pub async fn settlements_insert_replace_and_remove(backend: impl Backend) {
    let store = backend.storage().await;
    let (owner, instance) = instance(&*store).await;
    let consumer = Consumer::webhook(instance);
    append(&*store, instance, 5).await;
    let put: Vec<_> = (1..=5).map(|seq| delivery(&consumer, seq)).collect();
    store.settle(vec![Settlement { put: put.clone(), ..Settlement::new(consumer.clone()) }]).await.unwrap();
    assert_eq!(store.pending_deliveries(&consumer, 0, 10).await.unwrap(), put);
    assert_eq!(store.pending_deliveries(&consumer, 2, 2).await.unwrap(), put[2..4]);

    let retried = Delivery {
        attempts: 2,
        next_attempt: Timestamp::from_millis(9_999),
        last_error: Some("connection refused".into()),
        status_code: Some(503),
        updated_at: Timestamp::from_millis(8_888),
        ..put[1].clone()
    };
    let dead = Delivery { state: DeliveryState::Dead, ..put[3].clone() };
    let settlement = Settlement {
        put: vec![retried.clone(), dead.clone(), put[4].clone()],
        done: vec![1, 5, 77],
        ..Settlement::new(consumer.clone())
    };
    store.settle(vec![settlement]).await.unwrap();
    assert_eq!(store.pending_deliveries(&consumer, 0, 10).await.unwrap(), [retried.clone(), put[2].clone()]);

    let page = |state, limit, skip| store.deliveries(owner, &consumer, state, limit, skip);
    let pending = page(DeliveryState::Pending, 1, 0).await.unwrap();
    assert_eq!((pending.items, pending.total), (vec![retried], 2));
    assert_eq!(page(DeliveryState::Pending, 1, 1).await.unwrap().items, std::slice::from_ref(&put[2]));
    assert_eq!(page(DeliveryState::Dead, 10, 0).await.unwrap().items, [dead]);
    let other = Consumer { instance, name: "other".into() };
    assert!(store.pending_deliveries(&other, 0, 10).await.unwrap().is_empty());
}

/// A worker that starts learns in one call which instances need it.
pub async fn work_lists_backlogs_and_pending_deliveries(backend: impl Backend) {
    let store = backend.storage().await;
    let (owner, fresh) = instance(&*store).await;
    let mut ids = vec![fresh];
    for name in ["done", "retrying", "idle"] {
        let instance = sample_instance(owner, name);
        store.create_instance(instance.clone()).await.unwrap();
        ids.push(instance.id);
    }
    let [fresh, done, retrying, _idle] = ids[..] else { unreachable!() };
    for instance in [fresh, done, retrying] {
        append(&*store, instance, 3).await;
    }
    let last = |events: Vec<crate::Event>| events.last().unwrap().seq;
    let (last_fresh, last_done) = (last(log(&*store, fresh).await), last(log(&*store, done).await));
    let last_retrying = last(log(&*store, retrying).await);
    let consumer = Consumer::webhook(retrying);
    let later =
        Delivery { next_attempt: Timestamp::from_millis(7_000), ..delivery(&consumer, last_retrying) };
    let dead = Delivery {
        state: DeliveryState::Dead,
        next_attempt: Timestamp::from_millis(1),
        ..delivery(&consumer, 1)
    };
    let put = vec![later, delivery(&consumer, last_retrying - 1), dead];
    let settlements = vec![
        Settlement { cursor: Some(last_done), ..Settlement::new(Consumer::webhook(done)) },
        Settlement { cursor: Some(last_retrying), put, ..Settlement::new(consumer.clone()) },
    ];
    store.settle(settlements).await.unwrap();

    let mut work = store.work(Consumer::WEBHOOK).await.unwrap();
    work.sort_by_key(|work| work.instance);
    let mut expected = vec![
        ConsumerWork { instance: fresh, cursor: 0, last_seq: last_fresh, pending: 0, next_attempt: None },
        ConsumerWork {
            instance: retrying,
            cursor: last_retrying,
            last_seq: last_retrying,
            pending: 2,
            next_attempt: Some(Timestamp::from_millis(5_000)),
        },
    ];
    expected.sort_by_key(|work| work.instance);
    assert_eq!(work, expected);
    assert_eq!(store.work("another").await.unwrap().len(), 3);
}

/// Replaying makes dead deliveries due at once, all or those named; pending ones stay as they are.
pub async fn dead_deliveries_are_replayed(backend: impl Backend) {
    let store = backend.storage().await;
    let (owner, instance) = instance(&*store).await;
    let consumer = Consumer::webhook(instance);
    append(&*store, instance, 4).await;
    let dead = |seq| Delivery { state: DeliveryState::Dead, attempts: 4, ..delivery(&consumer, seq) };
    let put = vec![dead(1), dead(2), dead(3), delivery(&consumer, 4)];
    store.settle(vec![Settlement { put, ..Settlement::new(consumer.clone()) }]).await.unwrap();
    let now = Timestamp::from_millis(6_000);
    let named = Some(vec![2, 4, 99]);
    assert_eq!(store.replay(owner, consumer.clone(), named, now).await.unwrap(), 1);
    let pending = store.pending_deliveries(&consumer, 0, 10).await.unwrap();
    let replayed = Delivery {
        state: DeliveryState::Pending,
        attempts: 0,
        next_attempt: now,
        updated_at: now,
        ..dead(2)
    };
    assert_eq!(pending, [replayed, delivery(&consumer, 4)]);
    assert_eq!(store.replay(owner, consumer.clone(), None, now).await.unwrap(), 2);
    assert_eq!(store.replay(owner, consumer.clone(), None, now).await.unwrap(), 0);
    assert_eq!(store.pending_deliveries(&consumer, 0, 10).await.unwrap().len(), 4);
}

/// Nobody but the owner sees or replays deliveries.
pub async fn another_users_deliveries_do_not_exist(backend: impl Backend) {
    let store = backend.storage().await;
    let (_, instance) = instance(&*store).await;
    let max = sample_user("max");
    store.create_user(max.clone()).await.unwrap();
    let consumer = Consumer::webhook(instance);
    append(&*store, instance, 1).await;
    let dead = Delivery { state: DeliveryState::Dead, ..delivery(&consumer, 1) };
    store.settle(vec![Settlement { put: vec![dead], ..Settlement::new(consumer.clone()) }]).await.unwrap();
    let listed = store.deliveries(max.id, &consumer, DeliveryState::Dead, 10, 0).await;
    assert!(matches!(listed, Err(StorageError::NotFound { what: "instance" })), "{listed:?}");
    let replayed = store.replay(max.id, consumer, None, Timestamp::from_millis(1)).await;
    assert!(matches!(replayed, Err(StorageError::NotFound { what: "instance" })), "{replayed:?}");
}

fn delivery(consumer: &Consumer, seq: i64) -> Delivery {
    Delivery {
        consumer: consumer.clone(),
        seq,
        chat: (seq % 2 == 0).then(|| "15550000002@s.whatsapp.net".to_owned()),
        state: DeliveryState::Pending,
        attempts: 0,
        next_attempt: Timestamp::from_millis(5_000),
        last_error: None,
        status_code: None,
        created_at: Timestamp::from_millis(4_000),
        updated_at: Timestamp::from_millis(4_000),
    }
}

async fn append(store: &dyn Storage, instance: InstanceId, count: i64) {
    for n in 0..count {
        let message = sample_incoming(instance, "15550000002", &format!("A{n}"), 1_000 + n);
        store.record(Record::new(instance).message(message)).await.unwrap();
    }
}
