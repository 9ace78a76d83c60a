use bytes::Bytes;
use wa_crypto::kdf;

/// What one key of the app state expands to (PROTOCOL.md 18.1).
#[derive(Clone)]
pub(super) struct Keys {
    pub(super) id: Bytes,
    pub(super) index: [u8; 32],
    pub(super) value: [u8; 32],
    pub(super) value_mac: [u8; 32],
    pub(super) snapshot_mac: [u8; 32],
    pub(super) patch_mac: [u8; 32],
}

impl Keys {
    pub(super) fn expand(id: Bytes, data: &[u8; 32]) -> Self {
        let okm = kdf::hkdf::<160>(data, b"", b"WhatsApp Mutation Keys");
        let [index, value, value_mac, snapshot_mac, patch_mac] =
            std::array::from_fn(|part| std::array::from_fn(|byte| okm[part * 32 + byte]));
        Self { id, index, value, value_mac, snapshot_mac, patch_mac }
    }
}
