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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_counter_carries_through_the_whole_block() {
        let (key, mut data) = ([1; 32], [0; 32]);
        apply(&key, &[0xff; 16], &mut data);
        let mut second = [0; 16];
        apply(&key, &[0; 16], &mut second);
        assert_eq!(data[16..], second);
    }

    #[test]
    fn applying_twice_gives_the_data_back() {
        let mut data = *b"thirty-two bytes of a public key";
        apply(&[1; 32], &[2; 16], &mut data);
        assert_ne!(&data, b"thirty-two bytes of a public key");
        apply(&[1; 32], &[2; 16], &mut data);
        assert_eq!(&data, b"thirty-two bytes of a public key");
    }
}
