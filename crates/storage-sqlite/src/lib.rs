#![doc = include_str!("../README.md")]

// From top to bottom: a module uses those below it, never one above. A test holds this.
mod companion;
mod service;

mod database;

mod examine;
mod file;
mod open;

mod whatsmeow;

mod sqlite;

mod records;
mod words;

mod url;

pub use database::{Options, SqliteDatabase};
pub use examine::{Examined, examine};
pub use open::OpenError;
pub use storage_sql::{CommitFigures, MasterKey, MasterKeyError, Resealed, WriteFailure};
pub use url::{DatabaseUrl, InvalidUrl};
pub use whatsmeow::{WhatsmeowError, read_whatsmeow};
