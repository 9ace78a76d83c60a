//! Consumers, cursors and deliveries.

use super::held::Held;
use super::{Backend, sample_user, sample_webhook};
use crate::{
    Consumer, ConsumerWork, Delivery, DeliveryQuery, DeliveryState, Edit, InstanceId, Missing, Settlement,
    StorageError, Timestamp,
};

/// A cursor starts absent, moves forward, survives a restart and ignores being moved back.
pub async fn a_cursor_only_moves_forward(mut backend: impl Backend) {
    let store = backend.storage().await;
    let held = Held::new(&*store).await;
    let Held { instance, owner, epoch } = held;
    store
        .create_webhook(owner, sample_webhook(instance, "second"), 9, Edit::at(Timestamp::default()))
        .await
        .unwrap();
    let (webhook, second) = (held.webhook(), Consumer::webhook(instance, "second"));
    assert_eq!(store.cursor(&webhook).await.unwrap(), None);
    let at = |consumer: &Consumer, cursor| Settlement {
        cursor: Some(cursor),
        ..Settlement::new(consumer.clone(), epoch)
    };
    store.settle(vec![at(&webhook, 3), at(&second, 1)]).await.unwrap();
    store.settle(vec![at(&webhook, 2), Settlement::new(second.clone(), epoch)]).await.unwrap();
    drop(store);
    backend.reopen().await;
    let store = backend.storage().await;
    assert_eq!(store.cursor(&webhook).await.unwrap(), Some(3));
    assert_eq!(store.cursor(&second).await.unwrap(), Some(1));
    // The worker may be behind a deletion.
    let unknown = Consumer::webhook(InstanceId::generate(), "default");
    let deleted = Consumer::webhook(instance, "third");
    let settled = store.settle(vec![at(&unknown, 5), at(&deleted, 5), at(&webhook, 4)]).await.unwrap();
    assert!(settled.is_empty());
    assert_eq!(store.cursor(&unknown).await.unwrap(), None);
    assert_eq!(store.cursor(&deleted).await.unwrap(), None);
    assert_eq!(store.cursor(&webhook).await.unwrap(), Some(4));
}

/// Deliveries come and go by position; `done` wins over `put` of the same settlement; pages join.
pub async fn settlements_insert_replace_and_remove(backend: impl Backend) {
    let store = backend.storage().await;
    let held = Held::new(&*store).await;
    let (owner, consumer) = (held.owner, held.webhook());
    held.append(&*store, 5).await;
    let put: Vec<_> = (1..=5).map(|seq| delivery(&consumer, seq)).collect();
    store.settle(vec![Settlement { put: put.clone(), ..held.settlement() }]).await.unwrap();
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
        ..held.settlement()
    };
    store.settle(vec![settlement]).await.unwrap();
    assert_eq!(store.pending_deliveries(&consumer, 0, 10).await.unwrap(), [retried.clone(), put[2].clone()]);

    let page = async |state, limit, skip| {
        let query = DeliveryQuery { skip, ..DeliveryQuery::first(state, limit) };
        store.deliveries(owner, &consumer, &query).await
    };
    let log = held.log(&*store).await;
    let with_event = |delivery: Delivery| {
        let event = log.iter().find(|event| event.seq == delivery.seq).cloned();
        assert!(event.is_some());
        vec![(delivery, event)]
    };
    let pending = page(DeliveryState::Pending, 1, 0).await.unwrap();
    assert!(pending.has_more);
    assert_eq!((pending.items, pending.total), (with_event(retried), 2));
    let after = DeliveryQuery { after: pending.next, ..DeliveryQuery::first(DeliveryState::Pending, 9) };
    let rest = store.deliveries(owner, &consumer, &after).await.unwrap();
    assert_eq!((rest.has_more, rest.next, rest.total), (false, None, 2));
    assert_eq!(rest.items, with_event(put[2].clone()));
    assert_eq!(page(DeliveryState::Pending, 1, 1).await.unwrap().items, with_event(put[2].clone()));
    assert_eq!(page(DeliveryState::Dead, 10, 0).await.unwrap().items, with_event(dead));
    let other = Consumer::webhook(held.instance, "other");
    assert!(store.pending_deliveries(&other, 0, 10).await.unwrap().is_empty());
}

