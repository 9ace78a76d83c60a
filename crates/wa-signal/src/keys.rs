use rand_core::CryptoRng;
use wa_crypto::{BadSignature, KeyPair, PublicKey, Signature};

/// This device's long-term key and the number it registered under.
#[derive(Clone, Debug)]
pub struct LocalIdentity {
    /// Identity key pair.
    pub key: KeyPair,
    /// Registration id; told to whoever receives a prekey message.
    pub registration_id: u32,
}

/// A medium-term prekey, signed with the identity key; every bundle has one.
#[derive(Clone, Debug)]
pub struct SignedPreKey {
    /// Counts up from 1; WhatsApp transports 3 bytes of it.
    pub id: u32,
    /// The key pair.
    pub key: KeyPair,
    /// By the identity key, over the public key in Signal's 33-byte form.
    pub signature: Signature,
}

impl SignedPreKey {
    /// Makes a new key and signs it.
    pub fn generate(local: &LocalIdentity, id: u32, rng: &mut impl CryptoRng) -> Self {
        let key = KeyPair::generate(rng);
        let signature = local.key.private().sign(&[&key.public().to_signal()], rng);
        Self { id, key, signature }
    }
}

/// A one-time prekey: opens one session and is then forgotten.
#[derive(Clone, Debug)]
pub struct PreKey {
    /// Counts up from 1; WhatsApp transports 3 bytes of it, and 0 means none.
    pub id: u32,
    /// The key pair.
    pub key: KeyPair,
}

impl PreKey {
    /// Makes `count` keys with ids from `first_id` up; cheaper than making them one by one.
    pub fn generate(first_id: u32, count: usize, rng: &mut impl CryptoRng) -> Vec<Self> {
        let keys = KeyPair::generate_batch(count, rng);
        keys.into_iter().zip(first_id..).map(|(key, id)| Self { id, key }).collect()
    }
}

/// What the server hands out about a device, so that others can open a session with it.
#[derive(Clone, Debug)]
pub struct Bundle {
    /// The device's registration id.
    pub registration_id: u32,
    /// Its identity key.
    pub identity: PublicKey,
    /// Id of its signed prekey.
    pub signed_prekey_id: u32,
    /// Its signed prekey.
    pub signed_prekey: PublicKey,
    /// By the identity key, over the signed prekey in Signal's 33-byte form.
    pub signed_prekey_signature: Signature,
    /// Id and key of a one-time prekey, unless the device has run out of them.
    pub prekey: Option<(u32, PublicKey)>,
}

impl Bundle {
    /// Checks that the identity key signed the prekey.
    pub fn verify(&self) -> Result<(), BadSignature> {
        self.identity.verify(&[&self.signed_prekey.to_signal()], &self.signed_prekey_signature)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};

    #[test]
    fn a_signed_prekey_is_signed_by_the_identity() {
        let mut rng = ChaCha20Rng::seed_from_u64(1);
        let local = LocalIdentity { key: KeyPair::generate(&mut rng), registration_id: 7 };
        let signed = SignedPreKey::generate(&local, 1, &mut rng);
        let mut bundle = Bundle {
            registration_id: 7,
            identity: *local.key.public(),
            signed_prekey_id: signed.id,
            signed_prekey: *signed.key.public(),
            signed_prekey_signature: signed.signature,
            prekey: None,
        };
        assert_eq!(bundle.verify(), Ok(()));
        bundle.signed_prekey = *KeyPair::generate(&mut rng).public();
        assert_eq!(bundle.verify(), Err(BadSignature));
    }

    #[test]
    fn prekeys_are_numbered_in_a_row() {
        let mut rng = ChaCha20Rng::seed_from_u64(2);
        let keys = PreKey::generate(5, 3, &mut rng);
        assert_eq!(keys.iter().map(|key| key.id).collect::<Vec<_>>(), [5, 6, 7]);
        assert_ne!(keys[0].key.public(), keys[1].key.public());
    }
}
