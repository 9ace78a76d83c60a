use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use proptest::prelude::*;
use wa_binary::Jid;

use super::*;
use crate::conformance::{
    sample_device, sample_device_list, sample_peer_data, sample_sent_message, session_change,
};
use crate::{AppStateRecord, Batch, ChatTimer, IdentityChangeKind, NewChats, PeerDataSort, TimeLock};

fn privacy_token() -> PrivacyToken {
    PrivacyToken { token: Bytes::from_static(b"token"), received_at: 5, given_at: 7, met_at: 3 }
}

fn limits() -> Limits {
    let lock = TimeLock { until: Some(9), kind: "DEFAULT".into() };
    let chats = NewChats { total: Some(50), used: Some(0), until: None, is_reached: true };
    Limits { time_lock: Some(lock), new_chats: Some(chats), asked_at: 3 }
}

#[tokio::test]
async fn device_record_round_trips() {
    let store = Store::memory();
    assert_eq!(store.device().await.unwrap(), None);
    let mut device = sample_device();
    store.commit(Changes { device: Some(device.clone()), ..Changes::default() }).await.unwrap();
    assert_eq!(store.device().await.unwrap(), Some(device.clone()));
    device.next_prekey_id += 1;
    device.business_name = None;
    store.commit(Changes { device: Some(device.clone()), ..Changes::default() }).await.unwrap();
    assert_eq!(store.device().await.unwrap(), Some(device));
}

#[tokio::test]
async fn wipe_forgets_everything_and_then_applies_the_rest() {
    let store = Store::memory();
    let peer = DeviceAddress::new("15550000002", 1);
    let chat = Jid::pn("15550000002");
    let sender_key = SenderKeyName::new("1203630@g.us", peer.clone());
    let alias = Alias { number: "15550000002".into(), found_at: 1_700_000_000 };
    store
        .commit(Changes {
            device: Some(sample_device()),
            sessions: vec![(peer.clone(), Some(Bytes::from_static(b"session")))],
            identities: vec![(peer.clone(), Some([9; 32]))],
            prekeys_added: vec![(1, [1; 32]), (2, [2; 32])],
            prekeys_removed: vec![],
            sender_keys: vec![(sender_key.clone(), Some(Bytes::from_static(b"sender key")))],
            key_holders: vec![("1203630@g.us".into(), Some([peer.clone()].into_iter().collect()))],
            lid_mappings: vec![("15550000002".into(), "100000000000002".into())],
            aliases: vec![("15550000092".into(), alias.clone())],
            device_lists: vec![(chat.clone(), Some(sample_device_list()))],
            sent_messages: vec![sample_sent_message(&chat, "3EB0", 1)],
            app_state_keys: vec![app_state_key(1)],
            app_states: vec![("regular".into(), AppStateVersion { version: 7, hash: [1; 128] })],
            app_state_records: vec![AppStateRecord {
                collection: "regular".into(),
                index: [2; 32],
                value: Some([3; 32]),
            }],
            history_progress: vec![(sample_peer_data("3EB1", 1).key(), Some(9))],
            peer_data: vec![sample_peer_data("3EB1", 1)],
            privacy_tokens: vec![("100000000000002".into(), privacy_token())],
            limits: Some(limits()),
            inbox: vec![(1, Some(Bytes::from_static(b"text")))],
            identity_changes: vec![(chat.clone(), IdentityChange { at: 7, kind: IdentityChangeKind::Keys })],
            chat_timers: vec![(chat.clone(), ChatTimer { seconds: 60, set_at: 7 })],
            message_secrets: vec![poll(&chat, "3EB2")],
            missed: vec![(1, Some(Bytes::from_static(b"what")))],
            wipe: false,
        })
        .await
        .unwrap();
    assert_eq!(store.chat_timer(&chat).await.unwrap(), Some(ChatTimer { seconds: 60, set_at: 7 }));
    assert_eq!(store.message_secrets("3EB2").await.unwrap(), [poll(&chat, "3EB2")]);
    assert_eq!(store.alias("15550000092").await.unwrap(), Some(alias));
    let holders = store.key_holders("1203630@g.us").await.unwrap().unwrap();
    assert_eq!(holders.iter().collect::<Vec<_>>(), [&peer]);
    let rest = Changes { prekeys_added: vec![(3, [3; 32])], ..Changes::forget() };
    store.commit(rest).await.unwrap();

    assert_eq!(store.device().await.unwrap(), None);
    assert_eq!(store.sessions(std::slice::from_ref(&peer)).await.unwrap(), [None]);
    assert_eq!(store.identities(std::slice::from_ref(&peer)).await.unwrap(), [None]);
    assert_eq!(store.prekeys(0, 10).await.unwrap(), [(3, [3; 32])]);
    assert_eq!(store.sender_key(&sender_key).await.unwrap(), None);
    assert_eq!(store.key_holders("1203630@g.us").await.unwrap(), None);
    assert_eq!(store.lid_of("15550000002").await.unwrap(), None);
    assert_eq!(store.pn_of("100000000000002").await.unwrap(), None);
    assert_eq!(store.identity_change(&chat).await.unwrap(), None);
    assert_eq!(store.chat_timer(&chat).await.unwrap(), None);
    assert_eq!(store.alias("15550000092").await.unwrap(), None);
    assert_eq!(store.device_lists(std::slice::from_ref(&chat)).await.unwrap(), [None]);
    assert_eq!(store.sent_message(&chat, "3EB0").await.unwrap(), None);
    assert_eq!(store.app_state_keys(&[app_state_key(1).id]).await.unwrap(), [None]);
    assert_eq!(store.peer_data(None, 9).await.unwrap(), []);
    assert_eq!(store.app_state("regular").await.unwrap(), None);
    assert_eq!(store.app_state_indexes("regular").await.unwrap(), [[0; 32]; 0]);
    assert_eq!(store.history_progress(&sample_peer_data("3EB1", 1).key()).await.unwrap(), 0);
    assert_eq!(store.inbox().await.unwrap(), []);
    assert_eq!(store.missed().await.unwrap(), []);
    assert_eq!(store.message_secrets("3EB2").await.unwrap(), []);
}

