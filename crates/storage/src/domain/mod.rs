//! What the gateway stores, as plain values. Identifiers are chosen by the caller, times of events by the database.

pub(crate) mod amendment;
pub(crate) mod cause;
pub(crate) mod claim;
pub(crate) mod delivery;
pub(crate) mod device_look;
pub(crate) mod edit;
pub(crate) mod event;
pub(crate) mod event_data;
mod event_data_v0;
pub(crate) mod id;
pub(crate) mod instance;
pub(crate) mod json;
pub(crate) mod lease;
pub(crate) mod message;
pub(crate) mod message_kind;
pub(crate) mod missing;
pub(crate) mod page;
pub(crate) mod part;
pub(crate) mod record;
pub(crate) mod secret;
pub(crate) mod time;
pub(crate) mod user;
pub(crate) mod webhook;
pub(crate) mod word;
