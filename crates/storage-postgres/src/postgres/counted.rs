//! What the jobs of a batch count: added to the table once for each instance and day, when the batch is committed.

use std::collections::BTreeMap;

use diesel::QueryResult;
use diesel_async::{AsyncPgConnection, RunQueryDsl as _};
use storage::{Day, Usage};

use crate::statement::AddUsage;

/// Counts of a batch. What a job counts is kept with the job.
#[derive(Default)]
pub(super) struct Counted {
    /// By the instance's key and the day: in this order every process adds them.
    kept: BTreeMap<(i64, Day), Usage>,
    /// Of the job that runs.
    job: Vec<((i64, Day), Usage)>,
}

impl Counted {
    pub(super) fn count(&mut self, instance: i64, day: Day, usage: Usage) {
        if !usage.is_nothing() {
            self.job.push(((instance, day), usage));
        }
    }

    /// The job is kept, or undone.
    pub(super) fn end_job(&mut self, is_kept: bool) {
        for (place, usage) in self.job.drain(..).filter(|_| is_kept) {
            *self.kept.entry(place).or_default() += usage;
        }
    }

    /// The batch is undone.
    pub(super) fn clear(&mut self) {
        self.kept.clear();
        self.job.clear();
    }

    pub(super) async fn write(&mut self, db: &mut AsyncPgConnection) -> QueryResult<()> {
        if self.kept.is_empty() {
            return Ok(());
        }
        AddUsage::of(&std::mem::take(&mut self.kept)).execute(db).await?;
        Ok(())
    }
}
