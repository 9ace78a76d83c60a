//! What is refused at the door, and why.

use std::process::Command;

use storage::{Fleet, SettingStore, StorageError, UserStore};
use storage_sqlite::{MasterKey, OpenError, SqliteDatabase};

use crate::fixture::{Fixture, KEY, open};

#[tokio::test]
async fn folders_are_created_and_every_url_names_the_same_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("deep/er/gateway.db");
    let path = path.to_str().unwrap();
    for url in [path.to_owned(), format!("file:{path}"), format!("sqlite://{path}")] {
        let database = SqliteDatabase::open(&url, MasterKey::from_bytes(KEY)).unwrap();
        database.put_setting(url.clone(), storage::SecretText::new("here")).await.unwrap();
        assert!(database.setting(path).await.unwrap().is_some(), "{url}");
        database.close().await;
    }
    let refused = SqliteDatabase::open("mongodb://localhost/x", MasterKey::from_bytes(KEY)).err();
    assert!(matches!(refused, Some(OpenError::Url(_))), "{refused:?}");
}

#[tokio::test]
async fn a_second_opening_is_refused_until_the_first_is_closed() {
    let fixture = Fixture::start();
    let path = fixture.folder.path().join("gateway.db");
    let again = || SqliteDatabase::open(path.to_str().unwrap(), MasterKey::from_bytes(KEY));
    let refused = again().err().unwrap();
    assert!(matches!(&refused, OpenError::InUse { .. }), "{refused:?}");
    assert_eq!(refused.to_string(), format!("the database {} is in use by another process", path.display()));

    fixture.database.close().await;
    let reopened = again().unwrap();
    assert!(matches!(fixture.database.users().await, Err(StorageError::Closed)));
    let refused = fixture.database.put_setting("x".into(), storage::SecretText::new("y")).await;
    assert!(matches!(refused, Err(StorageError::Closed)), "{refused:?}");
    assert!(reopened.users().await.unwrap().is_empty());
    // The clone that was closed gives up nothing of the one that is open.
    drop(fixture.database);
    assert!(matches!(again().err(), Some(OpenError::InUse { .. })));
}

#[tokio::test]
async fn a_second_process_is_refused() {
    const PATH: &str = "STORAGE_SQL_TEST_SECOND_PROCESS";
    if let Ok(path) = std::env::var(PATH) {
        let refused = SqliteDatabase::open(&path, MasterKey::from_bytes(KEY)).err();
        assert!(matches!(refused, Some(OpenError::InUse { .. })), "{refused:?}");
        return;
    }
    let fixture = Fixture::start();
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "opening::a_second_process_is_refused"])
        .env(PATH, fixture.database.path())
        .output()
        .unwrap();
    assert!(child.status.success(), "{}", String::from_utf8_lossy(&child.stdout));
    assert!(String::from_utf8_lossy(&child.stdout).contains("1 passed"));
}

#[tokio::test]
async fn another_master_key_is_refused_and_harms_nothing() {
    let fixture = Fixture::start();
    fixture.instance().await;
    fixture.database.close().await;
    let path = fixture.folder.path().join("gateway.db");
    let refused = SqliteDatabase::open(path.to_str().unwrap(), MasterKey::from_bytes([8; 32])).err().unwrap();
    assert!(matches!(&refused, OpenError::WrongMasterKey { .. }), "{refused:?}");
    assert!(refused.to_string().contains("another master key"));
    let database = open(&fixture.folder);
    assert_eq!(database.fleet().await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_database_of_a_newer_release_is_refused_and_harms_nothing() {
    let mut fixture = Fixture::start();
    fixture.database.close().await;
    fixture.sql("INSERT INTO __diesel_schema_migrations (version) VALUES ('99999999999999')");
    let path = fixture.folder.path().join("gateway.db");
    let refused = SqliteDatabase::open(path.to_str().unwrap(), MasterKey::from_bytes(KEY)).err().unwrap();
    assert!(matches!(&refused, OpenError::NewerSchema { step } if step == "99999999999999"), "{refused:?}");
    fixture.sql("DELETE FROM __diesel_schema_migrations WHERE version = '99999999999999'");
    fixture.restart().await;
}

#[tokio::test]
async fn a_file_that_is_no_database_is_refused_and_kept() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("letter.txt");
    let letter = "Dear reader, this is not a database, but it is longer than a hundred bytes. ".repeat(20);
    std::fs::write(&path, &letter).unwrap();
    let refused = SqliteDatabase::open(path.to_str().unwrap(), MasterKey::from_bytes(KEY)).err();
    assert!(matches!(refused, Some(OpenError::Database(_))), "{refused:?}");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), letter);
}
