//! Key derivation: HKDF and PBKDF2, both with SHA-256.

use hkdf::Hkdf;
use sha2::Sha256;

/// HKDF-SHA256 (RFC 5869): `N` bytes out of `ikm`. An empty `salt` is no salt.
///
/// `N` is at most 8,160, which the compiler checks.
pub fn hkdf<const N: usize>(ikm: &[u8], salt: &[u8], info: &[u8]) -> [u8; N] {
    const { assert!(N <= 255 * 32, "HKDF-SHA256 gives at most 255 blocks") }
    let mut okm = [0; N];
    match Hkdf::<Sha256>::new(Some(salt), ikm).expand(info, &mut okm) {
        Ok(()) => okm,
        Err(_) => unreachable!("the length was checked at compile time"),
    }
}

/// PBKDF2-HMAC-SHA256, 32 bytes. `rounds` sets the cost: WhatsApp's 131,072 keep a core busy for
/// tens of milliseconds, so call it off the threads that serve sockets.
pub fn pbkdf2_sha256(password: &[u8], salt: &[u8], rounds: u32) -> [u8; 32] {
    pbkdf2::pbkdf2_hmac_array::<Sha256, 32>(password, salt, rounds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shorter_key_is_the_start_of_a_longer_one() {
        let long: [u8; 8160] = hkdf(b"ikm", b"salt", b"info");
        let short: [u8; 33] = hkdf(b"ikm", b"salt", b"info");
        assert_eq!(long[..33], short);
    }

    #[test]
    fn an_empty_salt_is_32_zeros() {
        let none: [u8; 32] = hkdf(b"ikm", b"", b"info");
        assert_eq!(none, hkdf::<32>(b"ikm", &[0; 32], b"info"));
    }
}
