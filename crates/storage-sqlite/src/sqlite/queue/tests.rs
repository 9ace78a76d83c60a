use std::sync::mpsc::{Sender, channel};

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use storage::{Missing, StorageError};

use super::*;

diesel::table! {
    rows (id) {
        id -> BigInt,
        parent -> Nullable<BigInt>,
    }
}

fn start(length: usize, batch: usize) -> WriteQueue {
    start_with(length, batch, PATIENCE)
}

fn start_with(length: usize, batch: usize, patience: Duration) -> WriteQueue {
    let mut db = SqliteConnection::establish(":memory:").unwrap();
    db.batch_execute(
        "PRAGMA foreign_keys = ON;
         CREATE TABLE retired_instances (instance INTEGER PRIMARY KEY);
         CREATE TABLE rows (id INTEGER PRIMARY KEY, parent INTEGER REFERENCES rows DEFERRABLE INITIALLY DEFERRED);",
    )
    .unwrap();
    WriteQueue::start_with(Tx::new(db, storage::Clock::system()), length, batch, patience).unwrap()
}

fn insert(tx: &mut Tx, id: i64, parent: Option<i64>) -> Result<(), Fault> {
    diesel::insert_into(rows::table)
        .values((rows::id.eq(id), rows::parent.eq(parent)))
        .execute(&mut tx.db)?;
    Ok(())
}

fn ids_of(tx: &mut Tx) -> Result<Vec<i64>, Fault> {
    Ok(rows::table.select(rows::id).order(rows::id).load(&mut tx.db)?)
}

async fn ids(queue: &WriteQueue) -> Vec<i64> {
    queue.write(Urgency::Now, ids_of).await.unwrap()
}

/// Holds the thread inside of a batch until the sender is dropped, so that what is queued meanwhile joins the batch.
fn hold(queue: &WriteQueue) -> (Sender<()>, Write<()>) {
    let (release, held) = channel::<()>();
    let (entered, wait) = channel();
    let write = queue.write(Urgency::Now, move |_| {
        entered.send(()).unwrap();
        let _ = held.recv();
        Ok(())
    });
    wait.recv().unwrap();
    (release, write)
}

#[tokio::test]
async fn a_failing_job_is_undone_alone() {
    let queue = start(16, 16);
    let (release, held) = hold(&queue);
    let first = queue.write(Urgency::Now, |tx| insert(tx, 1, None));
    let failing = queue.write(Urgency::Now, |tx| {
        insert(tx, 2, None)?;
        insert(tx, 1, None)
    });
    let refusing = queue.write::<()>(Urgency::Now, |tx| {
        insert(tx, 3, None)?;
        Err(Fault::NotFound(Missing::Instance))
    });
    let last = queue.write(Urgency::Now, |tx| insert(tx, 4, None));
    drop(release);
    held.await.unwrap();
    first.await.unwrap();
    assert!(matches!(failing.await, Err(StorageError::Backend(_))));
    assert!(matches!(refusing.await, Err(StorageError::NotFound { what: Missing::Instance })));
    last.await.unwrap();
    assert_eq!(ids(&queue).await, [1, 4]);
}

#[tokio::test]
async fn a_failing_commit_fails_and_undoes_all_of_its_batch() {
    let queue = start(16, 16);
    queue.write(Urgency::Now, |tx| insert(tx, 1, None)).await.unwrap();
    let (release, held) = hold(&queue);
    let innocent = queue.write(Urgency::Now, |tx| insert(tx, 2, None));
    // Allowed by its savepoint, refused by the commit.
    let guilty = queue.write(Urgency::Now, |tx| insert(tx, 3, Some(99)));
    drop(release);
    for answer in [held.await, innocent.await, guilty.await] {
        let error = answer.unwrap_err();
        assert!(matches!(&error, StorageError::Backend(cause) if cause.to_string() == "the commit failed"));
    }
    assert_eq!(ids(&queue).await, [1]);
    queue.write(Urgency::Now, |tx| insert(tx, 2, Some(1))).await.unwrap();
    assert_eq!(ids(&queue).await, [1, 2]);
}

#[tokio::test]
async fn a_batch_that_the_database_gave_up_fails_as_a_whole_and_the_next_one_works() {
    let queue = start(16, 16);
    let (release, held) = hold(&queue);
    let before = queue.write(Urgency::Now, |tx| insert(tx, 1, None));
    // As SQLite does by itself when the disk is full.
    let broken = queue.write(Urgency::Now, |tx| Ok(tx.db.batch_execute("ROLLBACK")?));
    let after = queue.write(Urgency::Now, |tx| insert(tx, 2, None));
    drop(release);
    assert!(held.await.is_err() && before.await.is_err() && broken.await.is_err());
    after.await.unwrap();
    assert_eq!(ids(&queue).await, [2]);
}