fn poll(chat: &Jid, id: &str) -> MessageSecret {
    MessageSecret {
        chat: chat.clone(),
        id: id.into(),
        author: Jid::lid("100000000000002"),
        secret: [5; 32],
        options: vec!["tea".into(), "coffee".into()],
        most: 1,
        timestamp: 9,
    }
}

#[tokio::test]
async fn secrets_are_found_by_the_whole_id() {
    let store = Store::memory();
    let (one, other) = (Jid::pn("15550000002"), Jid::group("1203"));
    let secrets = vec![poll(&one, "A"), poll(&other, "A"), poll(&one, "AB"), poll(&one, "A/B")];
    store.commit(Changes { message_secrets: secrets, ..Changes::default() }).await.unwrap();
    let chats: Vec<_> = store.message_secrets("A").await.unwrap().into_iter().map(|it| it.chat).collect();
    assert_eq!(chats, [other, one.clone()]);
    assert_eq!(store.message_secrets("A/B").await.unwrap(), [poll(&one, "A/B")]);
    assert_eq!(store.message_secrets("B").await.unwrap(), []);
}

#[tokio::test]
async fn sent_messages_are_found_by_chat_and_id() {
    let store = Store::memory();
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

#[tokio::test]
async fn sessions_round_trip_in_the_order_asked() {
    let store = Store::memory();
    let address = |device| DeviceAddress::new("15550000002", device);
    let mut changes = session_change(&address(0), b"zero");
    changes.append(session_change(&address(5), b"five"));
    store.commit(changes).await.unwrap();
    let asked = [address(5), address(1), address(0), address(5), DeviceAddress::new("15550000002_1", 0)];
    let (zero, five) = (Bytes::from_static(b"zero"), Bytes::from_static(b"five"));
    assert_eq!(
        store.sessions(&asked).await.unwrap(),
        [Some(five.clone()), None, Some(zero), Some(five.clone()), None]
    );
    assert!(store.sessions(&[]).await.unwrap().is_empty());

    let deletion = vec![(address(0), None), (address(9), None)];
    store.commit(Changes { sessions: deletion, ..Changes::default() }).await.unwrap();
    assert_eq!(store.sessions(&[address(0), address(5)]).await.unwrap(), [None, Some(five)]);
}

#[tokio::test]
async fn identities_round_trip() {
    let store = Store::memory();
    let address = |device| DeviceAddress::new("100000000000002_1", device);
    let first = vec![(address(0), Some([1; 32])), (address(1), Some([2; 32]))];
    store.commit(Changes { identities: first, ..Changes::default() }).await.unwrap();
    let second = vec![(address(0), Some([3; 32])), (address(1), None)];
    store.commit(Changes { identities: second, ..Changes::default() }).await.unwrap();
    assert_eq!(
        store.identities(&[address(1), address(0), address(2)]).await.unwrap(),
        [None, Some([3; 32]), None]
    );
}

#[tokio::test]
async fn addresses_are_listed_by_name() {
    let store = Store::memory();
    let address = |device| DeviceAddress::new("15550000002", device);
    let mut changes = session_change(&address(12), b"session");
    changes.append(session_change(&address(3), b"session"));
    changes.append(session_change(&DeviceAddress::new("155500000021", 0), b"session"));
    changes.append(session_change(&DeviceAddress::new("15550000002_1", 0), b"session"));
    changes.identities = vec![(address(3), Some([1; 32])), (address(0), Some([1; 32]))];
    store.commit(changes).await.unwrap();
    assert_eq!(store.addresses("15550000002").await.unwrap(), [address(0), address(3), address(12)]);
    assert!(store.addresses("1555000000").await.unwrap().is_empty());
}

#[tokio::test]
async fn prekeys_are_listed_in_order_and_removed() {
    let store = Store::memory();
    let keys: Vec<_> = (1..=20u8).rev().map(|n| (u32::from(n), [n; 32])).collect();
    store.commit(Changes { prekeys_added: keys, ..Changes::default() }).await.unwrap();
    assert_eq!(store.prekey_count().await.unwrap(), 20);
    assert_eq!(store.prekey(20).await.unwrap(), Some([20; 32]));
    assert_eq!(store.prekeys(18, 2).await.unwrap(), [(18, [18; 32]), (19, [19; 32])]);
    assert_eq!(store.prekeys(20, 10).await.unwrap(), [(20, [20; 32])]);
    assert!(store.prekeys(21, 10).await.unwrap().is_empty());

    let used = Changes { prekeys_removed: vec![18, 99], ..Changes::default() };
    store.commit(used).await.unwrap();
    assert_eq!(store.prekey(18).await.unwrap(), None);
    assert_eq!(store.prekeys(17, 2).await.unwrap(), [(17, [17; 32]), (19, [19; 32])]);
    assert_eq!(store.prekey_count().await.unwrap(), 19);

    let both =
        Changes { prekeys_added: vec![(30, [30; 32])], prekeys_removed: vec![30], ..Changes::default() };
    store.commit(both).await.unwrap();
    assert_eq!(store.prekey(30).await.unwrap(), None);
    // 24-bit ids, as WhatsApp writes them, and the largest number the type holds.
    let high =
        Changes { prekeys_added: vec![(0xff_ffff, [1; 32]), (u32::MAX, [2; 32])], ..Changes::default() };
    store.commit(high).await.unwrap();
    assert_eq!(store.prekey(u32::MAX).await.unwrap(), Some([2; 32]));
}

#[tokio::test]
async fn sender_keys_round_trip() {
    let store = Store::memory();
    let sender = DeviceAddress::new("100000000000002_1", 1);
    let name = SenderKeyName::new("120363000000000000@g.us", sender.clone());
    let other_group = SenderKeyName::new("120363000000000001@g.us", sender.clone());
    let other_device = SenderKeyName::new("120363000000000000@g.us", DeviceAddress { device: 2, ..sender });
    let put = |name: &SenderKeyName, record: &'static [u8]| (name.clone(), Some(Bytes::from_static(record)));
    let changes =
        Changes { sender_keys: vec![put(&name, b"a"), put(&other_group, b"b")], ..Changes::default() };
    store.commit(changes).await.unwrap();
    assert_eq!(store.sender_key(&name).await.unwrap(), Some(Bytes::from_static(b"a")));
    assert_eq!(store.sender_key(&other_group).await.unwrap(), Some(Bytes::from_static(b"b")));
    assert_eq!(store.sender_key(&other_device).await.unwrap(), None);

    store.commit(Changes { sender_keys: vec![(name.clone(), None)], ..Changes::default() }).await.unwrap();
    assert_eq!(store.sender_key(&name).await.unwrap(), None);
}

#[tokio::test]
async fn later_entries_win() {
    let store = Store::memory();
    let (kept, gone) = (DeviceAddress::new("15550000002", 1), DeviceAddress::new("15550000002", 2));
    let mut changes = session_change(&kept, b"old");
    changes.append(session_change(&kept, b"new"));
    changes.append(session_change(&gone, b"old"));
    changes.append(Changes { sessions: vec![(gone.clone(), None)], ..Changes::default() });
    store.commit(changes).await.unwrap();
    assert_eq!(store.sessions(&[kept, gone]).await.unwrap(), [Some(Bytes::from_static(b"new")), None]);
}

#[tokio::test]
async fn lid_mappings_are_found_both_ways_and_replaced() {
    let store = Store::memory();
    let learn = |pairs: &[(&str, &str)]| {
        let lid_mappings = pairs.iter().map(|(pn, lid)| ((*pn).into(), (*lid).into())).collect();
        store.commit(Changes { lid_mappings, ..Changes::default() })
    };
    learn(&[("1001", "9001"), ("1002", "9002")]).await.unwrap();
    assert_eq!(store.lid_of("1001").await.unwrap().as_deref(), Some("9001"));
    assert_eq!(store.pn_of("9002").await.unwrap().as_deref(), Some("1002"));
    assert_eq!(store.lid_of("9001").await.unwrap(), None);
    assert_eq!(store.pn_of("1001").await.unwrap(), None);

    // The number 1001 got a new account; the account 9002 got a new number.
    learn(&[("1001", "9003"), ("1004", "9002")]).await.unwrap();
    assert_eq!(store.lid_of("1001").await.unwrap().as_deref(), Some("9003"));
    assert_eq!(store.pn_of("9001").await.unwrap(), None);
    assert_eq!(store.pn_of("9002").await.unwrap().as_deref(), Some("1004"));
    assert_eq!(store.lid_of("1002").await.unwrap(), None);

    // One pair that displaces two.
    learn(&[("1001", "9002")]).await.unwrap();
    assert_eq!(store.lid_of("1001").await.unwrap().as_deref(), Some("9002"));
    assert_eq!(store.pn_of("9003").await.unwrap(), None);
    assert_eq!(store.lid_of("1004").await.unwrap(), None);
}

#[tokio::test]
async fn device_lists_round_trip() {
    let store = Store::memory();
    let (pn, lid, unknown) = (Jid::pn("15550000002"), Jid::lid("100000000000002"), Jid::pn("15550000003"));
    let lists = vec![(pn.clone(), Some(sample_device_list())), (lid.clone(), Some(DeviceList::default()))];
    store.commit(Changes { device_lists: lists, ..Changes::default() }).await.unwrap();
    assert_eq!(
        store.device_lists(&[unknown, lid.clone(), pn.clone()]).await.unwrap(),
        [None, Some(DeviceList::default()), Some(sample_device_list())]
    );
    store.commit(Changes { device_lists: vec![(pn.clone(), None)], ..Changes::default() }).await.unwrap();
    assert_eq!(store.device_lists(&[pn, lid]).await.unwrap(), [None, Some(DeviceList::default())]);
}

#[tokio::test]
async fn the_newest_sent_messages_stay_and_never_many_more() {
    let (records, chat) = (Arc::new(MemoryRecords::new()), Jid::pn("15550000002"));
    let mut sent = (0..).map(|n: i64| sample_sent_message(&chat, &n.to_string(), n - 1_000));
    // A few in each life of the process, then many in one.
    for (lives, commits, size) in [(40, 1, 50), (1, 200, 7), (1, 1, 3_000)] {
        for _ in 0..lives {
            let store = Store::new(Arc::clone(&records) as _, Arc::new(Plain));
            for _ in 0..commits {
                let sent_messages: Vec<_> = sent.by_ref().take(size).collect();
                let newest = sent_messages.last().unwrap().timestamp + 1_000;
                store.commit(Changes { sent_messages, ..Changes::default() }).await.unwrap();
                let kept = records.count(Kind::SENT_MESSAGE).await.unwrap() as usize;
                assert!(kept <= SentMessage::KEPT + SentMessage::TRIMMED_EVERY + size, "{kept} are kept");
                let oldest = (newest + 1 - SentMessage::KEPT as i64).max(0);
                for id in [oldest, newest] {
                    let found = store.sent_message(&chat, &id.to_string()).await.unwrap().unwrap();
                    assert_eq!(found, sample_sent_message(&chat, &id.to_string(), id - 1_000));
                }
            }
        }
    }
}

#[tokio::test]
async fn of_a_message_that_was_sent_twice_the_newer_is_found() {
    let (store, chat) = (Store::memory(), Jid::lid("100000000000002"));
    let with = |message: &'static str, timestamp| SentMessage {
        message: Bytes::from_static(message.as_bytes()),
        ..sample_sent_message(&chat, "3EB0", timestamp)
    };
    for sent in [with("newer", 2_000), with("older", 1_000)] {
        store.commit(Changes { sent_messages: vec![sent], ..Changes::default() }).await.unwrap();
    }
    assert_eq!(store.sent_message(&chat, "3EB0").await.unwrap(), Some(with("newer", 2_000)));
}

