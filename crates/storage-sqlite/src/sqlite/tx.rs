use diesel::dsl::sql;
use diesel::sql_types::BigInt;
use diesel::{QueryResult, RunQueryDsl, SqliteConnection};
use storage::{Clock, Day, Epoch, InstanceId, MAX_EVENT_LEAD, Timestamp, Usage};
use storage_sql::{CommitFailure, Commits, Counted, Fault};

use super::remembered::{LogEnd, Remembered};
use super::statement::{AddUsage, Begin, Commit, Release, Rollback, RollbackJob, Savepoint};

/// The writing connection inside a batch, as a job sees it. While it lasts nobody else writes to the database, also no other
/// process.
pub(crate) struct Tx {
    /// The connection, for statements: all of them are part of the transaction.
    pub(crate) db: SqliteConnection,
    remembered: Remembered,
    clock: Clock,
    /// When the batch began.
    now: Timestamp,
    /// Number of the batch, counted from 1.
    batch: u64,
    /// Whether something was removed since it was last asked.
    retired: bool,
    counted: Counted,
    commits: Commits,
    /// What a job of this batch met that is nobody's fault: a full disk and the like.
    trouble: Option<String>,
    /// Rows that the connection had ever changed when the batch began; counted only while commits fail.
    changes: i64,
}

impl Tx {
    pub(crate) fn new(db: SqliteConnection, clock: Clock) -> Self {
        Self {
            db,
            remembered: Remembered::default(),
            clock,
            now: Timestamp::default(),
            batch: 0,
            retired: false,
            counted: Counted::default(),
            commits: Commits::default(),
            trouble: None,
            changes: 0,
        }
    }

    /// How commits go, from now on.
    pub(crate) fn commits(&self) -> Commits {
        self.commits.clone()
    }

    /// The time of everything in this batch.
    pub(crate) fn now(&self) -> Timestamp {
        self.now
    }

    /// The key of an instance that exists.
    pub(crate) fn instance_key(&mut self, id: InstanceId) -> Result<i64, Fault> {
        Ok(self.remembered.instance(&mut self.db, id)?.key)
    }

    /// The key of an instance that exists and is held under this epoch; `Fenced` under another one.
    pub(crate) fn check_epoch(&mut self, id: InstanceId, epoch: Epoch) -> Result<i64, Fault> {
        let instance = self.remembered.instance(&mut self.db, id)?;
        if instance.epoch == epoch { Ok(instance.key) } else { Err(Fault::Fenced) }
    }

    /// Where the event log of an instance ends, and the earliest time of an event that is appended to it now. Events that
    /// become visible in different commits never share a time. A log that a wrong clock has led far into the future comes
    /// back.
    pub(crate) fn log_end(&mut self, id: InstanceId) -> Result<(i64, Timestamp), Fault> {
        let instance = self.remembered.instance(&mut self.db, id)?;
        let mut end = instance.log_end(&mut self.db)?;
        if end.timestamp > self.now.after(MAX_EVENT_LEAD).millis() {
            tracing::warn!(instance = %id, "events bear times of a clock that was wrong; they are corrected");
            end = instance.pull_back(&mut self.db, self.now)?;
        }
        let LogEnd { seq, timestamp, batch } = end;
        let floor = if batch == self.batch { timestamp } else { timestamp.saturating_add(1) };
        Ok((seq, self.now.max(Timestamp::from_millis(floor))))
    }

    /// To be called when events were appended.
    pub(crate) fn set_log_end(&mut self, id: InstanceId, seq: i64, time: Timestamp) -> Result<(), Fault> {
        let end = LogEnd { seq, timestamp: time.millis(), batch: self.batch };
        self.remembered.instance(&mut self.db, id)?.set_log_end(end);
        Ok(())
    }

    /// Counts what an instance has done. It is written once for all jobs of the batch.
    pub(crate) fn count(&mut self, instance: i64, day: Day, usage: Usage) {
        self.counted.count(instance, day, usage);
    }

    /// To be called when leases change.
    pub(crate) fn forget_epochs(&mut self) {
        self.remembered.forget();
    }

