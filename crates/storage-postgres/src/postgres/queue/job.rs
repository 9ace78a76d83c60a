//! What waits to be written.

use async_trait::async_trait;
use storage::Urgency;
use storage_sql::{CommitFailure, Fault};
use tokio::sync::oneshot;

use super::Touches;
use crate::postgres::said;
use crate::postgres::tx::Tx;
use crate::postgres::work::Work;

/// A write of any result type.
#[async_trait]
pub(super) trait Job: Send {
    fn touches(&self) -> &Touches;

    /// Runs inside of a batch; tells whether it is to be kept. What it answers is kept for later.
    async fn run(&mut self, tx: &mut Tx) -> Ran;

    /// Answers after the commit.
    fn finish(self: Box<Self>, committed: Result<(), CommitFailure>);

    /// Answers without having run.
    fn refuse(self: Box<Self>, fault: Fault);
}

/// How a job went.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Ran {
    /// What it wrote is to be kept.
    Well,
    /// What it wrote is to be undone.
    Badly,
}

pub(super) struct Task<F, T> {
    pub(super) touches: Touches,
    pub(super) work: Option<F>,
    pub(super) result: Result<T, Fault>,
    pub(super) reply: oneshot::Sender<Result<T, Fault>>,
}

#[async_trait]
impl<F, T> Job for Task<F, T>
where
    for<'tx> F: AsyncFnOnce(&'tx mut Tx) -> Result<T, Fault>
        + Work<&'tx mut Tx, Result<T, Fault>, Running: Send>
        + Send,
    T: Send,
{
    fn touches(&self) -> &Touches {
        &self.touches
    }

    async fn run(&mut self, tx: &mut Tx) -> Ran {
        if let Some(work) = self.work.take() {
            self.result = work(tx).await.map_err(said);
            tx.end_job(&self.result);
        }
        if self.result.is_ok() { Ran::Well } else { Ran::Badly }
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

/// What the task is told.
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
