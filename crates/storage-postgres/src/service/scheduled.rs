use async_trait::async_trait;
use diesel::dsl::{exists, min};
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use futures_util::TryStreamExt as _;
use storage::{
    Budget, Claim, Cursor, Due, InstanceId, Missing, Page, ScheduleLimits, ScheduleStore, Scheduled,
    ScheduledPatch, StorageError, StoredClaim, StoredMessageId, Timestamp, UserId, Write,
};
use storage_sql::Fault;
use storage_sql::rows::scheduled::ScheduledRow;
use storage_sql::rows::{count, instance_id, limit, time};
use storage_sql::schema::{instances, scheduled};

use super::claims;
use super::ownership::{key_of, owned_key};
use crate::database::PostgresDatabase;

#[async_trait]
impl ScheduleStore for PostgresDatabase {
    fn schedule(
        &self,
        owner: UserId,
        scheduled: Scheduled,
        claim: Option<Claim>,
        limits: ScheduleLimits,
    ) -> Write<Option<StoredClaim>> {
        self.write_of(scheduled.instance, async move |tx| {
            let db = &mut tx.db;
            let key = owned_key(db, owner, scheduled.instance).await?;
            if let Some(claim) = claim
                && let Some(earlier) = claims::take(db, key, &claim).await?
            {
                return Ok(Some(earlier));
            }
            insert(db, key, &scheduled, limits).await?;
            Ok(None)
        })
    }

    async fn scheduled(
        &self,
        owner: UserId,
        instance: InstanceId,
        after: Option<Cursor>,
        limit: u64,
    ) -> Result<Page<Scheduled>, StorageError> {
        let page = self.snapshot_for(owner, async move |db| {
            let key = owned_key(db, owner, instance).await?;
            page(db, key, instance, after, limit).await
        });
        Ok(page.await?)
    }

    async fn scheduled_message(
        &self,
        owner: UserId,
        instance: InstanceId,
        message_id: &str,
    ) -> Result<Option<Scheduled>, StorageError> {
        let message_id = message_id.to_owned();
        let found = self.read_for(owner, async move |db| {
            let key = owned_key(db, owner, instance).await?;
            Ok(find(db, key, &message_id).await?.map(|(_, row)| row.open(instance)))
        });
        Ok(found.await?)
    }

    fn reschedule(
        &self,
        owner: UserId,
        instance: InstanceId,
        due: Due,
        patch: ScheduledPatch,
        now: Timestamp,
    ) -> Write<Scheduled> {
        self.write_of(instance, async move |tx| {
            let key = owned_key(&mut tx.db, owner, instance).await?;
            let (row_key, row) = find(&mut tx.db, key, &due.message_id).await?.ok_or(NOT_SCHEDULED)?;
            let mut changed = row.open(instance);
            if changed.version != due.version {
                return Err(Fault::Stale);
            }
            patch.apply(&mut changed, now);
            let row = ScheduledRow::of(&changed);
            diesel::update(scheduled::table.find(row_key)).set(row).execute(&mut tx.db).await?;
            Ok(changed)
        })
    }

    fn unschedule(&self, owner: UserId, instance: InstanceId, message_id: String) -> Write<Scheduled> {
        self.write_of(instance, async move |tx| {
            let key = owned_key(&mut tx.db, owner, instance).await?;
            let (row_key, row) = find(&mut tx.db, key, &message_id).await?.ok_or(NOT_SCHEDULED)?;
            diesel::delete(scheduled::table.find(row_key)).execute(&mut tx.db).await?;
            Ok(row.open(instance))
        })
    }

    async fn due_instances(&self, at: Timestamp) -> Result<Vec<InstanceId>, StorageError> {
        let due = self.read(async move |db| {
            let keys = scheduled::table.filter(scheduled::send_at.le(at.millis()));
            let keys = keys.select(scheduled::instance);
            let ids = instances::table.filter(instances::key.eq_any(keys)).select(instances::id);
            let ids: Vec<Vec<u8>> = ids.load(db).await?;
            Ok(ids.iter().filter_map(|id| instance_id(id).ok()).collect())
        });
        Ok(due.await?)
    }

    async fn due_messages(
        &self,
        instance: InstanceId,
        at: Timestamp,
        most: u64,
    ) -> Result<Vec<Scheduled>, StorageError> {
        let due = self.read(async move |db| {
            let key = key_of(db, instance).await?.ok_or(Fault::NotFound(Missing::Instance))?;
            let rows = scheduled::table
                .filter(scheduled::instance.eq(key))
                .filter(scheduled::send_at.le(at.millis()))
                .order((scheduled::send_at, scheduled::key))
                .limit(limit(most))
                .select(ScheduledRow::as_select())
                .load(db)
                .await?;
            Ok(rows.into_iter().map(|row| row.open(instance)).collect())
        });
        Ok(due.await?)
    }

