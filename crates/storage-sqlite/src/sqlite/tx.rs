use diesel::{QueryResult, RunQueryDsl, SqliteConnection};
use storage::{Clock, Epoch, InstanceId, Timestamp};

use super::remembered::{LogEnd, Remembered};
use super::statement::{Begin, Commit, Release, Rollback, RollbackJob, Savepoint};
use crate::fault::{CommitFailure, Fault};

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
    /// Whether an instance was deleted since it was last asked.
    retired: bool,
}

impl Tx {
    pub(crate) fn new(db: SqliteConnection, clock: Clock) -> Self {
        let now = Timestamp::default();
        Self { db, remembered: Remembered::default(), clock, now, batch: 0, retired: false }
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
    /// become visible in different commits never share a time.
    pub(crate) fn log_end(&mut self, id: InstanceId) -> Result<(i64, Timestamp), Fault> {
        let LogEnd { seq, timestamp, batch } =
            self.remembered.instance(&mut self.db, id)?.log_end(&mut self.db)?;
        let floor = if batch == self.batch { timestamp } else { timestamp.saturating_add(1) };
        Ok((seq, self.now.max(Timestamp::from_millis(floor))))
    }

    /// To be called when events were appended.
    pub(crate) fn set_log_end(&mut self, id: InstanceId, seq: i64, time: Timestamp) -> Result<(), Fault> {
        let end = LogEnd { seq, timestamp: time.millis(), batch: self.batch };
        self.remembered.instance(&mut self.db, id)?.set_log_end(end);
        Ok(())
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

    /// Whether an instance was deleted since the last call.
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
        self.execute(Begin)?;
        self.now = self.clock.now();
        self.remembered.check(&mut self.db)
    }

    pub(super) fn commit(&mut self) -> Result<(), CommitFailure> {
        self.execute(Commit)
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
        if result.is_err() {
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
        done.map(|_| ()).map_err(CommitFailure::from)
    }
}
