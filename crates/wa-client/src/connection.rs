//! From a dialled socket to an encrypted stream of stanzas.

pub(crate) mod handshake;
pub(crate) mod link;
pub(crate) mod payload;
pub(crate) mod stream_error;
