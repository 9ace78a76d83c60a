//! What was answered is there, whatever happens to the process or to the end of the log.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use bytes::Bytes;
use storage::conformance::{sample_incoming, sample_user};
use storage::{Epoch, Fleet, Storage};
use storage_sqlite::{MasterKey, SqliteDatabase};
use tempfile::TempDir;
use wa_store::{Changes, DeviceAddress, Store};

use crate::fixture::{Fixture, Held, KEY, open};

const DATABASE: &str = "STORAGE_SQLITE_TEST_KILLED_DATABASE";
const INSTANCE: &str = "STORAGE_SQLITE_TEST_KILLED_INSTANCE";

/// A process that is killed while it writes leaves every answered write behind, and no write in part.
#[tokio::test]
async fn a_killed_process_loses_nothing_that_was_answered() {
    if let Ok(path) = std::env::var(DATABASE) {
        return write_until_killed(&path).await;
    }
    let mut fixture = Fixture::start();
    let instance = fixture.instance().await;
    let mut answered = 0;
    for lines in [1, 7, 40, 90, 150, 260] {
        fixture.database.close().await;
        answered = run_and_kill(fixture.database.path(), &instance, answered, lines);
        fixture.restart().await;
        let stored = check_whole(&fixture.database, &instance).await;
        assert!(stored >= answered, "{answered} were answered, {stored} are stored");
        answered = stored;
    }
}

/// Starts a writing process, reads `lines` of its answers, kills it. Tells how many writes it was known to have done.
fn run_and_kill(path: &Path, instance: &Held, known: usize, lines: usize) -> usize {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "--nocapture", "durability::a_killed_process_loses_nothing_that_was_answered"])
        .env(DATABASE, path)
        .env(INSTANCE, instance.id.to_string())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let answers = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    let mut answers = answers.filter_map(|line| line.strip_prefix("answered ")?.parse::<usize>().ok());
    let last = answers.by_ref().take(lines).last();
    child.kill().unwrap();
    child.wait().unwrap();
    let last = last.expect("the process answered something");
    assert!(last + 2 >= known + lines, "it went on where it ended");
    last + 1
}

/// Writes numbered messages, many at a time, and prints each number once it was answered.
async fn write_until_killed(path: &str) {
    let database = SqliteDatabase::open(path, MasterKey::from_bytes(KEY)).unwrap();
    let id = std::env::var(INSTANCE).unwrap().parse().unwrap();
    let instance = Held { user: sample_user("none"), id, epoch: Epoch::new(1) };
    let companion = instance.companion(&database);
    // The last message may lack its ratchet. It was never acknowledged then, so it is delivered again.
    let mut next = check_whole(&database, &instance).await.saturating_sub(1);
    loop {
        let window: Vec<_> =
            (next..next + 32).map(|n| (n, submit(&database, &companion, &instance, n))).collect();
        for (n, written) in window {
            written.await;
            println!("answered {n}");
        }
        next += 32;
    }
}

/// A log that ends anywhere, as after a power cut, holds the first so many writes, each whole.
#[tokio::test]
async fn a_log_cut_anywhere_holds_a_prefix_of_whole_writes() {
    let fixture = Fixture::start();
    let instance = fixture.instance().await;
    let companion = instance.companion(&fixture.database);
    let before = log_of(&fixture).len();
    for round in 0..12 {
        let window: Vec<_> =
            (0..5).map(|n| submit(&fixture.database, &companion, &instance, round * 5 + n)).collect();
        for written in window {
            written.await;
        }
    }
    let (database, log) = (std::fs::read(fixture.database.path()).unwrap(), log_of(&fixture));
    assert!(log.len() > before);
    let mut seen = BTreeSet::new();
    for step in 0..=40 {
        let cut = before + (log.len() - before) * step / 40;
        seen.insert(check_copy(&database, &log[..cut], &instance).await);
    }
    assert_eq!(seen.first(), Some(&0));
    assert_eq!(seen.last(), Some(&60));
    assert!(seen.len() > 10, "the cuts fall into different commits: {seen:?}");
}

