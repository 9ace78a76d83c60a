//! AES-256-CBC with PKCS#7 padding. It authenticates nothing: check a MAC before [`decrypt`].

mod blocks;

use ::cbc::{Decryptor, Encryptor};
use aes::{
    Aes256,
    cipher::{BlockModeDecrypt, BlockModeEncrypt, KeyIvInit, block_padding::Pkcs7},
};

pub use blocks::{BLOCK_LEN, DecryptBlocks, EncryptBlocks};

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

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    const KEY: [u8; 32] = [1; 32];
    const IV: [u8; 16] = [2; 16];

    #[test]
    fn only_whole_blocks_decrypt() {
        let cipher = encrypt(&KEY, &IV, b"just over a block");
        assert_eq!(cipher.len(), 32);
        for length in (0..32).filter(|length| *length != 16) {
            assert_eq!(decrypt(&KEY, &IV, &cipher[..length]), Err(PaddingError));
        }
    }

    /// Turning the IV's last byte turns the padding byte of a single block: of the 256 values that
    /// end 15 zeros, 01 is valid padding and nothing else is.
    #[test]
    fn wrong_padding_is_refused() {
        let mut block = [0; 16];
        block[15] = 1;
        let cipher = encrypt(&KEY, &IV, &block[..15]);
        for padding in 0..=255_u8 {
            let mut iv = IV;
            iv[15] ^= 1 ^ padding;
            let plain = decrypt(&KEY, &iv, &cipher);
            assert_eq!(plain.is_ok(), padding == 1, "{padding}");
        }
    }

    proptest! {
        #[test]
        fn what_was_encrypted_decrypts(plain in vec(any::<u8>(), 0..200)) {
            let cipher = encrypt(&KEY, &IV, &plain);
            prop_assert_eq!(cipher.len(), (plain.len() / 16 + 1) * 16);
            prop_assert_eq!(decrypt(&KEY, &IV, &cipher), Ok(plain));
        }

        #[test]
        fn random_bytes_never_panic(cipher in vec(any::<u8>(), 0..100)) {
            let plain = decrypt(&KEY, &IV, &cipher);
            prop_assert!(plain.is_err() || cipher.len() % 16 == 0);
        }
    }
}
