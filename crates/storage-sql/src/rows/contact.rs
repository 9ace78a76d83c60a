//! Contacts.

use diesel::prelude::*;
use storage::{Contact, ContactId, InstanceId, Timestamp};

use super::{sixteen, time};
use crate::schema::contacts;

#[derive(Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = contacts, treat_none_as_null = true, treat_none_as_default_value = false)]
pub struct ContactRow {
    pub instance: i64,
    pub jid: String,
    pub id: Vec<u8>,
    pub lid: Option<String>,
    pub is_group: bool,
    pub saved_name: Option<String>,
    pub verified_name: Option<String>,
    pub push_name: Option<String>,
    pub picture: Option<String>,
    pub about: Option<String>,
    pub last_activity: Option<i64>,
    pub archived: bool,
    pub pinned_at: Option<i64>,
    pub muted_until: Option<i64>,
    pub name: String,
    pub search: String,
    pub created_at: i64,
    pub updated_at: i64,
}

impl ContactRow {
    pub fn of(instance: i64, contact: &Contact) -> Self {
        let names = [&contact.saved_name, &contact.verified_name, &contact.push_name];
        let mut search = String::new();
        for name in names.into_iter().flatten().map(String::as_str).chain([contact.number()]) {
            search.push_str(&name.to_ascii_lowercase());
            search.push('\n');
        }
        Self {
            instance,
            jid: contact.jid.clone(),
            id: contact.id.as_bytes().to_vec(),
            lid: contact.lid.clone(),
            is_group: contact.is_group,
            saved_name: contact.saved_name.clone(),
            verified_name: contact.verified_name.clone(),
            push_name: contact.push_name.clone(),
            picture: contact.picture.clone(),
            about: contact.about.clone(),
            last_activity: contact.last_activity.map(Timestamp::millis),
            archived: contact.archived,
            pinned_at: contact.pinned_at.map(Timestamp::millis),
            muted_until: contact.muted_until.map(Timestamp::millis),
            name: contact.name().to_ascii_lowercase(),
            search,
            created_at: contact.created_at.millis(),
            updated_at: contact.updated_at.millis(),
        }
    }

    /// An id that can't be read is told as one of zeros: nothing depends on it.
    pub fn open(self, instance: InstanceId) -> Contact {
        Contact {
            id: ContactId::from_bytes(sixteen(&self.id).unwrap_or_default()),
            instance,
            jid: self.jid,
            lid: self.lid,
            is_group: self.is_group,
            saved_name: self.saved_name,
            verified_name: self.verified_name,
            push_name: self.push_name,
            picture: self.picture,
            about: self.about,
            last_activity: self.last_activity.map(time),
            archived: self.archived,
            pinned_at: self.pinned_at.map(time),
            muted_until: self.muted_until.map(time),
            created_at: time(self.created_at),
            updated_at: time(self.updated_at),
        }
    }
}
