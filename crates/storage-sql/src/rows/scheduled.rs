//! Messages that are to be sent later.

use diesel::prelude::*;
use storage::{InstanceId, Json, Scheduled, StoredMessageId, Timestamp};

use super::{sixteen, time};
use crate::schema::scheduled;

#[derive(Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = scheduled, treat_none_as_null = true, treat_none_as_default_value = false)]
pub struct ScheduledRow {
    pub message_id: String,
    pub recipient: String,
    pub content: String,
    pub file: Option<Vec<u8>>,
    pub send_at: i64,
    pub expire_at: Option<i64>,
    pub version: i64,
    pub created_at: i64,
    pub updated_at: i64,
}

impl ScheduledRow {
    pub fn of(scheduled: &Scheduled) -> Self {
        Self {
            message_id: scheduled.message_id.clone(),
            recipient: scheduled.recipient.clone(),
            content: scheduled.content.text().to_owned(),
            file: scheduled.file.map(|file| file.as_bytes().to_vec()),
            send_at: scheduled.send_at.millis(),
            expire_at: scheduled.expire_at.map(Timestamp::millis),
            version: scheduled.version,
            created_at: scheduled.created_at.millis(),
            updated_at: scheduled.updated_at.millis(),
        }
    }

    /// Content that can't be read is `null`: whoever is to send it finds nothing in it.
    pub fn open(self, instance: InstanceId) -> Scheduled {
        Scheduled {
            instance,
            message_id: self.message_id,
            recipient: self.recipient,
            content: Json::from_text(self.content).unwrap_or_default(),
            file: self.file.and_then(|file| sixteen(&file).ok()).map(StoredMessageId::from_bytes),
            send_at: time(self.send_at),
            expire_at: self.expire_at.map(time),
            version: self.version,
            created_at: time(self.created_at),
            updated_at: time(self.updated_at),
        }
    }
}
