use std::collections::BTreeMap;
use std::fmt;

use bytes::Bytes;
use wa_crypto::{Secret, kdf};
use zeroize::Zeroizing;

/// Bytes of the longest key id that is taken. WhatsApp's have six: two of the device that made the key, four of a
/// counter. The length is part of what a MAC covers, in one byte at WhatsApp Web; so this must stay below 255.
pub const MAX_KEY_ID: usize = 64;

/// Which app state key something was encrypted with.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(Bytes);

/// No key has this id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a key id has 1 to {MAX_KEY_ID} bytes")]
pub struct BadKeyId;

impl KeyId {
    /// Takes an id of 1 to [`MAX_KEY_ID`] bytes.
    ///
    /// # Errors
    /// For all other lengths.
    pub fn new(id: impl Into<Bytes>) -> Result<Self, BadKeyId> {
        let id = id.into();
        (1..=MAX_KEY_ID).contains(&id.len()).then_some(Self(id)).ok_or(BadKeyId)
    }

    /// The id as it stands in stored keys and in requests for them.
    pub const fn bytes(&self) -> &Bytes {
        &self.0
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        hex(f, &self.0)
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        hex(f, &self.0)
    }
}

/// Writes bytes that are no secret in hexadecimal.
pub(crate) fn hex(f: &mut fmt::Formatter<'_>, bytes: &[u8]) -> fmt::Result {
    bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
}

/// The five keys that one app state key expands to (protocol facts, section 18.1).
#[derive(Clone, Debug)]
pub struct Keys {
    pub(crate) index: Secret<32>,
    pub(crate) value: Secret<32>,
    pub(crate) value_mac: Secret<32>,
    pub(crate) snapshot_mac: Secret<32>,
    pub(crate) patch_mac: Secret<32>,
}

impl Keys {
    /// Expands the key data that the phone shared, 32 bytes.
    pub fn expand(data: &[u8; 32]) -> Self {
        let okm = Zeroizing::new(kdf::hkdf::<160>(data, b"", b"WhatsApp Mutation Keys"));
        let part = |number: usize| {
            let mut part = Zeroizing::new([0; 32]);
            part.copy_from_slice(&okm[number * 32..][..32]);
            Secret::new(*part)
        };
        Self { index: part(0), value: part(1), value_mac: part(2), snapshot_mac: part(3), patch_mac: part(4) }
    }
}

/// The app state keys at hand.
#[derive(Clone, Debug, Default)]
pub struct Keyring(BTreeMap<KeyId, Keys>);

impl Keyring {
    /// Adds a key; one with the same id is replaced.
    pub fn insert(&mut self, id: KeyId, keys: Keys) {
        self.0.insert(id, keys);
    }

    /// The key with this id.
    pub fn get(&self, id: &KeyId) -> Option<&Keys> {
        self.0.get(id)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&KeyId, &Keys)> {
        self.0.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_neither_empty_nor_long() {
        assert_eq!(KeyId::new(Vec::new()), Err(BadKeyId));
        assert_eq!(KeyId::new(vec![1; MAX_KEY_ID + 1]), Err(BadKeyId));
        assert_eq!(KeyId::new(vec![0, 0xab]).unwrap().to_string(), "00ab");
        assert!(KeyId::new(vec![1; MAX_KEY_ID]).is_ok());
    }

    #[test]
    fn no_key_is_printed() {
        let printed = format!("{:?}", Keys::expand(&[7; 32]));
        assert_eq!(printed.matches("Secret<32>(..)").count(), 5, "{printed}");
    }
}
