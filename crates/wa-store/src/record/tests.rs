use bytes::Bytes;
use proptest::prelude::*;

use crate::conformance::{sample_device, sample_device_list};
use crate::{Alias, AppStateKey, Device, DeviceList, PeerData, SentMessage};

#[test]
fn a_device_survives_its_record() {
    let mut device = sample_device();
    assert_eq!(Device::from_record(&device.to_record()), Ok(device.clone()));
    device.jid = None;
    device.lid = None;
    device.account = None;
    device.previous_signed_prekeys.clear();
    assert_eq!(Device::from_record(&device.to_record()), Ok(device));
}

#[test]
fn a_device_list_survives_its_record() {
    let list = sample_device_list();
    assert_eq!(DeviceList::from_record(&list.to_record()), Ok(list));
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = Device::from_record(&bytes);
        let _ = DeviceList::from_record(&bytes);
        let _ = Alias::from_record(&bytes);
        let bytes = Bytes::from(bytes);
        let _ = SentMessage::from_record(bytes.clone());
        let _ = AppStateKey::from_record(bytes.clone());
        let _ = PeerData::from_record(bytes);
    }
}
