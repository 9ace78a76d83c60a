use std::fmt;

use ring::digest::{SHA256, digest};
use zeroize::Zeroizing;

/// A text that must not be printed: wiped from memory when dropped, hidden from `Debug`. Stores seal it at rest.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretText(Zeroizing<String>);

impl SecretText {
    /// Takes the text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(Zeroizing::new(text.into()))
    }

    /// The text itself.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SecretText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretText")
    }
}

/// A user's API key. Stores look users up by its hash and keep the key itself sealed, so that login can return it.
#[derive(Clone, PartialEq, Eq)]
pub struct ApiKey(SecretText);

impl ApiKey {
    /// Takes the key as it stands in `x-api-key`. Keys are random and long, so a plain hash is enough for look-up.
    pub fn new(text: impl Into<String>) -> Self {
        Self(SecretText::new(text))
    }

    /// The key itself.
    pub fn expose(&self) -> &str {
        self.0.expose()
    }

    /// SHA-256 of the key: what users are looked up by.
    pub fn hash(&self) -> [u8; 32] {
        let mut hash = [0; 32];
        hash.copy_from_slice(digest(&SHA256, self.expose().as_bytes()).as_ref());
        hash
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ApiKey")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_prints_no_secret() {
        assert_eq!(format!("{:?} {:?}", SecretText::new("hunter2"), ApiKey::new("key")), "SecretText ApiKey");
    }

    #[test]
    fn the_hash_is_sha_256() {
        // FIPS 180-2, appendix B.1.
        assert_eq!(ApiKey::new("abc").hash()[..4], [0xba, 0x78, 0x16, 0xbf]);
    }
}
