//! Nothing private lies in the files in the clear.

use bytes::Bytes;
use storage::conformance::sample_webhook;
use storage::{Edit, Part, SecretText, SettingStore, Timestamp, UserStore, WebhookStore};
use wa_store::conformance::sample_device;
use wa_store::{Changes, DeviceAddress, SenderKeyName};

use crate::fixture::Fixture;

#[tokio::test]
async fn secrets_are_in_none_of_the_files() {
    let fixture = Fixture::start();
    let held = fixture.instance().await;
    let peer = DeviceAddress::new("15550000002", 1);
    let device = sample_device();
    fixture.database.init_setting("jwt".into(), SecretText::new("the jwt secret")).await.unwrap();
    let store = held.companion(&fixture.database);
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

    let second = sample_webhook(held.id, "second");
    fixture.database.create_webhook(held.user.id, second, 9, Edit::at(Timestamp::default())).await.unwrap();
    let webhooks = fixture.database.webhooks(held.user.id, held.id).await.unwrap();
    let secrets: [&[u8]; 13] = [
        held.user.api_key.expose().as_bytes(),
        webhooks[0].secret.as_ref().unwrap().expose().as_bytes(),
        webhooks[0].headers["Custom-Header"].as_bytes(),
        webhooks[1].secret.as_ref().unwrap().expose().as_bytes(),
        webhooks[1].headers["Custom-Header"].as_bytes(),
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
        assert!(contains(&bytes, held.user.email.as_bytes()), "the search finds what is there");
        for (number, secret) in secrets.iter().enumerate() {
            assert!(!contains(&bytes, secret), "secret {number}");
        }
    }
}

#[tokio::test]
async fn a_sealed_value_moved_to_another_row_is_refused() {
    let mut fixture = Fixture::start();
    let held = fixture.instance().await;
    let second = sample_webhook(held.id, "second");
    fixture.database.create_webhook(held.user.id, second, 9, Edit::at(Timestamp::default())).await.unwrap();
    fixture.database.close().await;
    fixture.sql(
        "UPDATE webhooks SET secret = (SELECT other.secret FROM webhooks other WHERE other.name = 'default')",
    );
    fixture.restart().await;
    let moved = fixture.database.fleet_webhooks(held.id).await.unwrap().pop().unwrap();
    assert_eq!((moved.secret, moved.unreadable), (None, vec![Part::Secret]));
    fixture
        .database
        .delete_webhook(held.user.id, held.id, "second".into(), Edit::at(Timestamp::default()))
        .await
        .unwrap();
    assert_eq!(fixture.database.fleet_webhooks(held.id).await.unwrap(), [sample_webhook(held.id, "default")]);
}

#[tokio::test]
async fn an_api_key_is_found_by_its_hash_and_returned() {
    let mut fixture = Fixture::start();
    let user = fixture.instance().await.user;
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
