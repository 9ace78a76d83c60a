use bytes::Bytes;
use wa_binary::Jid;

use crate::{
    Ban, Changes, Device, DeviceAddress, DeviceList, LidMigration, ListedDevice, PeerData, PeerDataSort,
    SenderKeyName, SentMessage, SignedPreKeyRecord,
};

/// A paired device with every field filled in.
pub fn sample_device() -> Device {
    Device {
        noise_key: [1; 32],
        identity_key: [2; 32],
        registration_id: 0xfeed_beef,
        adv_secret: [3; 32],
        signed_prekey: SignedPreKeyRecord { id: 2, private_key: [4; 32], signature: [5; 64] },
        previous_signed_prekeys: vec![SignedPreKeyRecord { id: 1, private_key: [6; 32], signature: [7; 64] }],
        signed_prekey_rotated_at: 1_700_000_000,
        next_prekey_id: 813,
        first_unuploaded_prekey_id: 813,
        jid: Some("15550000001:7@s.whatsapp.net".parse().unwrap()),
        lid: Some("100000000000001:7@lid".parse().unwrap()),
        account: Some(Bytes::from_static(b"signed device identity")),
        push_name: "Zoë".into(),
        chosen_name: Some("Zoë's shop".into()),
        nct_salt: Some(Bytes::from_static(&[8; 32])),
        platform: "android".into(),
        business_name: Some("Zoë & Co".into()),
        routing_info: Some(Bytes::from_static(b"\x08\x02")),
        server_clock_offset: -3,
        logins: 5,
        ban: Some(Ban { code: 101, until: 1_700_000_000_000 }),
        lid_migration: LidMigration::Done,
    }
}

/// A device list with a primary, a companion and a hosted device.
pub fn sample_device_list() -> DeviceList {
    DeviceList {
        devices: vec![
            ListedDevice { id: 0, key_index: None, is_hosted: false },
            ListedDevice { id: 7, key_index: Some(1), is_hosted: false },
            ListedDevice { id: 99, key_index: Some(2), is_hosted: true },
        ],
        hash: Some("2:Ni8THOE8".into()),
        timestamp: 1_700_000_001,
        fetched_at: 1_700_000_002,
    }
}

/// A message sent to `chat`.
pub fn sample_sent_message(chat: &Jid, id: &str, timestamp: i64) -> SentMessage {
    SentMessage {
        chat: chat.clone(),
        id: id.into(),
        to: chat.clone(),
        message: Bytes::from(format!("message {id}")),
        timestamp,
    }
}

/// A change set with something of every kind.
pub fn sample_changes() -> Changes {
    let (peer, chat) = (DeviceAddress::new("15550000002", 1), Jid::pn("15550000002"));
    Changes {
        device: Some(sample_device()),
        sessions: vec![(peer.clone(), Some(Bytes::from_static(b"session")))],
        identities: vec![(peer.clone(), Some([1; 32]))],
        prekeys_added: vec![(1, [1; 32])],
        sender_keys: vec![(SenderKeyName::new("1203@g.us", peer), Some(Bytes::from_static(b"key")))],
        lid_mappings: vec![("15550000002".into(), "100000000000002".into())],
        device_lists: vec![(chat.clone(), Some(sample_device_list()))],
        sent_messages: vec![sample_sent_message(&chat, "out", 1)],
        ..Changes::default()
    }
}

/// A change set that stores one session.
pub fn session_change(address: &DeviceAddress, record: &'static [u8]) -> Changes {
    Changes { sessions: vec![(address.clone(), Some(Bytes::from_static(record)))], ..Changes::default() }
}

/// A piece of history that came in message `id`.
pub fn sample_peer_data(id: &str, timestamp: i64) -> PeerData {
    PeerData {
        sort: PeerDataSort::History,
        id: id.into(),
        timestamp,
        raw: Bytes::from(format!("piece {id}")),
    }
}
