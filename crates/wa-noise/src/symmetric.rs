use wa_crypto::{
    AgreementError, PublicKey, Secret,
    aead::{Aes256Gcm, OpenError},
    kdf, mac,
};
use zeroize::Zeroize;

use crate::{CONNECTION_HEADER, cipher::nonce};

/// How keys are exchanged: a handshake pattern of the Noise framework.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pattern {
    /// Neither side knows the other's static key: two round trips.
    Xx,
    /// The client knows the server's static key from before and sends its payload at once.
    Ik,
    /// The server could not read an IK hello and goes on with XX from the hello's ephemeral key.
    XxFallback,
}

impl Pattern {
    const fn name(self) -> &'static str {
        match self {
            Self::Xx => "Noise_XX_25519_AESGCM_SHA256",
            Self::Ik => "Noise_IK_25519_AESGCM_SHA256",
            Self::XxFallback => "Noise_XXfallback_25519_AESGCM_SHA256",
        }
    }

    /// A name of up to 32 bytes is padded with zeros, a longer one is hashed (Noise, section 5.2).
    fn initial_hash(self) -> [u8; 32] {
        let name = self.name().as_bytes();
        let mut hash = [0; 32];
        match hash.get_mut(..name.len()) {
            Some(start) => start.copy_from_slice(name),
            None => hash = mac::sha256(&[name]),
        }
        hash
    }
}

/// Noise's symmetric state: the hash of all that was said and the keys that come of it.
#[derive(Debug)]
pub(crate) struct SymmetricState {
    hash: [u8; 32],
    chaining_key: Secret<32>,
    cipher: Aes256Gcm,
    counter: u32,
}

impl SymmetricState {
    /// Starts `pattern` with the connection header as prologue.
    pub(crate) fn new(pattern: Pattern) -> Self {
        let hash = pattern.initial_hash();
        let mut state =
            Self { hash, chaining_key: Secret::new(hash), cipher: Aes256Gcm::new(&hash), counter: 0 };
        state.mix_hash(&CONNECTION_HEADER);
        state
    }

    pub(crate) fn mix_hash(&mut self, data: &[u8]) {
        self.hash = mac::sha256(&[&self.hash, data]);
    }

    pub(crate) fn mix_public(&mut self, key: &PublicKey) {
        self.mix_hash(key.as_bytes());
    }

    /// Mixes in what two keys agreed on.
    pub(crate) fn mix_key(
        &mut self,
        agreed: Result<Secret<32>, AgreementError>,
    ) -> Result<(), AgreementError> {
        let (chaining_key, key) = self.derive(agreed?.expose());
        self.chaining_key = chaining_key;
        self.cipher = Aes256Gcm::new(key.expose());
        self.counter = 0;
        Ok(())
    }

    pub(crate) fn encrypt(&mut self, plain: &[u8]) -> Vec<u8> {
        let mut buf = Vec::with_capacity(plain.len() + wa_crypto::aead::TAG_LEN);
        buf.extend_from_slice(plain);
        let nonce = self.next_nonce();
        self.cipher.seal(&nonce, &self.hash, &mut buf);
        self.mix_hash(&buf);
        buf
    }

    pub(crate) fn decrypt(&mut self, cipher: &[u8]) -> Result<Vec<u8>, OpenError> {
        let mut buf = cipher.to_vec();
        let nonce = self.next_nonce();
        self.cipher.open(&nonce, &self.hash, &mut buf)?;
        self.mix_hash(cipher);
        Ok(buf)
    }

    /// The transport keys: client to server, then server to client.
    pub(crate) fn split(&self) -> (Secret<32>, Secret<32>) {
        self.derive(&[])
    }

    fn next_nonce(&mut self) -> [u8; 12] {
        let nonce = nonce(self.counter);
        // No pattern encrypts more than twice under one key.
        self.counter += 1;
        nonce
    }

    fn derive(&self, input: &[u8]) -> (Secret<32>, Secret<32>) {
        let mut okm: [u8; 64] = kdf::hkdf(input, self.chaining_key.expose(), b"");
        let (mut first, mut second) = ([0; 32], [0; 32]);
        first.copy_from_slice(&okm[..32]);
        second.copy_from_slice(&okm[32..]);
        okm.zeroize();
        (Secret::new(first), Secret::new(second))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_state_is_whatsmeows() {
        let vector: serde_json::Value =
            serde_json::from_str(include_str!("../testdata/whatsmeow.json")).unwrap();
        let bytes = |name: &str| hex::decode(vector[name].as_str().unwrap()).unwrap();
        assert_eq!(bytes("prologue"), CONNECTION_HEADER);

        let mut state = SymmetricState::new(Pattern::Xx);
        state.mix_hash(&bytes("hashed"));
        let mixed = Secret::new(bytes("mixed").try_into().unwrap());
        state.mix_key(Ok(mixed)).unwrap();
        assert_eq!(state.encrypt(&bytes("plain")), bytes("cipher"));
        let (to_server, to_client) = state.split();
        assert_eq!(to_server.expose()[..], bytes("key_to_server"));
        assert_eq!(to_client.expose()[..], bytes("key_to_client"));
    }
}
