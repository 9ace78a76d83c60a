use std::collections::VecDeque;
use std::ops::ControlFlow;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TryRecvError, TrySendError, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use parking_lot::Mutex;
use storage::{Urgency, Write};
use tokio::sync::oneshot;
use tokio::time::Instant;
use wa_store::Commit;

use super::Tx;
use super::purge::{self, Leftovers};
use crate::fault::{CommitFailure, Fault};

/// How long a job that nobody waits for may wait for another one to share its commit: as long as a few commits take, and
/// too short to be noticed.
const PATIENCE: Duration = Duration::from_millis(5);

/// The queue before the writing thread.
///
/// The thread takes whatever waits, runs each job in a savepoint of its own, commits them all together, and only then
/// answers. While it waits for the disk the next batch gathers, so the more there is to do the less each job costs. Jobs
/// that nobody waits for are kept back a moment, so that a single caller's are shared as well. Their order is kept.
pub(crate) struct WriteQueue {
    /// `None` once closed.
    jobs: Mutex<Option<SyncSender<Queued>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl WriteQueue {
    /// Starts the thread. At most `length` jobs wait, at most `batch` share a commit.
    pub(crate) fn start(tx: Tx, length: usize, batch: usize) -> std::io::Result<Self> {
        Self::start_with(tx, length, batch, PATIENCE)
    }

    fn start_with(tx: Tx, length: usize, batch: usize, patience: Duration) -> std::io::Result<Self> {
        let (sender, receiver) = sync_channel(length);
        let writer = Writer { tx, jobs: receiver, waiting: VecDeque::new(), patience, limit: batch.max(1) };
        let thread =
            std::thread::Builder::new().name("sqlite-writer".to_owned()).spawn(move || writer.run())?;
        Ok(Self { jobs: Mutex::new(Some(sender)), thread: Mutex::new(Some(thread)) })
    }

    /// Queues a write, now; the answer comes after its commit.
    pub(crate) fn write<T: Send + 'static>(
        &self,
        urgency: Urgency,
        work: impl FnOnce(&mut Tx) -> Result<T, Fault> + Send + 'static,
    ) -> Write<T> {
        let answer = self.submit(urgency, work);
        Box::pin(async move { Ok(answer.await.unwrap_or(Err(Fault::Closed))?) })
    }

    /// The same for companions.
    pub(crate) fn commit(&self, work: impl FnOnce(&mut Tx) -> Result<(), Fault> + Send + 'static) -> Commit {
        let answer = self.submit(Urgency::Now, work);
        Box::pin(async move { Ok(answer.await.unwrap_or(Err(Fault::Closed))?) })
    }

    /// Jobs that wait for company wait no longer.
    pub(crate) fn hurry(&self) {
        if let Some(jobs) = self.jobs.lock().as_ref() {
            // Where there is no room for it, there is company.
            let _ = jobs.try_send(Queued::Hurry);
        }
    }

