//! Statements of the hot path with a fixed text, which diesel would otherwise build or prepare anew each time.

use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::sql_types::{BigInt, Text};
use diesel::sqlite::Sqlite;
use diesel::{QueryResult, RunQueryDsl, SqliteConnection};

macro_rules! fixed_statements {
    ($($(#[$doc:meta])* $name:ident = $sql:literal;)+) => {
        $(
            $(#[$doc])*
            #[derive(QueryId)]
            pub(crate) struct $name;

            impl QueryFragment<Sqlite> for $name {
                fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Sqlite>) -> QueryResult<()> {
                    out.push_sql($sql);
                    Ok(())
                }
            }

            impl RunQueryDsl<SqliteConnection> for $name {}
        )+
    };
}

fixed_statements! {
    /// Opens a batch.
    Begin = "BEGIN IMMEDIATE";
    /// Makes a batch durable.
    Commit = "COMMIT";
    /// Gives a batch up.
    Rollback = "ROLLBACK";
    /// Differs from its last answer when another connection has changed the database since.
    DataVersion = "PRAGMA data_version";
    /// Whether the file gives pages back: 0 if not.
    AutoVacuum = "PRAGMA auto_vacuum";
    /// Pages of the file.
    PageCount = "PRAGMA page_count";
    /// Bytes of a page.
    PageSize = "PRAGMA page_size";
    /// Pages that nothing uses.
    FreePages = "PRAGMA freelist_count";
    /// Opens a job inside of a batch.
    Savepoint = "SAVEPOINT job";
    /// Keeps a job.
    Release = "RELEASE job";
    /// Undoes a job.
    RollbackJob = "ROLLBACK TO job";
}

macro_rules! numbers {
    ($($name:ident),+) => {
        $(impl Query for $name {
            type SqlType = BigInt;
        })+
    };
}

numbers!(DataVersion, AutoVacuum, PageCount, PageSize, FreePages);

/// Moves a message to a new status, as [`storage::Message::advance`] does.
#[derive(QueryId)]
pub(crate) struct AdvanceStatus {
    pub(crate) key: i64,
    pub(crate) status: &'static str,
    pub(crate) at: i64,
}

impl QueryFragment<Sqlite> for AdvanceStatus {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Sqlite>) -> QueryResult<()> {
        out.push_sql("UPDATE messages SET status = ");
        out.push_bind_param::<Text, _>(self.status)?;
        out.push_sql(", updated_at = max(updated_at, ");
        out.push_bind_param::<BigInt, _>(&self.at)?;
        out.push_sql("), status_updated_at = max(created_at, ");
        out.push_bind_param::<BigInt, _>(&self.at)?;
        out.push_sql(") WHERE key = ");
        out.push_bind_param::<BigInt, _>(&self.key)
    }
}

impl RunQueryDsl<SqliteConnection> for AdvanceStatus {}
