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

    /// The 64 bytes.
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
