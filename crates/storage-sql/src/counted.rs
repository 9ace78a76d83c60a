//! What the jobs of a batch count: added to the table once for each instance and day, when the batch is committed.

use std::collections::BTreeMap;

use storage::{Day, Usage};

/// Counts of a batch. What a job counts is kept with the job.
#[derive(Debug, Default)]
pub struct Counted {
    kept: Counts,
    /// Of the job that runs.
    job: Vec<((i64, Day), Usage)>,
}

/// What instances have done, by their keys and the day: in this order every process adds them.
pub type Counts = BTreeMap<(i64, Day), Usage>;

impl Counted {
    /// An instance has done something.
    pub fn count(&mut self, instance: i64, day: Day, usage: Usage) {
        if !usage.is_nothing() {
            self.job.push(((instance, day), usage));
        }
    }

    /// The job is kept, or undone.
    pub fn end_job(&mut self, is_kept: bool) {
        for (place, usage) in self.job.drain(..).filter(|_| is_kept) {
            *self.kept.entry(place).or_default() += usage;
        }
    }

    /// The batch is undone.
    pub fn clear(&mut self) {
        self.kept.clear();
        self.job.clear();
    }

    /// The batch is to be committed, with these.
    pub fn take(&mut self) -> Counts {
        std::mem::take(&mut self.kept)
    }
}
