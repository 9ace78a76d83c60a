//! Users and settings.

use super::{Backend, sample_instance, sample_user};
use crate::{ApiKey, Missing, NodeId, Role, SecretText, StorageError, Timestamp, User, UserId, UserPatch};

/// All three look-ups answer the whole user; emails match whatever the case; unknown ones answer nothing.
pub async fn users_are_found_by_id_email_and_api_key(mut backend: impl Backend) {
    let store = backend.storage().await;
    let (zoe, mut max) = (sample_user("zoe"), sample_user("max"));
    max.created_at = max.created_at.plus_millis(-1);
    max.disabled_at = Some(Timestamp::from_millis(5));
    store.create_user(zoe.clone()).await.unwrap();
    store.create_user(max.clone()).await.unwrap();
    drop(store);
    backend.reopen().await;
    let store = backend.storage().await;

    assert_eq!(store.user(zoe.id).await.unwrap().as_ref(), Some(&zoe));
    assert_eq!(store.user_by_email("ZOE@example.COM").await.unwrap().as_ref(), Some(&zoe));
    assert_eq!(store.user_by_api_key(&ApiKey::new("key of max")).await.unwrap().as_ref(), Some(&max));
    assert_eq!(store.users(9, 0).await.unwrap().items, [max.clone(), zoe]);
    assert_eq!(store.disabled_users().await.unwrap(), [max.id]);
    assert_eq!(store.user(UserId::generate()).await.unwrap(), None);
    assert_eq!(store.user_by_email("zoe@example.org").await.unwrap(), None);
    assert_eq!(store.user_by_api_key(&ApiKey::new("key of Max")).await.unwrap(), None);
}

/// A second user with the same id, email or API key is refused, and the refusal names which.
pub async fn emails_and_api_keys_are_unique(backend: impl Backend) {
    let store = backend.storage().await;
    let (zoe, max) = (sample_user("zoe"), sample_user("max"));
    store.create_user(zoe.clone()).await.unwrap();
    store.create_user(max.clone()).await.unwrap();

    let mut other = sample_user("eve");
    other.id = zoe.id;
    conflict(store.create_user(other).await, "id");
    let mut other = sample_user("eve");
    other.email = "Zoe@Example.com".into();
    conflict(store.create_user(other).await, "email");
    let mut other = sample_user("eve");
    other.api_key = zoe.api_key.clone();
    conflict(store.create_user(other).await, "API key");

    let patch = UserPatch { email: Some("zoe@example.com".into()), ..UserPatch::default() };
    conflict(store.update_user(max.id, patch, Timestamp::from_millis(9)).await, "email");
    assert_eq!(store.user(max.id).await.unwrap(), Some(max));
    // One's own email in another case is no conflict.
    let patch = UserPatch { email: Some("Zoe@example.com".into()), ..UserPatch::default() };
    store.update_user(zoe.id, patch, Timestamp::from_millis(9)).await.unwrap();
    assert_eq!(store.users(9, 0).await.unwrap().total, 2);
}

/// A patch changes what it names and the time of the update; an old API key stops working at once.
pub async fn user_patches_change_only_what_they_name(backend: impl Backend) {
    let store = backend.storage().await;
    let zoe = sample_user("zoe");
    store.create_user(zoe.clone()).await.unwrap();
    let now = Timestamp::from_millis(1_800_000_000_000);
    let patch = UserPatch {
        role: Some(Role::Admin),
        api_key: Some(ApiKey::new("new key")),
        disabled_at: Some(Some(now)),
        allowed_ips: Some(vec!["198.51.100.7/32".parse().unwrap()]),
        ..UserPatch::default()
    };
    let mut expected = zoe.clone();
    patch.clone().apply(&mut expected, now);
    assert_eq!(store.update_user(zoe.id, patch, now).await.unwrap(), expected);
    assert_eq!(store.user_by_api_key(&ApiKey::new("new key")).await.unwrap(), Some(expected));
    assert_eq!(store.user_by_api_key(&zoe.api_key).await.unwrap(), None);

    let enabled = UserPatch { disabled_at: Some(None), ..UserPatch::default() };
    assert_eq!(store.update_user(zoe.id, enabled, now).await.unwrap().disabled_at, None);
    let missing = store.update_user(UserId::generate(), UserPatch::default(), now).await;
    assert!(matches!(missing, Err(StorageError::NotFound { what: Missing::User })), "{missing:?}");
}

/// Users are listed oldest first, in pages, each with how many there are.
pub async fn users_are_listed_in_pages(backend: impl Backend) {
    let store = backend.storage().await;
    let mut all = Vec::new();
    for n in 0..5 {
        let user = User { created_at: Timestamp::from_millis(n), ..sample_user(&format!("user{n}")) };
        store.create_user(user.clone()).await.unwrap();
        all.push(user);
    }
    for (limit, skip, shown, has_more) in
        [(2, 0, 0..2, true), (2, 3, 3..5, false), (9, 1, 1..5, false), (9, 9, 5..5, false)]
    {
        let page = store.users(limit, skip).await.unwrap();
        assert_eq!((page.total, page.has_more), (5, has_more), "{limit} {skip}");
        assert_eq!(page.items, all[shown]);
    }
}

