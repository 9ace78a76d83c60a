//! libsignal's Curve25519 signatures.
//!
//! They are XEdDSA (<https://signal.org/docs/specifications/xeddsa/>) but for one thing: instead of
//! negating the private key until the Edwards public key has sign 0, the signer keeps its key and
//! puts the sign into the top bit of the signature, which a reduced scalar never uses
//! (protocol facts, section 2).

use std::fmt;

use curve25519_dalek::{
    edwards::{CompressedEdwardsY, EdwardsPoint},
    montgomery::MontgomeryPoint,
    scalar::{Scalar, clamp_integer},
};
use sha2::{Digest, Sha512};
use zeroize::Zeroizing;

use crate::{KeyLengthError, PrivateKey, PublicKey, Secret, key::exactly};

/// Hash prefix that separates nonces from challenges: 2^256 - 2, little-endian (XEdDSA, hash1).
const NONCE_PREFIX: [u8; 32] = {
    let mut prefix = [0xff; 32];
    prefix[0] = 0xfe;
    prefix
};

const SIGN_BIT: u8 = 0x80;

/// 2^255 - 19, little-endian: coordinates are reduced below it.
const FIELD_PRIME: [u8; 32] = {
    let mut prime = [0xff; 32];
    prime[0] = 0xed;
    prime[31] = 0x7f;
    prime
};

/// The signature does not belong to this key and message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the signature does not match key and message")]
pub struct BadSignature;

/// A libsignal Curve25519 signature: 64 bytes.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Signature([u8; 64]);

impl Signature {
    /// Takes the bytes as they are.
    pub const fn from_bytes(bytes: [u8; 64]) -> Self {
        Self(bytes)
    }

    /// Takes exactly 64 bytes.
    pub fn from_slice(bytes: &[u8]) -> Result<Self, KeyLengthError> {
        exactly(bytes).map(Self)
    }

    /// The 64 bytes as they stand on the wire.
    pub const fn as_bytes(&self) -> &[u8; 64] {
        &self.0
    }

    /// Commitment, scalar and the sign of the signer's Edwards key.
    fn split(&self) -> (CompressedEdwardsY, [u8; 32], u8) {
        let mut commitment = [0; 32];
        let mut scalar = [0; 32];
        commitment.copy_from_slice(&self.0[..32]);
        scalar.copy_from_slice(&self.0[32..]);
        let sign = scalar[31] >> 7;
        scalar[31] &= !SIGN_BIT;
        (CompressedEdwardsY(commitment), scalar, sign)
    }
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Signature(")?;
        for byte in self.0 {
            write!(f, "{byte:02x}")?;
        }
        f.write_str(")")
    }
}

pub(crate) fn sign(key: &PrivateKey, message: &[&[u8]], random: &Secret<64>) -> Signature {
    let key_bytes = Zeroizing::new(clamp_integer(*key.as_bytes()));
    let key_scalar = Zeroizing::new(Scalar::from_bytes_mod_order(*key_bytes));
    let public = EdwardsPoint::mul_base(&key_scalar).compress();

    let nonce = Zeroizing::new(hash_to_scalar(&[&NONCE_PREFIX, &*key_bytes], message, random.expose()));
    let commitment = EdwardsPoint::mul_base(&nonce).compress();
    let challenge = challenge(&commitment, &public, message);
    let scalar = challenge * *key_scalar + *nonce;

    let mut bytes = [0; 64];
    bytes[..32].copy_from_slice(commitment.as_bytes());
    bytes[32..].copy_from_slice(scalar.as_bytes());
    bytes[63] |= public.as_bytes()[31] & SIGN_BIT;
    Signature(bytes)
}

pub(crate) fn verify(key: &PublicKey, message: &[&[u8]], signature: &Signature) -> Result<(), BadSignature> {
    let (commitment, scalar, sign) = signature.split();
    let scalar: Scalar = Option::from(Scalar::from_canonical_bytes(scalar)).ok_or(BadSignature)?;
    let public = edwards_key(key, sign).ok_or(BadSignature)?;

    let challenge = challenge(&commitment, &public.compress(), message);
    let expected = EdwardsPoint::vartime_double_scalar_mul_basepoint(&challenge, &-public, &scalar);
    // Comparing encodings also refuses a commitment that is not encoded the one right way.
    if expected.compress() == commitment { Ok(()) } else { Err(BadSignature) }
}

