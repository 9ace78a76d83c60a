use std::fmt;

use curve25519_dalek::edwards::EdwardsPoint;
use rand_core::CryptoRng;
use x25519_dalek::StaticSecret;

use crate::{
    Secret,
    signature::{self, BadSignature, Signature},
};

/// The byte Signal puts in front of a Curve25519 public key.
pub const SIGNAL_KEY_TYPE: u8 = 0x05;

/// A slice that was to be a key or a signature had the wrong number of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected {expected} bytes, got {actual}")]
pub struct KeyLengthError {
    /// Bytes the value has.
    pub expected: usize,
    /// Bytes that were given.
    pub actual: usize,
}

/// What was to be Signal's 33-byte form of a public key is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignalKeyError {
    /// Not 33 bytes.
    #[error(transparent)]
    Length(#[from] KeyLengthError),
    /// The first byte names another kind of key than Curve25519.
    #[error("unknown key type {0:#04x}, expected 0x05")]
    Type(u8),
}

/// The other side's public key is a point of small order: the agreed secret would be all zeros.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the peer's public key gives an all-zero secret")]
pub struct AgreementError;

/// A Curve25519 public key: 32 bytes, the little-endian u-coordinate.
///
/// Any 32 bytes are taken, as RFC 7748 asks; points that are no key are refused where they would
/// do harm, by [`PrivateKey::agree`] and [`PublicKey::verify`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PublicKey([u8; 32]);

impl PublicKey {
    /// Takes the bytes as they are.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Takes exactly 32 bytes.
    pub fn from_slice(bytes: &[u8]) -> Result<Self, KeyLengthError> {
        exactly(bytes).map(Self)
    }

    /// The 32 bytes, without a type byte.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Signal's form: [`SIGNAL_KEY_TYPE`], then the 32 bytes.
    pub fn to_signal(&self) -> [u8; 33] {
        let mut bytes = [SIGNAL_KEY_TYPE; 33];
        bytes[1..].copy_from_slice(&self.0);
        bytes
    }

    /// Reads Signal's 33-byte form.
    pub fn from_signal(bytes: &[u8]) -> Result<Self, SignalKeyError> {
        match exactly::<33>(bytes)?.split_first() {
            Some((&SIGNAL_KEY_TYPE, key)) => Ok(Self::from_slice(key)?),
            Some((&other, _)) => Err(SignalKeyError::Type(other)),
            None => unreachable!("33 bytes have a first one"),
        }
    }

    /// Checks a libsignal Curve25519 signature (XEdDSA with the sign bit of the Edwards key in the
    /// top bit of the last byte) over the concatenation of `message`.
    ///
    /// Stricter than libsignal: besides a wrong signature it refuses a scalar that is not reduced,
    /// a key that is not reduced, and a key of small order. No honest signer makes any of them.
    pub fn verify(&self, message: &[&[u8]], signature: &Signature) -> Result<(), BadSignature> {
        signature::verify(self, message, signature)
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PublicKey(")?;
        for byte in self.0 {
            write!(f, "{byte:02x}")?;
        }
        f.write_str(")")
    }
}

/// A Curve25519 private key: 32 bytes, kept as given and clamped where it is used.
#[derive(Clone, PartialEq, Eq)]
pub struct PrivateKey(Secret<32>);

impl PrivateKey {
    /// Takes the bytes as they are.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(Secret::new(bytes))
    }

    /// Takes exactly 32 bytes.
    pub fn from_slice(bytes: &[u8]) -> Result<Self, KeyLengthError> {
        exactly(bytes).map(Self::from_bytes)
    }

    /// The 32 bytes, for storing the key. Copies of them are not wiped.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        self.0.expose()
    }

    /// The key others may know: one fixed-base multiplication.
    pub fn public_key(&self) -> PublicKey {
        PublicKey(x25519_dalek::PublicKey::from(&self.scalar()).to_bytes())
    }

    /// X25519. Refuses a `theirs` that makes the result all zeros.
    pub fn agree(&self, theirs: &PublicKey) -> Result<Secret<32>, AgreementError> {
        let shared = self.scalar().diffie_hellman(&x25519_dalek::PublicKey::from(theirs.0));
        if shared.was_contributory() { Ok(Secret::new(shared.to_bytes())) } else { Err(AgreementError) }
    }

    /// Signs the concatenation of `message` as libsignal does, with 64 random bytes from `rng`.
    /// [`PublicKey::verify`] is the other half.
    pub fn sign(&self, message: &[&[u8]], rng: &mut impl CryptoRng) -> Signature {
        signature::sign(self, message, &Secret::generate(rng))
    }

    /// The key as x25519-dalek takes it; wiped when dropped.
    fn scalar(&self) -> StaticSecret {
        StaticSecret::from(*self.as_bytes())
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PrivateKey(..)")
    }
}

/// A private key with its public key.
#[derive(Clone, PartialEq, Eq)]
pub struct KeyPair {
    private: PrivateKey,
    public: PublicKey,
}

impl KeyPair {
    /// Draws a private key from `rng`, 32 bytes. The stored private key is clamped, as every other
    /// implementation stores it.
    pub fn generate(rng: &mut impl CryptoRng) -> Self {
        Self::from_private(generate_private(rng))
    }