/// A write that was answered is in the files at once; nothing else has to happen first.
#[tokio::test]
async fn an_answered_write_is_in_the_files() {
    let fixture = Fixture::start();
    let instance = fixture.instance().await;
    let companion = instance.companion(&fixture.database);
    for n in 0..10 {
        submit(&fixture.database, &companion, &instance, n).await;
        let database = std::fs::read(fixture.database.path()).unwrap();
        assert_eq!(check_copy(&database, &log_of(&fixture), &instance).await, n + 1);
    }
}

/// Dropping the database without closing it finishes what is queued.
#[tokio::test]
async fn dropping_the_database_finishes_what_is_queued() {
    let fixture = Fixture::start();
    let instance = fixture.instance().await;
    let companion = instance.companion(&fixture.database);
    for n in 0..500 {
        drop(submit(&fixture.database, &companion, &instance, n));
    }
    let Fixture { folder, database, .. } = fixture;
    drop((companion, database));
    let database = open(&folder);
    assert_eq!(check_whole(&database, &instance).await, 500);
}

/// Queues write number `n`: a message with its event, and behind it the ratchet.
fn submit(
    database: &SqliteDatabase,
    companion: &Store,
    instance: &Held,
    n: usize,
) -> impl Future<Output = ()> + use<> {
    let message = sample_incoming(instance.id, "15550000002", &n.to_string(), 1_000 + n as i64);
    let recorded = database.record(instance.record().message(message));
    let session = (peer(n), Some(Bytes::from(format!("ratchet {n}"))));
    let ratchet = companion.commit(Changes { sessions: vec![session], ..Changes::default() });
    async move {
        recorded.await.unwrap();
        ratchet.await.unwrap();
    }
}

/// Opens copies of the files elsewhere and checks them.
async fn check_copy(database: &[u8], log: &[u8], instance: &Held) -> usize {
    let folder: TempDir = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("gateway.db"), database).unwrap();
    std::fs::write(folder.path().join("gateway.db-wal"), log).unwrap();
    check_whole(&open(&folder), instance).await
}

/// Checks that the stored writes are the first so many, each with its event, in order; and that a ratchet is never ahead
/// of its message, nor more than one write behind. Tells how many there are.
async fn check_whole(database: &SqliteDatabase, instance: &Held) -> usize {
    let store: &dyn Storage = database;
    let events = store.events_after(instance.id, 0, 1_000_000).await.unwrap();
    let companion = instance.companion(database);
    for (n, event) in events.iter().enumerate() {
        let found = store.fleet_messages_by_id(instance.id, &n.to_string()).await.unwrap();
        assert_eq!(found.len(), 1, "message {n}");
        assert_eq!(Some(found[0].chat.as_str()), event.lane());
    }
    let count = events.len();
    assert!(store.fleet_messages_by_id(instance.id, &count.to_string()).await.unwrap().is_empty());
    let peers: Vec<_> = (0..=count).map(peer).collect();
    let ratchets = companion.sessions(&peers).await.unwrap();
    for (n, ratchet) in ratchets.iter().enumerate() {
        let expected = Bytes::from(format!("ratchet {n}"));
        let may_be_missing = n + 1 >= count;
        assert!(
            *ratchet == Some(expected) || (may_be_missing && ratchet.is_none()),
            "ratchet {n} of {count}"
        );
    }
    assert!(ratchets.last().unwrap().is_none(), "no ratchet is ahead of its message");
    count
}

fn peer(n: usize) -> DeviceAddress {
    DeviceAddress::new(format!("1555{n:07}"), 0)
}

fn log_of(fixture: &Fixture) -> Vec<u8> {
    let mut path = fixture.database.path().as_os_str().to_owned();
    path.push("-wal");
    std::fs::read(path).unwrap()
}