/// A node that lost the instance moves neither cursors nor deliveries, and learns which instances it lost.
pub async fn settlements_under_a_stale_epoch_are_left_out(backend: impl Backend) {
    let store = backend.storage().await;
    let (lost, kept) = (Held::new(&*store).await, Held::new(&*store).await);
    lost.append(&*store, 3).await;
    let put = vec![delivery(&lost.webhook(), 2)];
    let stale = Settlement { cursor: Some(3), put, ..Settlement::new(lost.webhook(), lost.epoch.next()) };
    let good = Settlement { cursor: Some(1), ..kept.settlement() };
    let fenced = store.settle(vec![stale.clone(), good, stale]).await.unwrap();
    assert_eq!(fenced, [lost.instance]);
    assert_eq!(store.cursor(&lost.webhook()).await.unwrap(), None);
    assert!(store.pending_deliveries(&lost.webhook(), 0, 10).await.unwrap().is_empty());
    assert_eq!(store.cursor(&kept.webhook()).await.unwrap(), Some(1));
}

/// A worker that takes an instance on learns in one call which of its webhooks have something to do.
pub async fn work_lists_backlogs_and_pending_deliveries(backend: impl Backend) {
    let store = backend.storage().await;
    let held = Held::new(&*store).await;
    for name in ["done", "fresh", "retrying"] {
        let webhook = sample_webhook(held.instance, name);
        store.create_webhook(held.owner, webhook, 9, Edit::at(Timestamp::default())).await.unwrap();
    }
    assert_eq!(store.work(held.instance).await.unwrap(), []);
    held.append(&*store, 3).await;
    let last_seq = held.log(&*store).await.last().unwrap().seq;
    let consumer = |name: &str| Consumer::webhook(held.instance, name);
    let at_end =
        |name: &str| Settlement { cursor: Some(last_seq), ..Settlement::new(consumer(name), held.epoch) };
    let retrying = consumer("retrying");
    let later = Delivery { next_attempt: Timestamp::from_millis(7_000), ..delivery(&retrying, last_seq) };
    let dead = Delivery {
        state: DeliveryState::Dead,
        next_attempt: Timestamp::from_millis(1),
        ..delivery(&retrying, 1)
    };
    let put = vec![later, delivery(&retrying, last_seq - 1), dead];
    let settlements = vec![at_end("default"), at_end("done"), Settlement { put, ..at_end("retrying") }];
    store.settle(settlements).await.unwrap();

    let fresh =
        ConsumerWork { consumer: consumer("fresh"), cursor: 0, last_seq, pending: 0, next_attempt: None };
    let next_attempt = Some(Timestamp::from_millis(5_000));
    let retrying = ConsumerWork { consumer: retrying, cursor: last_seq, last_seq, pending: 2, next_attempt };
    assert_eq!(store.work(held.instance).await.unwrap(), [fresh, retrying]);
    assert_eq!(store.work(InstanceId::generate()).await.unwrap(), []);
}

const NONE: [i64; 0] = [];

