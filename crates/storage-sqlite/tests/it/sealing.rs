//! Nothing private lies in the files in the clear.

use bytes::Bytes;
use storage::{InstanceStore, SecretText, SettingStore, UserStore};
use wa_store::conformance::sample_device;
use wa_store::{Changes, DeviceAddress, SenderKeyName, StoreError};

use crate::fixture::Fixture;

#[tokio::test]
async fn secrets_are_in_none_of_the_files() {
    let fixture = Fixture::start();
    let (user, instance) = fixture.instance().await;
    let peer = DeviceAddress::new("15550000002", 1);
    let device = sample_device();
    fixture.database.put_setting("jwt".into(), SecretText::new("the jwt secret")).await.unwrap();
    let store = fixture.database.companion_store(instance);
    let changes = Changes {
        device: Some(device.clone()),
        sessions: vec![(peer.clone(), Some(Bytes::from_static(b"the ratchet state")))],
        prekeys_added: vec![(1, [0x51; 32])],
        sender_keys: vec![(
            SenderKeyName::new("120363@g.us", peer.clone()),
            Some(Bytes::from_static(b"the sender key")),
        )],
        ..Changes::default()
    };
    store.commit(changes).await.unwrap();

    let webhook = fixture.database.instance(user.id, instance).await.unwrap().unwrap().webhook;
    let secrets: [&[u8]; 11] = [
        user.api_key.expose().as_bytes(),
        webhook.secret.as_ref().unwrap().expose().as_bytes(),
        webhook.headers["Custom-Header"].as_bytes(),
        b"the jwt secret",
        b"the ratchet state",
        b"the sender key",
        &[0x51; 32],
        &device.noise_key,
        &device.identity_key,
        &device.adv_secret,
        &device.signed_prekey.private_key,
    ];
    let in_log = files(&fixture);
    fixture.database.close().await;
    for bytes in [in_log, files(&fixture)] {
        assert!(contains(&bytes, user.email.as_bytes()), "the search finds what is there");
        for (number, secret) in secrets.iter().enumerate() {
            assert!(!contains(&bytes, secret), "secret {number}");
        }
    }
}

#[tokio::test]
async fn a_sealed_value_moved_to_another_row_is_refused() {
    let mut fixture = Fixture::start();
    let (_, instance) = fixture.instance().await;
    let address = |device| DeviceAddress::new("15550000002", device);
    let session = |device, record| (address(device), Some(Bytes::from_static(record)));
    let sessions = vec![session(1, b"one"), session(2, b"two")];
    let store = fixture.database.companion_store(instance);
    store.commit(Changes { sessions, ..Changes::default() }).await.unwrap();
    drop(store);
    fixture.database.close().await;
    fixture.sql(
        "UPDATE sessions SET record = (SELECT other.record FROM sessions other WHERE other.device = 1) WHERE device = 2",
    );
    fixture.restart().await;
    let store = fixture.database.companion_store(instance);
    assert_eq!(store.sessions(&[address(1)]).await.unwrap(), [Some(Bytes::from_static(b"one"))]);
    let refused = store.sessions(&[address(2)]).await.unwrap_err();
    assert!(matches!(refused, StoreError::Corrupt { what: "sessions.record", .. }), "{refused:?}");
}

#[tokio::test]
async fn an_api_key_is_found_by_its_hash_and_returned() {
    let mut fixture = Fixture::start();
    let (user, _) = fixture.instance().await;
    fixture.restart().await;
    let found = fixture.database.user_by_api_key(&user.api_key).await.unwrap().unwrap();
    assert_eq!(found.api_key.expose(), user.api_key.expose());
}

/// The database and its log, one after the other.
fn files(fixture: &Fixture) -> Vec<u8> {
    let mut bytes = std::fs::read(fixture.database.path()).unwrap();
    let mut log = fixture.database.path().as_os_str().to_owned();
    log.push("-wal");
    bytes.extend(std::fs::read(log).unwrap_or_default());
    bytes
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}
