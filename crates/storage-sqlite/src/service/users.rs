use async_trait::async_trait;
use diesel::connection::DefaultLoadingMode;
use diesel::prelude::*;
use storage::{
    ApiKey, AuditEntry, Budget, Missing, Page, Role, StorageError, Timestamp, User, UserId, UserPatch,
    UserStore, Write,
};
use storage_sql::rows::user::UserRow;
use storage_sql::rows::{count, limit, user_id};
use storage_sql::schema::{instances, users};
use storage_sql::{Fault, Sealer};

use super::{audit, keys};
use crate::database::SqliteDatabase;

#[async_trait]
impl UserStore for SqliteDatabase {
    fn add_user(&self, user: User, told: Option<AuditEntry>) -> Write<()> {
        let sealer = self.sealer();
        self.write(move |tx| {
            if load(&mut tx.db, user.id)?.is_some() {
                return Err(Fault::Conflict("id"));
            }
            let row = UserRow::seal(&user, &sealer)?;
            check_unique(&mut tx.db, &row)?;
            diesel::insert_into(users::table).values(row).execute(&mut tx.db)?;
            audit::tell(tx, told)
        })
    }

    async fn has_users(&self) -> Result<bool, StorageError> {
        let some = self.read(|db| Ok(users::table.select(users::id).first::<Vec<u8>>(db).optional()?));
        Ok(some.await?.is_some())
    }

    async fn user(&self, id: UserId) -> Result<Option<User>, StorageError> {
        let sealer = self.sealer();
        Ok(self.read(move |db| find(db, id, &sealer)).await?)
    }

    async fn user_by_email(&self, email: &str) -> Result<Option<User>, StorageError> {
        let (sealer, email) = (self.sealer(), email.to_owned());
        let found = self.read(move |db| {
            let row = users::table
                .filter(users::email.eq(email))
                .select(UserRow::as_select())
                .first(db)
                .optional()?;
            row.map(|row| row.open(&sealer)).transpose()
        });
        Ok(found.await?)
    }

    async fn user_by_api_key(&self, key: &ApiKey) -> Result<Option<User>, StorageError> {
        let (sealer, hash) = (self.sealer(), key.hash());
        let found = self.read(move |db| {
            let user = users::table.filter(users::api_key_hash.eq(&hash[..]));
            let row = user.select(UserRow::as_select()).first(db).optional()?;
            row.map(|row| row.open(&sealer)).transpose()
        });
        Ok(found.await?)
    }

    async fn users(&self, take: u64, skip: u64) -> Result<Page<User>, StorageError> {
        let sealer = self.sealer();
        Ok(self.read(move |db| db.transaction(|db| page_of(db, take, skip, &sealer))).await?)
    }

    async fn disabled_users(&self) -> Result<Vec<UserId>, StorageError> {
        let disabled = self.read(|db| {
            let disabled = users::table.filter(users::disabled_at.is_not_null()).order(users::id);
            let ids = disabled.select(users::id).load::<Vec<u8>>(db)?;
            ids.iter().map(|id| user_id(id)).collect()
        });
        Ok(disabled.await?)
    }

    fn change_user(
        &self,
        id: UserId,
        patch: UserPatch,
        now: Timestamp,
        told: Option<AuditEntry>,
    ) -> Write<User> {
        let sealer = self.sealer();
        self.write(move |tx| {
            let row = load(&mut tx.db, id)?.ok_or(NO_USER)?;
            let administered = row.administers();
            let mut user = row.open_for(&patch, &sealer)?;
            patch.apply(&mut user, now);
            if administered && !user.administers() {
                check_another_administers(&mut tx.db, id)?;
            }
            let row = UserRow::seal(&user, &sealer)?;
            check_unique(&mut tx.db, &row)?;
            diesel::update(users::table.find(id.as_bytes().to_vec())).set(row).execute(&mut tx.db)?;
            audit::tell(tx, told)?;
            Ok(user)
        })
    }

    fn delete_user(&self, id: UserId, told: Option<AuditEntry>) -> Write<()> {
        self.write(move |tx| {
            let row = load(&mut tx.db, id)?.ok_or(NO_USER)?;
            if row.administers() {
                check_another_administers(&mut tx.db, id)?;
            }
            let owned = instances::table.filter(instances::owner.eq(&row.id)).select(instances::key);
            if owned.first::<i64>(&mut tx.db).optional()?.is_some() {
                return Err(Fault::InUse("instances"));
            }
            diesel::delete(users::table.find(row.id)).execute(&mut tx.db)?;
            keys::delete_all(&mut tx.db, id)?;
            audit::tell(tx, told)
        })
    }
}

const NO_USER: Fault = Fault::NotFound(Missing::User);

/// `NotFound` unless there is such a user.
pub(super) fn check_known(db: &mut SqliteConnection, id: UserId) -> Result<(), Fault> {
    let known = users::table.find(&id.as_bytes()[..]).select(users::id).first::<Vec<u8>>(db).optional()?;
    known.map(drop).ok_or(NO_USER)
}

pub(super) fn find(db: &mut SqliteConnection, id: UserId, sealer: &Sealer) -> Result<Option<User>, Fault> {
    load(db, id)?.map(|row| row.open(sealer)).transpose()
}

fn page_of(db: &mut SqliteConnection, take: u64, skip: u64, sealer: &Sealer) -> Result<Page<User>, Fault> {
    let total = count(users::table.count().get_result(db)?);
    let rows = users::table
        .order((users::created_at, users::id))
        .limit(limit(take))
        .offset(limit(skip))
        .select(UserRow::as_select())
        .load_iter::<UserRow, DefaultLoadingMode>(db)?;
    let (mut items, mut passed, mut budget) = (Vec::new(), skip, Budget::default());
    for row in rows {
        passed += 1;
        match row?.open(sealer) {
            Ok(user) => {
                budget.take(user.size());
                items.push(user);
            }
            Err(error) => tracing::error!(%error, "a user is unreadable and left out"),
        }
        if !budget.has_room() {
            break;
        }
    }
    Ok(Page { items, total, has_more: passed < total, next: None })
}

fn check_another_administers(db: &mut SqliteConnection, id: UserId) -> Result<(), Fault> {
    let others = users::table.filter(users::id.ne(&id.as_bytes()[..]));
    let others = others.filter(users::role.eq(Role::Admin.as_str())).filter(users::disabled_at.is_null());
    let another = others.select(users::id).first::<Vec<u8>>(db).optional()?;
    another.map(drop).ok_or(Fault::LastAdmin)
}

fn load(db: &mut SqliteConnection, id: UserId) -> Result<Option<UserRow>, Fault> {
    Ok(users::table.find(&id.as_bytes()[..]).select(UserRow::as_select()).first(db).optional()?)
}

/// The unique indexes hold this too; asking first tells which of them it would be.
fn check_unique(db: &mut SqliteConnection, row: &UserRow) -> Result<(), Fault> {
    let others = || users::table.filter(users::id.ne(&row.id)).select(users::id);
    let same_email = others().filter(users::email.eq(&row.email)).first::<Vec<u8>>(db).optional()?;
    let same_key =
        others().filter(users::api_key_hash.eq(&row.api_key_hash)).first::<Vec<u8>>(db).optional()?;
    match (same_email, same_key) {
        (Some(_), _) => Err(Fault::Conflict("email")),
        (None, Some(_)) => Err(Fault::Conflict("API key")),
        (None, None) => Ok(()),
    }
}
