//! Statements of the hot path with a fixed text, which diesel would otherwise build or prepare anew each time.

use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::sql_types::{BigInt, Text};
use diesel::sqlite::Sqlite;
use diesel::{QueryResult, RunQueryDsl, SqliteConnection};
use storage::{Day, Usage};

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

/// Adds to what an instance has done on a day.
#[derive(QueryId)]
pub(crate) struct AddUsage {
    /// In the order of the columns.
    values: [i64; 9],
}

impl AddUsage {
    pub(crate) fn new(instance: i64, day: Day, usage: Usage) -> Self {
        let counts = [
            usage.messages_sent,
            usage.messages_received,
            usage.media_sent,
            usage.media_received,
            usage.media_size,
            usage.api_calls,
            usage.webhook_calls,
        ];
        let counts = counts.map(|count| i64::try_from(count).unwrap_or(i64::MAX));
        let [sent, received, media_sent, media_received, size, api, webhook] = counts;
        let day = day.number();
        Self { values: [instance, day, sent, received, media_sent, media_received, size, api, webhook] }
    }
}

impl QueryFragment<Sqlite> for AddUsage {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Sqlite>) -> QueryResult<()> {
        out.push_sql(
            "INSERT INTO usage_days (instance, day, messages_sent, messages_received, media_sent, media_received, \
             media_size, api_calls, webhook_calls) VALUES (",
        );
        for (place, value) in self.values.iter().enumerate() {
            if place > 0 {
                out.push_sql(", ");
            }
            out.push_bind_param::<BigInt, _>(value)?;
        }
        out.push_sql(
            ") ON CONFLICT (instance, day) DO UPDATE SET messages_sent = messages_sent + excluded.messages_sent, \
             messages_received = messages_received + excluded.messages_received, \
             media_sent = media_sent + excluded.media_sent, \
             media_received = media_received + excluded.media_received, \
             media_size = media_size + excluded.media_size, api_calls = api_calls + excluded.api_calls, \
             webhook_calls = webhook_calls + excluded.webhook_calls",
        );
        Ok(())
    }
}

impl RunQueryDsl<SqliteConnection> for AddUsage {}