#[tokio::test]
async fn app_state_keys_come_back_as_they_came() {
    let store = Store::memory();
    let mut keys: Vec<_> = (1..=3).map(app_state_key).collect();
    store.commit(Changes { app_state_keys: keys.clone(), ..Changes::default() }).await.unwrap();
    let ids = [3, 9, 1].map(|n| app_state_key(n).id);
    let found = store.app_state_keys(&ids).await.unwrap();
    assert_eq!(found, [Some(keys[2].clone()), None, Some(keys[0].clone())]);
    // Shared once more, without a fingerprint.
    keys[0].fingerprint = Bytes::new();
    keys[0].timestamp = -1;
    store.commit(Changes { app_state_keys: keys[..1].to_vec(), ..Changes::default() }).await.unwrap();
    assert_eq!(store.app_state_keys(&ids[2..]).await.unwrap()[0].as_ref(), keys.first());
}

#[tokio::test]
async fn peer_data_is_listed_by_time_and_kept_once() {
    let store = Store::memory();
    let lid_map = PeerData { sort: PeerDataSort::LidMap, ..sample_peer_data("3EB2", 20) };
    let (old, new) = (sample_peer_data("3EB3", 3), sample_peer_data("3EB1", 20));
    let keep = |data: &[&PeerData]| {
        let peer_data = data.iter().copied().cloned().collect();
        store.commit(Changes { peer_data, ..Changes::default() })
    };
    let listed = async |after: Option<&PeerData>, limit| store.peer_data(after, limit).await.unwrap();
    keep(&[&lid_map, &new]).await.unwrap();
    keep(&[&old]).await.unwrap();
    // The server brings a message again until it was acknowledged.
    keep(&[&new]).await.unwrap();
    let all = [old, new, lid_map];
    assert_eq!(listed(None, 9).await, all);
    assert_eq!(listed(None, 2).await, all[..2]);
    assert_eq!(listed(Some(&all[0]), 1).await, all[1..2]);
    assert_eq!(listed(Some(&all[1]), 9).await, all[2..]);
    assert_eq!(listed(Some(&all[2]), 9).await, []);
}

