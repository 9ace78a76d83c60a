//! The audit log.

use serde_json::json;

use super::{Backend, sample_user};
use crate::{Actor, AuditAction, AuditEntry, AuditQuery, KeyId, Timestamp, UserId, UserPatch};

/// Entries come back newest first, in pages that join, and as far as they are asked for.
pub async fn entries_are_listed_newest_first(mut backend: impl Backend) {
    let store = backend.storage().await;
    let (zoe, max) = (UserId::generate(), UserId::generate());
    let mut all = Vec::new();
    for n in 0..6 {
        let actor = Actor {
            user: Some(if n % 2 == 0 { zoe } else { max }),
            key: (n == 3).then(KeyId::generate),
            address: Some("2001:db8::7".parse().unwrap()),
        };
        let action = if n < 4 { AuditAction::InstanceUpdated } else { AuditAction::KeyCreated };
        let entry = AuditEntry { actor, ..entry(action, n) };
        store.audit(entry.clone()).await.unwrap();
        all.insert(0, entry);
    }
    drop(store);
    backend.reopen().await;
    let store = backend.storage().await;

    let (mut seen, mut before) = (Vec::new(), None);
    loop {
        let page = store.audited(&AuditQuery { before, ..AuditQuery::newest(2) }).await.unwrap();
        assert!(page.entries.len() <= 2);
        seen.extend(page.entries.into_iter().map(|(_, entry)| entry));
        match page.next {
            Some(next) => before = Some(next),
            None => break,
        }
    }
    assert_eq!(seen, all);
    let time = |n| Some(Timestamp::from_millis(n));
    let newest = AuditQuery::newest(99);
    for (query, places) in [
        (AuditQuery { user: Some(zoe), ..newest.clone() }, vec![1, 3, 5]),
        (AuditQuery { action: Some(AuditAction::KeyCreated), ..newest.clone() }, vec![0, 1]),
        (AuditQuery { since: time(1), until: time(2), ..newest.clone() }, vec![3, 4]),
        (AuditQuery { user: Some(max), since: time(4), ..newest }, vec![0]),
    ] {
        let page = store.audited(&query).await.unwrap();
        let found: Vec<_> = page.entries.into_iter().map(|(_, entry)| entry).collect();
        let expected: Vec<_> = places.iter().map(|place: &usize| all[*place].clone()).collect();
        assert_eq!((found, page.next), (expected, None), "{query:?}");
    }
}

/// What is told of a change is there if the change is, and only then.
pub async fn a_change_and_its_entry_are_one(backend: impl Backend) {
    let store = backend.storage().await;
    let zoe = sample_user("zoe");
    store.add_user(zoe.clone(), Some(entry(AuditAction::UserCreated, 1))).await.unwrap();
    store.add_user(zoe.clone(), Some(entry(AuditAction::UserCreated, 2))).await.unwrap_err();
    let (patch, now) = (UserPatch::default(), Timestamp::from_millis(3));
    store.change_user(zoe.id, patch, now, Some(entry(AuditAction::UserUpdated, 3))).await.unwrap();
    store.delete_user(zoe.id, Some(entry(AuditAction::UserDeleted, 4))).await.unwrap();
    store.delete_user(zoe.id, Some(entry(AuditAction::UserDeleted, 5))).await.unwrap_err();
    let page = store.audited(&AuditQuery::newest(9)).await.unwrap();
    let times: Vec<_> = page.entries.iter().map(|(_, entry)| entry.at.millis()).collect();
    assert_eq!(times, [4, 3, 1]);
}

/// Old entries go, and places are never used twice.
pub async fn old_entries_are_forgotten(backend: impl Backend) {
    let store = backend.storage().await;
    for n in 0..5 {
        store.audit(entry(AuditAction::Login, n)).await.unwrap();
    }
    let (end, limit) = (store.audited(&AuditQuery::newest(1)).await.unwrap().entries[0].0, 2);
    assert_eq!(store.prune_audit(Timestamp::from_millis(3), limit).await.unwrap(), 2);
    assert_eq!(store.prune_audit(Timestamp::from_millis(3), limit).await.unwrap(), 1);
    assert_eq!(store.prune_audit(Timestamp::from_millis(3), limit).await.unwrap(), 0);
    assert_eq!(store.prune_audit(Timestamp::from_millis(99), 99).await.unwrap(), 2);
    store.audit(entry(AuditAction::Login, 9)).await.unwrap();
    let left = store.audited(&AuditQuery::newest(9)).await.unwrap().entries;
    assert!(left.len() == 1 && left[0].0 > end, "{left:?}");
}

fn entry(action: AuditAction, at: i64) -> AuditEntry {
    AuditEntry {
        at: Timestamp::from_millis(at),
        actor: Actor::default(),
        action,
        target: Some(format!("target {at}")),
        details: json!({"fields": ["role"]}).into(),
    }
}
