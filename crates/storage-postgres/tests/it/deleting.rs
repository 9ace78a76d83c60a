//! Deleted instances leave nothing behind.

use storage::conformance::{SAMPLE_NODE, fill_instance};
use storage::{Fleet, InstanceStore};
use storage_postgres::PostgresDatabase;
use test_support::until;
use wa_store::Changes;
use wa_store::conformance::{sample_changes, sample_device};

use crate::fixture::{Fixture, Held};

#[tokio::test]
async fn no_table_keeps_a_row_of_a_deleted_instance() {
    let mut fixture = Fixture::start().await;
    let (gone, kept) = (fixture.instance().await, fixture.instance().await);
    fill(&fixture.database, &gone).await;
    fill(&fixture.database, &kept).await;
    let before = fixture.rows().await;
    assert!(before.iter().all(|(table, rows)| *rows > 0 || table == "retired_instances"), "{before:?}");
    assert!(before.len() > 12, "{before:?}");

    // Closed at once: what is left over is removed after the next opening.
    fixture.database.delete_instance(gone.user.id, gone.id).await.unwrap();
    fixture.restart().await;
    let half: Vec<_> = before.iter().map(|(table, rows)| (table.clone(), rows / 2)).collect();
    let (fixture, half) = (&fixture, &half);
    until("all of it is gone", || async move { (fixture.rows().await == *half).then_some(()) }).await;
}

#[tokio::test]
async fn keys_of_instances_are_not_used_again() {
    let fixture = Fixture::start().await;
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
async fn fill(database: &PostgresDatabase, held: &Held) {
    fill_instance(database, held.user.id, held.id, held.epoch).await;
    held.companion(database).commit(sample_changes()).await.unwrap();
}

impl Fixture {
    /// Every table that belongs to instances, with how many rows it has.
    async fn rows(&self) -> Vec<(String, i64)> {
        let client = self.scratch.connect().await;
        let tables = "SELECT DISTINCT table_name::text FROM information_schema.columns WHERE table_schema = current_schema()
                      AND (column_name = 'instance' OR table_name IN ('instances', 'message_words')) ORDER BY 1";
        let mut all = Vec::new();
        for table in client.query(tables, &[]).await.unwrap() {
            let table: String = table.get(0);
            let count = client.query_one(&format!("SELECT count(*) FROM {table}"), &[]).await.unwrap();
            all.push((table, count.get(0)));
        }
        all
    }
}