#[tokio::test]
async fn the_newest_peer_data_stays() {
    let store = Store::memory();
    let total = PeerData::KEPT as i64 + 10;
    let peer_data = (0..total).map(|n| sample_peer_data(&n.to_string(), n)).collect();
    store.commit(Changes { peer_data, ..Changes::default() }).await.unwrap();
    let kept = store.peer_data(None, usize::MAX).await.unwrap();
    assert_eq!(kept.len(), PeerData::KEPT);
    assert_eq!(kept[0], sample_peer_data("10", 10));
}

#[tokio::test]
async fn the_inbox_is_read_in_the_order_of_its_numbers() {
    let store = Store::memory();
    let entry = |number: u64| (number, Some(Bytes::from(number.to_string())));
    let inbox = [300, 2, 16].map(entry).to_vec();
    store.commit(Changes { inbox, ..Changes::default() }).await.unwrap();
    let inbox = vec![(16, None), entry(17)];
    store.commit(Changes { inbox, ..Changes::default() }).await.unwrap();
    let read = store.inbox().await.unwrap();
    assert_eq!(read, [(2, "2".into()), (17, "17".into()), (300, "300".into())]);
}

#[tokio::test]
async fn every_value_is_sealed_for_its_place() {
    let records = Arc::new(MemoryRecords::new());
    let store = Store::new(Arc::clone(&records) as _, Arc::new(Labels));
    let (peer, chat) = (DeviceAddress::new("15550000002", 1), Jid::pn("15550000002"));
    let group = SenderKeyName::new("1203@g.us", peer.clone());
    let changes = Changes {
        device: Some(sample_device()),
        sessions: vec![(peer.clone(), Some(Bytes::from_static(b"session")))],
        identities: vec![(peer.clone(), Some([9; 32]))],
        prekeys_added: vec![(1, [1; 32])],
        sender_keys: vec![(group.clone(), Some(Bytes::from_static(b"sender key")))],
        lid_mappings: vec![("15550000002".into(), "100000000000002".into())],
        device_lists: vec![(chat.clone(), Some(sample_device_list()))],
        sent_messages: vec![sample_sent_message(&chat, "3EB0", 1)],
        app_state_keys: vec![app_state_key(1)],
        inbox: vec![(1, Some(Bytes::from_static(b"text")))],
        missed: vec![(1, Some(Bytes::from_static(b"what")))],
        peer_data: vec![sample_peer_data("3EB1", 1)],
        privacy_tokens: vec![("100000000000002".into(), privacy_token())],
        limits: Some(limits()),
        ..Changes::default()
    };
    store.commit(changes).await.unwrap();
    for kind in (1..=12).chain(15..=17).map(Kind::from_number) {
        let all = records.scan(kind, Key::FIRST..Key::END, 9).await.unwrap();
        assert_eq!(all.len(), 1, "{kind:?}");
        assert!(all[0].1.starts_with(&Labels::label(kind, &all[0].0)), "{kind:?}");
    }
    assert_eq!(store.device().await.unwrap(), Some(sample_device()));
    assert!(store.sessions(std::slice::from_ref(&peer)).await.unwrap()[0].is_some());
    assert_eq!(store.identities(&[peer]).await.unwrap(), [Some([9; 32])]);
    assert_eq!(store.prekey(1).await.unwrap(), Some([1; 32]));
    assert_eq!(store.prekeys(0, 9).await.unwrap(), [(1, [1; 32])]);
    assert!(store.sender_key(&group).await.unwrap().is_some());
    assert_eq!(store.pn_of("100000000000002").await.unwrap().as_deref(), Some("15550000002"));
    assert_eq!(store.device_lists(std::slice::from_ref(&chat)).await.unwrap(), [Some(sample_device_list())]);
    assert!(store.sent_message(&chat, "3EB0").await.unwrap().is_some());
    assert_eq!(store.app_state_keys(&[app_state_key(1).id]).await.unwrap(), [Some(app_state_key(1))]);
    assert_eq!(store.privacy_token("100000000000002").await.unwrap(), Some(privacy_token()));
    assert_eq!(store.privacy_token("100000000000003").await.unwrap(), None);
    assert_eq!(store.limits().await.unwrap(), Some(limits()));
    assert_eq!(store.peer_data(None, 9).await.unwrap(), [sample_peer_data("3EB1", 1)]);
    assert_eq!(store.inbox().await.unwrap(), [(1, Bytes::from_static(b"text"))]);
    assert_eq!(store.missed().await.unwrap(), [(1, Bytes::from_static(b"what"))]);
}

