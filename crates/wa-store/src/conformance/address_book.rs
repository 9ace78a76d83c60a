use wa_binary::Jid;

use super::{Backend, sample_device_list};
use crate::{Changes, DeviceList};

/// A pair is found from both sides; a new pair replaces every older one that names either side.
pub async fn lid_mappings_are_found_both_ways_and_replaced(backend: impl Backend) {
    let store = backend.companion(1).await;
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

/// Device lists come back in the order asked; an empty list is not the same as none.
pub async fn device_lists_round_trip(backend: impl Backend) {
    let store = backend.companion(1).await;
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
