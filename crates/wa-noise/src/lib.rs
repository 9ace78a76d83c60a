#![doc = include_str!("../README.md")]

pub mod cert;
mod cipher;
pub mod frame;
mod initiator;
mod message;
pub mod preamble;
mod responder;
mod symmetric;

pub use cert::{NotAKey, TrustRoot};
pub use cipher::{Ciphers, OpenCipher, OpenError, SealCipher, SealError};
pub use initiator::{AwaitServerHello, Initiator};
pub use message::{HandshakeError, Part};
pub use preamble::CONNECTION_HEADER;
pub use responder::{AwaitClientFinish, AwaitClientHello, ClientIdentity, Reply, Responder};
pub use symmetric::Pattern;
