use rand::CryptoRng;
use wa_crypto::{KeyPair, PrivateKey, Secret, kdf};
use wa_signal::{LocalIdentity, SignedPreKey};

/// A phone's private keys.
pub(crate) struct PhoneKeys {
    pub(crate) identity: LocalIdentity,
    pub(crate) signed_prekey: SignedPreKey,
    /// One-time prekeys are derived from it by their id, so that thousands of phones need not make a
    /// hundred keys each that nobody asks for.
    prekey_seed: Secret<32>,
}

impl PhoneKeys {
    pub(crate) fn generate(rng: &mut impl CryptoRng) -> Self {
        // Phones number their registrations with 14 bits.
        let identity =
            LocalIdentity { key: KeyPair::generate(rng), registration_id: 1 + rng.next_u32() % 16_380 };
        let signed_prekey = SignedPreKey::generate(&identity, 1, rng);
        Self { identity, signed_prekey, prekey_seed: Secret::generate(rng) }
    }

    /// The person's passkey.
    pub(crate) fn passkey(&self) -> KeyPair {
        KeyPair::from_private(PrivateKey::from_bytes(kdf::hkdf(self.prekey_seed.expose(), &[], b"passkey")))
    }

    /// The one-time prekey with this id.
    pub(crate) fn prekey(&self, id: u32) -> KeyPair {
        let bytes =
            kdf::hkdf(self.prekey_seed.expose(), &[], &[b"prekey ".as_slice(), &id.to_be_bytes()].concat());
        KeyPair::from_private(PrivateKey::from_bytes(bytes))
    }
}
