//! Users.

use diesel::prelude::*;
use ipnet::IpNet;
use storage::{ApiKey, Role, SecretText, Timestamp, User, UserPatch};

use super::{time, user_id};
use crate::fault::Fault;
use crate::schema::users;
use crate::seal::{Place, Sealer};

#[derive(Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = users, treat_none_as_null = true, treat_none_as_default_value = false)]
pub struct UserRow {
    pub id: Vec<u8>,
    pub email: String,
    pub password_hash: String,
    pub first_name: String,
    pub last_name: String,
    pub role: String,
    pub api_key_hash: Vec<u8>,
    pub api_key: Vec<u8>,
    pub disabled_at: Option<i64>,
    pub created_at: i64,
    pub updated_at: i64,
    pub credentials_version: i64,
    pub allowed_ips: String,
}

impl UserRow {
    pub fn seal(user: &User, sealer: &Sealer) -> Result<Self, Fault> {
        let id = user.id.as_bytes().to_vec();
        let api_key = sealer.seal(&api_key_place(&[&id]), user.api_key.expose().as_bytes())?;
        let allowed_ips: Vec<_> = user.allowed_ips.iter().map(IpNet::to_string).collect();
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
            allowed_ips: allowed_ips.join(","),
        })
    }

    pub fn open(self, sealer: &Sealer) -> Result<User, Fault> {
        self.open_for(&UserPatch::default(), sealer)
    }

    /// What the patch sets anew needn't be readable.
    pub fn open_for(self, patch: &UserPatch, sealer: &Sealer) -> Result<User, Fault> {
        let api_key = match &patch.api_key {
            Some(other) => other.clone(),
            None => self.open_api_key(sealer)?,
        };
        let allowed_ips = match &patch.allowed_ips {
            Some(other) => other.clone(),
            None => self.open_allowed_ips()?,
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
            allowed_ips,
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

    fn open_allowed_ips(&self) -> Result<Vec<IpNet>, Fault> {
        let networks = self.allowed_ips.split(',').filter(|network| !network.is_empty());
        let networks: Result<_, _> = networks.map(str::parse).collect();
        networks.map_err(|error| Fault::corrupt("users.allowed_ips", error))
    }

    /// As [`User::administers`]; what else can't be read doesn't matter.
    pub fn administers(&self) -> bool {
        self.role == Role::Admin.as_str() && self.disabled_at.is_none()
    }
}

pub fn api_key_place<'a>(row: &'a [&'a [u8]]) -> Place<'a> {
    Place { column: "users.api_key", row }
}