    async fn next_due(&self, after: Timestamp) -> Result<Option<Timestamp>, StorageError> {
        let next = self.read(async move |db| {
            let later = scheduled::table.filter(scheduled::send_at.gt(after.millis()));
            Ok(later.select(min(scheduled::send_at)).first::<Option<i64>>(db).await?.map(time))
        });
        Ok(next.await?)
    }
}

const NOT_SCHEDULED: Fault = Fault::NotFound(Missing::Scheduled);

async fn insert(
    db: &mut AsyncPgConnection,
    key: i64,
    added: &Scheduled,
    limits: ScheduleLimits,
) -> Result<(), Fault> {
    if find(db, key, &added.message_id).await?.is_some() {
        return Err(Fault::Conflict("id"));
    }
    let of_instance = || scheduled::table.filter(scheduled::instance.eq(key));
    let all = count(of_instance().count().get_result(db).await?);
    let files = count(of_instance().filter(scheduled::file.is_not_null()).count().get_result(db).await?);
    if all >= limits.messages || added.file.is_some() && files >= limits.files {
        return Err(Fault::LimitReached("scheduled messages"));
    }
    let row = (scheduled::instance.eq(key), ScheduledRow::of(added));
    diesel::insert_into(scheduled::table).values(row).execute(db).await?;
    Ok(())
}

async fn find(
    db: &mut AsyncPgConnection,
    key: i64,
    message_id: &str,
) -> Result<Option<(i64, ScheduledRow)>, Fault> {
    let found = scheduled::table
        .filter(scheduled::instance.eq(key))
        .filter(scheduled::message_id.eq(message_id))
        .select((scheduled::key, ScheduledRow::as_select()));
    Ok(found.first(db).await.optional()?)
}

async fn page(
    db: &mut AsyncPgConnection,
    key: i64,
    instance: InstanceId,
    after: Option<Cursor>,
    most: u64,
) -> Result<Page<Scheduled>, Fault> {
    let of_instance = || scheduled::table.filter(scheduled::instance.eq(key)).into_boxed();
    let total = count(of_instance().count().get_result(db).await?);
    let mut wanted = of_instance();
    if let Some(Cursor { major, minor }) = after {
        let is_behind = scheduled::send_at.gt(major).or(scheduled::key.gt(minor));
        wanted = wanted.filter(scheduled::send_at.ge(major)).filter(is_behind);
    }
    let rows = wanted
        .select((scheduled::key, ScheduledRow::as_select()))
        .order((scheduled::send_at, scheduled::key))
        .limit(limit(most.saturating_add(1)));
    let (mut items, mut budget, mut next) = (Vec::new(), Budget::default(), None);
    let mut rows = rows.load_stream::<(i64, ScheduledRow)>(db).await?;
    while let Some(row) = rows.try_next().await? {
        let (key, row) = row;
        if items.len() as u64 == most || !budget.has_room() {
            return Ok(Page { items, total, has_more: true, next });
        }
        let one = row.open(instance);
        budget.take(one.size());
        next = Some(Cursor { major: one.send_at.millis(), minor: key });
        items.push(one);
    }
    Ok(Page { items, total, has_more: false, next: None })
}

/// Takes a message whose time has come, as it was read.
pub(super) async fn take(db: &mut AsyncPgConnection, key: i64, due: &Due) -> Result<(), Fault> {
    let it = scheduled::table
        .filter(scheduled::instance.eq(key))
        .filter(scheduled::message_id.eq(&due.message_id))
        .filter(scheduled::version.eq(due.version));
    if diesel::delete(it).execute(db).await? > 0 { Ok(()) } else { Err(Fault::Stale) }
}

/// Whether a message is to be sent later with this file.
pub(super) async fn has_file(
    db: &mut AsyncPgConnection,
    key: i64,
    file: StoredMessageId,
) -> Result<bool, Fault> {
    let with_file =
        scheduled::table.filter(scheduled::instance.eq(key)).filter(scheduled::file.eq(&file.as_bytes()[..]));
    Ok(diesel::select(exists(with_file)).get_result(db).await?)
}

/// Removes all of an instance.
pub(super) async fn delete_all(db: &mut AsyncPgConnection, key: i64) -> Result<(), Fault> {
    diesel::delete(scheduled::table.filter(scheduled::instance.eq(key))).execute(db).await?;
    Ok(())
}
