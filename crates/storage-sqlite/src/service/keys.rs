use async_trait::async_trait;
use diesel::prelude::*;
use storage::{
    AuditEntry, KeyId, KeyStore, Missing, Page, ScopedKey, StorageError, Timestamp, Urgency, User, UserId,
    Write,
};
use storage_sql::Fault;
use storage_sql::rows::key::KeyRow;
use storage_sql::rows::{count, limit};
use storage_sql::schema::scoped_keys;

use super::{audit, users};
use crate::database::SqliteDatabase;

#[async_trait]
impl KeyStore for SqliteDatabase {
    fn create_key(&self, key: ScopedKey, hash: [u8; 32], most: u64, told: Option<AuditEntry>) -> Write<()> {
        self.write(move |tx| {
            users::check_known(&mut tx.db, key.owner)?;
            let owned = count_of(&mut tx.db, key.owner)?;
            let row = KeyRow::new(key)?;
            check_unique(&mut tx.db, &row.id, &hash)?;
            if owned >= most {
                return Err(Fault::LimitReached("keys"));
            }
            let row = (row, scoped_keys::hash.eq(hash.to_vec()));
            diesel::insert_into(scoped_keys::table).values(row).execute(&mut tx.db)?;
            audit::tell(tx, told)
        })
    }

    async fn keys(&self, owner: UserId, take: u64, skip: u64) -> Result<Page<ScopedKey>, StorageError> {
        let page = self.read_for(owner, move |db| {
            let total = count_of(db, owner)?;
            let rows = scoped_keys::table
                .filter(scoped_keys::owner.eq(&owner.as_bytes()[..]))
                .order((scoped_keys::created_at, scoped_keys::id))
                .limit(limit(take))
                .offset(limit(skip))
                .select(KeyRow::as_select())
                .load(db)?;
            let has_more = skip.saturating_add(rows.len() as u64) < total;
            let readable = |row: KeyRow| {
                row.open()
                    .inspect_err(|error| tracing::error!(%error, "a key is unreadable and left out"))
                    .ok()
            };
            let items = rows.into_iter().filter_map(readable).collect();
            Ok(Page { items, total, has_more, next: None })
        });
        Ok(page.await?)
    }

    async fn key_by_hash(&self, hash: [u8; 32]) -> Result<Option<(ScopedKey, User)>, StorageError> {
        let sealer = self.sealer();
        let found = self.read(move |db| {
            let key = scoped_keys::table.filter(scoped_keys::hash.eq(&hash[..]));
            let Some(key) = key.select(KeyRow::as_select()).first(db).optional()? else { return Ok(None) };
            let key = key.open()?;
            Ok(users::find(db, key.owner, &sealer)?.map(|user| (key, user)))
        });
        Ok(found.await?)
    }

    fn note_use(&self, id: KeyId, at: Timestamp) -> Write<()> {
        self.write_by(Urgency::Soon, move |tx| {
            let key = scoped_keys::table.find(id.as_bytes().to_vec());
            diesel::update(key).set(scoped_keys::last_used_at.eq(at.millis())).execute(&mut tx.db)?;
            Ok(())
        })
    }

    fn delete_key(&self, owner: UserId, id: KeyId, told: Option<AuditEntry>) -> Write<()> {
        self.write(move |tx| {
            let key = scoped_keys::table.find(id.as_bytes().to_vec());
            let owned = key.filter(scoped_keys::owner.eq(owner.as_bytes().to_vec()));
            match diesel::delete(owned).execute(&mut tx.db)? {
                0 => Err(Fault::NotFound(Missing::Key)),
                _ => audit::tell(tx, told),
            }
        })
    }
}

/// Removes all keys of a user.
pub(super) fn delete_all(db: &mut SqliteConnection, owner: UserId) -> Result<(), Fault> {
    let of_owner = scoped_keys::table.filter(scoped_keys::owner.eq(owner.as_bytes().to_vec()));
    diesel::delete(of_owner).execute(db)?;
    Ok(())
}

/// The unique indexes hold this too; asking first tells which of them it would be.
fn check_unique(db: &mut SqliteConnection, id: &[u8], hash: &[u8]) -> Result<(), Fault> {
    let same_id = scoped_keys::table.find(id).select(scoped_keys::id).first::<Vec<u8>>(db).optional()?;
    let same_hash = scoped_keys::table.filter(scoped_keys::hash.eq(hash)).select(scoped_keys::id);
    let same_hash = same_hash.first::<Vec<u8>>(db).optional()?;
    match (same_id, same_hash) {
        (Some(_), _) => Err(Fault::Conflict("id")),
        (None, Some(_)) => Err(Fault::Conflict("key")),
        (None, None) => Ok(()),
    }
}

fn count_of(db: &mut SqliteConnection, owner: UserId) -> Result<u64, Fault> {
    let owned = scoped_keys::table.filter(scoped_keys::owner.eq(owner.as_bytes().to_vec()));
    Ok(count(owned.count().get_result(db)?))
}
