use async_trait::async_trait;
use diesel::prelude::*;
use storage::{Claim, ClaimStore, StorageError, StoredClaim, Timestamp};
use storage_sql::Fault;
use storage_sql::rows::{json, limit, time};
use storage_sql::schema::{claims, instances};

use crate::database::SqliteDatabase;

/// A claim, unless it is of an instance that is gone and only waits to be removed.
pub(super) fn load(db: &mut SqliteConnection, scope: &str, key: &str) -> Result<Option<StoredClaim>, Fault> {
    let claim = claims::table.find((scope, key)).select((
        claims::instance,
        claims::fingerprint,
        claims::answer,
        claims::taken_at,
    ));
    let claim: Option<(i64, Vec<u8>, String, i64)> = claim.first(db).optional()?;
    let Some((instance, fingerprint, answer, at)) = claim else { return Ok(None) };
    let owner = instances::table.find(instance).select(instances::key).first::<i64>(db).optional()?;
    if owner.is_none() {
        return Ok(None);
    }
    let fingerprint =
        fingerprint.try_into().map_err(|_| Fault::corrupt("fingerprint", "it is not 32 bytes long"))?;
    Ok(Some(StoredClaim { fingerprint, answer: json(answer)?, at: time(at) }))
}

/// Stores a claim that there isn't; in the place of one that only waits to be removed, if need be.
pub(super) fn insert(db: &mut SqliteConnection, instance: i64, claim: &Claim) -> Result<(), Fault> {
    let row = (
        claims::scope.eq(&claim.scope),
        claims::key.eq(&claim.key),
        claims::instance.eq(instance),
        claims::fingerprint.eq(&claim.fingerprint[..]),
        claims::answer.eq(claim.answer.text()),
        claims::taken_at.eq(claim.at.millis()),
    );
    diesel::replace_into(claims::table).values(row).execute(db)?;
    Ok(())
}

#[async_trait]
impl ClaimStore for SqliteDatabase {
    async fn claim(&self, scope: &str, key: &str) -> Result<Option<StoredClaim>, StorageError> {
        let (scope, key) = (scope.to_owned(), key.to_owned());
        Ok(self.read(move |db| load(db, &scope, &key)).await?)
    }

    async fn prune_claims(&self, before: Timestamp, most: u64) -> Result<u64, StorageError> {
        let old = self.read(move |db| {
            let old = claims::table.filter(claims::taken_at.lt(before.millis())).limit(limit(most));
            Ok(old.select((claims::scope, claims::key)).load::<(String, String)>(db)?)
        });
        let old = old.await?;
        if old.is_empty() {
            return Ok(0);
        }
        let removal = self.write(move |tx| {
            let mut removed = 0;
            for (scope, key) in &old {
                removed += diesel::delete(claims::table.find((scope, key))).execute(&mut tx.db)?;
            }
            Ok(removed as u64)
        });
        removal.await
    }
}
