//! AES-256-CTR with a 16-byte big-endian counter block. It authenticates nothing.

use ::ctr::Ctr128BE;
use aes::{
    Aes256,
    cipher::{KeyIvInit, StreamCipher},
};

/// Encrypts or decrypts `data` in place, which is the same thing.
pub fn apply(key: &[u8; 32], iv: &[u8; 16], data: &mut [u8]) {
    Ctr128BE::<Aes256>::new(key.into(), iv.into()).apply_keystream(data);
}
