use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, TrySendError, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::thread::JoinHandle;

use storage::Write;
use tokio::sync::oneshot;
use wa_store::Commit;

use super::{Tx, purge};
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
        let jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(jobs) = jobs.as_ref() else { return Some((job, Fault::Closed)) };
        match jobs.try_send(job) {
            Ok(()) => None,
            Err(TrySendError::Full(job)) => Some((job, Fault::Overloaded)),
            Err(TrySendError::Disconnected(job)) => Some((job, Fault::Closed)),
        }
    }

    /// Takes no more jobs, finishes those that wait, and returns when the thread has ended.
    pub(crate) fn close(&self) {
        drop(self.jobs.lock().unwrap_or_else(PoisonError::into_inner).take());
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
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
        let mut idle = Idle::Purging;
        while let Some(first) = self.next(&mut idle) {
            if self.batch(first) {
                idle = Idle::Purging;
            }
        }
        purge::finish_log(&mut self.tx.db);
    }

    /// The next job; removes leftovers of deleted instances while there is none. `None` when the queue is closed.
    fn next(&mut self, idle: &mut Idle) -> Option<Box<dyn Job>> {
        while *idle == Idle::Purging {
            match self.jobs.try_recv() {
                Ok(job) => return Some(job),
                Err(TryRecvError::Disconnected) => return None,
                Err(TryRecvError::Empty) => *idle = purge::step(&mut self.tx),
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

/// What the thread does while no job waits.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Idle {
    /// There may be leftovers to remove.
    Purging,
    /// Nothing.
    Waiting,
}
