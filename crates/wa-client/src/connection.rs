//! From a dialled socket to an encrypted stream of stanzas.

pub(crate) mod frame;
pub(crate) mod handshake;
pub(crate) mod link;
mod outgoing;
mod payload;
pub(crate) mod stream_error;