/// The key as an Edwards point; none if it is not reduced, not on the curve or of small order.
fn edwards_key(key: &PublicKey, sign: u8) -> Option<EdwardsPoint> {
    let reduced = key.as_bytes().iter().rev().lt(FIELD_PRIME.iter().rev());
    if !reduced {
        return None;
    }
    MontgomeryPoint(*key.as_bytes()).to_edwards(sign).filter(|point| !point.is_small_order())
}

fn challenge(commitment: &CompressedEdwardsY, public: &CompressedEdwardsY, message: &[&[u8]]) -> Scalar {
    hash_to_scalar(&[commitment.as_bytes(), public.as_bytes()], message, &[])
}

fn hash_to_scalar(prefix: &[&[u8]; 2], message: &[&[u8]], suffix: &[u8]) -> Scalar {
    let mut hash = Sha512::new();
    for part in prefix.iter().chain(message) {
        hash.update(part);
    }
    hash.update(suffix);
    let wide = Zeroizing::new(<[u8; 64]>::from(hash.finalize()));
    Scalar::from_bytes_mod_order_wide(&wide)
}

#[cfg(test)]
mod tests {
    use curve25519_dalek::constants::EIGHT_TORSION;
    use proptest::{collection::vec, prelude::*};
    use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};

    use super::*;
    use crate::KeyPair;

    const MESSAGE: &[&[u8]] = &[b"signed ", b"message"];

    /// The order of the base point, little-endian.
    const ORDER: [u8; 32] = [
        0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0,
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
    ];

    /// Key pairs whose Edwards form has sign 0 and sign 1.
    fn both_signs() -> [(KeyPair, Signature); 2] {
        let mut rng = ChaCha20Rng::from_seed([1; 32]);
        let mut found = [None, None];
        for _ in 0..64 {
            let pair = KeyPair::generate(&mut rng);
            let signature = pair.private().sign(MESSAGE, &mut rng);
            found[usize::from(signature.split().2)] = Some((pair, signature));
        }
        found.map(Option::unwrap)
    }

    #[test]
    fn signatures_with_either_sign_verify() {
        for (pair, signature) in both_signs() {
            pair.public().verify(MESSAGE, &signature).unwrap();
        }
    }

    #[test]
    fn parts_are_signed_as_if_they_were_one() {
        for (pair, signature) in both_signs() {
            let public = pair.public();
            public.verify(&[b"signed message"], &signature).unwrap();
            public.verify(&[b"", b"signed", b" message"], &signature).unwrap();
            assert!(public.verify(&[b"signed messag"], &signature).is_err());
            assert!(public.verify(&[], &signature).is_err());
        }
    }

    #[test]
    fn no_bit_of_a_signature_or_key_can_be_changed() {
        for (pair, signature) in both_signs() {
            for bit in 0..512 {
                let mut changed = signature;
                changed.0[bit / 8] ^= 1 << (bit % 8);
                assert_eq!(pair.public().verify(MESSAGE, &changed), Err(BadSignature));
            }
            for bit in 0..256 {
                let mut changed = *pair.public().as_bytes();
                changed[bit / 8] ^= 1 << (bit % 8);
                let changed = PublicKey::from_bytes(changed);
                assert_eq!(changed.verify(MESSAGE, &signature), Err(BadSignature), "{bit}");
            }
        }
    }

    /// Adding the order to the scalar gives the same point, so a lax verifier takes both.
    #[test]
    fn a_scalar_that_is_not_reduced_is_refused() {
        for (pair, mut signature) in both_signs() {
            let sign = signature.0[63] & SIGN_BIT;
            signature.0[63] &= !SIGN_BIT;
            let mut carry = 0;
            for (byte, add) in signature.0[32..].iter_mut().zip(ORDER) {
                carry += u16::from(*byte) + u16::from(add);
                *byte = carry.to_le_bytes()[0];
                carry >>= 8;
            }
            assert!(signature.0[63] < SIGN_BIT && carry == 0);
            signature.0[63] |= sign;
            assert_eq!(pair.public().verify(MESSAGE, &signature), Err(BadSignature));
        }
    }

    /// Under a key of small order, commitment = scalar times base signs every eighth message.
    #[test]
    fn a_key_of_small_order_is_refused() {
        let mut tried = 0;
        for point in EIGHT_TORSION {
            let key = PublicKey::from_bytes(point.to_montgomery().to_bytes());
            for message in 0..32_u8 {
                let scalar = Scalar::from(u64::from(message) + 1);
                let commitment = EdwardsPoint::mul_base(&scalar).compress();
                for sign in [0, SIGN_BIT] {
                    let mut bytes = [0; 64];
                    bytes[..32].copy_from_slice(commitment.as_bytes());
                    bytes[32..].copy_from_slice(scalar.as_bytes());
                    bytes[63] |= sign;
                    assert_eq!(key.verify(&[&[message]], &Signature(bytes)), Err(BadSignature));
                    tried += 1;
                }
            }
        }
        assert_eq!(tried, 8 * 32 * 2);
    }

    #[test]
    fn a_key_that_is_not_reduced_is_refused() {
        // u = 9 + 2^255 - 19 is the base point again, and the top bit counts for nothing.
        let mut unreduced = FIELD_PRIME;
        unreduced[0] += 9;
        let mut top_bit = [0; 32];
        (top_bit[0], top_bit[31]) = (9, 0x80);
        for bytes in [FIELD_PRIME, unreduced, top_bit, [0xff; 32]] {
            assert!(edwards_key(&PublicKey::from_bytes(bytes), 0).is_none());
        }
        let mut base = [0; 32];
        base[0] = 9;
        assert!(edwards_key(&PublicKey::from_bytes(base), 0).is_some());
    }

    /// u = 2 belongs to a point of the twist.
    #[test]
    fn a_key_off_the_curve_is_refused() {
        let mut bytes = [0; 32];
        bytes[0] = 2;
        assert!(edwards_key(&PublicKey::from_bytes(bytes), 0).is_none());
    }

    #[test]
    fn signatures_are_randomised() {
        let mut rng = ChaCha20Rng::from_seed([1; 32]);
        let pair = KeyPair::generate(&mut rng);
        let [first, second] = std::array::from_fn(|_| pair.private().sign(MESSAGE, &mut rng));
        assert_ne!(first.as_bytes()[..32], second.as_bytes()[..32]);
    }

    #[test]
    fn a_signature_has_64_bytes() {
        for actual in [0, 63, 65] {
            let error = KeyLengthError { expected: 64, actual };
            assert_eq!(Signature::from_slice(&vec![0; actual]), Err(error));
        }
    }

    proptest! {
        #[test]
        fn what_is_signed_verifies(
            key in any::<[u8; 32]>(),
            message in vec(any::<u8>(), 0..300),
            split in any::<prop::sample::Index>(),
        ) {
            let pair = KeyPair::from_private(PrivateKey::from_bytes(key));
            let (head, tail) = message.split_at(split.index(message.len() + 1));
            let mut rng = ChaCha20Rng::from_seed(key);
            let signature = pair.private().sign(&[head, tail], &mut rng);
            prop_assert_eq!(pair.public().verify(&[&message], &signature), Ok(()));
            let other = KeyPair::generate(&mut rng);
            prop_assert!(other.public().verify(&[&message], &signature).is_err());
        }

        #[test]
        fn random_signatures_are_refused(
            key in any::<[u8; 32]>(),
            halves in any::<[[u8; 32]; 2]>(),
        ) {
            let signature = Signature::from_slice(&halves.concat()).unwrap();
            prop_assert!(PublicKey::from_bytes(key).verify(MESSAGE, &signature).is_err());
        }
    }
}
