use bytes::Bytes;
use wa_binary::Jid;

use super::{Backend, sample_device, sample_device_list, sample_sent_message, session_change};
use crate::{Changes, DeviceAddress, MemoryStore, SenderKeyName};

/// The device record is absent at first, then what was stored last.
pub async fn device_record_round_trips(backend: impl Backend) {
    let store = backend.companion(1).await;
    assert_eq!(store.device().await.unwrap(), None);
    let mut device = sample_device();
    store.commit(Changes { device: Some(device.clone()), ..Changes::default() }).await.unwrap();
    assert_eq!(store.device().await.unwrap(), Some(device.clone()));
    device.next_prekey_id += 1;
    device.business_name = None;
    store.commit(Changes { device: Some(device.clone()), ..Changes::default() }).await.unwrap();
    assert_eq!(store.device().await.unwrap(), Some(device));
}

/// A wipe removes every kind of record before the rest of the same change set is stored.
pub async fn wipe_forgets_everything_and_then_applies_the_rest(backend: impl Backend) {
    let store = backend.companion(1).await;
    let peer = DeviceAddress::new("15550000002", 1);
    let chat = Jid::pn("15550000002");
    let sender_key = SenderKeyName::new("1203630@g.us", peer.clone());
    store
        .commit(Changes {
            device: Some(sample_device()),
            sessions: vec![(peer.clone(), Some(Bytes::from_static(b"session")))],
            identities: vec![(peer.clone(), Some([9; 32]))],
            prekeys_added: vec![(1, [1; 32]), (2, [2; 32])],
            prekeys_removed: vec![],
            sender_keys: vec![(sender_key.clone(), Some(Bytes::from_static(b"sender key")))],
            lid_mappings: vec![("15550000002".into(), "100000000000002".into())],
            device_lists: vec![(chat.clone(), Some(sample_device_list()))],
            sent_messages: vec![sample_sent_message(&chat, "3EB0", 1)],
            wipe: false,
        })
        .await
        .unwrap();
    let rest = Changes { prekeys_added: vec![(3, [3; 32])], ..Changes::forget() };
    store.commit(rest).await.unwrap();

    assert_eq!(store.device().await.unwrap(), None);
    assert_eq!(store.sessions(std::slice::from_ref(&peer)).await.unwrap(), [None]);
    assert_eq!(store.identities(std::slice::from_ref(&peer)).await.unwrap(), [None]);
    assert_eq!(store.prekeys(0, 10).await.unwrap(), [(3, [3; 32])]);
    assert_eq!(store.sender_key(&sender_key).await.unwrap(), None);
    assert_eq!(store.lid_of("15550000002").await.unwrap(), None);
    assert_eq!(store.pn_of("100000000000002").await.unwrap(), None);
    assert_eq!(store.device_lists(std::slice::from_ref(&chat)).await.unwrap(), [None]);
    assert_eq!(store.sent_message(&chat, "3EB0").await.unwrap(), None);
}

/// Of commits queued one after the other, the last one called wins, even when it is polled first.
pub async fn commits_apply_in_the_order_of_their_calls(backend: impl Backend) {
    let store = backend.companion(1).await;
    let peer = DeviceAddress::new("15550000002", 1);
    let first = store.commit(session_change(&peer, b"first"));
    let second = store.commit(session_change(&peer, b"second"));
    second.await.unwrap();
    first.await.unwrap();
    assert_eq!(store.sessions(&[peer]).await.unwrap(), [Some(Bytes::from_static(b"second"))]);
}

/// Dropping the answer doesn't cancel the change.
pub async fn unpolled_commits_are_applied(backend: impl Backend) {
    let store = backend.companion(1).await;
    let peer = DeviceAddress::new("15550000002", 1);
    drop(store.commit(session_change(&peer, b"first")));
    store.commit(Changes { prekeys_added: vec![(1, [1; 32])], ..Changes::default() }).await.unwrap();
    assert_eq!(store.sessions(&[peer]).await.unwrap(), [Some(Bytes::from_static(b"first"))]);
}

