//! The store traits of `storage`, one file per concern: the row, its conversion, the statements, the trait.

use storage::{InstanceId, Json, Timestamp, UserId};

use crate::fault::Fault;

mod claims;
mod deliveries;
mod early;
mod events;
mod instances;
mod leases;
mod messages;
mod ownership;
mod prune;
mod record;
mod settings;
mod users;
mod webhooks;

fn user_id(bytes: &[u8]) -> Result<UserId, Fault> {
    Ok(UserId::from_bytes(sixteen(bytes)?))
}

fn instance_id(bytes: &[u8]) -> Result<InstanceId, Fault> {
    Ok(InstanceId::from_bytes(sixteen(bytes)?))
}

fn sixteen(bytes: &[u8]) -> Result<[u8; 16], Fault> {
    bytes.try_into().map_err(|error| Fault::corrupt("identifier", error))
}

fn json(text: String) -> Result<Json, Fault> {
    Json::from_text(text).map_err(|error| Fault::corrupt("JSON", error))
}

fn time(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

/// SQL counts in `i64`; no table holds more rows.
fn limit(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

fn count(rows: i64) -> u64 {
    u64::try_from(rows).unwrap_or_default()
}
