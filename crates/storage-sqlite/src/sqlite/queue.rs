use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, TrySendError, sync_channel};
use std::thread::JoinHandle;

use parking_lot::Mutex;
use storage::Write;
use tokio::sync::oneshot;
use wa_store::Commit;

use super::Tx;
use super::purge::{self, Leftovers};
use crate::fault::{CommitFailure, Fault};

/// The queue before the writing thread.
///
/// The thread takes whatever waits, runs each job in a savepoint of its own, commits them all together, and only then
/// answers. While it waits for the disk the next batch gathers, so the more there is to do the less each job costs.
pub(crate) struct WriteQueue {
    /// `None` once closed.
    jobs: Mutex<Option<SyncSender<Box<dyn Job>>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl WriteQueue {
    /// Starts the thread. At most `length` jobs wait, at most `batch` share a commit.
    pub(crate) fn start(tx: Tx, length: usize, batch: usize) -> std::io::Result<Self> {
        let (sender, receiver) = sync_channel(length);
        let writer = Writer { tx, jobs: receiver, limit: batch.max(1) };
        let thread =
            std::thread::Builder::new().name("sqlite-writer".to_owned()).spawn(move || writer.run())?;
        Ok(Self { jobs: Mutex::new(Some(sender)), thread: Mutex::new(Some(thread)) })
    }

    /// Queues a write, now; the answer comes after its commit.
    pub(crate) fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Tx) -> Result<T, Fault> + Send + 'static,
    ) -> Write<T> {
        let answer = self.submit(work);
        Box::pin(async move { Ok(answer.await.unwrap_or(Err(Fault::Closed))?) })
    }

    /// The same for companions.
    pub(crate) fn commit(&self, work: impl FnOnce(&mut Tx) -> Result<(), Fault> + Send + 'static) -> Commit {
        let answer = self.submit(work);
        Box::pin(async move { Ok(answer.await.unwrap_or(Err(Fault::Closed))?) })
    }

    fn submit<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Tx) -> Result<T, Fault> + Send + 'static,
    ) -> oneshot::Receiver<Result<T, Fault>> {
        let (reply, answer) = oneshot::channel();
        let task = Task { work: Some(work), result: Err(Fault::Closed), reply };
        if let Some((task, fault)) = self.push(Box::new(task)) {
            task.refuse(fault);
        }
        answer
    }

    /// Gives the job back when it can't be taken.
    fn push(&self, job: Box<dyn Job>) -> Option<(Box<dyn Job>, Fault)> {
        let jobs = self.jobs.lock();
        let Some(jobs) = jobs.as_ref() else { return Some((job, Fault::Closed)) };
        match jobs.try_send(job) {
            Ok(()) => None,
            Err(TrySendError::Full(job)) => Some((job, Fault::Overloaded)),
            Err(TrySendError::Disconnected(job)) => Some((job, Fault::Closed)),
        }
    }

    /// Takes no more jobs, finishes those that wait, and returns when the thread has ended.
    pub(crate) fn close(&self) {
        drop(self.jobs.lock().take());
        let thread = self.thread.lock().take();
        if thread.is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the writing thread of the database has panicked");
        }
    }
}

impl Drop for WriteQueue {
    fn drop(&mut self) {
        self.close();
    }
}

/// A write of any result type.
trait Job: Send {
    /// Runs inside of a batch. An error is one of the batch; the job's own is kept for its answer.
    fn run(&mut self, tx: &mut Tx) -> Result<(), CommitFailure>;

    /// Answers after the commit.
    fn finish(self: Box<Self>, committed: Result<(), CommitFailure>);

    /// Answers without having run.
    fn refuse(self: Box<Self>, fault: Fault);
}

struct Task<F, T> {
    work: Option<F>,
    result: Result<T, Fault>,
    reply: oneshot::Sender<Result<T, Fault>>,
}

