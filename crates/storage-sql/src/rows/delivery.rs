//! Unfinished deliveries.

use diesel::prelude::*;
use storage::{Consumer, ConsumerWork, Delivery, DeliveryState, InstanceId};

use super::{count, time};
use crate::schema::deliveries;

#[derive(Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = deliveries, treat_none_as_null = true, treat_none_as_default_value = false)]
pub struct DeliveryRow {
    pub instance: i64,
    pub consumer: String,
    pub seq: i64,
    pub chat: Option<String>,
    pub state: String,
    pub attempts: i64,
    pub next_attempt: i64,
    pub last_error: Option<String>,
    pub status_code: Option<i64>,
    pub created_at: i64,
    pub updated_at: i64,
    pub replayed: bool,
}

impl DeliveryRow {
    pub fn new(instance: i64, consumer: &str, delivery: Delivery) -> Self {
        Self {
            instance,
            consumer: consumer.to_owned(),
            seq: delivery.seq,
            chat: delivery.chat,
            state: delivery.state.as_str().to_owned(),
            attempts: i64::from(delivery.attempts),
            next_attempt: delivery.next_attempt.millis(),
            last_error: delivery.last_error,
            status_code: delivery.status_code.map(i64::from),
            created_at: delivery.created_at.millis(),
            updated_at: delivery.updated_at.millis(),
            replayed: delivery.replayed,
        }
    }

    /// What is in no known state is given up: nobody tries it, and it can be replayed.
    pub fn open(self, instance: InstanceId) -> Delivery {
        Delivery {
            consumer: Consumer { instance, name: self.consumer },
            seq: self.seq,
            chat: self.chat,
            state: self.state.parse().unwrap_or(DeliveryState::Dead),
            attempts: u32::try_from(self.attempts).unwrap_or(u32::MAX),
            next_attempt: time(self.next_attempt),
            last_error: self.last_error,
            status_code: self.status_code.and_then(|code| u16::try_from(code).ok()),
            replayed: self.replayed,
            created_at: time(self.created_at),
            updated_at: time(self.updated_at),
        }
    }
}

/// Literally as in the index `deliveries_dead`, which is used only then. Whatever isn't pending is dead.
pub fn condition(state: DeliveryState) -> &'static str {
    match state {
        DeliveryState::Pending => "state = 'pending'",
        DeliveryState::Dead => "state <> 'pending'",
    }
}

/// A webhook's name, its cursor, its pending deliveries, and when the first of them is due.
pub type WorkRow = (String, i64, i64, Option<i64>);

/// Those that have something to do, in a log that ends at this position.
pub fn work(rows: Vec<WorkRow>, instance: InstanceId, last_seq: i64) -> Vec<ConsumerWork> {
    let open = |(name, cursor, pending, next_attempt): WorkRow| ConsumerWork {
        consumer: Consumer::webhook(instance, name),
        cursor,
        last_seq,
        pending: count(pending),
        next_attempt: next_attempt.map(time),
    };
    rows.into_iter().map(open).filter(|work| work.last_seq > work.cursor || work.pending > 0).collect()
}