#[tokio::test]
async fn what_lies_in_the_wrong_place_or_has_the_wrong_form_is_refused() {
    let records = Arc::new(MemoryRecords::new());
    let mut batch = Batch::new();
    let value = Bytes::from_static;
    batch.put(Kind::DEVICE, Key::FIRST, value(b"\xff"));
    batch.put(Kind::IDENTITY, Key::new(["1555", "0"]), value(&[1; 31]));
    batch.put(Kind::IDENTITY, Key::new(["1556", "x"]), value(&[1; 32]));
    batch.put(Kind::PREKEY, Key::new(["zz"]), value(&[1; 32]));
    batch.put(Kind::LID_OF_PN, Key::new(["1555"]), value(b"\xff"));
    records.apply(batch).await.unwrap();
    let store = Store::new(Arc::clone(&records) as _, Arc::new(Plain));
    let corrupt = |result: Result<(), StoreError>| match result {
        Err(StoreError::Corrupt { what, .. }) => what,
        other => panic!("{other:?}"),
    };
    let address = DeviceAddress::new("1555", 0);
    assert_eq!(corrupt(store.device().await.map(drop)), "device record");
    assert_eq!(corrupt(store.identities(&[address]).await.map(drop)), "identity");
    assert_eq!(corrupt(store.addresses("1556").await.map(drop)), "address");
    assert_eq!(corrupt(store.prekeys(0, 9).await.map(drop)), "prekey");
    assert_eq!(corrupt(store.lid_of("1555").await.map(drop)), "LID mapping");
    // Nothing of a change set is stored when one value can't be sealed.
    let store = Store::new(Arc::clone(&records) as _, Arc::new(Labels));
    let mut changes = session_change(&DeviceAddress::new("1557", 0), b"fine");
    changes.prekeys_added.push((Labels::REFUSED, [1; 32]));
    assert!(store.commit(changes).await.is_err());
    assert_eq!(store.sessions(&[DeviceAddress::new("1557", 0)]).await.unwrap(), [None]);
}

