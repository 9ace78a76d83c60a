use wa_crypto::{Secret, kdf};

use crate::{MediaKey, MediaKind};

/// What a media key expands to: HKDF-SHA256 without salt to 112 bytes, whose last 32 nobody uses (PROTOCOL.md 19.2).
pub(crate) struct MediaKeys {
    pub(crate) iv: [u8; 16],
    pub(crate) cipher: Secret<32>,
    pub(crate) mac: Secret<32>,
}

impl MediaKeys {
    pub(crate) fn expand(key: &MediaKey, kind: MediaKind) -> Self {
        let okm = Secret::new(kdf::hkdf::<112>(key.expose(), b"", kind.key_info().as_bytes()));
        Self { iv: part(&okm, 0), cipher: Secret::new(part(&okm, 16)), mac: Secret::new(part(&okm, 48)) }
    }
}

fn part<const N: usize>(okm: &Secret<112>, from: usize) -> [u8; N] {
    let mut bytes = [0; N];
    bytes.copy_from_slice(&okm.expose()[from..from + N]);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_those_of_another_implementation() {
        let vectors: serde_json::Value =
            serde_json::from_str(include_str!("../testdata/whatsmeow.json")).unwrap();
        let of =
            |name: &str, field: &str| hex::decode(vectors["keys"][name][field].as_str().unwrap()).unwrap();
        let mut known = 0;
        for kind in MediaKind::ALL {
            let name = kind.key_info();
            if vectors["keys"][name].is_null() {
                continue;
            }
            let keys = MediaKeys::expand(&MediaKey::new([7; 32]), kind);
            assert_eq!(keys.iv[..], of(name, "iv"), "{kind:?}");
            assert_eq!(keys.cipher.expose()[..], of(name, "cipher"), "{kind:?}");
            assert_eq!(keys.mac.expose()[..], of(name, "mac"), "{kind:?}");
            known += 1;
        }
        assert_eq!(known, 11);
    }
}
