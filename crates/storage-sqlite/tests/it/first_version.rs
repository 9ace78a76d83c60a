//! A database of the first version (`testdata/first-version`) opens, is brought forward, and goes on.

use std::time::Duration;

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Binary, Bool, Nullable, Text};
use storage::conformance::{SAMPLE_NODE, sample_event, sample_incoming};
use storage::{
    ApiKey, CauseKind, ClaimStore, Consumer, DeliveryQuery, DeliveryState, DeliveryStore, EventData,
    EventKind, Fleet, InstanceId, InstanceStatus, InstanceStore, LeaseStore, MessageKind, MessageQuery,
    MessageStatus, MessageStore, Outcome, Record, Settlement, UserStore, WebhookFormat, WebhookStore,
};
use storage_sqlite::{MasterKey, SqliteDatabase};
use tempfile::TempDir;
use wa_signal::Session;
use wa_store::DeviceAddress;

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/first-version/trunkline.db");
const KEY: [u8; 32] = [0x42; 32];
const API_KEY: &str = "tl_KJ4v0AJRooHyl18rMitkOPSFdqIGszpRZegrxQG1AFs";
const ALICE: &str = "01a213e3-4ba0-7620-b2af-84e2b63d94a2";
const BOB: &str = "01a213e3-4c14-77e8-bd41-953dd7465f84";
const CAROL: &str = "01a213e3-4c58-7084-a33d-dad02239b71e";
const DAVE: &str = "01a213e3-4ca5-77ef-aa43-6458dd023daa";

#[tokio::test]
async fn users_instances_and_webhooks_are_there() {
    let (_folder, database) = brought_forward();
    let user = database.user_by_api_key(&ApiKey::new(API_KEY)).await.unwrap().unwrap();
    assert_eq!((user.email.as_str(), user.api_key.expose()), ("admin@trunkline.test", API_KEY));

    let page = database.instances(user.id, 10, 0).await.unwrap();
    let states: Vec<_> =
        page.items.iter().map(|(i, _)| (i.name.as_str(), i.status, i.status_cause)).collect();
    let expected = [
        ("Alice", InstanceStatus::Connecting, None),
        ("Bob", InstanceStatus::Connecting, None),
        ("Carol", InstanceStatus::LoggedOut, Some(CauseKind::LoggedOut.into())),
        ("Dave", InstanceStatus::Pairing, None),
    ];
    assert_eq!(states, expected);
    let (alice, webhook) = &page.items[0];
    assert_eq!(alice.jid.as_deref(), Some("15550100001@s.whatsapp.net"));
    assert_eq!(alice.description.as_deref(), Some("Support line"));
    assert_eq!(webhook.url.as_deref(), Some("http://127.0.0.1:35005/ok"));
    assert_eq!(webhook.secret.as_ref().unwrap().expose(), "alice-hook-secret");
    assert_eq!(webhook.headers["X-Tenant"], "alice");
    assert_eq!((webhook.max_retries, webhook.retry_interval), (3, 1_000));
    assert!(webhook.enabled && webhook.filter.read && webhook.filter.kinds.is_none());
    assert_eq!(webhook.format, WebhookFormat::Seed1);
    let (dave, webhook) = &page.items[3];
    assert_eq!(database.fleet_webhooks(dave.id).await.unwrap(), std::slice::from_ref(webhook));
    assert!(!webhook.enabled);

    // Nobody holds them: the first node that asks gets all.
    let leased = database.acquire(SAMPLE_NODE, true, 10, Duration::from_secs(30)).await.unwrap();
    let epochs: Vec<_> = leased.iter().map(|l| (l.instance.name.as_str(), l.epoch.number())).collect();
    assert_eq!(epochs, [("Alice", 1), ("Bob", 1), ("Carol", 1), ("Dave", 1)]);
}