impl<F, T> Job for Task<F, T>
where
    F: FnOnce(&mut Tx) -> Result<T, Fault> + Send,
    T: Send,
{
    fn run(&mut self, tx: &mut Tx) -> Result<(), CommitFailure> {
        if let Some(work) = self.work.take() {
            self.result = tx.job(work)?;
        }
        Ok(())
    }

    fn finish(self: Box<Self>, committed: Result<(), CommitFailure>) {
        let answer = match (self.result, committed) {
            (Err(fault), Ok(())) => Err(fault),
            (result, committed) => committed.map_err(Fault::from).and(result),
        };
        // Nobody listens any more when the caller dropped the future; the write stands all the same.
        let _ = self.reply.send(answer);
    }

    fn refuse(self: Box<Self>, fault: Fault) {
        let _ = self.reply.send(Err(fault));
    }
}

struct Writer {
    tx: Tx,
    jobs: Receiver<Box<dyn Job>>,
    limit: usize,
}

impl Writer {
    fn run(mut self) {
        let mut leftovers = Leftovers::Likely;
        while let Some(first) = self.next(&mut leftovers) {
            if self.batch(first) {
                leftovers = Leftovers::Likely;
            }
        }
        purge::finish_log(&mut self.tx.db);
    }

    /// The next job; removes leftovers of deleted instances while there is none. `None` when the queue is closed.
    fn next(&mut self, leftovers: &mut Leftovers) -> Option<Box<dyn Job>> {
        while *leftovers == Leftovers::Likely {
            match self.jobs.try_recv() {
                Ok(job) => return Some(job),
                Err(TryRecvError::Disconnected) => return None,
                Err(TryRecvError::Empty) => *leftovers = purge::step(&mut self.tx),
            }
        }
        self.jobs.recv().ok()
    }

    /// Runs and commits `first` and whatever waits behind it. Tells whether an instance was deleted.
    fn batch(&mut self, first: Box<dyn Job>) -> bool {
        let mut next = Some(first);
        let mut done = Vec::new();
        let committed = self.run_jobs(&mut next, &mut done);
        if let Err(failure) = &committed {
            tracing::error!(jobs = done.len(), error = ?failure, "a batch of writes could not be committed");
            self.tx.rollback();
        }
        for job in done.into_iter().chain(next) {
            job.finish(committed.clone());
        }
        self.tx.take_retired()
    }

    fn run_jobs(
        &mut self,
        next: &mut Option<Box<dyn Job>>,
        done: &mut Vec<Box<dyn Job>>,
    ) -> Result<(), CommitFailure> {
        self.tx.begin()?;
        while let Some(mut job) = next.take() {
            let ran = job.run(&mut self.tx);
            done.push(job);
            ran?;
            *next = if done.len() < self.limit { self.jobs.try_recv().ok() } else { None };
        }
        self.tx.commit()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Sender, channel};

    use diesel::connection::SimpleConnection;
    use diesel::prelude::*;
    use storage::StorageError;

    use super::*;

    diesel::table! {
        rows (id) {
            id -> BigInt,
            parent -> Nullable<BigInt>,
        }
    }

    fn start(length: usize, batch: usize) -> WriteQueue {
        let mut db = SqliteConnection::establish(":memory:").unwrap();
        db.batch_execute(
            "PRAGMA foreign_keys = ON;
             CREATE TABLE retired_instances (instance INTEGER PRIMARY KEY);
             CREATE TABLE rows (id INTEGER PRIMARY KEY, parent INTEGER REFERENCES rows DEFERRABLE INITIALLY DEFERRED);",
        )
        .unwrap();
        WriteQueue::start(Tx::new(db, storage::Clock::system()), length, batch).unwrap()
    }

    fn insert(tx: &mut Tx, id: i64, parent: Option<i64>) -> Result<(), Fault> {
        diesel::insert_into(rows::table)
            .values((rows::id.eq(id), rows::parent.eq(parent)))
            .execute(&mut tx.db)?;
        Ok(())
    }

    async fn ids(queue: &WriteQueue) -> Vec<i64> {
        queue.write(|tx| Ok(rows::table.select(rows::id).order(rows::id).load(&mut tx.db)?)).await.unwrap()
    }

