//! The JSON of the API: one file per subject. Requests refuse fields that they don't know.

pub(crate) mod auth;
pub(crate) mod connection;
pub(crate) mod delivery;
pub(crate) mod done;
pub(crate) mod event;
pub(crate) mod health;
pub(crate) mod instance;
pub(crate) mod linking;
pub(crate) mod message;
pub(crate) mod page;
pub(crate) mod path;
mod time;
pub(crate) mod webhook;
