//! The writing task.

use std::collections::{BTreeSet, VecDeque};
use std::ops::ControlFlow;
use std::time::Duration;

use diesel::result::{DatabaseErrorKind, Error};
use storage::{Clock, Timestamp, Urgency};
use storage_sql::{CommitFailure, Commits};
use tokio::sync::mpsc::Receiver;
use tokio::sync::mpsc::error::TryRecvError;
use tokio::time::Instant;

use super::Touches;
use super::job::{Job, Queued, Ran};
use crate::postgres::connect::Connector;
use crate::postgres::purge::{self, Leftovers};
use crate::postgres::tx::Tx;

/// How long a batch waits for a server that doesn't let it in: it may be starting anew. Longer than that, whoever waits is
/// told.
const RETURN: Duration = Duration::from_secs(3);
/// Between two tries.
const PAUSE: Duration = Duration::from_millis(100);

pub(super) struct Writer {
    pub(super) connector: Connector,
    pub(super) clock: Option<Clock>,
    pub(super) commits: Commits,
    /// Between batches; none when the connection was lost.
    pub(super) tx: Option<Tx>,
    pub(super) jobs: Receiver<Queued>,
    /// Taken from the queue, in its order.
    pub(super) waiting: VecDeque<Box<dyn Job>>,
    pub(super) patience: Duration,
    pub(super) limit: usize,
}

impl Writer {
    pub(super) async fn run(mut self) {
        let mut leftovers = Leftovers::Likely;
        while self.clean_up(&mut leftovers).await.is_continue() && self.gather().await.is_continue() {
            if self.batch().await {
                leftovers = Leftovers::Likely;
            }
        }
    }

    /// Removes leftovers of deleted instances while there is nothing to do. Breaks when the queue is closed.
    async fn clean_up(&mut self, leftovers: &mut Leftovers) -> ControlFlow<()> {
        while *leftovers == Leftovers::Likely && self.waiting.is_empty() {
            match self.jobs.try_recv() {
                Ok(queued) => self.waiting.extend(queued.job()),
                Err(TryRecvError::Disconnected) => return ControlFlow::Break(()),
                Err(TryRecvError::Empty) => *leftovers = self.purge().await,
            }
        }
        ControlFlow::Continue(())
    }

    async fn purge(&mut self) -> Leftovers {
        let Ok(mut tx) = self.connected().await else { return Leftovers::None };
        let purged = purge::step(&mut tx).await;
        self.keep(tx, purged.is_ok()).await;
        purged.unwrap_or_else(|fault| {
            tracing::error!(error = ?fault, "leftovers of deleted instances could not be removed");
            Leftovers::None
        })
    }

    /// Waits until something is to be committed now. Breaks when the queue is closed and nothing waits.
    async fn gather(&mut self) -> ControlFlow<()> {
        let mut due = (!self.waiting.is_empty()).then(Instant::now);
        loop {
            let queued = match due {
                None => self.jobs.recv().await,
                Some(due) => match tokio::time::timeout_at(due, self.jobs.recv()).await {
                    Ok(queued) => queued,
                    Err(_) => return ControlFlow::Continue(()),
                },
            };
            match queued {
                Some(Queued::Job(Urgency::Soon, job)) => {
                    self.waiting.push_back(job);
                    due = due.or_else(|| Some(Instant::now() + self.patience));
                }
                Some(Queued::Job(Urgency::Now, job)) => {
                    self.waiting.push_back(job);
                    return ControlFlow::Continue(());
                }
                Some(Queued::Hurry) if self.waiting.is_empty() => {}
                None if self.waiting.is_empty() => return ControlFlow::Break(()),
                Some(Queued::Hurry) | None => return ControlFlow::Continue(()),
            }
        }
    }

    /// Runs and commits what waits. Tells whether an instance was deleted.
    async fn batch(&mut self) -> bool {
        let mut jobs = self.next_jobs();
        let began = Instant::now();
        let (committed, retired) = match self.connected().await {
            Ok(mut tx) => {
                let committed = run_jobs(&mut tx, &mut jobs).await;
                let retired = tx.take_retired();
                self.keep(tx, committed.is_ok()).await;
                (committed, retired)
            }
            Err(failure) => (Err(failure), false),
        };
        self.commits.took(jobs.len(), began.elapsed());
        if let Err(failure) = &committed {
            tracing::error!(jobs = jobs.len(), error = ?failure, "a batch of writes could not be committed");
        }
        for job in jobs {
            job.finish(committed.clone());
        }
        retired
    }

    /// What waits, up to the limit, in its order. Those that touch everything and those that don't share no commit: the former
    /// wait for all other processes.
    fn next_jobs(&mut self) -> Vec<Box<dyn Job>> {
        while self.waiting.len() < self.limit
            && let Ok(queued) = self.jobs.try_recv()
        {
            self.waiting.extend(queued.job());
        }
        let is_alone = |job: &dyn Job| *job.touches() == Touches::Everything;
        let first = self.waiting.front().is_some_and(|job| is_alone(&**job));
        let alike = self.waiting.iter().take(self.limit).take_while(|job| is_alone(&***job) == first).count();
        self.waiting.drain(..alike).collect()
    }

    /// The connection, which is made if there is none.
    async fn connected(&mut self) -> Result<Tx, CommitFailure> {
        if let Some(tx) = self.tx.take()
            && !tx.is_over()
        {
            return Ok(tx);
        }
        let until = Instant::now() + RETURN;
        loop {
            let error = match self.connector.connect().await {
                Ok(session) => return Ok(Tx::new(session, self.clock.clone(), self.commits.clone())),
                Err(error) => error,
            };
            if Instant::now() >= until {
                let now = self.clock.as_ref().map_or_else(|| Clock::system().now(), Clock::now);
                return Err(self.no_connection(now, error.to_string()));
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    fn no_connection(&self, now: Timestamp, why: String) -> CommitFailure {
        self.commits.failed(now, why.clone());
        Error::DatabaseError(DatabaseErrorKind::UnableToSendCommand, Box::new(why)).into()
    }

    /// Keeps the connection for the next batch, if it is still good for one.
    async fn keep(&mut self, mut tx: Tx, is_committed: bool) {
        if is_committed || tx.rollback().await.is_ok() {
            self.tx = Some(tx);
        }
    }
}

async fn run_jobs(tx: &mut Tx, jobs: &mut [Box<dyn Job>]) -> Result<(), CommitFailure> {
    tx.begin(touched(jobs)).await?;
    if let [job] = jobs {
        return match job.run(tx).await {
            Ran::Well => tx.commit().await,
            Ran::Badly => Ok(tx.rollback().await?),
        };
    }
    for (n, job) in jobs.iter_mut().enumerate() {
        tx.begin_job(n == 0).await?;
        if job.run(tx).await == Ran::Badly {
            tx.undo_job().await?;
        }
    }
    tx.commit().await
}

/// What these jobs touch together; they are alike.
fn touched(jobs: &[Box<dyn Job>]) -> Touches {
    let mut all = BTreeSet::new();
    for job in jobs {
        match job.touches() {
            Touches::Everything => return Touches::Everything,
            Touches::Instances(instances) => all.extend(instances.iter().copied()),
        }
    }
    Touches::Instances(all.into_iter().collect())
}
