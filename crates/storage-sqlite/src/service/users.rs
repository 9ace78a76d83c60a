use async_trait::async_trait;
use diesel::prelude::*;
use storage::{
    ApiKey, Missing, SecretText, StorageError, Timestamp, User, UserId, UserPatch, UserStore, Write,
};

use super::{time, user_id};
use crate::database::SqliteDatabase;
use crate::fault::Fault;
use crate::schema::users;
use crate::seal::{Place, Sealer};

#[derive(Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = users, treat_none_as_null = true, treat_none_as_default_value = false)]
struct UserRow {
    id: Vec<u8>,
    email: String,
    password_hash: String,
    first_name: String,
    last_name: String,
    role: String,
    api_key_hash: Vec<u8>,
    api_key: Vec<u8>,
    disabled_at: Option<i64>,
    created_at: i64,
    updated_at: i64,
    credentials_version: i64,
}

impl UserRow {
    fn seal(user: &User, sealer: &Sealer) -> Result<Self, Fault> {
        let id = user.id.as_bytes().to_vec();
        let api_key = sealer.seal(&api_key_place(&[&id]), user.api_key.expose().as_bytes())?;
        Ok(Self {
            id,
            email: user.email.clone(),
            password_hash: user.password_hash.expose().to_owned(),
            first_name: user.first_name.clone(),
            last_name: user.last_name.clone(),
            role: user.role.as_str().to_owned(),
            api_key_hash: user.api_key.hash().to_vec(),
            api_key,
            disabled_at: user.disabled_at.map(Timestamp::millis),
            created_at: user.created_at.millis(),
            updated_at: user.updated_at.millis(),
            credentials_version: user.credentials_version.into(),
        })
    }

    fn open(self, sealer: &Sealer) -> Result<User, Fault> {
        self.open_for(&UserPatch::default(), sealer)
    }

    /// What the patch sets anew needn't be readable.
    fn open_for(self, patch: &UserPatch, sealer: &Sealer) -> Result<User, Fault> {
        let api_key = match &patch.api_key {
            Some(other) => other.clone(),
            None => self.open_api_key(sealer)?,
        };
        let version = u32::try_from(self.credentials_version);
        Ok(User {
            id: user_id(&self.id)?,
            email: self.email,
            password_hash: SecretText::new(self.password_hash),
            first_name: self.first_name,
            last_name: self.last_name,
            role: patch.role.map_or_else(|| self.role.parse(), Ok)?,
            api_key,
            disabled_at: self.disabled_at.map(time),
            credentials_version: version.map_err(|error| Fault::corrupt("credentials version", error))?,
            created_at: time(self.created_at),
            updated_at: time(self.updated_at),
        })
    }
}

impl UserRow {
    fn open_api_key(&self, sealer: &Sealer) -> Result<ApiKey, Fault> {
        let api_key = sealer.open(&api_key_place(&[&self.id]), &self.api_key)?;
        let api_key = std::str::from_utf8(&api_key).map_err(|error| Fault::corrupt("API key", error))?;
        Ok(ApiKey::new(api_key))
    }
}

fn api_key_place<'a>(row: &'a [&'a [u8]]) -> Place<'a> {
    Place { column: "users.api_key", row }
}

#[async_trait]
impl UserStore for SqliteDatabase {
    fn create_user(&self, user: User) -> Write<()> {
        let sealer = self.sealer();
        self.write(move |tx| {
            if load(&mut tx.db, user.id)?.is_some() {
                return Err(Fault::Conflict("id"));
            }
            let row = UserRow::seal(&user, &sealer)?;
            check_unique(&mut tx.db, &row)?;
            diesel::insert_into(users::table).values(row).execute(&mut tx.db)?;
            Ok(())
        })
    }

    async fn has_users(&self) -> Result<bool, StorageError> {
        let some = self.read(|db| Ok(users::table.select(users::id).first::<Vec<u8>>(db).optional()?));
        Ok(some.await?.is_some())
    }

    async fn user(&self, id: UserId) -> Result<Option<User>, StorageError> {
        let sealer = self.sealer();
        Ok(self.read(move |db| load(db, id)?.map(|row| row.open(&sealer)).transpose()).await?)
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

    async fn users(&self) -> Result<Vec<User>, StorageError> {
        let sealer = self.sealer();
        let all = self.read(move |db| {
            let rows =
                users::table.order((users::created_at, users::id)).select(UserRow::as_select()).load(db)?;
            let readable = |row: UserRow| {
                let opened = row.open(&sealer);
                opened.inspect_err(|error| tracing::error!(%error, "a user is unreadable and left out")).ok()
            };
            Ok(rows.into_iter().filter_map(readable).collect())
        });
        Ok(all.await?)
    }

    fn update_user(&self, id: UserId, patch: UserPatch, now: Timestamp) -> Write<User> {
        let sealer = self.sealer();
        self.write(move |tx| {
            let row = load(&mut tx.db, id)?.ok_or(Fault::NotFound(Missing::User))?;
            let mut user = row.open_for(&patch, &sealer)?;
            patch.apply(&mut user, now);
            let row = UserRow::seal(&user, &sealer)?;
            check_unique(&mut tx.db, &row)?;
            diesel::update(users::table.find(id.as_bytes().to_vec())).set(row).execute(&mut tx.db)?;
            Ok(user)
        })
    }
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
