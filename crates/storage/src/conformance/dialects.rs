//! The keys under which dialects reach instances.

use serde_json::json;

use super::held::Held;
use super::{Backend, sample_user};
use crate::{ApiKey, DialectAccess, Json, Missing, StorageError};

fn access(key: &str, notes: &str) -> DialectAccess {
    DialectAccess { key: ApiKey::new(key), notes: Json::from(json!({ "notes": notes })) }
}

/// An instance is found by its key, by the one of the right dialect alone; the first key stays until it is replaced, and
/// then opens nothing.
pub async fn an_instance_is_reached_by_its_key(mut backend: impl Backend) {
    let store = backend.storage().await;
    let held = Held::new(&*store).await;
    let (owner, id) = (held.owner, held.instance);
    assert_eq!(store.dialect_access(owner, id, "one").await.unwrap(), None);
    let init = |dialect: &str, access| store.init_dialect_access(owner, id, dialect.to_owned(), access);
    assert_eq!(init("one", access("first", "a")).await.unwrap(), access("first", "a"));
    assert_eq!(init("one", access("second", "b")).await.unwrap(), access("first", "a"), "there was one");
    init("other", access("third", "c")).await.unwrap();
    drop(store);
    backend.reopen().await;
    let store = backend.storage().await;
    assert_eq!(store.dialect_access(owner, id, "one").await.unwrap(), Some(access("first", "a")));
    let hash = |key: &str| ApiKey::new(key).hash();
    assert_eq!(store.dialect_instance("one", hash("first")).await.unwrap(), Some((owner, id)));
    assert_eq!(store.dialect_instance("other", hash("first")).await.unwrap(), None);
    assert_eq!(store.dialect_instance("one", hash("second")).await.unwrap(), None);
    store.put_dialect_access(owner, id, "one".to_owned(), access("second", "b")).await.unwrap();
    assert_eq!(store.dialect_access(owner, id, "one").await.unwrap(), Some(access("second", "b")));
    assert_eq!(store.dialect_instance("one", hash("first")).await.unwrap(), None);
    assert_eq!(store.dialect_instance("one", hash("second")).await.unwrap(), Some((owner, id)));
}

/// Whoever changes what is kept says what they saw: what others have stored since stays, above all another key.
pub async fn a_key_that_was_replaced_does_not_come_back(backend: impl Backend) {
    let store = backend.storage().await;
    let held = Held::new(&*store).await;
    let exchange =
        |seen, next| store.exchange_dialect_access(held.owner, held.instance, "one".to_owned(), seen, next);
    let stale = |error: StorageError| matches!(error, StorageError::Stale);
    assert!(stale(exchange(access("first", "a"), access("first", "b")).await.unwrap_err()), "there is none");
    let init = store.init_dialect_access(held.owner, held.instance, "one".to_owned(), access("first", "a"));
    init.await.unwrap();
    exchange(access("first", "a"), access("first", "b")).await.unwrap();
    exchange(access("first", "b"), access("second", "b")).await.unwrap();
    for (seen, next) in [("first", "first"), ("first", "third"), ("second", "second")] {
        let refused = exchange(access(seen, "a"), access(next, "c")).await;
        assert!(stale(refused.unwrap_err()), "{seen} {next}");
    }
    let present = store.dialect_access(held.owner, held.instance, "one").await.unwrap();
    assert_eq!(present, Some(access("second", "b")));
    let found = |key: &str| store.dialect_instance("one", ApiKey::new(key).hash());
    let first = found("first").await.unwrap();
    assert_eq!((first, found("second").await.unwrap()), (None, Some((held.owner, held.instance))));

    let other = Held::of(&*store, held.owner, "other").await;
    let init = store.init_dialect_access(held.owner, other.instance, "one".to_owned(), access("other", ""));
    init.await.unwrap();
    let taken = exchange(access("second", "b"), access("other", "b")).await;
    assert!(matches!(taken, Err(StorageError::Conflict { .. })), "{taken:?}");
}

/// No two instances share a key, and none outlives its instance.
pub async fn a_key_reaches_one_instance(backend: impl Backend) {
    let store = backend.storage().await;
    let held = Held::new(&*store).await;
    let other = Held::of(&*store, held.owner, "other").await;
    let put = |held: Held, key: &str| {
        store.put_dialect_access(held.owner, held.instance, "one".to_owned(), access(key, ""))
    };
    put(held, "key").await.unwrap();
    let taken = |error: StorageError| matches!(error, StorageError::Conflict { .. });
    assert!(taken(put(other, "key").await.unwrap_err()));
    let init = store.init_dialect_access(held.owner, other.instance, "one".to_owned(), access("key", ""));
    assert!(taken(init.await.unwrap_err()));
    put(held, "key").await.unwrap();
    store.delete_instance(held.owner, held.instance).await.unwrap();
    let hash = ApiKey::new("key").hash();
    assert_eq!(store.dialect_instance("one", hash).await.unwrap(), None);
    put(other, "key").await.unwrap();
    store.bury_instance(other.owner, other.instance, crate::Timestamp::default()).await.unwrap();
    assert_eq!(store.dialect_instance("one", hash).await.unwrap(), None);
}

/// For another user there is no such instance.
pub async fn another_users_keys_do_not_exist(backend: impl Backend) {
    let store = backend.storage().await;
    let held = Held::new(&*store).await;
    let stranger = sample_user("stranger");
    store.create_user(stranger.clone()).await.unwrap();
    let missing = |error: StorageError| matches!(error, StorageError::NotFound { what: Missing::Instance });
    let (theirs, one) = (held.instance, || "one".to_owned());
    assert!(missing(store.dialect_access(stranger.id, theirs, "one").await.unwrap_err()));
    let init = store.init_dialect_access(stranger.id, theirs, one(), access("key", ""));
    assert!(missing(init.await.unwrap_err()));
    let put = store.put_dialect_access(stranger.id, theirs, one(), access("key", ""));
    assert!(missing(put.await.unwrap_err()));
    let same = || access("key", "");
    let exchange = store.exchange_dialect_access(stranger.id, theirs, one(), same(), same());
    assert!(missing(exchange.await.unwrap_err()));
}
