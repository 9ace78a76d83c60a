#![doc = include_str!("../README.md")]

// From top to bottom: a module uses those below it, never one above.
pub mod resealing;
pub mod rows;

mod seal;
mod shares;
pub mod unreadable;

mod commits;
mod counted;
mod fault;
mod filling;
mod master_key;
mod resealed;
pub mod schema;
pub mod search;

pub use commits::{CommitFigures, Commits, WriteFailure};
pub use counted::{Counted, Counts};
pub use fault::{CommitFailure, Fault};
pub use filling::Filling;
pub use master_key::{MasterKey, MasterKeyError};
pub use resealed::Resealed;
pub use seal::{Place, Sealer};
pub use shares::Shares;
