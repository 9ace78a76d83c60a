//! Codes as text, and keys under them.

use wa_crypto::{PublicKey, ctr, kdf};

/// A wrapped key: salt, IV, and the key under the code.
pub(super) type Wrapped = [u8; 80];

/// Rounds of PBKDF2 between the code and a key.
pub(super) const ROUNDS: u32 = 131_072;

/// The characters of a code, each worth five bits.
const ALPHABET: &[u8; 32] = b"123456789ABCDEFGHJKLMNPQRSTVWXYZ";

/// Five bytes as eight characters, the highest bits first.
pub(crate) fn base32(bytes: [u8; 5]) -> String {
    let bits = bytes.iter().fold(0_u64, |bits, byte| bits << 8 | u64::from(*byte));
    let digits = (0..8).rev().map(|digit| usize::try_from(bits >> (5 * digit) & 31).unwrap_or(0));
    digits.filter_map(|digit| ALPHABET.get(digit)).map(|character| char::from(*character)).collect()
}

/// Encrypts a key with the code, behind salt and IV.
pub(super) fn wrap(code: &str, salt: [u8; 48], key: &PublicKey) -> Wrapped {
    let mut wrapped = [0; 80];
    wrapped[..48].copy_from_slice(&salt);
    wrapped[48..].copy_from_slice(key.as_bytes());
    let encrypted = crypt(code, &wrapped);
    wrapped[48..].copy_from_slice(&encrypted);
    wrapped
}

/// Encrypts or decrypts the key in its wrapping.
pub(super) fn crypt(code: &str, wrapped: &Wrapped) -> [u8; 32] {
    let (mut iv, mut key) = ([0; 16], [0; 32]);
    iv.copy_from_slice(&wrapped[32..48]);
    key.copy_from_slice(&wrapped[48..]);
    ctr::apply(&kdf::pbkdf2_sha256(code.as_bytes(), &wrapped[..32], ROUNDS), &iv, &mut key);
    key
}
