//! AES-256-GCM with a 12-byte nonce and a 16-byte tag.

use std::fmt;

use aes_gcm::{AeadInOut, KeyInit, Tag};

/// Bytes of a tag, the difference between ciphertext and plaintext.
pub const TAG_LEN: usize = 16;

/// The ciphertext is shorter than a tag, or key, nonce, associated data and ciphertext do not
/// belong together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("AES-GCM authentication failed")]
pub struct OpenError;

/// A key, expanded once and used for many messages. Wiped when dropped.
///
/// Whoever calls [`seal`](Self::seal) answers for never using a nonce twice.
#[derive(Clone)]
pub struct Aes256Gcm(aes_gcm::Aes256Gcm);

impl Aes256Gcm {
    /// Expands the key once, for any number of messages.
    pub fn new(key: &[u8; 32]) -> Self {
        Self(aes_gcm::Aes256Gcm::new(key.into()))
    }

    /// Encrypts `buf` in place and appends the tag; it only allocates if the tag does not fit into
    /// the buffer's capacity.
    pub fn seal(&self, nonce: &[u8; 12], aad: &[u8], buf: &mut Vec<u8>) {
        let tag = self.seal_detached(nonce, aad, buf);
        buf.extend_from_slice(&tag);
    }

    /// Authenticates `buf`, which ends in the tag, decrypts it in place and cuts off the tag.
    /// After an error `buf` is as it was.
    pub fn open(&self, nonce: &[u8; 12], aad: &[u8], buf: &mut Vec<u8>) -> Result<(), OpenError> {
        let (text, tag) = buf.split_last_chunk_mut::<TAG_LEN>().ok_or(OpenError)?;
        self.open_detached(nonce, aad, text, tag)?;
        buf.truncate(buf.len() - TAG_LEN);
        Ok(())
    }

    /// Encrypts `text` in place and returns its tag, for messages that lie within a larger buffer.
    pub fn seal_detached(&self, nonce: &[u8; 12], aad: &[u8], text: &mut [u8]) -> [u8; TAG_LEN] {
        match self.0.encrypt_inout_detached(nonce.into(), aad, text.into()) {
            Ok(tag) => tag.into(),
            Err(_) => unreachable!("GCM takes 64 GiB, far beyond any frame or file"),
        }
    }

    /// Authenticates and decrypts `text` in place. After an error `text` is as it was.
    pub fn open_detached(
        &self,
        nonce: &[u8; 12],
        aad: &[u8],
        text: &mut [u8],
        tag: &[u8; TAG_LEN],
    ) -> Result<(), OpenError> {
        self.0.decrypt_inout_detached(nonce.into(), aad, text.into(), &Tag::from(*tag)).map_err(|_| OpenError)
    }
}

impl fmt::Debug for Aes256Gcm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Aes256Gcm(..)")
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    fn cipher() -> Aes256Gcm {
        Aes256Gcm::new(&[1; 32])
    }

    fn sealed(nonce: &[u8; 12], aad: &[u8], plain: &[u8]) -> Vec<u8> {
        let mut buf = plain.to_vec();
        cipher().seal(nonce, aad, &mut buf);
        buf
    }

    #[test]
    fn nothing_shorter_than_a_tag_opens() {
        for length in 0..=TAG_LEN {
            let mut buf = vec![7; length];
            assert_eq!(cipher().open(&[0; 12], b"", &mut buf), Err(OpenError));
            assert_eq!(buf, vec![7; length]);
        }
    }

    #[test]
    fn debug_prints_no_key() {
        assert_eq!(format!("{:?}", cipher()), "Aes256Gcm(..)");
    }

    proptest! {
        #[test]
        fn what_was_sealed_opens_unless_a_bit_was_changed(
            nonce in any::<[u8; 12]>(),
            aad in vec(any::<u8>(), 0..40),
            plain in vec(any::<u8>(), 0..200),
            position in any::<prop::sample::Index>(),
            bit in 0..8_u8,
        ) {
            let intact = sealed(&nonce, &aad, &plain);
            prop_assert_eq!(intact.len(), plain.len() + TAG_LEN);
            let mut opened = intact.clone();
            prop_assert_eq!(cipher().open(&nonce, &aad, &mut opened), Ok(()));
            prop_assert_eq!(opened, plain);

            let mut all = [&nonce[..], &aad, &intact].concat();
            let position = position.index(all.len());
            all[position] ^= 1_u8 << bit;
            let (nonce, rest) = all.split_first_chunk().unwrap();
            let (aad, changed) = rest.split_at(aad.len());
            let mut buf = changed.to_vec();
            prop_assert_eq!(cipher().open(nonce, aad, &mut buf), Err(OpenError));
            prop_assert_eq!(buf, changed, "a refused message stays as it is");
        }

        #[test]
        fn detached_is_the_same(plain in vec(any::<u8>(), 0..200)) {
            let (nonce, aad) = ([3; 12], b"aad");
            let mut text = plain.clone();
            let tag = cipher().seal_detached(&nonce, aad, &mut text);
            prop_assert_eq!([&text[..], &tag].concat(), sealed(&nonce, aad, &plain));
            prop_assert_eq!(cipher().open_detached(&nonce, aad, &mut text, &tag), Ok(()));
            prop_assert_eq!(text, plain);
        }
    }
}
