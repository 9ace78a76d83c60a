//! Scoped keys.

use super::{Backend, sample_user};
use crate::{ApiKey, InstanceId, KeyId, Missing, Scope, ScopedKey, StorageError, Timestamp, UserId};

/// Keys come back as they were made, by their owner and by their hash.
pub async fn keys_round_trip(mut backend: impl Backend) {
    let store = backend.storage().await;
    let (zoe, max) = (sample_user("zoe"), sample_user("max"));
    store.create_user(zoe.clone()).await.unwrap();
    store.create_user(max.clone()).await.unwrap();
    let bound = ScopedKey {
        scopes: vec![Scope::Read, Scope::Send],
        instances: Some(vec![InstanceId::generate(), InstanceId::generate()]),
        expires_at: Some(Timestamp::from_millis(77)),
        ..sample_key(zoe.id, "bound")
    };
    let free = ScopedKey { created_at: bound.created_at.plus_millis(1), ..sample_key(zoe.id, "free") };
    store.create_key(bound.clone(), hash("a"), 9, None).await.unwrap();
    store.create_key(free.clone(), hash("b"), 9, None).await.unwrap();
    drop(store);
    backend.reopen().await;
    let store = backend.storage().await;

    assert_eq!(store.key_by_hash(hash("a")).await.unwrap(), Some((bound.clone(), zoe.clone())));
    assert_eq!(store.key_by_hash(hash("c")).await.unwrap(), None);
    let page = store.keys(zoe.id, 1, 0).await.unwrap();
    assert_eq!((page.items, page.total, page.has_more), (vec![bound], 2, true));
    assert_eq!(store.keys(zoe.id, 9, 1).await.unwrap().items, std::slice::from_ref(&free));
    assert_eq!(store.keys(max.id, 9, 0).await.unwrap().total, 0);

    let used = Timestamp::from_millis(1_800_000_000_000);
    store.note_use(free.id, used).await.unwrap();
    store.note_use(KeyId::generate(), used).await.unwrap();
    let (key, _) = store.key_by_hash(hash("b")).await.unwrap().unwrap();
    assert_eq!(key, ScopedKey { last_used_at: Some(used), ..free });
}

/// Neither id nor hash is there twice, and an owner has no more than is allowed.
pub async fn keys_are_unique_and_limited(backend: impl Backend) {
    let store = backend.storage().await;
    let zoe = sample_user("zoe");
    store.create_user(zoe.clone()).await.unwrap();
    let key = sample_key(zoe.id, "first");
    store.create_key(key.clone(), hash("a"), 2, None).await.unwrap();
    let same_id = store.create_key(key.clone(), hash("b"), 2, None).await;
    assert!(matches!(same_id, Err(StorageError::Conflict { what: "id" })), "{same_id:?}");
    let same_hash = store.create_key(sample_key(zoe.id, "second"), hash("a"), 2, None).await;
    assert!(matches!(same_hash, Err(StorageError::Conflict { what: "key" })), "{same_hash:?}");
    store.create_key(sample_key(zoe.id, "second"), hash("b"), 2, None).await.unwrap();
    let one_more = store.create_key(sample_key(zoe.id, "third"), hash("c"), 2, None).await;
    assert!(matches!(one_more, Err(StorageError::LimitReached { what: "keys" })), "{one_more:?}");
    let nobodys = store.create_key(sample_key(UserId::generate(), "x"), hash("c"), 2, None).await;
    assert!(matches!(nobodys, Err(StorageError::NotFound { what: Missing::User })), "{nobodys:?}");
}

/// A key that was deleted opens nothing, nor do those of a user who was; nobody deletes another's.
pub async fn deleted_keys_are_gone(backend: impl Backend) {
    let store = backend.storage().await;
    let (zoe, max) = (sample_user("zoe"), sample_user("max"));
    store.create_user(zoe.clone()).await.unwrap();
    store.create_user(max.clone()).await.unwrap();
    let (first, second) = (sample_key(zoe.id, "first"), sample_key(zoe.id, "second"));
    store.create_key(first.clone(), hash("a"), 9, None).await.unwrap();
    store.create_key(second, hash("b"), 9, None).await.unwrap();
    let anothers = store.delete_key(max.id, first.id, None).await;
    assert!(matches!(anothers, Err(StorageError::NotFound { what: Missing::Key })), "{anothers:?}");
    store.delete_key(zoe.id, first.id, None).await.unwrap();
    assert_eq!(store.key_by_hash(hash("a")).await.unwrap(), None);
    let again = store.delete_key(zoe.id, first.id, None).await;
    assert!(matches!(again, Err(StorageError::NotFound { what: Missing::Key })), "{again:?}");
    store.delete_user(zoe.id, None).await.unwrap();
    assert_eq!(store.key_by_hash(hash("b")).await.unwrap(), None);
}

fn sample_key(owner: UserId, name: &str) -> ScopedKey {
    ScopedKey {
        id: KeyId::generate(),
        owner,
        name: name.to_owned(),
        scopes: vec![Scope::Manage],
        instances: None,
        expires_at: None,
        created_at: Timestamp::from_millis(1_700_000_000_000),
        last_used_at: None,
    }
}

fn hash(key: &str) -> [u8; 32] {
    ApiKey::new(key).hash()
}
