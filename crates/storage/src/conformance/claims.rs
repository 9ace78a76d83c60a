//! Idempotency keys.

use serde_json::json;

use super::held::Held;
use super::{Backend, sample_incoming, sample_outgoing};
use crate::{Claim, Json, Outcome, StoredClaim, Timestamp};

/// The first record takes the key; a second one stores nothing and learns what the first one answered.
pub async fn a_key_is_taken_once_together_with_its_record(mut backend: impl Backend) {
    let store = backend.storage().await;
    let held = Held::new(&*store).await;
    let instance = held.instance;
    let first = claim("send", "k1", 1);
    let record = held
        .record()
        .claim(Some(first.clone()))
        .message(sample_outgoing(instance, "15550000002", "A1", 1))
        .message(sample_incoming(instance, "15550000002", "A2", 2));
    let recorded = store.record(record).await.unwrap();
    assert_eq!((recorded.outcomes, recorded.taken), (vec![Outcome::Added, Outcome::Added], None));
    drop(store);
    backend.reopen().await;
    let store = backend.storage().await;

    let stored = StoredClaim { fingerprint: first.fingerprint, answer: first.answer, at: first.at };
    let second = held.record().claim(Some(claim("send", "k1", 2))).message(sample_outgoing(
        instance,
        "15550000002",
        "B1",
        3,
    ));
    let recorded = store.record(second).await.unwrap();
    assert_eq!((recorded.outcomes, recorded.taken), (vec![], Some(stored.clone())));
    assert_eq!(store.pending_messages(instance, 10).await.unwrap().len(), 1);
    assert_eq!(held.log(&*store).await.len(), 1);

    assert_eq!(store.claim("send", "k1").await.unwrap(), Some(stored));
    assert_eq!(store.claim("send", "k2").await.unwrap(), None);
    let other_scope = held.record().claim(Some(claim("send-media", "k1", 3)));
    assert_eq!(store.record(other_scope).await.unwrap().taken, None);
}

/// Claims from before a time are forgotten and their keys free again.
pub async fn old_claims_are_forgotten(backend: impl Backend) {
    let store = backend.storage().await;
    let held = Held::new(&*store).await;
    for (key, at) in [("old", 1), ("new", 2), ("older", 0)] {
        store.record(held.record().claim(Some(claim("send", key, at)))).await.unwrap();
    }
    let before = Timestamp::from_millis(2);
    for count in [1, 1, 0] {
        assert_eq!(store.prune_claims(before, 1).await.unwrap(), count, "in pieces");
    }
    assert_eq!(store.claim("send", "old").await.unwrap(), None);
    assert!(store.claim("send", "new").await.unwrap().is_some());
    let again = store.record(held.record().claim(Some(claim("send", "old", 3)))).await.unwrap();
    assert_eq!(again.taken, None);
}

fn claim(scope: &str, key: &str, at: i64) -> Claim {
    Claim {
        scope: scope.into(),
        key: key.into(),
        fingerprint: [7; 32],
        answer: Json::from(json!({ "at": at })),
        at: Timestamp::from_millis(at),
    }
}
