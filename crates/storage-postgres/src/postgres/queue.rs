mod job;
mod writer;

use std::collections::VecDeque;
use std::time::Duration;

use parking_lot::Mutex;
use storage::{Clock, InstanceId, Urgency, Write};
use storage_sql::{Commits, Fault};
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use wa_store::Commit;

use super::connect::Connector;
use super::tx::Tx;
use super::work::Work;

use job::{Job, Queued, Task};
use writer::Writer;

/// How long a job that nobody waits for may wait for another one to share its commit: as long as a few commits take, and
/// too short to be noticed.
const PATIENCE: Duration = Duration::from_millis(5);

/// What a write depends on and changes: nobody else writes of it meanwhile, also no other process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Touches {
    /// Anything: it is alone.
    Everything,
    /// What belongs to these instances.
    Instances(Vec<InstanceId>),
}

/// The queue before the writing task.
///
/// The task takes whatever waits, runs each job in a savepoint of its own, commits them all together, and only then
/// answers. While it waits for the server the next batch gathers, so the more there is to do the less each job costs. Jobs
/// that nobody waits for are kept back a moment, so that a single caller's are shared as well. Their order is kept.
pub(crate) struct WriteQueue {
    /// `None` once closed.
    jobs: Mutex<Option<mpsc::Sender<Queued>>>,
    task: Mutex<Option<JoinHandle<()>>>,
}

impl WriteQueue {
    /// Starts the task. At most `length` jobs wait, at most `batch` share a commit.
    pub(crate) fn start(
        connector: Connector,
        clock: Option<Clock>,
        commits: Commits,
        (length, batch): (usize, usize),
    ) -> Self {
        let (sender, receiver) = mpsc::channel(length.max(1));
        let writer = Writer {
            connector,
            clock,
            commits,
            tx: None,
            jobs: receiver,
            waiting: VecDeque::new(),
            patience: PATIENCE,
            limit: batch.max(1),
        };
        let task = tokio::spawn(writer.run());
        Self { jobs: Mutex::new(Some(sender)), task: Mutex::new(Some(task)) }
    }

    /// Queues a write, now; the answer comes after its commit.
    pub(crate) fn write<T, F>(&self, urgency: Urgency, touches: Touches, work: F) -> Write<T>
    where
        T: Send + 'static,
        for<'tx> F: AsyncFnOnce(&'tx mut Tx) -> Result<T, Fault>
            + Work<&'tx mut Tx, Result<T, Fault>, Running: Send>
            + Send
            + 'static,
    {
        let answer = self.submit(urgency, touches, work);
        Box::pin(async move { Ok(answer.await.unwrap_or(Err(Fault::Closed))?) })
    }

    /// The same for companions.
    pub(crate) fn commit<F>(&self, instance: InstanceId, work: F) -> Commit
    where
        for<'tx> F: AsyncFnOnce(&'tx mut Tx) -> Result<(), Fault>
            + Work<&'tx mut Tx, Result<(), Fault>, Running: Send>
            + Send
            + 'static,
    {
        let answer = self.submit(Urgency::Now, Touches::Instances(vec![instance]), work);
        Box::pin(async move { Ok(answer.await.unwrap_or(Err(Fault::Closed))?) })
    }

    /// Jobs that wait for company wait no longer.
    pub(crate) fn hurry(&self) {
        if let Some(jobs) = self.jobs.lock().as_ref() {
            // Where there is no room for it, there is company.
            let _ = jobs.try_send(Queued::Hurry);
        }
    }

    fn submit<T, F>(&self, urgency: Urgency, touches: Touches, work: F) -> oneshot::Receiver<Result<T, Fault>>
    where
        T: Send + 'static,
        for<'tx> F: AsyncFnOnce(&'tx mut Tx) -> Result<T, Fault>
            + Work<&'tx mut Tx, Result<T, Fault>, Running: Send>
            + Send
            + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let task = Task { touches, work: Some(work), result: Err(Fault::Closed), reply };
        if let Some((job, fault)) = self.push(urgency, Box::new(task)) {
            job.refuse(fault);
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
            Err(TrySendError::Closed(queued)) => (queued, Fault::Closed),
        };
        queued.job().map(|job| (job, fault))
    }

    /// Takes no more jobs; those that wait are finished.
    pub(crate) fn end(&self) {
        drop(self.jobs.lock().take());
    }

    /// The same, and waits for them.
    pub(crate) async fn close(&self) {
        self.end();
        let task = self.task.lock().take();
        if let Some(task) = task
            && task.await.is_err_and(|error| error.is_panic())
        {
            tracing::error!("the writing task of the database has panicked");
        }
    }
}
