#![doc = include_str!("../README.md")]

mod companion;
mod database;
mod fault;
mod master_key;
mod open;
mod schema;
mod seal;
mod service;
mod sqlite;
mod url;

pub use database::{Options, SqliteDatabase};
pub use master_key::{MasterKey, MasterKeyError};
pub use open::OpenError;
pub use url::{DatabaseUrl, InvalidUrl};
