//! Nothing private lies in the files in the clear.

use bytes::Bytes;
use storage::conformance::{sample_event, sample_webhook};
use storage::{
    DeliveryStore, Edit, EventData, EventKind, Fleet, Part, SecretText, SettingStore, Timestamp, UserStore,
    WebhookStore,
};
use storage_sqlite::{MasterKey, OpenError, Resealed, SqliteDatabase};
use wa_store::conformance::sample_device;
use wa_store::{Changes, DeviceAddress, SenderKeyName};

use crate::fixture::{Fixture, Held, KEY};

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

/// Nothing is left that the earlier key has sealed, and nothing is lost.
#[tokio::test]
async fn everything_is_sealed_anew_with_another_master_key() {
    let fixture = Fixture::start();
    let held = fixture.instance().await;
    let record = held.record().event(sample_event(EventKind::QrReceived, None));
    fixture.database.record(record).await.unwrap();
    fixture.database.init_setting("jwt".into(), SecretText::new("the jwt secret")).await.unwrap();
    let device = sample_device();
    let changes =
        Changes { device: Some(device), prekeys_added: vec![(1, [0x51; 32])], ..Changes::default() };
    held.companion(&fixture.database).commit(changes).await.unwrap();
    let second = sample_webhook(held.id, "second");
    fixture.database.create_webhook(held.user.id, second, 9, Edit::at(Timestamp::default())).await.unwrap();
    let before = all_of(&fixture.database, &held).await;
    fixture.database.close().await;

    let path = fixture.database.path().to_str().unwrap();
    let (old, new) = (MasterKey::from_bytes(KEY), MasterKey::from_bytes([0x4e; 32]));
    let both = SqliteDatabase::open(path, new.clone().in_place_of(old.clone())).unwrap();
    assert_eq!(all_of(&both, &held).await, before, "both keys are known");
    let resealed = both.reseal().await.unwrap();
    assert!(resealed.anew >= 9 && resealed.unreadable == 0, "{resealed:?}");
    assert_eq!(both.reseal().await.unwrap(), Resealed::default());
    both.close().await;

    let refused = SqliteDatabase::open(path, old).err();
    assert!(matches!(refused, Some(OpenError::WrongMasterKey { .. })), "{refused:?}");
    let renewed = SqliteDatabase::open(path, new).unwrap();
    assert_eq!(all_of(&renewed, &held).await, before);
    assert!(held.companion(&renewed).device().await.unwrap().is_some());
}

/// What is kept sealed outside of companions, as it is read.
async fn all_of(database: &SqliteDatabase, held: &Held) -> String {
    let user = database.user(held.user.id).await.unwrap().unwrap();
    let instance = database.fleet_instance(held.id).await.unwrap().unwrap();
    let webhooks = database.fleet_webhooks(held.id).await.unwrap();
    let setting = database.setting("jwt").await.unwrap().unwrap();
    let events = database.events_after(held.id, 0, 9).await.unwrap();
    assert!(instance.unreadable.is_empty() && webhooks.iter().all(|webhook| webhook.unreadable.is_empty()));
    let EventData::QrReceived(told) = &events[0].data else { panic!("{:?}", events[0]) };
    let proxy = instance.connection.proxy.as_ref().map(SecretText::expose);
    let secrets: Vec<_> =
        webhooks.iter().map(|it| (it.secret.as_ref().map(SecretText::expose), &it.headers)).collect();
    format!("{} {proxy:?} {secrets:?} {} {}", user.api_key.expose(), setting.expose(), told.code)
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
