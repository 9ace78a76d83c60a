//! Blobs of the app state and the history, as the media host keeps them (PROTOCOL.md 19.2).

use bytes::Bytes;
use wa_crypto::{cbc, kdf, mac};

/// Bytes of the MAC behind a blob.
const MAC: usize = 10;

/// An encrypted blob with what a reference to it says.
pub(crate) struct Blob {
    pub(crate) bytes: Bytes,
    pub(crate) sha256: [u8; 32],
    pub(crate) enc_sha256: [u8; 32],
}

/// Encrypts under a media key.
pub(crate) fn seal(media_key: &[u8; 32], info: &[u8], plain: &[u8]) -> Blob {
    let okm = kdf::hkdf::<112>(media_key, b"", info);
    let iv: [u8; 16] = std::array::from_fn(|byte| okm[byte]);
    let cipher_key: [u8; 32] = std::array::from_fn(|byte| okm[16 + byte]);
    let mut bytes = cbc::encrypt(&cipher_key, &iv, plain);
    let tag = mac::hmac_sha256(&okm[48..80], &[&iv, &bytes]);
    bytes.extend_from_slice(&tag[..MAC]);
    Blob { sha256: mac::sha256(&[plain]), enc_sha256: mac::sha256(&[&bytes]), bytes: bytes.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// PROTOCOL.md, appendix B: what whatsmeow makes of it.
    #[test]
    fn a_blob_is_what_other_clients_make_of_it() {
        let blob = seal(&[7; 32], b"WhatsApp Image Keys", b"hello media");
        assert_eq!(hex::encode(&blob.bytes), "e1c53c0354380e4530f049052fe59c901e19032fdb65716520b5");
    }
}
