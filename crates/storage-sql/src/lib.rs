#![doc = include_str!("../README.md")]

// From top to bottom: a module uses those below it, never one above.
pub mod rows;

mod seal;
mod shares;
pub mod unreadable;

mod commits;
mod fault;
mod master_key;
mod resealed;
pub mod schema;

pub use commits::{CommitFigures, Commits, WriteFailure};
pub use fault::{CommitFailure, Fault};
pub use master_key::{MasterKey, MasterKeyError};
pub use resealed::Resealed;
pub use seal::{Place, Sealer};
pub use shares::Shares;
