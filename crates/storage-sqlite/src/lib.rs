#![doc = include_str!("../README.md")]

// From top to bottom: a module uses those below it, never one above. A test holds this.
mod companion;
mod service;

mod database;

mod file;
mod open;
mod sqlite;

mod records;

mod seal;
mod shares;
mod unreadable;

mod fault;
mod master_key;
mod schema;
mod url;

pub use database::{Options, SqliteDatabase};
pub use master_key::{MasterKey, MasterKeyError};
pub use open::OpenError;
pub use sqlite::commits::WriteFailure;
pub use url::{DatabaseUrl, InvalidUrl};
