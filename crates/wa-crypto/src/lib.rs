#![doc = include_str!("../README.md")]

pub mod aead;
pub mod cbc;
pub mod ctr;
pub mod kdf;
mod key;
pub mod mac;
mod secret;
mod signature;

pub use key::{
    AgreementError, KeyLengthError, KeyPair, PrivateKey, PublicKey, SIGNAL_KEY_TYPE, SignalKeyError,
};
pub use secret::Secret;
pub use signature::{BadSignature, Signature};
