//! What was tried of deliveries, and what is to be tried again.

use std::time::Duration;

use super::held::Held;
use super::{Backend, sample_user};
use crate::{
    Attempt, AttemptOutcome, AttemptQuery, Consumer, Delivery, DeliveryState, Edit, EventId, EventKind,
    KEPT_ATTEMPTS, Missing, Settlement, StorageError, Timestamp, Webhook,
};

const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

/// Attempts are listed newest first, in pages, by their outcome; the last of them are kept; they go with their webhook.
pub async fn attempts_are_listed_and_the_last_are_kept(mut backend: impl Backend) {
    let store = backend.storage().await;
    let held = Held::new(&*store).await;
    let consumer = held.webhook();
    let settle = |attempts| store.settle(vec![Settlement { attempts, ..held.settlement() }]);
    settle(vec![attempt(1, AttemptOutcome::Failed), attempt(2, AttemptOutcome::Delivered)]).await.unwrap();
    settle(vec![attempt(3, AttemptOutcome::GivenUp)]).await.unwrap();
    let query = |outcome, before, limit| AttemptQuery { outcome, before, limit };
    let page = async |query| store.attempts(held.owner, &consumer, &query).await.unwrap();
    let first = page(query(None, None, 2)).await;
    assert_eq!((first.total, first.has_more), (3, true));
    assert_eq!(first.items, [attempt(3, AttemptOutcome::GivenUp), attempt(2, AttemptOutcome::Delivered)]);
    let rest = page(query(None, first.next, 2)).await;
    assert_eq!((rest.has_more, rest.next), (false, None));
    assert_eq!(rest.items, [attempt(1, AttemptOutcome::Failed)]);
    let delivered = page(query(Some(AttemptOutcome::Delivered), None, 9)).await;
    assert_eq!((delivered.items.len(), delivered.total), (1, 1));

    for seq in 0..i64::try_from(KEPT_ATTEMPTS).unwrap() {
        settle(vec![attempt(seq, AttemptOutcome::Delivered)]).await.unwrap();
    }
    drop(store);
    backend.reopen().await;
    let store = backend.storage().await;
    let all = store.attempts(held.owner, &consumer, &query(None, None, 1_000)).await.unwrap();
    assert_eq!((all.items.len(), all.total), (KEPT_ATTEMPTS, KEPT_ATTEMPTS as u64));
    assert!(all.items.iter().all(|attempt| attempt.outcome == AttemptOutcome::Delivered));

    let max = sample_user("max");
    store.create_user(max.clone()).await.unwrap();
    not_found(&store.attempts(max.id, &consumer, &query(None, None, 9)).await, Missing::Instance);
    let silently = Edit::at(Timestamp::default());
    store.delete_webhook(held.owner, held.instance, Webhook::DEFAULT.into(), silently).await.unwrap();
    let none = store.attempts(held.owner, &consumer, &query(None, None, 9)).await.unwrap();
    assert_eq!((none.items, none.total), (vec![], 0));
}

/// Old attempts go, in pieces.
pub async fn old_attempts_are_forgotten(backend: impl Backend) {
    let store = backend.storage().await;
    let held = Held::new(&*store).await;
    held.append(&*store, 1).await;
    let now = held.log(&*store).await.remove(0).timestamp;
    let day = Duration::from_secs(24 * 60 * 60);
    for days in [9, 8, 1] {
        let tried = Attempt { at: now.before(day * days), ..attempt(days.into(), AttemptOutcome::Delivered) };
        store.settle(vec![Settlement { attempts: vec![tried], ..held.settlement() }]).await.unwrap();
    }
    assert_eq!(store.prune_attempts(day * 7, 1).await.unwrap(), 1);
    assert_eq!(store.prune_attempts(day * 7, 9).await.unwrap(), 1);
    assert_eq!(store.prune_attempts(day * 7, 9).await.unwrap(), 0);
    let query = AttemptQuery { outcome: None, before: None, limit: 9 };
    let left = store.attempts(held.owner, &held.webhook(), &query).await.unwrap();
    assert_eq!(left.items.iter().map(|attempt| attempt.seq).collect::<Vec<_>>(), [1]);
}

/// An event is delivered again whatever became of it, but not before its turn, and not when it is gone.
pub async fn events_are_delivered_again(backend: impl Backend) {
    let store = backend.storage().await;
    let held = Held::new(&*store).await;
    let consumer = held.webhook();
    held.append(&*store, 5).await;
    let dead = Delivery { state: DeliveryState::Dead, attempts: 4, ..again(&consumer, 2, NOW.before(HOUR)) };
    let pending =
        Delivery { attempts: 3, next_attempt: NOW.after(HOUR), ..again(&consumer, 3, NOW.before(HOUR)) };
    let put = vec![dead, pending];
    store.settle(vec![Settlement { cursor: Some(4), put, ..held.settlement() }]).await.unwrap();
    let redeliver = |seqs: &[i64]| store.redeliver(held.owner, consumer.clone(), seqs.to_vec(), NOW);
    assert_eq!(redeliver(&[1, 2, 3, 5, 99]).await.unwrap(), [1, 2, 3]);
    let stand = store.pending_deliveries(&consumer, 0, 9).await.unwrap();
    let stand: Vec<_> = stand
        .into_iter()
        .map(|delivery| (delivery.seq, delivery.attempts, delivery.next_attempt, delivery.replayed))
        .collect();
    assert_eq!(stand, [(1, 0, NOW, true), (2, 0, NOW, true), (3, 0, NOW, true)]);
    let chat = store.pending_deliveries(&consumer, 0, 1).await.unwrap().remove(0).chat;
    assert_eq!(chat.as_deref(), held.log(&*store).await[0].lane());

    let other = Consumer::webhook(held.instance, "other");
    not_found(&store.redeliver(held.owner, other, vec![1], NOW).await, Missing::Webhook);
    let max = sample_user("max");
    store.create_user(max.clone()).await.unwrap();
    not_found(&store.redeliver(max.id, consumer, vec![1], NOW).await, Missing::Instance);
}

const HOUR: Duration = Duration::from_secs(60 * 60);

fn again(consumer: &Consumer, seq: i64, at: Timestamp) -> Delivery {
    Delivery {
        consumer: consumer.clone(),
        seq,
        chat: None,
        state: DeliveryState::Pending,
        attempts: 0,
        next_attempt: at,
        last_error: None,
        status_code: None,
        replayed: false,
        created_at: at,
        updated_at: at,
    }
}

fn attempt(seq: i64, outcome: AttemptOutcome) -> Attempt {
    Attempt {
        seq,
        event: EventId::from_bytes([7; 16]),
        kind: EventKind::Connected,
        number: 1,
        at: NOW,
        millis: 12,
        status_code: Some(200),
        error: (outcome != AttemptOutcome::Delivered).then(|| "HTTP 500".to_owned()),
        outcome,
        replayed: false,
    }
}

fn not_found<T: std::fmt::Debug>(result: &Result<T, StorageError>, what: Missing) {
    assert!(matches!(result, Err(StorageError::NotFound { what: found }) if *found == what), "{result:?}");
}
