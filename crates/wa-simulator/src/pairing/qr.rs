use base64::{Engine, engine::general_purpose::STANDARD};
use wa_crypto::{PublicKey, Secret};

use crate::ControlError;

/// What precedes the fields in the QR codes of current clients.
const LINK: &str = "https://wa.me/settings/linked_devices#";

/// What a phone reads in a QR code (PROTOCOL.md 6.1).
pub(crate) struct QrCode {
    pub(crate) reference: String,
    pub(crate) noise: PublicKey,
    pub(crate) identity: PublicKey,
    pub(crate) adv_secret: Secret<32>,
}

impl QrCode {
    /// Reads `ref,noise,identity,advSecret[,clientType]`, bare or behind the link. Clients before the link
    /// leave the client type out (PROTOCOL.md 6.1).
    pub(crate) fn parse(text: &str) -> Result<Self, ControlError> {
        let text = text.trim();
        let fields = text.strip_prefix(LINK).unwrap_or(text);
        let fields: Vec<&str> = fields.split(',').collect();
        let (reference, noise, identity, secret, client) = match *fields.as_slice() {
            [reference, noise, identity, secret] => (reference, noise, identity, secret, None),
            [reference, noise, identity, secret, client] => {
                (reference, noise, identity, secret, Some(client))
            }
            _ => return Err(ControlError::InvalidQr("four or five fields between commas are expected")),
        };
        if reference.is_empty() {
            return Err(ControlError::InvalidQr("the reference is empty"));
        }
        if client.is_some_and(|client| client.len() != 1) {
            return Err(ControlError::InvalidQr("the client type is not one character"));
        }
        Ok(Self {
            reference: reference.to_owned(),
            noise: PublicKey::from_bytes(key(noise, "the noise key is not 32 bytes in base64")?),
            identity: PublicKey::from_bytes(key(identity, "the identity key is not 32 bytes in base64")?),
            adv_secret: Secret::new(key(secret, "the ADV secret is not 32 bytes in base64")?),
        })
    }
}

fn key(text: &str, error: &'static str) -> Result<[u8; 32], ControlError> {
    let bytes = STANDARD.decode(text).map_err(|_| ControlError::InvalidQr(error))?;
    bytes.try_into().map_err(|_| ControlError::InvalidQr(error))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(byte: u8) -> String {
        STANDARD.encode([byte; 32])
    }

    fn text(fields: &[&str]) -> String {
        fields.join(",")
    }

    #[test]
    fn reads_both_texts() {
        let (noise, identity, secret) = (field(1), field(2), field(3));
        let bare = text(&["2@abc", &noise, &identity, &secret, "1"]);
        for text in [bare.clone(), format!("{LINK}{bare}"), text(&["2@abc", &noise, &identity, &secret])] {
            let code = QrCode::parse(&text).unwrap();
            assert_eq!(code.reference, "2@abc");
            assert_eq!(code.noise.as_bytes(), &[1; 32]);
            assert_eq!(code.identity.as_bytes(), &[2; 32]);
            assert_eq!(code.adv_secret.expose(), &[3; 32]);
        }
    }

    #[test]
    fn refuses_what_is_no_code() {
        let key = field(1);
        for wrong in [
            String::new(),
            "hello".to_owned(),
            text(&["", &key, &key, &key, "1"]),
            text(&["ref", &key, &key, "AAAA", "1"]),
            text(&["ref", &key, &key, &key, "12"]),
            text(&["ref", "!", &key, &key, "1"]),
            text(&["ref", &key, &key, &key, "1", "x"]),
        ] {
            assert!(matches!(QrCode::parse(&wrong), Err(ControlError::InvalidQr(_))), "{wrong}");
        }
    }
}