/// Nobody takes the last administrator away, who is neither disabled nor anything else.
pub async fn somebody_administers_for_ever(backend: impl Backend) {
    let store = backend.storage().await;
    let now = Timestamp::from_millis(9);
    let admin = |name| User { role: Role::Admin, ..sample_user(name) };
    let (zoe, max, eve) = (admin("zoe"), admin("max"), sample_user("eve"));
    for user in [&zoe, &max, &eve] {
        store.create_user(user.clone()).await.unwrap();
    }
    let away = [
        UserPatch { disabled_at: Some(Some(now)), ..UserPatch::default() },
        UserPatch { role: Some(Role::User), ..UserPatch::default() },
    ];
    store.update_user(max.id, away[0].clone(), now).await.unwrap();
    for patch in away {
        let refused = store.update_user(zoe.id, patch, now).await;
        assert!(matches!(refused, Err(StorageError::LastAdmin)), "{refused:?}");
    }
    assert!(matches!(store.delete_user(zoe.id, None).await, Err(StorageError::LastAdmin)));
    assert_eq!(store.user(zoe.id).await.unwrap(), Some(zoe.clone()));
    let promoted = UserPatch { role: Some(Role::Admin), ..UserPatch::default() };
    store.update_user(eve.id, promoted, now).await.unwrap();
    store.delete_user(zoe.id, None).await.unwrap();
}

/// A user goes with what is theirs, and not before their instances.
pub async fn a_user_without_instances_can_be_deleted(backend: impl Backend) {
    let store = backend.storage().await;
    let zoe = sample_user("zoe");
    store.create_user(zoe.clone()).await.unwrap();
    let instance = sample_instance(zoe.id, "shop");
    store.create_instance(instance.clone(), vec![], NodeId::generate(), 9).await.unwrap();
    let refused = store.delete_user(zoe.id, None).await;
    assert!(matches!(refused, Err(StorageError::InUse { what: "instances" })), "{refused:?}");
    // What is only still to be unlinked is nobody's.
    store.bury_instance(zoe.id, instance.id, Timestamp::from_millis(9)).await.unwrap();
    store.delete_user(zoe.id, None).await.unwrap();
    assert_eq!(store.user(zoe.id).await.unwrap(), None);
    let again = store.delete_user(zoe.id, None).await;
    assert!(matches!(again, Err(StorageError::NotFound { what: Missing::User })), "{again:?}");
    store.create_user(sample_user("zoe")).await.unwrap();
}

/// Whatever takes a credential away makes a new version of the credentials, which is stored; nothing else does.
pub async fn credentials_have_a_version(mut backend: impl Backend) {
    let store = backend.storage().await;
    let zoe = sample_user("zoe");
    store.create_user(zoe.clone()).await.unwrap();
    // She may be disabled, since somebody else administers.
    store.create_user(User { role: Role::Admin, ..sample_user("max") }).await.unwrap();
    let now = Timestamp::from_millis(1_800_000_000_000);
    let none = UserPatch::default;
    let patches = [
        (UserPatch { first_name: Some("Zoe".into()), role: Some(Role::Admin), ..none() }, 0),
        (UserPatch { disabled_at: Some(None), ..none() }, 0),
        (UserPatch { password_hash: Some(SecretText::new("$2b$")), ..none() }, 1),
        (UserPatch { api_key: Some(ApiKey::new("new key")), ..none() }, 1),
        (UserPatch { disabled_at: Some(Some(now)), ..none() }, 1),
    ];
    let mut version = zoe.credentials_version;
    for (patch, more) in patches {
        version += more;
        let changed = store.update_user(zoe.id, patch.clone(), now).await.unwrap();
        assert_eq!(changed.credentials_version, version, "{patch:?}");
    }
    drop(store);
    backend.reopen().await;
    let store = backend.storage().await;
    assert_eq!(store.user(zoe.id).await.unwrap().unwrap().credentials_version, version);
}

/// `init_setting` keeps the first value, `put_setting` the last.
pub async fn settings_are_stored_and_initialised_once(mut backend: impl Backend) {
    let store = backend.storage().await;
    let text = |text: &str| SecretText::new(text);
    assert_eq!(store.setting("jwt").await.unwrap(), None);
    assert_eq!(store.init_setting("jwt".into(), text("first")).await.unwrap(), text("first"));
    assert_eq!(store.init_setting("jwt".into(), text("second")).await.unwrap(), text("first"));
    drop(store);
    backend.reopen().await;
    let store = backend.storage().await;
    assert_eq!(store.setting("jwt").await.unwrap(), Some(text("first")));
    assert_eq!(store.init_setting("other".into(), text("")).await.unwrap(), text(""));
    for value in ["new", "newer"] {
        store.put_setting("version".into(), text(value)).await.unwrap();
        assert_eq!(store.setting("version").await.unwrap(), Some(text(value)));
    }
    store.put_setting("jwt".into(), text("third")).await.unwrap();
    assert_eq!(store.setting("jwt").await.unwrap(), Some(text("third")));
    assert_eq!(store.setting("other").await.unwrap(), Some(text("")));
}

fn conflict<T: std::fmt::Debug>(result: Result<T, StorageError>, expected: &str) {
    match result {
        Err(StorageError::Conflict { what }) => assert_eq!(what, expected),
        other => panic!("expected a conflict of the {expected}, got {other:?}"),
    }
}