/// What was acknowledged is there after a restart.
pub async fn committed_changes_survive_a_restart(mut backend: impl Backend) {
    let peer = DeviceAddress::new("100000000000002_1", 1);
    let store = backend.companion(1).await;
    let mut changes = session_change(&peer, b"session");
    changes.device = Some(sample_device());
    changes.prekeys_added = vec![(7, [7; 32])];
    store.commit(changes).await.unwrap();
    drop(store);
    backend.reopen().await;
    let store = backend.companion(1).await;
    assert_eq!(store.device().await.unwrap(), Some(sample_device()));
    assert_eq!(store.sessions(&[peer]).await.unwrap(), [Some(Bytes::from_static(b"session"))]);
    assert_eq!(store.prekey(7).await.unwrap(), Some([7; 32]));
}

/// Two companions of one database share nothing.
pub async fn companions_do_not_see_each_other(backend: impl Backend) {
    let peer = DeviceAddress::new("15550000002", 1);
    let (one, two) = (backend.companion(1).await, backend.companion(2).await);
    let mut changes = session_change(&peer, b"of one");
    changes.device = Some(sample_device());
    changes.prekeys_added = vec![(1, [1; 32])];
    changes.lid_mappings = vec![("15550000002".into(), "100000000000002".into())];
    one.commit(changes).await.unwrap();
    assert_eq!(two.device().await.unwrap(), None);
    assert_eq!(two.sessions(std::slice::from_ref(&peer)).await.unwrap(), [None]);
    assert_eq!(two.prekey_count().await.unwrap(), 0);
    assert_eq!(two.lid_of("15550000002").await.unwrap(), None);

    two.commit(Changes::forget()).await.unwrap();
    assert_eq!(one.sessions(&[peer]).await.unwrap(), [Some(Bytes::from_static(b"of one"))]);
}

/// Sent messages are kept under chat and id; the same key again replaces.
pub async fn sent_messages_are_found_by_chat_and_id(backend: impl Backend) {
    let store = backend.companion(1).await;
    let (chat, other) = (Jid::pn("15550000002"), Jid::lid("100000000000002"));
    let mut sent = sample_sent_message(&chat, "3EB0A1", 1_700_000_000_000);
    store.commit(Changes { sent_messages: vec![sent.clone()], ..Changes::default() }).await.unwrap();
    assert_eq!(store.sent_message(&chat, "3EB0A1").await.unwrap(), Some(sent.clone()));
    assert_eq!(store.sent_message(&chat, "3EB0A2").await.unwrap(), None);
    assert_eq!(store.sent_message(&other, "3EB0A1").await.unwrap(), None);

    sent.message = Bytes::from_static(b"edited");
    sent.to = other;
    store.commit(Changes { sent_messages: vec![sent.clone()], ..Changes::default() }).await.unwrap();
    assert_eq!(store.sent_message(&chat, "3EB0A1").await.unwrap(), Some(sent));
}

/// The oldest messages give way; at least the newest [`MemoryStore::SENT_MESSAGES`] of a week stay, and never more
/// than twice as many.
pub async fn sent_messages_are_bounded(backend: impl Backend) {
    let store = backend.companion(1).await;
    let chat = Jid::pn("15550000002");
    let total = 3 * MemoryStore::SENT_MESSAGES;
    for start in (0..total).step_by(100) {
        let batch = (start..start + 100).map(|n| sample_sent_message(&chat, &n.to_string(), n as i64));
        store.commit(Changes { sent_messages: batch.collect(), ..Changes::default() }).await.unwrap();
    }
    let mut kept = 0;
    for n in 0..total {
        kept += usize::from(store.sent_message(&chat, &n.to_string()).await.unwrap().is_some());
    }
    assert!((MemoryStore::SENT_MESSAGES..=2 * MemoryStore::SENT_MESSAGES).contains(&kept), "{kept} are kept");
    let oldest_kept = (total - MemoryStore::SENT_MESSAGES).to_string();
    assert!(store.sent_message(&chat, &oldest_kept).await.unwrap().is_some());
    assert!(store.sent_message(&chat, "0").await.unwrap().is_none());
}
