#![doc = include_str!("../README.md")]

mod action;
mod build;
mod collection;
mod key;
mod lthash;
mod record;
mod recovery;
mod state;
#[cfg(test)]
mod vectors;
mod wire;

pub use action::{Action, MessageRef, Mute, Unknown};
pub use build::{BuildError, Built, Draft};
pub use collection::{Collection, NoSuchCollection};
pub use key::{BadKeyId, KeyId, Keyring, Keys, MAX_KEY_ID};
pub use lthash::LtHash;
pub use record::{IndexMac, MAX_RECORD, Mutation, Operation, ValueMac};
pub use recovery::Recovery;
pub use state::{ApplyError, Change, Part, State};
pub use wire::{ExternalPatch, Malformed, Patch, Received, Snapshot};
