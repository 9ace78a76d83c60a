//! AES-256-CBC with PKCS#7 padding. It authenticates nothing: check a MAC before [`decrypt`].

use ::cbc::{Decryptor, Encryptor};
use aes::{
    Aes256,
    cipher::{BlockModeDecrypt, BlockModeEncrypt, KeyIvInit, block_padding::Pkcs7},
};

/// The ciphertext is empty, no whole number of 16-byte blocks, or ends in no valid padding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid AES-CBC padding")]
pub struct PaddingError;

/// Pads and encrypts; the result is 1 to 16 bytes longer than `plain`.
pub fn encrypt(key: &[u8; 32], iv: &[u8; 16], plain: &[u8]) -> Vec<u8> {
    Encryptor::<Aes256>::new(key.into(), iv.into()).encrypt_padded_vec::<Pkcs7>(plain)
}

/// Decrypts and strips the padding.
pub fn decrypt(key: &[u8; 32], iv: &[u8; 16], cipher: &[u8]) -> Result<Vec<u8>, PaddingError> {
    Decryptor::<Aes256>::new(key.into(), iv.into())
        .decrypt_padded_vec::<Pkcs7>(cipher)
        .map_err(|_| PaddingError)
}