    /// `count` key pairs, as [`KeyPair::generate`] would draw them one after another, but sharing
    /// the one field inversion that each needs: what a pairing uses for its prekeys.
    pub fn generate_batch(count: usize, rng: &mut impl CryptoRng) -> Vec<Self> {
        let private: Vec<PrivateKey> = (0..count).map(|_| generate_private(rng)).collect();
        let points: Vec<EdwardsPoint> =
            private.iter().map(|key| EdwardsPoint::mul_base_clamped(*key.as_bytes())).collect();
        EdwardsPoint::to_montgomery_batch(&points)
            .into_iter()
            .zip(private)
            .map(|(public, private)| Self::from_parts(private, PublicKey(public.to_bytes())))
            .collect()
    }

    /// Computes the public key.
    pub fn from_private(private: PrivateKey) -> Self {
        let public = private.public_key();
        Self { private, public }
    }

    /// Puts together two keys known to belong together, such as a stored pair, without computing
    /// the public one again. A wrong public key makes agreements fail; it leaks nothing, since
    /// signing never looks at it.
    pub const fn from_parts(private: PrivateKey, public: PublicKey) -> Self {
        Self { private, public }
    }

    /// The half others may know.
    pub const fn public(&self) -> &PublicKey {
        &self.public
    }

    /// The secret half.
    pub const fn private(&self) -> &PrivateKey {
        &self.private
    }
}

impl fmt::Debug for KeyPair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyPair").field("public", &self.public).finish_non_exhaustive()
    }
}

fn generate_private(rng: &mut impl CryptoRng) -> PrivateKey {
    let bytes = Secret::generate(rng);
    PrivateKey::from_bytes(curve25519_dalek::scalar::clamp_integer(*bytes.expose()))
}

/// Turns a slice into an array, or says how long it should have been.
pub(crate) fn exactly<const N: usize>(bytes: &[u8]) -> Result<[u8; N], KeyLengthError> {
    bytes.try_into().map_err(|_| KeyLengthError { expected: N, actual: bytes.len() })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};

    use super::*;

    fn rng() -> ChaCha20Rng {
        ChaCha20Rng::from_seed([1; 32])
    }

    #[test]
    fn lengths_are_checked() {
        for actual in [0, 31, 33] {
            let error = KeyLengthError { expected: 32, actual };
            assert_eq!(PublicKey::from_slice(&vec![0; actual]), Err(error));
            assert_eq!(PrivateKey::from_slice(&vec![0; actual]), Err(error));
        }
        for actual in [0, 32, 34] {
            let error = KeyLengthError { expected: 33, actual };
            let refused = PublicKey::from_signal(&vec![SIGNAL_KEY_TYPE; actual]);
            assert_eq!(refused, Err(error.into()));
        }
    }

    #[test]
    fn signals_form_has_its_type_in_front() {
        let key = *KeyPair::generate(&mut rng()).public();
        let mut signal = key.to_signal();
        assert_eq!(signal[0], 5);
        assert_eq!(PublicKey::from_signal(&signal), Ok(key));
        signal[0] = 6;
        assert_eq!(PublicKey::from_signal(&signal), Err(SignalKeyError::Type(6)));
    }

    #[test]
    fn only_public_keys_are_printed() {
        let pair = KeyPair::from_private(PrivateKey::from_bytes([0xab; 32]));
        assert_eq!(format!("{:?}", pair.private()), "PrivateKey(..)");
        let printed = format!("{pair:?}");
        assert!(printed.starts_with("KeyPair { public: PublicKey("), "{printed}");
        assert!(!printed.contains("abab"), "{printed}");
    }

    #[test]
    fn a_batch_is_what_single_draws_give() {
        for count in [0, 1, 2, 50] {
            let (mut one, mut many) = (rng(), rng());
            let single: Vec<KeyPair> = (0..count).map(|_| KeyPair::generate(&mut one)).collect();
            assert_eq!(KeyPair::generate_batch(count, &mut many), single);
        }
    }

    #[test]
    fn generated_private_keys_are_clamped() {
        for pair in KeyPair::generate_batch(20, &mut rng()) {
            let bytes = pair.private().as_bytes();
            assert_eq!(*bytes, curve25519_dalek::scalar::clamp_integer(*bytes));
        }
    }

    proptest! {
        #[test]
        fn both_sides_agree(ours in any::<[u8; 32]>(), theirs in any::<[u8; 32]>()) {
            let [ours, theirs] = [ours, theirs]
                .map(|bytes| KeyPair::from_private(PrivateKey::from_bytes(bytes)));
            let secret = ours.private().agree(theirs.public());
            prop_assert!(secret.is_ok());
            prop_assert_eq!(secret, theirs.private().agree(ours.public()));
        }

        #[test]
        fn clamping_changes_nothing(bytes in any::<[u8; 32]>()) {
            let clamped = curve25519_dalek::scalar::clamp_integer(bytes);
            let [raw, clamped] = [bytes, clamped].map(PrivateKey::from_bytes);
            prop_assert_eq!(raw.public_key(), clamped.public_key());
            prop_assert_eq!(raw.as_bytes(), &bytes);
        }
    }
}
