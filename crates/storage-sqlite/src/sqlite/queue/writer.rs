//! The writing thread.

use crate::sqlite::Tx;
use crate::sqlite::purge::{self, Leftovers};
use std::collections::VecDeque;
use std::ops::ControlFlow;
use std::sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError};
use std::time::Duration;
use storage::Urgency;
use storage_sql::CommitFailure;
use tokio::time::Instant;

use super::job::{Job, Queued};

pub(super) struct Writer {
    pub(super) tx: Tx,
    pub(super) jobs: Receiver<Queued>,
    /// Taken from the queue, in its order.
    pub(super) waiting: VecDeque<Box<dyn Job>>,
    pub(super) patience: Duration,
    pub(super) limit: usize,
}

impl Writer {
    pub(super) fn run(mut self) {
        let mut leftovers = Leftovers::Likely;
        while self.clean_up(&mut leftovers).is_continue() && self.gather().is_continue() {
            if self.batch() {
                leftovers = Leftovers::Likely;
            }
        }
        purge::finish(&mut self.tx);
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
        let began = Instant::now();
        let committed = self.run_jobs(&mut done);
        self.tx.commits().took(done.len(), began.elapsed());
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
