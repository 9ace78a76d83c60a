//! Deleted instances leave nothing behind.

use std::time::Duration;

use bytes::Bytes;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text};
use storage::conformance::{SAMPLE_NODE, fill_instance, sample_incoming};
use storage::{Fleet, InstanceStore};
use storage_sqlite::SqliteDatabase;
use wa_store::Changes;
use wa_store::conformance::{sample_changes, sample_device};

use crate::fixture::{Fixture, Held, connect};

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

/// Puts rows into every table that knows instances.
async fn fill(database: &SqliteDatabase, held: &Held) {
    fill_instance(database, held.user.id, held.id, held.epoch).await;
    held.companion(database).commit(sample_changes()).await.unwrap();
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
