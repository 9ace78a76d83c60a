#![doc = include_str!("../README.md")]

mod chain;
mod keys;
mod message_keys;
mod padding;
pub mod parts;
mod record;
pub mod sender_key;
mod session;
mod state;
mod wire;
mod x3dh;

pub use chain::{MAX_AHEAD, MAX_LEASE, MAX_STORED_KEYS};
pub use keys::{Bundle, LocalIdentity, PreKey, SignedPreKey};
pub use padding::{PaddingError, pad, unpad};
pub use record::RecordError;
pub use session::{
    Accepted, Ciphertext, DecryptError, EncryptError, InitiateError, Kind, MAX_ARCHIVED, Session,
};
pub use state::MAX_RECEIVE_CHAINS;
pub use wire::{ParseError, PreKeyMessage};
