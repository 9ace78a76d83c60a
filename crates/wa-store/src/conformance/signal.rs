use bytes::Bytes;

use super::{Backend, session_change};
use crate::{Changes, DeviceAddress, SenderKeyName};

/// Records come back in the order asked, also when an address is asked twice; `None` deletes.
pub async fn sessions_round_trip_in_the_order_asked(backend: impl Backend) {
    let store = backend.companion(1).await;
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

/// Identity keys are stored, replaced and deleted by address.
pub async fn identities_round_trip(backend: impl Backend) {
    let store = backend.companion(1).await;
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

/// Addresses with a session, an identity or both are listed once; names match whole, not by prefix.
pub async fn addresses_are_listed_by_name(backend: impl Backend) {
    let store = backend.companion(1).await;
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

/// Prekeys are listed from an id on, in ascending order, and are gone once removed.
pub async fn prekeys_are_listed_in_order_and_removed(backend: impl Backend) {
    let store = backend.companion(1).await;
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

/// Sender keys belong to a group and a sending device.
pub async fn sender_keys_round_trip(backend: impl Backend) {
    let store = backend.companion(1).await;
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

/// Within one change set a later entry for the same key wins.
pub async fn later_entries_win(backend: impl Backend) {
    let store = backend.companion(1).await;
    let (kept, gone) = (DeviceAddress::new("15550000002", 1), DeviceAddress::new("15550000002", 2));
    let mut changes = session_change(&kept, b"old");
    changes.append(session_change(&kept, b"new"));
    changes.append(session_change(&gone, b"old"));
    changes.append(Changes { sessions: vec![(gone.clone(), None)], ..Changes::default() });
    store.commit(changes).await.unwrap();
    assert_eq!(store.sessions(&[kept, gone]).await.unwrap(), [Some(Bytes::from_static(b"new")), None]);
}

/// Records of any size and content come back unchanged: empty, and a session with many skipped keys.
pub async fn large_records_round_trip(backend: impl Backend) {
    let store = backend.companion(1).await;
    let (empty, large) = (DeviceAddress::new("15550000002", 1), DeviceAddress::new("15550000002", 2));
    let bytes: Bytes = (0..300_000u32).map(|n| (n % 251) as u8).collect::<Vec<_>>().into();
    let sessions = vec![(empty.clone(), Some(Bytes::new())), (large.clone(), Some(bytes.clone()))];
    store.commit(Changes { sessions, ..Changes::default() }).await.unwrap();
    assert_eq!(store.sessions(&[empty, large]).await.unwrap(), [Some(Bytes::new()), Some(bytes)]);
}
