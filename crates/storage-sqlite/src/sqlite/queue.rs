mod job;
mod writer;

use std::collections::VecDeque;
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use parking_lot::Mutex;
use storage::{Urgency, Write};
use storage_sql::Fault;
use tokio::sync::oneshot;
use wa_store::Commit;

use super::Tx;

use job::{Job, Queued, Task};
use writer::Writer;

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

#[cfg(test)]
mod tests;
