use async_trait::async_trait;
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use storage::{Claim, ClaimStore, StorageError, StoredClaim, Timestamp};
use storage_sql::Fault;
use storage_sql::rows::{json, limit, time};
use storage_sql::schema::claims;

use crate::database::PostgresDatabase;

pub(super) async fn load(
    db: &mut AsyncPgConnection,
    scope: &str,
    key: &str,
) -> Result<Option<StoredClaim>, Fault> {
    let claim =
        claims::table.find((scope, key)).select((claims::fingerprint, claims::answer, claims::taken_at));
    let claim: Option<(Vec<u8>, String, i64)> = claim.first(db).await.optional()?;
    let Some((fingerprint, answer, at)) = claim else { return Ok(None) };
    let fingerprint =
        fingerprint.try_into().map_err(|_| Fault::corrupt("fingerprint", "it is not 32 bytes long"))?;
    Ok(Some(StoredClaim { fingerprint, answer: json(answer)?, at: time(at) }))
}

/// Takes a key, unless it is taken already: then the earlier claim is the answer. Another process that takes it at this
/// moment is waited for.
pub(super) async fn take(
    db: &mut AsyncPgConnection,
    instance: i64,
    claim: &Claim,
) -> Result<Option<StoredClaim>, Fault> {
    let row = (
        claims::scope.eq(&claim.scope),
        claims::key.eq(&claim.key),
        claims::instance.eq(instance),
        claims::fingerprint.eq(&claim.fingerprint[..]),
        claims::answer.eq(claim.answer.text()),
        claims::taken_at.eq(claim.at.millis()),
    );
    let taken = diesel::insert_into(claims::table).values(row).on_conflict_do_nothing().execute(db).await?;
    if taken > 0 { Ok(None) } else { load(db, &claim.scope, &claim.key).await }
}

#[async_trait]
impl ClaimStore for PostgresDatabase {
    async fn claim(&self, scope: &str, key: &str) -> Result<Option<StoredClaim>, StorageError> {
        let (scope, key) = (scope.to_owned(), key.to_owned());
        Ok(self.read(async move |db| load(db, &scope, &key).await).await?)
    }

    async fn prune_claims(&self, before: Timestamp, most: u64) -> Result<u64, StorageError> {
        let old = self.read(async move |db| {
            let old = claims::table.filter(claims::taken_at.lt(before.millis())).limit(limit(most));
            Ok(old.select((claims::scope, claims::key)).load::<(String, String)>(db).await?)
        });
        let old = old.await?;
        if old.is_empty() {
            return Ok(0);
        }
        let removal = self.write(async move |tx| {
            let mut removed = 0;
            for (scope, key) in &old {
                removed += diesel::delete(claims::table.find((scope, key))).execute(&mut tx.db).await?;
            }
            Ok(removed as u64)
        });
        removal.await
    }
}
