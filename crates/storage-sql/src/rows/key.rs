//! Scoped keys.

use diesel::prelude::*;
use storage::{InstanceId, Scope, ScopedKey, Timestamp};

use super::{key_id, time, user_id};
use crate::fault::Fault;
use crate::schema::scoped_keys;

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = scoped_keys, treat_none_as_default_value = false)]
pub struct KeyRow {
    pub id: Vec<u8>,
    pub owner: Vec<u8>,
    pub name: String,
    pub scopes: String,
    pub instances: Option<String>,
    pub expires_at: Option<i64>,
    pub created_at: i64,
    pub last_used_at: Option<i64>,
}

impl KeyRow {
    pub fn new(key: ScopedKey) -> Result<Self, Fault> {
        let scopes: Vec<_> = key.scopes.iter().map(|scope| scope.as_str()).collect();
        let instances = key.instances.as_ref().map(serde_json::to_string).transpose();
        Ok(Self {
            id: key.id.as_bytes().to_vec(),
            owner: key.owner.as_bytes().to_vec(),
            name: key.name,
            scopes: scopes.join(","),
            instances: instances.map_err(|error| Fault::corrupt("key", error))?,
            expires_at: key.expires_at.map(Timestamp::millis),
            created_at: key.created_at.millis(),
            last_used_at: key.last_used_at.map(Timestamp::millis),
        })
    }

    pub fn open(self) -> Result<ScopedKey, Fault> {
        let scopes = self.scopes.split(',').filter(|word| !word.is_empty()).map(str::parse);
        let instances = self.instances.as_deref().map(serde_json::from_str::<Vec<InstanceId>>).transpose();
        Ok(ScopedKey {
            id: key_id(&self.id)?,
            owner: user_id(&self.owner)?,
            name: self.name,
            scopes: scopes.collect::<Result<Vec<Scope>, _>>()?,
            instances: instances.map_err(|error| Fault::corrupt("key", error))?,
            expires_at: self.expires_at.map(time),
            created_at: time(self.created_at),
            last_used_at: self.last_used_at.map(time),
        })
    }
}
