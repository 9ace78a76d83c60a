//! CBC of a stream that is longer than memory: whole blocks in place, one after the other, without padding.

use std::fmt;

use aes::Aes256;
use cbc::{
    Decryptor, Encryptor,
    cipher::{Array, Block, BlockModeDecrypt, BlockModeEncrypt, KeyIvInit},
};

/// Bytes of a block.
pub const BLOCK_LEN: usize = 16;

/// Encrypts whole blocks. Wiped when dropped.
pub struct EncryptBlocks(Encryptor<Aes256>);

impl EncryptBlocks {
    /// Starts a stream.
    pub fn new(key: &[u8; 32], iv: &[u8; BLOCK_LEN]) -> Self {
        Self(Encryptor::new(key.into(), iv.into()))
    }

    /// Encrypts the next blocks in place. The result chains into the next call.
    pub fn apply(&mut self, blocks: &mut [[u8; BLOCK_LEN]]) {
        self.0.encrypt_blocks(as_arrays(blocks));
    }
}

/// Decrypts whole blocks. Wiped when dropped.
pub struct DecryptBlocks(Decryptor<Aes256>);

impl DecryptBlocks {
    /// Starts at any block of a stream: `iv` is that of the stream or else the ciphertext of the block before.
    pub fn new(key: &[u8; 32], iv: &[u8; BLOCK_LEN]) -> Self {
        Self(Decryptor::new(key.into(), iv.into()))
    }

    /// Decrypts the next blocks in place.
    pub fn apply(&mut self, blocks: &mut [[u8; BLOCK_LEN]]) {
        self.0.decrypt_blocks(as_arrays(blocks));
    }
}

fn as_arrays(blocks: &mut [[u8; BLOCK_LEN]]) -> &mut [Block<Encryptor<Aes256>>] {
    Array::cast_slice_from_core_mut(blocks)
}

impl fmt::Debug for EncryptBlocks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EncryptBlocks(..)")
    }
}

impl fmt::Debug for DecryptBlocks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DecryptBlocks(..)")
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;
    use crate::cbc;

    const KEY: [u8; 32] = [1; 32];
    const IV: [u8; 16] = [2; 16];

    proptest! {
        #[test]
        fn in_pieces_it_is_the_same(plain in vec(any::<[u8; 16]>(), 0..20), cut in any::<prop::sample::Index>()) {
            let whole = cbc::encrypt(&KEY, &IV, plain.as_flattened());
            let mut blocks = plain.clone();
            let cut = cut.index(plain.len() + 1);
            let mut cipher = EncryptBlocks::new(&KEY, &IV);
            let (first, second) = blocks.split_at_mut(cut);
            cipher.apply(first);
            cipher.apply(second);
            prop_assert_eq!(blocks.as_flattened(), &whole[..whole.len() - BLOCK_LEN]);

            let before = cut.checked_sub(1).map_or(IV, |before| blocks[before]);
            let (first, second) = blocks.split_at_mut(cut);
            DecryptBlocks::new(&KEY, &before).apply(second);
            DecryptBlocks::new(&KEY, &IV).apply(first);
            prop_assert_eq!(blocks, plain);
        }
    }
}
