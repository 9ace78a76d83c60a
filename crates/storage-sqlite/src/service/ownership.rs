use diesel::prelude::*;
use storage::{InstanceId, Missing, UserId};
use storage_sql::Fault;
use storage_sql::schema::instances;

/// The key of an instance if it belongs to this user; otherwise it doesn't exist.
pub(super) fn owned_key(db: &mut SqliteConnection, owner: UserId, id: InstanceId) -> Result<i64, Fault> {
    let owned = instances::table
        .filter(instances::id.eq(&id.as_bytes()[..]))
        .filter(instances::owner.eq(&owner.as_bytes()[..]))
        .select(instances::key);
    owned.first(db).optional()?.ok_or(Fault::NotFound(Missing::Instance))
}

/// The key of an instance, whoever owns it.
pub(super) fn key_of(db: &mut SqliteConnection, id: InstanceId) -> Result<Option<i64>, Fault> {
    let known = instances::table.filter(instances::id.eq(&id.as_bytes()[..])).select(instances::key);
    Ok(known.first(db).optional()?)
}
