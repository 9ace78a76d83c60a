use wa_crypto::{Secret, cbc, kdf, mac};
use zeroize::Zeroizing;

/// Bytes of HMAC at the end of a `msg`.
pub(crate) const MAC_LEN: usize = 8;

/// The keys of one `msg`, derived from the seed its chain gave.
pub(crate) struct MessageKeys {
    cipher: Zeroizing<[u8; 32]>,
    mac: Zeroizing<[u8; 32]>,
    iv: Zeroizing<[u8; 16]>,
}

impl MessageKeys {
    pub(crate) fn derive(seed: &Secret<32>) -> Self {
        let okm = Zeroizing::new(kdf::hkdf::<80>(seed.expose(), &[], b"WhisperMessageKeys"));
        let (cipher, rest) = okm.split_at(32);
        let (mac, iv) = rest.split_at(32);
        Self { cipher: array(cipher), mac: array(mac), iv: array(iv) }
    }

    pub(crate) fn encrypt(&self, plaintext: &[u8]) -> Vec<u8> {
        cbc::encrypt(&self.cipher, &self.iv, plaintext)
    }

    pub(crate) fn decrypt(&self, ciphertext: &[u8]) -> Result<Vec<u8>, cbc::PaddingError> {
        cbc::decrypt(&self.cipher, &self.iv, ciphertext)
    }

    pub(crate) fn mac(&self, parts: &[&[u8]]) -> [u8; MAC_LEN] {
        *array(mac::hmac_sha256(&*self.mac, parts).split_at(MAC_LEN).0)
    }

    pub(crate) fn verify(&self, parts: &[&[u8]], tag: &[u8; MAC_LEN]) -> Result<(), mac::BadMac> {
        mac::verify_truncated_hmac_sha256(&*self.mac, parts, tag)
    }
}

/// Copies a slice whose length the caller has split off.
pub(crate) fn array<const N: usize>(slice: &[u8]) -> Zeroizing<[u8; N]> {
    let mut bytes = Zeroizing::new([0; N]);
    bytes.copy_from_slice(slice);
    bytes
}
