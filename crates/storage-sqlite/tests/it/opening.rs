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
        database.init_setting(url.clone(), storage::SecretText::new("here")).await.unwrap();
        assert!(database.setting(path).await.unwrap().is_some(), "{url}");
        database.close().await;
    }
    let refused = SqliteDatabase::open("mongodb://localhost/x", MasterKey::from_bytes(KEY)).err();
    assert!(matches!(refused, Some(OpenError::Url(_))), "{refused:?}");
}

#[tokio::test]
async fn a_closed_database_refuses_everything() {
    let fixture = Fixture::start();
    fixture.database.close().await;
    assert!(matches!(fixture.database.users(1, 0).await, Err(StorageError::Closed)));
    let refused = fixture.database.init_setting("x".into(), storage::SecretText::new("y")).await;
    assert!(matches!(refused, Err(StorageError::Closed)), "{refused:?}");
    assert!(fixture.second().users(1, 0).await.unwrap().items.is_empty(), "the other one goes on");
}

/// Many processes that find no database, or an old one, bring it up to date once.
#[test]
fn openings_at_the_same_time_make_one_database() {
    let folder = tempfile::tempdir().unwrap();
    let barrier = std::sync::Barrier::new(4);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                barrier.wait();
                drop(open(&folder));
            });
        }
    });
}

/// Two processes that write the same tables as fast as they can wait for each other, and nothing is lost.
#[tokio::test]
async fn two_processes_write_at_the_same_time() {
    const PATH: &str = "STORAGE_SQLITE_TEST_SECOND_PROCESS";
    const WRITES: usize = 300;
    if let Ok(path) = std::env::var(PATH) {
        let database = SqliteDatabase::open(&path, MasterKey::from_bytes(KEY)).unwrap();
        return init_settings(&database, "theirs", WRITES).await;
    }
    let fixture = Fixture::start();
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "opening::two_processes_write_at_the_same_time"])
        .env(PATH, fixture.database.path())
        .spawn()
        .unwrap();
    init_settings(&fixture.database, "ours", WRITES).await;
    let ended = tokio::task::spawn_blocking(move || child.wait().unwrap()).await.unwrap();
    assert!(ended.success());
    for name in (0..WRITES).flat_map(|n| [format!("ours {n}"), format!("theirs {n}")]) {
        assert!(fixture.database.setting(&name).await.unwrap().is_some(), "{name}");
    }
}

async fn init_settings(database: &SqliteDatabase, whose: &str, count: usize) {
    for n in 0..count {
        database.init_setting(format!("{whose} {n}"), storage::SecretText::new("value")).await.unwrap();
    }
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
    assert_eq!(database.instance_counts().await.unwrap().total, 1);
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

/// SQLite would throw the log away.
#[tokio::test]
async fn a_log_without_its_database_is_refused_and_kept() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("gateway.db");
    let log = folder.path().join("gateway.db-wal");
    std::fs::write(&log, "what was committed last").unwrap();
    for database in [None, Some("")] {
        if let Some(content) = database {
            std::fs::write(&path, content).unwrap();
        }
        let refused = SqliteDatabase::open(path.to_str().unwrap(), MasterKey::from_bytes(KEY)).err();
        assert!(matches!(refused, Some(OpenError::LeftLog { .. })), "{refused:?}");
        assert_eq!(std::fs::read_to_string(&log).unwrap(), "what was committed last");
    }
}

#[cfg(unix)]
#[tokio::test]
async fn a_symbolic_link_is_the_same_database_and_a_hard_link_is_refused() {
    let mut fixture = Fixture::start();
    fixture.database.init_setting("x".into(), storage::SecretText::new("y")).await.unwrap();
    let (file, link) = (fixture.folder.path().join("gateway.db"), fixture.folder.path().join("link.db"));
    std::os::unix::fs::symlink(&file, &link).unwrap();
    let linked = SqliteDatabase::open(link.to_str().unwrap(), MasterKey::from_bytes(KEY)).unwrap();
    assert!(linked.setting("x").await.unwrap().is_some(), "with what is in the log");
    linked.close().await;
    std::fs::remove_file(&link).unwrap();
    std::fs::hard_link(&file, &link).unwrap();
    let refused = SqliteDatabase::open(link.to_str().unwrap(), MasterKey::from_bytes(KEY)).err();
    assert!(matches!(refused, Some(OpenError::HardLink { .. })), "{refused:?}");
    std::fs::remove_file(&link).unwrap();
    fixture.restart().await;
}

#[cfg(unix)]
#[tokio::test]
async fn what_is_created_is_its_owners_alone() {
    use std::os::unix::fs::PermissionsExt as _;

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("deep/gateway.db");
    let database = SqliteDatabase::open(path.to_str().unwrap(), MasterKey::from_bytes(KEY)).unwrap();
    database.init_setting("x".into(), storage::SecretText::new("y")).await.unwrap();
    let mode = |name: &str| std::fs::metadata(path.with_file_name(name)).unwrap().permissions().mode();
    for file in ["gateway.db", "gateway.db-wal", "gateway.db-shm"] {
        assert_eq!(mode(file) & 0o777, 0o600, "{file}");
    }
    assert_eq!(mode("") & 0o777, 0o700);
    database.close().await;
}