#[tokio::test]
async fn jobs_run_in_the_order_of_their_calls_in_batches_of_limited_size() {
    let queue = start(64, 4);
    let (release, held) = hold(&queue);
    let writes: Vec<_> = (1..=10)
        .map(|id| {
            queue.write(Urgency::Now, move |tx| {
                insert(tx, id, None)?;
                let seen = rows::table.count().get_result::<i64>(&mut tx.db)?;
                Ok((tx.batch(), seen))
            })
        })
        .collect();
    drop(release);
    held.await.unwrap();
    let mut batches = Vec::new();
    for (position, write) in (1..).zip(writes) {
        let (batch, seen) = write.await.unwrap();
        assert_eq!(seen, position);
        batches.push(batch);
    }
    let first = batches[0];
    assert_eq!(batches.iter().map(|batch| batch - first).collect::<Vec<_>>(), [0, 0, 0, 1, 1, 1, 1, 2, 2, 2]);
}

#[tokio::test]
async fn a_full_queue_refuses_at_once_and_works_again() {
    let queue = start(2, 16);
    let (release, held) = hold(&queue);
    let waiting = [
        queue.write(Urgency::Now, |tx| insert(tx, 1, None)),
        queue.write(Urgency::Now, |tx| insert(tx, 2, None)),
    ];
    let refused = queue.write(Urgency::Now, |tx| insert(tx, 3, None));
    assert!(matches!(refused.await, Err(StorageError::Overloaded)));
    drop(release);
    held.await.unwrap();
    for write in waiting {
        write.await.unwrap();
    }
    queue.write(Urgency::Now, |tx| insert(tx, 4, None)).await.unwrap();
    assert_eq!(ids(&queue).await, [1, 2, 4]);
}

#[tokio::test]
async fn closing_finishes_what_waits_and_refuses_the_rest() {
    let queue = start(64, 4);
    let (release, held) = hold(&queue);
    let writes: Vec<_> =
        (1..=10).map(|id| queue.write(Urgency::Now, move |tx| insert(tx, id, None))).collect();
    drop(release);
    queue.close();
    held.await.unwrap();
    for write in writes {
        write.await.unwrap();
    }
    assert!(matches!(queue.write(Urgency::Now, |tx| insert(tx, 11, None)).await, Err(StorageError::Closed)));
    queue.close();
}

const FOR_EVER: Duration = Duration::from_secs(3_600);

fn insert_and_say_batch(tx: &mut Tx) -> Result<u64, Fault> {
    insert(tx, 1, None)?;
    Ok(tx.batch())
}

#[tokio::test]
async fn what_nobody_waits_for_shares_the_next_commit_in_its_order() {
    let queue = start_with(16, 16, FOR_EVER);
    let patient = queue.write(Urgency::Soon, insert_and_say_batch);
    let urgent = queue.write(Urgency::Now, |tx| Ok((tx.batch(), ids_of(tx)?)));
    let (batch, ids) = urgent.await.unwrap();
    assert_eq!((patient.await.unwrap(), ids), (batch, vec![1]));
}

#[tokio::test]
async fn what_nobody_waits_for_is_committed_soon_and_at_once_in_a_hurry() {
    let queue = start(16, 16);
    queue.write(Urgency::Soon, insert_and_say_batch).await.unwrap();
    let queue = start_with(16, 16, FOR_EVER);
    let patient = queue.write(Urgency::Soon, insert_and_say_batch);
    queue.hurry();
    patient.await.unwrap();
}

#[tokio::test]
async fn closing_commits_what_waits_for_company() {
    let queue = start_with(16, 16, FOR_EVER);
    let patient = queue.write(Urgency::Soon, insert_and_say_batch);
    queue.close();
    patient.await.unwrap();
}

async fn a_big_row(queue: &WriteQueue) -> Result<(), StorageError> {
    let big = |tx: &mut Tx| Ok(tx.db.batch_execute("INSERT INTO big VALUES (zeroblob(1000000))")?);
    queue.write(Urgency::Now, big).await
}

/// A full disk, as SQLite tells of it.
#[tokio::test]
async fn a_full_disk_is_known_until_something_is_written_again() {
    let mut db = SqliteConnection::establish(":memory:").unwrap();
    db.batch_execute("CREATE TABLE retired_instances (instance INTEGER PRIMARY KEY); CREATE TABLE big (x);")
        .unwrap();
    let tx = Tx::new(db, storage::Clock::system());
    let commits = tx.commits();
    let queue = WriteQueue::start(tx, 16, 16).unwrap();
    let limit = |pages: u32| {
        let pragma = format!("PRAGMA max_page_count = {pages}");
        queue.write(Urgency::Now, move |tx| Ok(tx.db.batch_execute(&pragma)?))
    };
    a_big_row(&queue).await.unwrap();
    assert_eq!(commits.failure(), None);
    limit(300).await.unwrap();
    assert!(a_big_row(&queue).await.is_err());
    let failure = commits.failure().expect("it is known");
    assert!(failure.error.contains("full"), "{failure:?}");
    // A commit of nothing proves nothing, and what is wrong began when it began.
    queue.write(Urgency::Now, |_| Ok(())).await.unwrap();
    assert!(a_big_row(&queue).await.is_err());
    assert_eq!(commits.failure().expect("still").since, failure.since);
    limit(30_000).await.unwrap();
    a_big_row(&queue).await.unwrap();
    assert_eq!(commits.failure(), None);
}
