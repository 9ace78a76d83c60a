//! What waits to be written.

use crate::sqlite::Tx;
use storage::Urgency;
use storage_sql::{CommitFailure, Fault};
use tokio::sync::oneshot;

/// A write of any result type.
pub(super) trait Job: Send {
    /// Runs inside of a batch. An error is one of the batch; the job's own is kept for its answer.
    fn run(&mut self, tx: &mut Tx) -> Result<(), CommitFailure>;

    /// Answers after the commit.
    fn finish(self: Box<Self>, committed: Result<(), CommitFailure>);

    /// Answers without having run.
    fn refuse(self: Box<Self>, fault: Fault);
}

pub(super) struct Task<F, T> {
    pub(super) work: Option<F>,
    pub(super) result: Result<T, Fault>,
    pub(super) reply: oneshot::Sender<Result<T, Fault>>,
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
pub(super) enum Queued {
    Job(Urgency, Box<dyn Job>),
    Hurry,
}

impl Queued {
    pub(super) fn job(self) -> Option<Box<dyn Job>> {
        match self {
            Self::Job(_, job) => Some(job),
            Self::Hurry => None,
        }
    }
}
