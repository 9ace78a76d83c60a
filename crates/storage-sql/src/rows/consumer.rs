//! Named consumers.

use diesel::prelude::*;
use storage::{EventKind, InstanceId, NamedConsumer};

use super::time;
use crate::fault::Fault;
use crate::schema::consumers;
use crate::unreadable;

#[derive(Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = consumers, treat_none_as_null = true, treat_none_as_default_value = false)]
pub struct ConsumerRow {
    pub name: String,
    pub kinds: Option<String>,
    pub position: i64,
    pub seen_at: i64,
    pub created_at: i64,
    pub updated_at: i64,
}

impl ConsumerRow {
    pub fn new(consumer: &NamedConsumer) -> Result<Self, Fault> {
        let kinds = consumer.kinds.as_ref().map(serde_json::to_string).transpose();
        Ok(Self {
            name: consumer.name.clone(),
            kinds: kinds.map_err(|error| Fault::corrupt("consumers.kinds", error))?,
            position: consumer.position,
            seen_at: consumer.seen_at.millis(),
            created_at: consumer.created_at.millis(),
            updated_at: consumer.updated_at.millis(),
        })
    }

    /// One whose kinds can't be read is told of all: it misses nothing.
    pub fn open(self, instance: InstanceId) -> NamedConsumer {
        let kinds: Result<Option<Vec<EventKind>>, _> =
            self.kinds.as_deref().map(serde_json::from_str).transpose();
        let kinds = kinds.unwrap_or_else(|error| {
            unreadable::tell("consumers", instance, &self.name, &Fault::corrupt("consumers.kinds", error));
            None
        });
        NamedConsumer {
            instance,
            name: self.name,
            kinds,
            position: self.position,
            seen_at: time(self.seen_at),
            created_at: time(self.created_at),
            updated_at: time(self.updated_at),
        }
    }
}
