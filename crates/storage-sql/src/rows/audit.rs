//! Entries of the audit log.

use diesel::prelude::*;
use storage::{Actor, AuditEntry};

use super::{json, key_id, time, user_id};
use crate::fault::Fault;
use crate::schema::audit;

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = audit, treat_none_as_default_value = false)]
pub struct AuditRow {
    pub at: i64,
    pub user: Option<Vec<u8>>,
    pub scoped_key: Option<Vec<u8>>,
    pub address: Option<String>,
    pub action: String,
    pub target: Option<String>,
    pub details: String,
}

impl AuditRow {
    pub fn new(entry: AuditEntry) -> Self {
        let Actor { user, key, address } = entry.actor;
        Self {
            at: entry.at.millis(),
            user: user.map(|user| user.as_bytes().to_vec()),
            scoped_key: key.map(|key| key.as_bytes().to_vec()),
            address: address.map(|address| address.to_string()),
            action: entry.action.as_str().to_owned(),
            target: entry.target,
            details: entry.details.text().to_owned(),
        }
    }

    pub fn open(self) -> Result<AuditEntry, Fault> {
        let address = self.address.map(|address| address.parse()).transpose();
        let actor = Actor {
            user: self.user.as_deref().map(user_id).transpose()?,
            key: self.scoped_key.as_deref().map(key_id).transpose()?,
            address: address.map_err(|error| Fault::corrupt("audit entry", error))?,
        };
        Ok(AuditEntry {
            at: time(self.at),
            actor,
            action: self.action.parse()?,
            target: self.target,
            details: json(self.details)?,
        })
    }
}