    fn submit<T: Send + 'static>(
        &self,
        urgency: Urgency,
        work: impl FnOnce(&mut Tx) -> Result<T, Fault> + Send + 'static,
    ) -> oneshot::Receiver<Result<T, Fault>> {
        let (reply, answer) = oneshot::channel();
        let task = Task { work: Some(work), result: Err(Fault::Closed), reply };
        if let Some((task, fault)) = self.push(urgency, Box::new(task)) {
            task.refuse(fault);
        }
        answer
    }

    /// Gives the job back when it can't be taken.
    fn push(&self, urgency: Urgency, job: Box<dyn Job>) -> Option<(Box<dyn Job>, Fault)> {
        let jobs = self.jobs.lock();
        let Some(jobs) = jobs.as_ref() else { return Some((job, Fault::Closed)) };
        let (queued, fault) = match jobs.try_send(Queued::Job(urgency, job)) {
            Ok(()) => return None,
            Err(TrySendError::Full(queued)) => (queued, Fault::Overloaded),
            Err(TrySendError::Disconnected(queued)) => (queued, Fault::Closed),
        };
        queued.job().map(|job| (job, fault))
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

/// What the thread is told.
enum Queued {
    Job(Urgency, Box<dyn Job>),
    Hurry,
}

impl Queued {
    fn job(self) -> Option<Box<dyn Job>> {
        match self {
            Self::Job(_, job) => Some(job),
            Self::Hurry => None,
        }
    }
}

struct Writer {
    tx: Tx,
    jobs: Receiver<Queued>,
    /// Taken from the queue, in its order.
    waiting: VecDeque<Box<dyn Job>>,
    patience: Duration,
    limit: usize,
}

impl Writer {
    fn run(mut self) {
        let mut leftovers = Leftovers::Likely;
        while self.clean_up(&mut leftovers).is_continue() && self.gather().is_continue() {
            if self.batch() {
                leftovers = Leftovers::Likely;
            }
        }
        purge::finish_log(&mut self.tx.db);
    }

    /// Removes leftovers of deleted instances while there is nothing to do. Breaks when the queue is closed.
    fn clean_up(&mut self, leftovers: &mut Leftovers) -> ControlFlow<()> {
        while *leftovers == Leftovers::Likely && self.waiting.is_empty() {
            match self.jobs.try_recv() {
                Ok(queued) => self.waiting.extend(queued.job()),
                Err(TryRecvError::Disconnected) => return ControlFlow::Break(()),
                Err(TryRecvError::Empty) => *leftovers = purge::step(&mut self.tx),
            }
        }
        ControlFlow::Continue(())
    }

    /// Waits until something is to be committed now. Breaks when the queue is closed and nothing waits.
    fn gather(&mut self) -> ControlFlow<()> {
        let mut due = (!self.waiting.is_empty()).then(Instant::now);
        loop {
            let queued = match due {
                None => self.jobs.recv().map_err(|_| RecvTimeoutError::Disconnected),
                Some(due) => self.jobs.recv_timeout(due.saturating_duration_since(Instant::now())),
            };
            match queued {
                Ok(Queued::Job(Urgency::Soon, job)) => {
                    self.waiting.push_back(job);
                    due = due.or_else(|| Some(Instant::now() + self.patience));
                }
                Ok(Queued::Job(Urgency::Now, job)) => {
                    self.waiting.push_back(job);
                    return ControlFlow::Continue(());
                }
                Ok(Queued::Hurry) if self.waiting.is_empty() => {}
                Err(RecvTimeoutError::Disconnected) if self.waiting.is_empty() => {
                    return ControlFlow::Break(());
                }
                Ok(Queued::Hurry) | Err(_) => return ControlFlow::Continue(()),
            }
        }
    }

    /// Runs and commits what waits. Tells whether an instance was deleted.
    fn batch(&mut self) -> bool {
        let mut done = Vec::new();
        let committed = self.run_jobs(&mut done);
        if let Err(failure) = &committed {
            tracing::error!(jobs = done.len(), error = ?failure, "a batch of writes could not be committed");
            self.tx.rollback();
            if done.is_empty() {
                done.extend(self.waiting.drain(..));
            }
        }
        for job in done {
            job.finish(committed.clone());
        }
        self.tx.take_retired()
    }

    fn run_jobs(&mut self, done: &mut Vec<Box<dyn Job>>) -> Result<(), CommitFailure> {
        self.tx.begin()?;
        while done.len() < self.limit
            && let Some(mut job) = self.waiting.pop_front().or_else(|| self.queued())
        {
            let ran = job.run(&mut self.tx);
            done.push(job);
            ran?;
        }
        self.tx.commit()
    }

    /// The next job of the queue, if there is one now.
    fn queued(&mut self) -> Option<Box<dyn Job>> {
        loop {
            match self.jobs.try_recv().ok()? {
                Queued::Job(_, job) => return Some(job),
                Queued::Hurry => {}
            }
        }
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
            Err(Fault::NotFound("instance"))
        });
        let last = queue.write(Urgency::Now, |tx| insert(tx, 4, None));
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
        queue.write(Urgency::Now, |tx| insert(tx, 1, None)).await.unwrap();
        let (release, held) = hold(&queue);
        let innocent = queue.write(Urgency::Now, |tx| insert(tx, 2, None));
        // Allowed by its savepoint, refused by the commit.
        let guilty = queue.write(Urgency::Now, |tx| insert(tx, 3, Some(99)));
        drop(release);
        for answer in [held.await, innocent.await, guilty.await] {
            let error = answer.unwrap_err();
            assert!(
                matches!(&error, StorageError::Backend(cause) if cause.to_string() == "the commit failed")
            );
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
        assert_eq!(
            batches.iter().map(|batch| batch - first).collect::<Vec<_>>(),
            [0, 0, 0, 1, 1, 1, 1, 2, 2, 2]
        );
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
        assert!(matches!(
            queue.write(Urgency::Now, |tx| insert(tx, 11, None)).await,
            Err(StorageError::Closed)
        ));
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
}