#[derive(QueryableByName)]
struct OldMessage {
    #[diesel(sql_type = Binary)]
    instance: Vec<u8>,
    #[diesel(sql_type = Text)]
    message_id: String,
    #[diesel(sql_type = Text)]
    chat: String,
    #[diesel(sql_type = Text)]
    wire_chat: String,
    #[diesel(sql_type = Text)]
    sender: String,
    #[diesel(sql_type = Bool)]
    from_me: bool,
    #[diesel(sql_type = Text)]
    content: String,
    #[diesel(sql_type = Nullable<Text>)]
    push_name: Option<String>,
    #[diesel(sql_type = Text)]
    status: String,
    #[diesel(sql_type = BigInt)]
    created_at: i64,
}

/// All messages were texts, and now have a protobuf that can be quoted and forwarded.
#[tokio::test]
async fn messages_are_there_with_their_protobuf() {
    let old = old_rows::<OldMessage>(
        "SELECT i.id AS instance, m.message_id, m.chat, m.wire_chat, m.sender, m.from_me, m.content, m.status,
                m.created_at, json_extract(m.metadata, '$.pushName') AS push_name
         FROM messages m JOIN instances i ON i.key = m.instance",
    );
    assert_eq!(old.len(), 19);
    let (_folder, database) = brought_forward();
    for old in old {
        let instance = InstanceId::from_bytes(old.instance.as_slice().try_into().unwrap());
        let found = database.fleet_messages_by_id(instance, &old.message_id).await.unwrap();
        let [message] = &found[..] else { panic!("{} messages {}", found.len(), old.message_id) };
        assert_eq!(
            (&message.chat, &message.wire_chat, &message.sender),
            (&old.chat, &old.wire_chat, &old.sender)
        );
        assert_eq!((message.from_me, message.status.as_str()), (old.from_me, old.status.as_str()));
        assert_eq!((message.kind, message.created_at.millis()), (MessageKind::Text, old.created_at));
        assert_eq!((message.text.as_ref(), &message.push_name), (Some(&old.content), &old.push_name));
        let length = u8::try_from(old.content.len()).unwrap();
        assert_eq!(message.raw, [&[0x0a, length], old.content.as_bytes()].concat());
        assert!(message.updated_at >= message.created_at);
        assert!(message.status_updated_at.is_none_or(|at| at >= message.created_at));
    }

    let owner = database.fleet_instance(id(ALICE)).await.unwrap().unwrap().owner;
    let query = MessageQuery::newest("15550100008@s.whatsapp.net", 10);
    let chat = database.messages(owner, id(ALICE), &query).await.unwrap();
    let wire: Vec<_> = chat.items.iter().map(|message| message.wire_chat.as_str()).collect();
    assert_eq!(wire, ["387959925032835@lid", "15550100008@s.whatsapp.net"], "one chat under both names");

    let pending = database.pending_messages(id(ALICE), 10).await.unwrap();
    assert_eq!(pending.len(), 1);
    assert_eq!(pending[0].message_id, "3EB0A7D241437B3B53D171");
    assert!(pending[0].text.as_deref().unwrap().starts_with("Pending: "));
    assert!(database.pending_messages(id(BOB), 10).await.unwrap().is_empty());
}

#[derive(QueryableByName)]
struct OldEvent {
    #[diesel(sql_type = BigInt)]
    seq: i64,
    #[diesel(sql_type = Text)]
    kind: String,
    #[diesel(sql_type = Nullable<Text>)]
    chat: Option<String>,
    #[diesel(sql_type = BigInt)]
    timestamp: i64,
}

