//! Deleted instances leave nothing behind.

use std::time::Duration;

use bytes::Bytes;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text};
use serde_json::json;
use storage::conformance::{SAMPLE_NODE, sample_amendment, sample_incoming, sample_outgoing};
use storage::{
    ApiKey, Attempt, AttemptOutcome, Change, Claim, Consumer, ConsumerChange, ConsumerStore, ContactChange,
    ContactId, Delivery, DeliveryState, DeliveryStore, DialectAccess, DialectStore, EventId, EventKind,
    Fleet, InstanceStore, Json, ScheduleLimits, ScheduleStore, Scheduled, Settlement, Timestamp, Webhook,
};
use storage_sqlite::SqliteDatabase;
use wa_binary::Jid;
use wa_store::conformance::{sample_device, sample_device_list, sample_sent_message};
use wa_store::{Changes, DeviceAddress, SenderKeyName};

use crate::fixture::{Fixture, Held, KEY, connect};

#[tokio::test]
async fn no_table_keeps_a_row_of_a_deleted_instance() {
    let mut fixture = Fixture::start();
    let (gone, kept) = (fixture.instance().await, fixture.instance().await);
    fill(&fixture.database, &gone).await;
    fill(&fixture.database, &kept).await;
    let before = fixture.rows();
    assert!(before.iter().all(|(table, rows)| *rows > 0 || table == "retired_instances"), "{before:?}");

    // Closed at once: what is left over is removed after the next opening.
    fixture.database.delete_instance(gone.user.id, gone.id).await.unwrap();
    fixture.restart().await;
    let half: Vec<_> = before.iter().map(|(table, rows)| (table.clone(), rows / 2)).collect();
    let emptied = async {
        while fixture.rows() != half {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    let emptied = tokio::time::timeout(Duration::from_secs(30), emptied).await;
    assert!(emptied.is_ok(), "left over: {:?} instead of {half:?}", fixture.rows());
}

#[tokio::test]
async fn keys_of_instances_are_not_used_again() {
    let fixture = Fixture::start();
    let gone = fixture.instance().await;
    let instance = fixture.database.fleet_instance(gone.id).await.unwrap().unwrap();
    let companion = gone.companion(&fixture.database);
    companion.commit(Changes { device: Some(sample_device()), ..Changes::default() }).await.unwrap();
    assert!(companion.device().await.unwrap().is_some());
    fixture.database.delete_instance(gone.user.id, gone.id).await.unwrap();
    assert!(companion.commit(Changes::default()).await.is_err(), "there is nothing left to write to");
    let created = fixture.database.create_instance(instance, Vec::new(), SAMPLE_NODE, 9);
    let again = Held { epoch: created.await.unwrap(), ..gone };
    assert!(again.companion(&fixture.database).device().await.unwrap().is_none());
}

/// Puts rows into every table that knows instances; more messages and events than one step of the removal takes.
async fn fill(database: &SqliteDatabase, held: &Held) {
    let instance = held.id;
    let claim = Claim {
        scope: instance.to_string(),
        key: "key".into(),
        fingerprint: KEY,
        answer: Json::from(json!(null)),
        at: Timestamp::from_millis(1),
    };
    let record = held.record().claim(Some(claim)).message(sample_outgoing(instance, "1555", "out", 1));
    let record = record.amend(sample_amendment("15550000002", "unknown", Change::Revoke, 1));
    let contact = ContactChange::of(ContactId::generate(), "15550000002@s.whatsapp.net");
    let record = record.contact(ContactChange { archived: Some(true), ..contact });
    let record = (0..1_200).fold(record, |record, n| {
        record.message(sample_incoming(instance, "15550000002", &n.to_string(), n))
    });
    database.record(record).await.unwrap();
    let access = DialectAccess { key: ApiKey::new(instance.to_string()), notes: Json::default() };
    database.put_dialect_access(held.user.id, instance, "one".into(), access).await.unwrap();
    while database.index_messages(1_000).await.unwrap() > 0 {}
    let scheduled = Scheduled {
        instance,
        message_id: "later".into(),
        recipient: "15550000002@s.whatsapp.net".into(),
        content: Json::default(),
        file: None,
        send_at: Timestamp::from_millis(1),
        expire_at: None,
        version: 1,
        created_at: Timestamp::from_millis(1),
        updated_at: Timestamp::from_millis(1),
    };
    let limits = ScheduleLimits { messages: 1, files: 1 };
    database.schedule(held.user.id, scheduled, None, limits).await.unwrap();
    let consumer = Consumer::webhook(instance, Webhook::DEFAULT);
    let delivery = Delivery {
        consumer: consumer.clone(),
        seq: 1,
        chat: None,
        state: DeliveryState::Dead,
        attempts: 1,
        next_attempt: Timestamp::from_millis(1),
        last_error: None,
        status_code: None,
        replayed: false,
        created_at: Timestamp::from_millis(1),
        updated_at: Timestamp::from_millis(1),
    };
    let attempt = Attempt {
        seq: 1,
        event: EventId::generate(),
        kind: EventKind::MessageReceived,
        number: 1,
        at: Timestamp::from_millis(1),
        millis: 1,
        status_code: None,
        error: None,
        outcome: AttemptOutcome::GivenUp,
        replayed: false,
    };
    let reader = database.put_consumer(
        held.user.id,
        instance,
        "crm".to_owned(),
        ConsumerChange::default(),
        9,
        Timestamp::from_millis(1),
    );
    reader.await.unwrap();
    database
        .settle(vec![Settlement {
            cursor: Some(1),
            put: vec![delivery],
            attempts: vec![attempt],
            ..Settlement::new(consumer, held.epoch)
        }])
        .await
        .unwrap();
    let (peer, chat) = (DeviceAddress::new("15550000002", 1), Jid::pn("15550000002"));
    let changes = Changes {
        device: Some(sample_device()),
        sessions: vec![(peer.clone(), Some(Bytes::from_static(b"session")))],
        identities: vec![(peer.clone(), Some([1; 32]))],
        prekeys_added: vec![(1, [1; 32])],
        sender_keys: vec![(SenderKeyName::new("1203@g.us", peer), Some(Bytes::from_static(b"key")))],
        lid_mappings: vec![("15550000002".into(), "100000000000002".into())],
        device_lists: vec![(chat.clone(), Some(sample_device_list()))],
        sent_messages: vec![sample_sent_message(&chat, "out", 1)],
        ..Changes::default()
    };
    held.companion(database).commit(changes).await.unwrap();
}

#[derive(QueryableByName)]
struct Table {
    #[diesel(sql_type = Text)]
    name: String,
}

#[derive(QueryableByName)]
struct Rows {
    #[diesel(sql_type = BigInt)]
    rows: i64,
}

impl Fixture {
    /// Every table that belongs to instances, with how many rows it has.
    fn rows(&self) -> Vec<(String, i64)> {
        let mut connection = connect(self.database.path());
        let tables = "SELECT m.name AS name FROM sqlite_schema m WHERE m.type = 'table' AND (m.name = 'instances' OR
                      EXISTS (SELECT 1 FROM pragma_table_info(m.name) c WHERE c.name = 'instance')) ORDER BY m.name";
        let tables = diesel::sql_query(tables).load::<Table>(&mut connection).unwrap();
        let count = |table: Table| {
            let rows = diesel::sql_query(format!("SELECT count(*) AS rows FROM {}", table.name));
            let rows = rows.get_result::<Rows>(&mut connection).unwrap().rows;
            (table.name, rows)
        };
        tables.into_iter().map(count).collect()
    }
}

/// What was removed is in no file any more, and the file gives back most of its pages.
#[tokio::test]
async fn what_is_forgotten_is_overwritten_and_the_file_shrinks() {
    const MARKER: &str = "what nobody may find any more";
    let mut fixture = Fixture::start();
    let held = fixture.instance().await;
    for n in 0..300 {
        let id = format!("{n}");
        let mut new = sample_incoming(held.id, "15550000002", &id, 1_700_000_000_000 + n);
        new.message.raw = Bytes::from(format!("{MARKER} {}", "x".repeat(20_000)));
        fixture.database.record(held.record().message(new)).await.unwrap();
    }
    fixture.restart().await;
    let file = fixture.folder.path().join("gateway.db");
    let full = std::fs::metadata(&file).unwrap().len();
    assert!(found(&file, MARKER) > 0);
    fixture.database.delete_instance(held.user.id, held.id).await.unwrap();
    while fixture.rows().iter().any(|(table, rows)| *rows > 0 && table == "retired_instances") {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    fixture.restart().await;
    fixture.restart().await;
    assert_eq!(found(&file, MARKER), 0);
    let left = std::fs::metadata(&file).unwrap().len();
    assert!(left < full / 2, "{left} of {full} bytes are left");
}

fn found(file: &std::path::Path, marker: &str) -> usize {
    let bytes = std::fs::read(file).unwrap();
    bytes.windows(marker.len()).filter(|window| *window == marker.as_bytes()).count()
}
