//! The rows of the tables, and what they hold: how domain types become columns, and which of these are sealed. Statements are
//! each backend's own.

#![allow(missing_docs, reason = "the fields of rows are columns, which the migrations describe")]

use storage::{InstanceId, Json, KeyId, Timestamp, UserId};

use crate::fault::Fault;

pub mod audit;
pub mod consumer;
pub mod contact;
pub mod delivery;
pub mod dialect;
pub mod early;
pub mod event;
pub mod instance;
pub mod key;
pub mod message;
pub mod receipt;
pub mod record;
pub mod scheduled;
pub mod setting;
pub mod usage;
pub mod user;
pub mod webhook;

pub fn user_id(bytes: &[u8]) -> Result<UserId, Fault> {
    Ok(UserId::from_bytes(sixteen(bytes)?))
}

pub fn key_id(bytes: &[u8]) -> Result<KeyId, Fault> {
    Ok(KeyId::from_bytes(sixteen(bytes)?))
}

pub fn instance_id(bytes: &[u8]) -> Result<InstanceId, Fault> {
    Ok(InstanceId::from_bytes(sixteen(bytes)?))
}

pub fn sixteen(bytes: &[u8]) -> Result<[u8; 16], Fault> {
    bytes.try_into().map_err(|error| Fault::corrupt("identifier", error))
}

pub fn json(text: String) -> Result<Json, Fault> {
    Json::from_text(text).map_err(|error| Fault::corrupt("JSON", error))
}

pub fn time(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

/// SQL counts in `i64`; no table holds more rows.
pub fn limit(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

pub fn count(rows: i64) -> u64 {
    u64::try_from(rows).unwrap_or_default()
}