#[tokio::test]
async fn every_event_is_read() {
    let (_folder, database) = brought_forward();
    for (instance, key, count) in [(ALICE, 1, 18), (BOB, 2, 13), (CAROL, 3, 6), (DAVE, 4, 1)] {
        let old = old_rows::<OldEvent>(&format!(
            "SELECT seq, kind, chat, timestamp FROM events WHERE instance = {key} ORDER BY seq"
        ));
        let events = database.events_after(id(instance), 0, 100).await.unwrap();
        assert_eq!((events.len(), old.len()), (count, count));
        for (event, old) in events.iter().zip(old) {
            assert_eq!((event.seq, event.kind().as_str()), (old.seq, old.kind.as_str()));
            assert_eq!((event.lane(), event.timestamp.millis()), (old.chat.as_deref(), old.timestamp));
        }
    }
    let alice = database.events_after(id(ALICE), 0, 100).await.unwrap();
    let EventData::MessageReceived(told) = &alice[4].data else { panic!("{:?}", alice[4]) };
    assert_eq!(told.message_id, "3EB002E98ADF6B3C1252EA");
    assert_eq!(told.text.as_deref(), Some("Hello Alice, Bob answers."));
    assert_eq!((told.kind, told.push_name.as_deref()), (MessageKind::Text, Some("Bob")));
    let chat = alice[4].chat.as_ref().unwrap();
    assert_eq!(chat.pn.as_deref(), Some("15550100002@s.whatsapp.net"));
    assert_eq!(chat.lid.as_deref(), Some("769618600381131@lid"));
    let EventData::MessageStatus(told) = &alice[3].data else { panic!("{:?}", alice[3]) };
    assert_eq!((told.status, told.from_me), (MessageStatus::Delivered, true));
    let EventData::Disconnected(told) = &alice[17].data else { panic!("{:?}", alice[17]) };
    assert_eq!((told.cause, told.will_reconnect), (CauseKind::Shutdown, true));
}

#[tokio::test]
async fn cursors_deliveries_and_idempotency_keys_are_there() {
    let (_folder, database) = brought_forward();
    let default = |instance| Consumer::webhook(id(instance), "default");
    assert_eq!(database.cursor(&default(ALICE)).await.unwrap(), Some(18));
    assert_eq!(database.cursor(&default(BOB)).await.unwrap(), Some(13));
    assert!(database.work(id(ALICE)).await.unwrap().is_empty());
    let work = database.work(id(BOB)).await.unwrap();
    assert_eq!((work.len(), work[0].pending, work[0].cursor), (1, 4, 13));

    let owner = database.fleet_instance(id(BOB)).await.unwrap().unwrap().owner;
    let dead = database
        .deliveries(owner, &default(BOB), &DeliveryQuery::first(DeliveryState::Dead, 100))
        .await
        .unwrap();
    assert_eq!(dead.total, 9);
    for ((delivery, event), seq) in dead.items.iter().zip(1..) {
        assert_eq!((delivery.seq, delivery.attempts, delivery.status_code), (seq, 1, Some(500)));
        assert_eq!(event.as_ref().unwrap().seq, seq);
    }
    let pending = database.pending_deliveries(&default(BOB), 0, 100).await.unwrap();
    assert_eq!(pending.iter().map(|delivery| delivery.seq).collect::<Vec<_>>(), [10, 11, 12, 13]);
    let claim = database.claim(&format!("send:{ALICE}"), "fixture-key-1").await.unwrap().unwrap();
    assert_eq!(claim.answer.text(), r#"{"id":"3EB00A437A5B6FDBAF0CB3"}"#);
}

#[derive(QueryableByName)]
struct OldSession {
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = BigInt)]
    device: i64,
}

