use async_trait::async_trait;
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use futures_util::TryStreamExt as _;
use storage::{AuditEntry, AuditPage, AuditQuery, AuditStore, Budget, StorageError, Timestamp, Write};
use storage_sql::Fault;
use storage_sql::rows::audit::AuditRow;
use storage_sql::rows::limit;
use storage_sql::schema::audit;

use crate::database::PostgresDatabase;
use crate::postgres::Tx;

#[async_trait]
impl AuditStore for PostgresDatabase {
    fn audit(&self, entry: AuditEntry) -> Write<()> {
        self.write(async move |tx| tell(tx, Some(entry)).await)
    }

    async fn audited(&self, query: &AuditQuery) -> Result<AuditPage, StorageError> {
        let query = query.clone();
        Ok(self.read(async move |db| page_of(db, &query).await).await?)
    }

    async fn prune_audit(&self, before: Timestamp, most: u64) -> Result<u64, StorageError> {
        // The oldest by place: only a clock that was wrong makes them differ from those by time.
        let oldest = self.read(async move |db| {
            let oldest = audit::table.filter(audit::place.gt(0)).order(audit::place).limit(limit(most));
            Ok(oldest.select((audit::place, audit::at)).load::<(i64, i64)>(db).await?)
        });
        let is_old = |(place, at): (i64, i64)| (at < before.millis()).then_some(place);
        let old: Vec<_> = oldest.await?.into_iter().filter_map(is_old).collect();
        if old.is_empty() {
            return Ok(0);
        }
        let removal = self.write(async move |tx| {
            Ok(diesel::delete(audit::table.filter(audit::place.eq_any(old))).execute(&mut tx.db).await?
                as u64)
        });
        removal.await
    }
}

/// Appends to the log, in the commit of what is told.
pub(super) async fn tell(tx: &mut Tx, told: Option<AuditEntry>) -> Result<(), Fault> {
    if let Some(entry) = told {
        diesel::insert_into(audit::table).values(AuditRow::new(entry)).execute(&mut tx.db).await?;
    }
    Ok(())
}

/// Reads one more than is asked for, to know whether something follows.
async fn page_of(db: &mut AsyncPgConnection, query: &AuditQuery) -> Result<AuditPage, Fault> {
    let mut asked = audit::table.filter(audit::place.lt(query.before.unwrap_or(i64::MAX))).into_boxed();
    if let Some(user) = query.user {
        asked = asked.filter(audit::user.eq(user.as_bytes().to_vec()));
    }
    if let Some(action) = query.action {
        asked = asked.filter(audit::action.eq(action.as_str()));
    }
    if let Some(since) = query.since {
        asked = asked.filter(audit::at.ge(since.millis()));
    }
    if let Some(until) = query.until {
        asked = asked.filter(audit::at.le(until.millis()));
    }
    let mut rows = asked
        .order(audit::place.desc())
        .limit(limit(query.limit.saturating_add(1)))
        .select((audit::place, AuditRow::as_select()))
        .load_stream::<(i64, AuditRow)>(db)
        .await?;
    let (mut entries, mut passed, mut budget) = (Vec::new(), None, Budget::default());
    let mut seen = 0;
    while let Some((place, row)) = rows.try_next().await? {
        seen += 1;
        if seen > query.limit || !budget.has_room() {
            return Ok(AuditPage { entries, next: passed });
        }
        passed = Some(place);
        match row.open() {
            Ok(entry) => {
                budget.take(entry.size());
                entries.push((place, entry));
            }
            Err(error) => {
                tracing::error!(place, %error, "an entry of the audit log is unreadable and left out")
            }
        }
    }
    Ok(AuditPage { entries, next: None })
}