/// Puts kind and key in the clear before the value, so that a test sees them.
struct Labels;

impl Labels {
    const REFUSED: u32 = 0xbad;

    fn label(kind: Kind, key: &Key) -> Vec<u8> {
        format!("{} {} ", kind.number(), key.as_str()).into_bytes()
    }
}

impl Seal for Labels {
    fn seal(&self, kind: Kind, key: &Key, plain: &[u8]) -> Result<Bytes, StoreError> {
        if kind == Kind::PREKEY && *key == translate::prekey_key(Self::REFUSED) {
            return Err(StoreError::backend("refused"));
        }
        Ok([Self::label(kind, key), plain.to_vec()].concat().into())
    }

    fn open(&self, kind: Kind, key: &Key, sealed: Bytes) -> Result<Bytes, StoreError> {
        let label = Self::label(kind, key);
        assert!(sealed.starts_with(&label), "opened elsewhere than it was sealed");
        Ok(sealed.slice(label.len()..))
    }
}

fn app_state_key(number: u8) -> AppStateKey {
    AppStateKey {
        id: Bytes::from(vec![0, number, 0, 0, 0xff, number]),
        data: Bytes::from(vec![number; 32]),
        fingerprint: Bytes::from_static(b"\x08\x07"),
        timestamp: 1_700_000_000_000 + i64::from(number),
    }
}