/// Replaying makes dead deliveries due at once, all or those named; pending ones stay as they are.
pub async fn dead_deliveries_are_replayed(backend: impl Backend) {
    let store = backend.storage().await;
    let held = Held::new(&*store).await;
    let (owner, consumer) = (held.owner, held.webhook());
    held.append(&*store, 4).await;
    let dead = |seq| Delivery { state: DeliveryState::Dead, attempts: 4, ..delivery(&consumer, seq) };
    let put = vec![dead(1), dead(2), dead(3), delivery(&consumer, 4)];
    store.settle(vec![Settlement { put, ..held.settlement() }]).await.unwrap();
    let now = Timestamp::from_millis(6_000);
    let named = Some(vec![2, 4, 99]);
    let replay = |seqs, after, limit| store.replay(owner, consumer.clone(), seqs, after, limit, now);
    assert_eq!(replay(named, 0, 10).await.unwrap(), [2]);
    let pending = store.pending_deliveries(&consumer, 0, 10).await.unwrap();
    let replayed = Delivery {
        state: DeliveryState::Pending,
        attempts: 0,
        next_attempt: now,
        updated_at: now,
        replayed: true,
        ..dead(2)
    };
    assert_eq!(pending, [replayed, delivery(&consumer, 4)]);
    assert_eq!(replay(None, 1, 0).await.unwrap(), NONE);
    assert_eq!(replay(None, 0, 1).await.unwrap(), [1], "a piece");
    assert_eq!(replay(None, 3, 10).await.unwrap(), NONE);
    assert_eq!(replay(None, 1, 10).await.unwrap(), [3]);
    assert_eq!(replay(None, 0, 10).await.unwrap(), NONE);
    assert_eq!(store.pending_deliveries(&consumer, 0, 10).await.unwrap().len(), 4);
}

/// Pending deliveries become due, in pieces; their attempts stay, and dead ones stay dead.
pub async fn pending_deliveries_are_hastened(backend: impl Backend) {
    let store = backend.storage().await;
    let held = Held::new(&*store).await;
    let consumer = held.webhook();
    held.append(&*store, 5).await;
    let due = |seq, at| Delivery { next_attempt: Timestamp::from_millis(at), ..delivery(&consumer, seq) };
    let dead = Delivery { state: DeliveryState::Dead, ..due(4, 9_000) };
    let put = vec![due(1, 9_000), due(2, 5_000), due(3, 8_000), dead, due(5, 7_000)];
    store.settle(vec![Settlement { put, ..held.settlement() }]).await.unwrap();
    let now = Timestamp::from_millis(6_000);
    let hasten = |after, limit| store.hasten(consumer.clone(), after, limit, now);
    assert_eq!(hasten(0, 1).await.unwrap(), [1]);
    assert_eq!(hasten(1, 10).await.unwrap(), [3, 5]);
    assert_eq!(hasten(0, 10).await.unwrap(), NONE);
    let pending = store.pending_deliveries(&consumer, 0, 10).await.unwrap();
    assert_eq!(pending, [due(1, 6_000), due(2, 5_000), due(3, 6_000), due(5, 6_000)]);
    let elsewhere = Consumer::webhook(InstanceId::generate(), "default");
    assert_eq!(store.hasten(elsewhere, 0, 10, now).await.unwrap(), NONE);
}

/// Nobody but the owner sees or replays deliveries.
pub async fn another_users_deliveries_do_not_exist(backend: impl Backend) {
    let store = backend.storage().await;
    let held = Held::new(&*store).await;
    let max = sample_user("max");
    store.create_user(max.clone()).await.unwrap();
    let consumer = held.webhook();
    held.append(&*store, 1).await;
    let dead = Delivery { state: DeliveryState::Dead, ..delivery(&consumer, 1) };
    store.settle(vec![Settlement { put: vec![dead], ..held.settlement() }]).await.unwrap();
    let listed = store.deliveries(max.id, &consumer, &DeliveryQuery::first(DeliveryState::Dead, 10)).await;
    assert!(matches!(listed, Err(StorageError::NotFound { what: Missing::Instance })), "{listed:?}");
    let replayed = store.replay(max.id, consumer, None, 0, 10, Timestamp::from_millis(1)).await;
    assert!(matches!(replayed, Err(StorageError::NotFound { what: Missing::Instance })), "{replayed:?}");
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
        replayed: false,
        created_at: Timestamp::from_millis(4_000),
        updated_at: Timestamp::from_millis(4_000),
    }
}
