//! The JSON of the API: one file per subject. Requests refuse fields that they don't know.

#[macro_use]
pub(crate) mod terms;

pub(crate) mod activity;
pub(crate) mod attempt;
pub(crate) mod audit;
pub(crate) mod auth;
pub(crate) mod channel;
pub(crate) mod community;
pub(crate) mod connection;
pub(crate) mod consumer;
pub(crate) mod contact;
pub(crate) mod database;
pub(crate) mod delivery;
pub(crate) mod details;
pub(crate) mod done;
pub(crate) mod event;
pub(crate) mod group;
pub(crate) mod health;
pub(crate) mod import;
pub(crate) mod instance;
pub(crate) mod key;
pub(crate) mod limits;
pub(crate) mod link;
pub(crate) mod linking;
pub(crate) mod list;
pub(crate) mod media;
pub(crate) mod message;
pub(crate) mod page;
pub(crate) mod path;
pub(crate) mod people;
pub(crate) mod poll;
pub(crate) mod qr;
pub(crate) mod scheduled;
pub(crate) mod sending;
pub(crate) mod stats;
pub(crate) mod stream;
mod time;
pub(crate) mod user;
pub(crate) mod webhook;
