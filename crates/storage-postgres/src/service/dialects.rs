use async_trait::async_trait;
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use storage::{DialectAccess, DialectStore, InstanceId, StorageError, UserId, Write};
use storage_sql::rows::dialect;
use storage_sql::rows::{instance_id, user_id};
use storage_sql::schema::{dialect_access, instances};
use storage_sql::{Fault, Sealer};

use super::ownership::owned_key;
use crate::database::PostgresDatabase;

#[async_trait]
impl DialectStore for PostgresDatabase {
    async fn dialect_access(
        &self,
        owner: UserId,
        instance: InstanceId,
        dialect: &str,
    ) -> Result<Option<DialectAccess>, StorageError> {
        let (sealer, dialect) = (self.sealer(), dialect.to_owned());
        let found = self.read_for(owner, async move |db| {
            let key = owned_key(db, owner, instance).await?;
            Row { key, instance, dialect: &dialect }.read(db, &sealer).await
        });
        Ok(found.await?)
    }

    fn init_dialect_access(
        &self,
        owner: UserId,
        instance: InstanceId,
        dialect: String,
        access: DialectAccess,
    ) -> Write<DialectAccess> {
        let sealer = self.sealer();
        self.write(async move |tx| {
            let key = owned_key(&mut tx.db, owner, instance).await?;
            let row = Row { key, instance, dialect: &dialect };
            if let Some(known) = row.read(&mut tx.db, &sealer).await? {
                return Ok(known);
            }
            row.put(&mut tx.db, &access, &sealer).await?;
            Ok(access)
        })
    }

    fn put_dialect_access(
        &self,
        owner: UserId,
        instance: InstanceId,
        dialect: String,
        access: DialectAccess,
    ) -> Write<()> {
        let sealer = self.sealer();
        self.write(async move |tx| {
            let key = owned_key(&mut tx.db, owner, instance).await?;
            Row { key, instance, dialect: &dialect }.put(&mut tx.db, &access, &sealer).await
        })
    }

    fn exchange_dialect_access(
        &self,
        owner: UserId,
        instance: InstanceId,
        dialect: String,
        seen: DialectAccess,
        access: DialectAccess,
    ) -> Write<()> {
        let sealer = self.sealer();
        self.write(async move |tx| {
            let key = owned_key(&mut tx.db, owner, instance).await?;
            let row = Row { key, instance, dialect: &dialect };
            if row.read(&mut tx.db, &sealer).await? != Some(seen) {
                return Err(Fault::Stale);
            }
            row.put(&mut tx.db, &access, &sealer).await
        })
    }

    async fn dialect_instance(
        &self,
        dialect: &str,
        key_hash: [u8; 32],
    ) -> Result<Option<(UserId, InstanceId)>, StorageError> {
        let dialect = dialect.to_owned();
        let found = self.read(async move |db| {
            let Some(key) = reached_by(db, &dialect, &key_hash).await? else { return Ok(None) };
            let row = instances::table.find(key).select((instances::owner, instances::id));
            let row: Option<(Vec<u8>, Vec<u8>)> = row.first(db).await.optional()?;
            row.map(|(owner, id)| Ok((user_id(&owner)?, instance_id(&id)?))).transpose()
        });
        Ok(found.await?)
    }
}

/// A row, by what identifies it.
struct Row<'a> {
    key: i64,
    instance: InstanceId,
    dialect: &'a str,
}

impl Row<'_> {
    async fn read(
        &self,
        db: &mut AsyncPgConnection,
        sealer: &Sealer,
    ) -> Result<Option<DialectAccess>, Fault> {
        let row = dialect_access::table.find((self.key, self.dialect));
        let row = row.select((dialect_access::key, dialect_access::notes));
        let Some((key, notes)) = row.first::<(Vec<u8>, Vec<u8>)>(db).await.optional()? else {
            return Ok(None);
        };
        dialect::open(self.instance, self.dialect, (&key, &notes), sealer).map(Some)
    }

    async fn put(
        &self,
        db: &mut AsyncPgConnection,
        access: &DialectAccess,
        sealer: &Sealer,
    ) -> Result<(), Fault> {
        let hash = access.key.hash();
        if reached_by(db, self.dialect, &hash).await?.is_some_and(|other| other != self.key) {
            return Err(Fault::Conflict("key"));
        }
        let (key, notes) = dialect::seal(self.instance, self.dialect, access, sealer)?;
        let row = || {
            (
                dialect_access::instance.eq(self.key),
                dialect_access::dialect.eq(self.dialect),
                dialect_access::key_hash.eq(&hash[..]),
                dialect_access::key.eq(&key),
                dialect_access::notes.eq(&notes),
            )
        };
        let put = diesel::insert_into(dialect_access::table).values(row());
        let put = put.on_conflict((dialect_access::instance, dialect_access::dialect));
        put.do_update().set(row()).execute(db).await?;
        Ok(())
    }
}

/// The key of the row of the instance that a dialect reaches by the key with this hash.
async fn reached_by(
    db: &mut AsyncPgConnection,
    dialect: &str,
    hash: &[u8; 32],
) -> Result<Option<i64>, Fault> {
    let by_key = dialect_access::table
        .filter(dialect_access::dialect.eq(dialect))
        .filter(dialect_access::key_hash.eq(&hash[..]))
        .select(dialect_access::instance);
    Ok(by_key.first(db).await.optional()?)
}

pub(super) async fn delete_all(db: &mut AsyncPgConnection, key: i64) -> Result<(), Fault> {
    diesel::delete(dialect_access::table.filter(dialect_access::instance.eq(key))).execute(db).await?;
    Ok(())
}