    /// To be called when an instance is deleted: forgets it, and has its leftovers removed when there is time.
    pub(crate) fn retire_instance(&mut self) {
        self.remembered.forget();
        self.retired = true;
    }

    /// To be called when much was removed: pages may be given back.
    pub(crate) fn leave_room(&mut self) {
        self.retired = true;
    }

    /// Whether something was removed since the last call.
    pub(super) fn take_retired(&mut self) -> bool {
        std::mem::take(&mut self.retired)
    }

    /// Number of the batch; jobs with the same number become visible together.
    #[cfg(test)]
    pub(super) fn batch(&self) -> u64 {
        self.batch
    }

    pub(super) fn begin(&mut self) -> Result<(), CommitFailure> {
        self.batch += 1;
        self.trouble = None;
        self.counted.clear();
        self.now = self.clock.now();
        self.execute(Begin)?;
        // It may have waited for its turn.
        self.now = self.clock.now();
        if self.commits.are_failing() {
            self.changes = total_changes(&mut self.db)?;
        }
        let checked = self.remembered.check(&mut self.db);
        checked.inspect_err(|failure| self.commits.failed(self.now, failure.0.to_string()))
    }

    pub(super) fn commit(&mut self) -> Result<(), CommitFailure> {
        self.write_counts()?;
        self.execute(Commit)?;
        if let Some(trouble) = self.trouble.take() {
            self.commits.failed(self.now, trouble);
        } else if self.commits.are_failing() && total_changes(&mut self.db)? > self.changes {
            self.commits.succeeded();
        }
        Ok(())
    }

    /// Undoes the whole batch. SQLite may have done so itself, so a failure means nothing.
    pub(super) fn rollback(&mut self) {
        self.remembered.forget();
        let _ = Rollback.execute(&mut self.db);
    }

    /// Runs one job so that it happens as a whole or not at all. The outer error is that of the batch.
    pub(super) fn job<T>(
        &mut self,
        work: impl FnOnce(&mut Self) -> Result<T, Fault>,
    ) -> Result<Result<T, Fault>, CommitFailure> {
        self.execute(Savepoint)?;
        let result = work(self);
        self.counted.end_job(result.is_ok());
        if let Err(fault) = &result {
            self.trouble = of_the_machine(fault).or(self.trouble.take());
            self.remembered.forget();
            self.execute(RollbackJob)?;
        }
        self.execute(Release)?;
        Ok(result)
    }

    fn execute<S>(&mut self, statement: S) -> Result<(), CommitFailure>
    where
        S: RunQueryDsl<SqliteConnection>
            + diesel::query_builder::QueryFragment<diesel::sqlite::Sqlite>
            + diesel::query_builder::QueryId,
    {
        let done: QueryResult<usize> = statement.execute(&mut self.db);
        done.map(|_| ()).map_err(|error| self.batch_failure(error))
    }

    fn write_counts(&mut self) -> Result<(), CommitFailure> {
        for ((instance, day), usage) in self.counted.take() {
            let added = AddUsage::new(instance, day, usage).execute(&mut self.db);
            added.map_err(|error| self.batch_failure(error))?;
        }
        Ok(())
    }

    fn batch_failure(&mut self, error: diesel::result::Error) -> CommitFailure {
        // What a job met first says more than what follows from it.
        let why = self.trouble.take().unwrap_or_else(|| error.to_string());
        self.commits.failed(self.now, why);
        CommitFailure::from(error)
    }
}

/// Rows that the connection has ever changed.
fn total_changes(db: &mut SqliteConnection) -> Result<i64, CommitFailure> {
    Ok(diesel::select(sql::<BigInt>("total_changes()")).get_result(db)?)
}

/// What the machine says, where it is at fault and not whoever called: the disk is full, can't be read or written.
fn of_the_machine(fault: &Fault) -> Option<String> {
    const SAYINGS: [&str; 6] =
        ["is full", "I/O error", "is locked", "readonly database", "unable to open", "malformed"];
    let Fault::Database(diesel::result::Error::DatabaseError(_, why)) = fault else { return None };
    SAYINGS.iter().any(|saying| why.message().contains(saying)).then(|| why.message().to_owned())
}
