use async_trait::async_trait;
use diesel::prelude::*;
use diesel::sql_types::Text;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use futures_util::TryStreamExt as _;
use storage::{
    ApiKey, AuditEntry, Budget, Missing, Page, Role, StorageError, Timestamp, User, UserId, UserPatch,
    UserStore, Write,
};
use storage_sql::rows::user::UserRow;
use storage_sql::rows::{count, limit, user_id};
use storage_sql::schema::{instances, users};
use storage_sql::{Fault, Sealer};

use super::{audit, keys};
use crate::database::PostgresDatabase;

diesel::define_sql_function! {
    /// Of ASCII letters alone, as the column is collated.
    fn lower(text: Text) -> Text;
}

#[async_trait]
impl UserStore for PostgresDatabase {
    fn add_user(&self, user: User, told: Option<AuditEntry>) -> Write<()> {
        let sealer = self.sealer();
        self.write(async move |tx| {
            if load(&mut tx.db, user.id).await?.is_some() {
                return Err(Fault::Conflict("id"));
            }
            let row = UserRow::seal(&user, &sealer)?;
            check_unique(&mut tx.db, &row).await?;
            diesel::insert_into(users::table).values(row).execute(&mut tx.db).await?;
            audit::tell(tx, told).await
        })
    }

    async fn has_users(&self) -> Result<bool, StorageError> {
        let some = self.read(async move |db| {
            Ok(users::table.select(users::id).first::<Vec<u8>>(db).await.optional()?)
        });
        Ok(some.await?.is_some())
    }

    async fn user(&self, id: UserId) -> Result<Option<User>, StorageError> {
        let sealer = self.sealer();
        Ok(self.read(async move |db| find(db, id, &sealer).await).await?)
    }

    async fn user_by_email(&self, email: &str) -> Result<Option<User>, StorageError> {
        let (sealer, email) = (self.sealer(), email.to_owned());
        let found = self.read(async move |db| {
            let row = users::table
                .filter(lower(users::email).eq(email.to_ascii_lowercase()))
                .select(UserRow::as_select())
                .first(db)
                .await
                .optional()?;
            row.map(|row| row.open(&sealer)).transpose()
        });
        Ok(found.await?)
    }

    async fn user_by_api_key(&self, key: &ApiKey) -> Result<Option<User>, StorageError> {
        let (sealer, hash) = (self.sealer(), key.hash());
        let found = self.read(async move |db| {
            let user = users::table.filter(users::api_key_hash.eq(&hash[..]));
            let row = user.select(UserRow::as_select()).first(db).await.optional()?;
            row.map(|row| row.open(&sealer)).transpose()
        });
        Ok(found.await?)
    }

    async fn users(&self, take: u64, skip: u64) -> Result<Page<User>, StorageError> {
        let sealer = self.sealer();
        Ok(self.snapshot(async move |db| page_of(db, take, skip, &sealer).await).await?)
    }

    async fn disabled_users(&self) -> Result<Vec<UserId>, StorageError> {
        let disabled = self.read(async move |db| {
            let disabled = users::table.filter(users::disabled_at.is_not_null()).order(users::id);
            let ids = disabled.select(users::id).load::<Vec<u8>>(db).await?;
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
        self.write(async move |tx| {
            let row = load(&mut tx.db, id).await?.ok_or(NO_USER)?;
            let administered = row.administers();
            let mut user = row.open_for(&patch, &sealer)?;
            patch.apply(&mut user, now);
            if administered && !user.administers() {
                check_another_administers(&mut tx.db, id).await?;
            }
            let row = UserRow::seal(&user, &sealer)?;
            check_unique(&mut tx.db, &row).await?;
            diesel::update(users::table.find(id.as_bytes().to_vec())).set(row).execute(&mut tx.db).await?;
            audit::tell(tx, told).await?;
            Ok(user)
        })
    }

    fn delete_user(&self, id: UserId, told: Option<AuditEntry>) -> Write<()> {
        self.write(async move |tx| {
            let row = load(&mut tx.db, id).await?.ok_or(NO_USER)?;
            if row.administers() {
                check_another_administers(&mut tx.db, id).await?;
            }
            let owned = instances::table.filter(instances::owner.eq(&row.id)).select(instances::key);
            if owned.first::<i64>(&mut tx.db).await.optional()?.is_some() {
                return Err(Fault::InUse("instances"));
            }
            diesel::delete(users::table.find(row.id)).execute(&mut tx.db).await?;
            keys::delete_all(&mut tx.db, id).await?;
            audit::tell(tx, told).await
        })
    }
}

const NO_USER: Fault = Fault::NotFound(Missing::User);

/// `NotFound` unless there is such a user.
pub(super) async fn check_known(db: &mut AsyncPgConnection, id: UserId) -> Result<(), Fault> {
    let known =
        users::table.find(&id.as_bytes()[..]).select(users::id).first::<Vec<u8>>(db).await.optional()?;
    known.map(drop).ok_or(NO_USER)
}

pub(super) async fn find(
    db: &mut AsyncPgConnection,
    id: UserId,
    sealer: &Sealer,
) -> Result<Option<User>, Fault> {
    load(db, id).await?.map(|row| row.open(sealer)).transpose()
}

async fn page_of(
    db: &mut AsyncPgConnection,
    take: u64,
    skip: u64,
    sealer: &Sealer,
) -> Result<Page<User>, Fault> {
    let total = count(users::table.count().get_result(db).await?);
    let mut rows = users::table
        .order((users::created_at, users::id))
        .limit(limit(take))
        .offset(limit(skip))
        .select(UserRow::as_select())
        .load_stream::<UserRow>(db)
        .await?;
    let (mut items, mut passed, mut budget) = (Vec::new(), skip, Budget::default());
    while let Some(row) = rows.try_next().await? {
        passed += 1;
        match row.open(sealer) {
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

async fn check_another_administers(db: &mut AsyncPgConnection, id: UserId) -> Result<(), Fault> {
    let others = users::table.filter(users::id.ne(&id.as_bytes()[..]));
    let others = others.filter(users::role.eq(Role::Admin.as_str())).filter(users::disabled_at.is_null());
    let another = others.select(users::id).first::<Vec<u8>>(db).await.optional()?;
    another.map(drop).ok_or(Fault::LastAdmin)
}

async fn load(db: &mut AsyncPgConnection, id: UserId) -> Result<Option<UserRow>, Fault> {
    Ok(users::table.find(&id.as_bytes()[..]).select(UserRow::as_select()).first(db).await.optional()?)
}

/// The unique indexes hold this too; asking first tells which of them it would be.
async fn check_unique(db: &mut AsyncPgConnection, row: &UserRow) -> Result<(), Fault> {
    let others = || users::table.filter(users::id.ne(&row.id)).select(users::id);
    let same_email = others()
        .filter(lower(users::email).eq(row.email.to_ascii_lowercase()))
        .first::<Vec<u8>>(db)
        .await
        .optional()?;
    let same_key =
        others().filter(users::api_key_hash.eq(&row.api_key_hash)).first::<Vec<u8>>(db).await.optional()?;
    match (same_email, same_key) {
        (Some(_), _) => Err(Fault::Conflict("email")),
        (None, Some(_)) => Err(Fault::Conflict("API key")),
        (None, None) => Ok(()),
    }
}