#[tokio::test]
async fn app_states_and_their_records_round_trip() {
    let store = Store::memory();
    let state = AppStateVersion { version: 7, hash: std::array::from_fn(|n| n as u8) };
    let record = |name: &str, index: u8, value: Option<u8>| AppStateRecord {
        collection: name.into(),
        index: [index; 32],
        value: value.map(|value| [value; 32]),
    };
    let records = vec![
        record("regular", 1, Some(10)),
        record("regular", 0xab, Some(11)),
        record("regular_low", 1, Some(12)),
    ];
    let changes = Changes {
        app_states: vec![("regular".into(), state)],
        app_state_records: records,
        app_state_keys: vec![app_state_key(1), app_state_key(2)],
        ..Changes::default()
    };
    store.commit(changes).await.unwrap();
    assert_eq!(store.app_state("regular").await.unwrap(), Some(state));
    assert_eq!(store.app_state("regular_low").await.unwrap(), None);
    let found = store.app_state_records("regular", &[[0xab; 32], [9; 32], [1; 32]]).await.unwrap();
    assert_eq!(found, [Some([11; 32]), None, Some([10; 32])]);
    let gone = Changes { app_state_records: vec![record("regular", 1, None)], ..Changes::default() };
    store.commit(gone).await.unwrap();
    assert_eq!(store.app_state_indexes("regular").await.unwrap(), [[0xab; 32]]);
    assert_eq!(store.app_state_indexes("regular_low").await.unwrap(), [[1; 32]]);
    assert_eq!(store.all_app_state_keys().await.unwrap(), [app_state_key(1), app_state_key(2)]);
}