#[tokio::test]
async fn the_records_of_companions_are_there() {
    let (_folder, database) = brought_forward();
    database.acquire(SAMPLE_NODE, true, 10, Duration::from_secs(30)).await.unwrap();
    let epoch = storage::Epoch::new(1);
    for (instance, key, prekeys) in [(ALICE, 1, 810), (BOB, 2, 809)] {
        let companion = database.companion_store(id(instance), epoch);
        let device = companion.device().await.unwrap().unwrap();
        let own = database.fleet_instance(id(instance)).await.unwrap().unwrap().jid.unwrap();
        assert_eq!(device.jid.unwrap().to_user().to_string(), own);
        assert_eq!(companion.prekey_count().await.unwrap(), prekeys);
        let old =
            old_rows::<OldSession>(&format!("SELECT name, device FROM sessions WHERE instance = {key}"));
        let addresses: Vec<_> =
            old.iter().map(|old| DeviceAddress::new(old.name.as_str(), old.device as u32)).collect();
        assert!(addresses.len() >= 4);
        for session in companion.sessions(&addresses).await.unwrap() {
            let session = Session::from_record(&session.expect("a session")).expect("a ratchet that goes on");
            assert_ne!(session.remote_registration_id(), 0);
        }
        assert!(companion.identities(&addresses).await.unwrap().iter().all(Option::is_some));
    }
    let alice = database.companion_store(id(ALICE), epoch);
    assert_eq!(alice.lid_of("15550100009").await.unwrap().as_deref(), Some("666365299749486"));
    assert!(database.companion_store(id(CAROL), epoch).device().await.unwrap().is_none());
}

#[tokio::test]
async fn it_goes_on_where_it_ended() {
    let (folder, database) = brought_forward();
    let leased = database.acquire(SAMPLE_NODE, true, 1, Duration::from_secs(30)).await.unwrap().remove(0);
    let (alice, epoch) = (leased.instance.id, leased.epoch);
    let last = leased.instance.last_activity.unwrap();
    // What was stored by the first version is known.
    let mut repeated = sample_incoming(alice, "15550100002", "3EB002E98ADF6B3C1252EA", 1);
    repeated.message.wire_chat = "769618600381131@lid".into();
    repeated.message.sender = "769618600381131@lid".into();
    let record = Record::new(alice, epoch)
        .message(repeated)
        .message(sample_incoming(alice, "15550100002", "3EB0NEW", 2))
        .event(sample_event(EventKind::Connected, None));
    let recorded = database.record(record).await.unwrap();
    assert_eq!(recorded.outcomes, [Outcome::Duplicate, Outcome::Added, Outcome::Added]);
    assert_eq!((recorded.after, recorded.events[0].seq), (18, 19));
    assert!(recorded.events[0].timestamp > last);
    let consumer = Consumer::webhook(alice, "default");
    let settlement = Settlement { cursor: Some(20), ..Settlement::new(consumer.clone(), epoch) };
    assert!(database.settle(vec![settlement]).await.unwrap().is_empty());

    database.close().await;
    let again = open(&folder);
    assert_eq!(again.cursor(&consumer).await.unwrap(), Some(20));
    assert_eq!(again.events_after(alice, 17, 10).await.unwrap().len(), 3);
}

#[tokio::test]
async fn another_master_key_leaves_it_as_it_is() {
    let folder = copied();
    let path = folder.path().join("trunkline.db");
    let refused = SqliteDatabase::open(path.to_str().unwrap(), MasterKey::from_bytes([1; 32]));
    assert!(refused.is_err());
    let database = open(&folder);
    assert_eq!(database.instance_counts().await.unwrap().total, 4);
}

fn brought_forward() -> (TempDir, SqliteDatabase) {
    let folder = copied();
    let database = open(&folder);
    (folder, database)
}

fn copied() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::copy(FILE, folder.path().join("trunkline.db")).unwrap();
    folder
}

fn open(folder: &TempDir) -> SqliteDatabase {
    let path = folder.path().join("trunkline.db");
    SqliteDatabase::open(path.to_str().unwrap(), MasterKey::from_bytes(KEY)).unwrap()
}

/// What the database held before it was brought forward.
fn old_rows<R: QueryableByName<diesel::sqlite::Sqlite> + 'static>(query: &str) -> Vec<R> {
    let folder = copied();
    let path = folder.path().join("trunkline.db");
    let mut connection = SqliteConnection::establish(path.to_str().unwrap()).unwrap();
    diesel::sql_query(query).load(&mut connection).unwrap()
}

fn id(text: &str) -> InstanceId {
    text.parse().unwrap()
}
