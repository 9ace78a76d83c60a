use diesel::{QueryResult, RunQueryDsl, SqliteConnection};

use super::accounts::{Account, Accounts};
use super::statement::{Begin, Commit, Release, Rollback, RollbackJob, Savepoint};
use crate::fault::{CommitFailure, Fault};
use storage::InstanceId;

/// The writing connection inside a batch, as a job sees it.
pub(crate) struct Tx {
    /// For statements.
    pub(crate) db: SqliteConnection,
    accounts: Accounts,
    /// Number of the batch, counted from 1.
    batch: u64,
    /// Whether an instance was deleted since it was last asked.
    retired: bool,
}

impl Tx {
    pub(crate) fn new(db: SqliteConnection) -> Self {
        Self { db, accounts: Accounts::default(), batch: 0, retired: false }
    }

    /// The key of an instance that exists.
    pub(crate) fn instance_key(&mut self, id: InstanceId) -> Result<i64, Fault> {
        Ok(self.accounts.find(&mut self.db, id)?.key)
    }

    /// What is remembered of an instance that exists, beside the connection and the number of the batch.
    pub(crate) fn account(
        &mut self,
        id: InstanceId,
    ) -> Result<(&mut Account, &mut SqliteConnection, u64), Fault> {
        let account = self.accounts.find(&mut self.db, id)?;
        Ok((account, &mut self.db, self.batch))
    }

    /// To be called when an instance is deleted: forgets it, and has its leftovers removed when there is time.
    pub(crate) fn retire_account(&mut self, id: InstanceId) {
        self.accounts.forget(id);
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
        self.execute(Begin)
    }

    pub(super) fn commit(&mut self) -> Result<(), CommitFailure> {
        self.execute(Commit)
    }

    /// Undoes the whole batch. SQLite may have done so itself, so a failure means nothing.
    pub(super) fn rollback(&mut self) {
        self.accounts.forget_all();
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
