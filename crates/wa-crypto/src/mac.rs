//! SHA-256, and HMAC with SHA-256 or SHA-512, over the concatenation of parts, or of what arrives in pieces.

mod running;

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256, Sha512};

pub use running::{RunningHmac, RunningSha256};

/// The MAC does not belong to this key and message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the MAC does not match")]
pub struct BadMac;

/// HMAC-SHA256 of all `parts` in a row.
pub fn hmac_sha256(key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    keyed::<Hmac<Sha256>>(key, parts).finalize().into_bytes().into()
}

/// Compares the whole 32-byte HMAC in constant time; a `tag` of another length is bad.
pub fn verify_hmac_sha256(key: &[u8], parts: &[&[u8]], tag: &[u8]) -> Result<(), BadMac> {
    keyed::<Hmac<Sha256>>(key, parts).verify_slice(tag).map_err(|_| BadMac)
}

/// Compares the first `N` bytes of the HMAC in constant time: Signal messages carry 8 of them,
/// media files 10. The length is in the type so that no sender can choose it.
pub fn verify_truncated_hmac_sha256<const N: usize>(
    key: &[u8],
    parts: &[&[u8]],
    tag: &[u8; N],
) -> Result<(), BadMac> {
    const { assert!(N >= 8 && N <= 32, "a MAC this short protects nothing") }
    keyed::<Hmac<Sha256>>(key, parts).verify_truncated_left(tag).map_err(|_| BadMac)
}

/// The first `N` bytes, 32 to 64, of the HMAC-SHA512 of all `parts` in a row.
pub fn hmac_sha512<const N: usize>(key: &[u8], parts: &[&[u8]]) -> [u8; N] {
    const { assert!(N >= 32 && N <= 64, "half of the MAC is the least that its name promises") }
    let mac: [u8; 64] = keyed::<Hmac<Sha512>>(key, parts).finalize().into_bytes().into();
    let mut first = [0; N];
    first.copy_from_slice(&mac[..N]);
    first
}

/// Compares them in constant time: records of the app state carry 32.
pub fn verify_hmac_sha512<const N: usize>(key: &[u8], parts: &[&[u8]], tag: &[u8; N]) -> Result<(), BadMac> {
    const { assert!(N >= 32 && N <= 64, "half of the MAC is the least that its name promises") }
    keyed::<Hmac<Sha512>>(key, parts).verify_truncated_left(tag).map_err(|_| BadMac)
}

/// SHA-256 of all `parts` in a row.
pub fn sha256(parts: &[&[u8]]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part);
    }
    hash.finalize().into()
}

fn keyed<M: Mac + KeyInit>(key: &[u8], parts: &[&[u8]]) -> M {
    let mut mac = match <M as KeyInit>::new_from_slice(key) {
        Ok(mac) => mac,
        Err(_) => unreachable!("HMAC takes keys of any length"),
    };
    for part in parts {
        mac.update(part);
    }
    mac
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARTS: &[&[u8]] = &[b"two ", b"parts"];

    #[test]
    fn parts_count_as_one() {
        assert_eq!(sha256(PARTS), sha256(&[b"two parts"]));
        assert_eq!(hmac_sha256(b"key", PARTS), hmac_sha256(b"key", &[b"two parts"]));
    }

    #[test]
    fn a_whole_mac_is_needed() {
        let tag = hmac_sha256(b"key", PARTS);
        assert_eq!(verify_hmac_sha256(b"key", PARTS, &tag), Ok(()));
        for length in 0..32 {
            let refused = verify_hmac_sha256(b"key", PARTS, &tag[..length]);
            assert_eq!(refused, Err(BadMac));
        }
        let long = [&tag[..], &[0]].concat();
        assert_eq!(verify_hmac_sha256(b"key", PARTS, &long), Err(BadMac));
    }

    #[test]
    fn every_bit_of_a_mac_counts() {
        let tag = hmac_sha256(b"key", PARTS);
        let short: [u8; 8] = *tag.first_chunk().unwrap();
        assert_eq!(verify_truncated_hmac_sha256(b"key", PARTS, &short), Ok(()));
        for bit in 0..256 {
            let mut changed = tag;
            changed[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(verify_hmac_sha256(b"key", PARTS, &changed), Err(BadMac));
            let short: [u8; 8] = *changed.first_chunk().unwrap();
            let verified = verify_truncated_hmac_sha256(b"key", PARTS, &short);
            assert_eq!(verified.is_ok(), bit >= 64);
        }
        assert_eq!(verify_hmac_sha256(b"kex", PARTS, &tag), Err(BadMac));
    }

    #[test]
    fn every_bit_of_half_a_long_mac_counts() {
        let tag: [u8; 32] = hmac_sha512(b"key", PARTS);
        assert_eq!(verify_hmac_sha512(b"key", PARTS, &tag), Ok(()));
        for bit in 0..256 {
            let mut changed = tag;
            changed[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(verify_hmac_sha512(b"key", PARTS, &changed), Err(BadMac));
        }
    }
}
