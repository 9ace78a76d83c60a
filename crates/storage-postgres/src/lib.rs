#![doc = include_str!("../README.md")]

// From top to bottom: a module uses those below it, never one above. A test holds this.
mod companion;
mod service;

mod database;

mod open;
mod postgres;

mod records;
mod words;

mod address;
mod resolver;
mod statement;
mod text;

pub use address::{DatabaseAddress, InvalidAddress};
pub use database::{Options, PostgresDatabase};
pub use open::{Examined, OpenError, examine};
pub use resolver::Resolver;