    /// Holds the thread inside of a batch until the sender is dropped, so that what is queued meanwhile joins the batch.
    fn hold(queue: &WriteQueue) -> (Sender<()>, Write<()>) {
        let (release, held) = channel::<()>();
        let (entered, wait) = channel();
        let write = queue.write(move |_| {
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
        let first = queue.write(|tx| insert(tx, 1, None));
        let failing = queue.write(|tx| {
            insert(tx, 2, None)?;
            insert(tx, 1, None)
        });
        let refusing = queue.write::<()>(|tx| {
            insert(tx, 3, None)?;
            Err(Fault::NotFound("instance"))
        });
        let last = queue.write(|tx| insert(tx, 4, None));
        drop(release);
        held.await.unwrap();
        first.await.unwrap();
        assert!(matches!(failing.await, Err(StorageError::Backend(_))));
        assert!(matches!(refusing.await, Err(StorageError::NotFound { what: "instance" })));
        last.await.unwrap();
        assert_eq!(ids(&queue).await, [1, 4]);
    }

    #[tokio::test]
    async fn a_failing_commit_fails_and_undoes_all_of_its_batch() {
        let queue = start(16, 16);
        queue.write(|tx| insert(tx, 1, None)).await.unwrap();
        let (release, held) = hold(&queue);
        let innocent = queue.write(|tx| insert(tx, 2, None));
        // Allowed by its savepoint, refused by the commit.
        let guilty = queue.write(|tx| insert(tx, 3, Some(99)));
        drop(release);
        for answer in [held.await, innocent.await, guilty.await] {
            let error = answer.unwrap_err();
            assert!(
                matches!(&error, StorageError::Backend(cause) if cause.to_string() == "the commit failed")
            );
        }
        assert_eq!(ids(&queue).await, [1]);
        queue.write(|tx| insert(tx, 2, Some(1))).await.unwrap();
        assert_eq!(ids(&queue).await, [1, 2]);
    }

    #[tokio::test]
    async fn a_batch_that_the_database_gave_up_fails_as_a_whole_and_the_next_one_works() {
        let queue = start(16, 16);
        let (release, held) = hold(&queue);
        let before = queue.write(|tx| insert(tx, 1, None));
        // As SQLite does by itself when the disk is full.
        let broken = queue.write(|tx| Ok(tx.db.batch_execute("ROLLBACK")?));
        let after = queue.write(|tx| insert(tx, 2, None));
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
                queue.write(move |tx| {
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
        assert_eq!(
            batches.iter().map(|batch| batch - first).collect::<Vec<_>>(),
            [0, 0, 0, 1, 1, 1, 1, 2, 2, 2]
        );
    }

    #[tokio::test]
    async fn a_full_queue_refuses_at_once_and_works_again() {
        let queue = start(2, 16);
        let (release, held) = hold(&queue);
        let waiting = [queue.write(|tx| insert(tx, 1, None)), queue.write(|tx| insert(tx, 2, None))];
        let refused = queue.write(|tx| insert(tx, 3, None));
        assert!(matches!(refused.await, Err(StorageError::Overloaded)));
        drop(release);
        held.await.unwrap();
        for write in waiting {
            write.await.unwrap();
        }
        queue.write(|tx| insert(tx, 4, None)).await.unwrap();
        assert_eq!(ids(&queue).await, [1, 2, 4]);
    }

    #[tokio::test]
    async fn closing_finishes_what_waits_and_refuses_the_rest() {
        let queue = start(64, 4);
        let (release, held) = hold(&queue);
        let writes: Vec<_> = (1..=10).map(|id| queue.write(move |tx| insert(tx, id, None))).collect();
        drop(release);
        queue.close();
        held.await.unwrap();
        for write in writes {
            write.await.unwrap();
        }
        assert!(matches!(queue.write(|tx| insert(tx, 11, None)).await, Err(StorageError::Closed)));
        queue.close();
    }
}
