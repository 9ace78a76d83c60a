//! The same over what arrives in pieces.

use std::fmt;

use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256};

use super::{BadMac, keyed};

/// SHA-256 of pieces.
#[derive(Clone, Default)]
pub struct RunningSha256(Sha256);

impl RunningSha256 {
    /// Takes the next piece.
    pub fn update(&mut self, piece: &[u8]) {
        self.0.update(piece);
    }

    /// The hash of all pieces in a row.
    pub fn finish(self) -> [u8; 32] {
        self.0.finalize().into()
    }
}

/// HMAC-SHA256 of pieces. Wiped when dropped.
#[derive(Clone)]
pub struct RunningHmac(Hmac<Sha256>);

impl RunningHmac {
    /// Begins with nothing.
    pub fn new(key: &[u8]) -> Self {
        Self(keyed(key, &[]))
    }

    /// Takes the next piece.
    pub fn update(&mut self, piece: &[u8]) {
        self.0.update(piece);
    }

    /// The HMAC of all pieces in a row.
    pub fn finish(self) -> [u8; 32] {
        self.0.finalize().into_bytes().into()
    }

    /// Compares the first `N` bytes of the HMAC in constant time, as
    /// [`verify_truncated_hmac_sha256`](super::verify_truncated_hmac_sha256) does.
    pub fn verify_truncated<const N: usize>(self, tag: &[u8; N]) -> Result<(), BadMac> {
        const { assert!(N >= 8 && N <= 32, "a MAC this short protects nothing") }
        self.0.verify_truncated_left(tag).map_err(|_| BadMac)
    }
}

impl fmt::Debug for RunningSha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RunningSha256(..)")
    }
}

impl fmt::Debug for RunningHmac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RunningHmac(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mac::{hmac_sha256, sha256};

    #[test]
    fn pieces_count_as_one() {
        let (mut hash, mut mac) = (RunningSha256::default(), RunningHmac::new(b"key"));
        for piece in [&b"two "[..], b"", b"parts"] {
            hash.update(piece);
            mac.update(piece);
        }
        let tag = hmac_sha256(b"key", &[b"two parts"]);
        assert_eq!(hash.finish(), sha256(&[b"two parts"]));
        assert_eq!(mac.clone().finish(), tag);
        assert_eq!(mac.clone().verify_truncated::<10>(tag.first_chunk().unwrap()), Ok(()));
        assert_eq!(mac.verify_truncated::<10>(&[0; 10]), Err(BadMac));
    }
}