#[tokio::test]
async fn a_piece_of_history_goes_once_all_of_it_was_told() {
    let store = Store::memory();
    let (first, second) = (sample_peer_data("3EB0", 1), sample_peer_data("3EB1", 2));
    let both = Changes { peer_data: vec![first.clone(), second.clone()], ..Changes::default() };
    store.commit(both).await.unwrap();
    let told = |mark| Changes { history_progress: vec![(first.key(), mark)], ..Changes::default() };
    store.commit(told(Some(40))).await.unwrap();
    assert_eq!(store.history_progress(&first.key()).await.unwrap(), 40);
    assert_eq!(store.history_progress(&second.key()).await.unwrap(), 0);
    store.commit(told(None)).await.unwrap();
    assert_eq!(store.peer_data(None, 9).await.unwrap(), [second]);
    assert_eq!(store.history_progress(&first.key()).await.unwrap(), 0);
}

#[test]
fn times_sort_as_text() {
    let times = [i64::MIN, -1_000, -1, 0, 1, 1_700_000_000_000, i64::MAX];
    let keys = times.map(|time| translate::peer_data_key(&sample_peer_data("3EB0", time).key()));
    assert!(keys.is_sorted());
    assert_eq!(keys.map(|key| translate::time_of(&key).unwrap()), times);
}

proptest! {
    /// The two halves behave like a list of pairs from which a new pair removes whatever shares a side with it.
    #[test]
    fn pairs_are_those_of_a_list(learned in proptest::collection::vec((0u8..6, 0u8..6), 0..40)) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let (store, mut list) = (Store::memory(), Vec::new());
            for (pn, lid) in learned {
                list.retain(|(known_pn, known_lid)| *known_pn != pn && *known_lid != lid);
                list.push((pn, lid));
                let lid_mappings = vec![(format!("pn{pn}").into(), format!("lid{lid}").into())];
                store.commit(Changes { lid_mappings, ..Changes::default() }).await.unwrap();
                let lids: HashMap<_, _> = list.iter().copied().collect();
                let pns: HashMap<_, _> = list.iter().map(|(pn, lid)| (*lid, *pn)).collect();
                for user in 0..6 {
                    let lid = store.lid_of(&format!("pn{user}")).await.unwrap();
                    assert_eq!(lid, lids.get(&user).map(|lid| format!("lid{lid}")));
                    let pn = store.pn_of(&format!("lid{user}")).await.unwrap();
                    assert_eq!(pn, pns.get(&user).map(|pn| format!("pn{pn}")));
                }
            }
        });
    }
}

#[tokio::test]
async fn the_latest_change_of_an_identity_is_kept() {
    let (store, user) = (Store::memory(), Jid::lid("100000000000002"));
    assert_eq!(store.identity_change(&user).await.unwrap(), None);
    for at in [7, 9] {
        let change = IdentityChange { at, kind: IdentityChangeKind::Lid };
        store
            .commit(Changes { identity_changes: vec![(user.clone(), change)], ..Changes::default() })
            .await
            .unwrap();
        assert_eq!(store.identity_change(&user).await.unwrap(), Some(change));
    }
}

#[tokio::test]
async fn the_keys_that_somebody_has_are_found_among_those_of_all_groups() {
    let store = Store::memory();
    let [bob, carol] = ["15550000002", "15550000003"].map(|name| DeviceAddress::new(name, 1));
    let group = |n: usize| format!("{}@g.us", 1_203_630 + n);
    let holders =
        |n: usize| if n.is_multiple_of(2) { vec![bob.clone(), carol.clone()] } else { vec![carol.clone()] };
    let key_holders = (0..100).map(|n| (group(n).into(), Some(holders(n).into_iter().collect()))).collect();
    store.commit(Changes { key_holders, ..Changes::default() }).await.unwrap();
    let found = store.keys_held_by(&["15550000002", "15550000009"]).await.unwrap();
    let names: Vec<_> = found.iter().map(|(name, _)| name.clone()).collect();
    assert_eq!(names, (0..100).step_by(2).map(group).collect::<Vec<_>>());
    assert!(found.iter().all(|(_, holders)| holders.len() == 2));
    assert_eq!(store.keys_held_by(&["15550000009"]).await.unwrap(), []);
}
