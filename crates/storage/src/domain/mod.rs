//! What the gateway stores, as plain values. Identifiers and times are chosen by the caller.

pub(crate) mod claim;
pub(crate) mod delivery;
pub(crate) mod event;
pub(crate) mod id;
pub(crate) mod instance;
pub(crate) mod json;
pub(crate) mod message;
pub(crate) mod page;
pub(crate) mod record;
pub(crate) mod secret;
pub(crate) mod time;
pub(crate) mod user;
pub(crate) mod word;
