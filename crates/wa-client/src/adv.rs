//! Account device verification: what makes a companion believe a phone, and others believe a companion
//! (PROTOCOL.md 6.2).

use bytes::Bytes;
use prost::Message;
use rand::CryptoRng;
use wa_crypto::mac::verify_hmac_sha256;
use wa_crypto::{KeyPair, PublicKey, Signature};
use wa_protobuf::adv::{
    AdvDeviceIdentity, AdvEncryptionType, AdvSignedDeviceIdentity, AdvSignedDeviceIdentityHmac,
};

use crate::cause::PairingFailure;

/// Goes before what an account signs for a companion of its own.
const ACCOUNT_SIGNATURE: [u8; 2] = [6, 0];
/// Goes before what a companion signs in turn.
const DEVICE_SIGNATURE: [u8; 2] = [6, 1];
/// Goes before what an account signs, or what is authenticated, for a device in Meta's cloud.
const HOSTED: [u8; 2] = [6, 5];

/// A device identity that passed all checks and now carries the own signature.
pub(crate) struct Verified {
    /// To be stored, and sent along with prekey messages: with the account's key.
    pub(crate) account: Bytes,
    /// To be answered: without the account's key.
    pub(crate) answer: Vec<u8>,
    pub(crate) key_index: u32,
    /// The account's key, which is the identity key of the phone.
    pub(crate) account_key: PublicKey,
}

/// Checks the container of pair-success in the order that WhatsApp's clients use, and signs it.
pub(crate) fn verify(
    container: &[u8],
    adv_secret: &[u8; 32],
    identity: &KeyPair,
    random: &mut impl CryptoRng,
) -> Result<Verified, PairingFailure> {
    let container = AdvSignedDeviceIdentityHmac::decode(container).map_err(malformed)?;
    let details = container.details.as_deref().ok_or(PairingFailure::Malformed)?;
    let hosted_account = container.account_type == Some(AdvEncryptionType::Hosted.into());
    let prefix: &[u8] = if hosted_account { &HOSTED } else { &[] };
    verify_hmac_sha256(adv_secret, &[prefix, details], container.hmac.as_deref().unwrap_or_default())
        .map_err(|_| PairingFailure::HmacMismatch)?;

    let mut signed = AdvSignedDeviceIdentity::decode(details).map_err(malformed)?;
    let inner = signed.details.clone().ok_or(PairingFailure::Malformed)?;
    let device = AdvDeviceIdentity::decode(inner.clone()).map_err(malformed)?;
    let account_key = signed.account_signature_key.take().ok_or(PairingFailure::Malformed)?;
    let account_key = PublicKey::from_slice(&account_key).map_err(malformed)?;
    let hosted = device.device_type == Some(AdvEncryptionType::Hosted.into());
    check_account_signature(&signed, &account_key, identity.public(), hosted)
        .map_err(|_| PairingFailure::SignatureMismatch)?;

    let parts: [&[u8]; 4] = [&DEVICE_SIGNATURE, &inner, identity.public().as_bytes(), account_key.as_bytes()];
    let signature = identity.private().sign(&parts, random);
    signed.device_signature = Some(Bytes::copy_from_slice(signature.as_bytes()));
    let answer = signed.encode_to_vec();
    signed.account_signature_key = Some(Bytes::copy_from_slice(account_key.as_bytes()));
    Ok(Verified {
        account: signed.encode_to_vec().into(),
        answer,
        key_index: device.key_index.ok_or(PairingFailure::Malformed)?,
        account_key,
    })
}

/// The identity of somebody else's companion is not what its account signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the device identity of a companion is not genuine")]
pub(crate) struct NotGenuine;

/// Checks the device identity that a bundle brings: the account has signed the device's identity key, and the
/// device has signed in turn. `account_key` is the known identity key of the account's primary device; without
/// it the key inside is believed, as on first use.
pub(crate) fn check_companion(
    device_identity: &[u8],
    identity: &PublicKey,
    account_key: Option<&PublicKey>,
) -> Result<(), NotGenuine> {
    let signed = AdvSignedDeviceIdentity::decode(device_identity).map_err(|_| NotGenuine)?;
    let inside = match signed.account_signature_key.as_deref() {
        Some(key) if !key.is_empty() => Some(PublicKey::from_slice(key).map_err(|_| NotGenuine)?),
        _ => None,
    };
    if let (Some(inside), Some(known)) = (&inside, account_key)
        && inside != known
    {
        return Err(NotGenuine);
    }
    // Server copies come without the key; before the primary's key is known there is nothing to compare with.
    let Some(account_key) = account_key.or(inside.as_ref()) else { return Ok(()) };
    let inner = signed.details.as_deref().ok_or(NotGenuine)?;
    let device = AdvDeviceIdentity::decode(inner).map_err(|_| NotGenuine)?;
    let hosted = device.device_type == Some(AdvEncryptionType::Hosted.into());
    check_account_signature(&signed, account_key, identity, hosted)?;
    let signature = signature(signed.device_signature.as_deref())?;
    let parts: [&[u8]; 4] = [&DEVICE_SIGNATURE, inner, identity.as_bytes(), account_key.as_bytes()];
    identity.verify(&parts, &signature).map_err(|_| NotGenuine)
}

fn check_account_signature(
    signed: &AdvSignedDeviceIdentity,
    account_key: &PublicKey,
    identity: &PublicKey,
    hosted: bool,
) -> Result<(), NotGenuine> {
    let inner = signed.details.as_deref().ok_or(NotGenuine)?;
    let prefix: &[u8] = if hosted { &HOSTED } else { &ACCOUNT_SIGNATURE };
    let signature = signature(signed.account_signature.as_deref())?;
    account_key.verify(&[prefix, inner, identity.as_bytes()], &signature).map_err(|_| NotGenuine)
}

fn signature(bytes: Option<&[u8]>) -> Result<Signature, NotGenuine> {
    Signature::from_slice(bytes.ok_or(NotGenuine)?).map_err(|_| NotGenuine)
}

fn malformed<E>(_: E) -> PairingFailure {
    PairingFailure::Malformed
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand_chacha::ChaCha20Rng;
    use wa_crypto::mac::hmac_sha256;

    use super::*;

    const SECRET: [u8; 32] = [7; 32];

    struct Phone {
        account: KeyPair,
        companion: KeyPair,
        random: ChaCha20Rng,
    }

    impl Phone {
        fn new() -> Self {
            let mut random = ChaCha20Rng::from_seed([3; 32]);
            let account = KeyPair::generate(&mut random);
            Self { account, companion: KeyPair::generate(&mut random), random }
        }

        fn signed(&mut self, hosted: bool) -> AdvSignedDeviceIdentity {
            let kind = if hosted { AdvEncryptionType::Hosted } else { AdvEncryptionType::E2ee };
            let device = AdvDeviceIdentity {
                raw_id: Some(1),
                timestamp: Some(1_700_000_000),
                key_index: Some(4),
                account_type: Some(AdvEncryptionType::E2ee.into()),
                device_type: Some(kind.into()),
            };
            let details = device.encode_to_vec();
            let prefix: [u8; 2] = if hosted { [6, 5] } else { [6, 0] };
            let parts: [&[u8]; 3] = [&prefix, &details, self.companion.public().as_bytes()];
            let signature = self.account.private().sign(&parts, &mut self.random);
            AdvSignedDeviceIdentity {
                details: Some(details.into()),
                account_signature_key: Some(Bytes::copy_from_slice(self.account.public().as_bytes())),
                account_signature: Some(Bytes::copy_from_slice(signature.as_bytes())),
                device_signature: None,
            }
        }

        fn container(signed: &AdvSignedDeviceIdentity) -> AdvSignedDeviceIdentityHmac {
            let details = signed.encode_to_vec();
            let hmac = hmac_sha256(&SECRET, &[&details]);
            AdvSignedDeviceIdentityHmac {
                details: Some(details.into()),
                hmac: Some(Bytes::copy_from_slice(&hmac)),
                account_type: None,
            }
        }

        fn verify(&mut self, container: &AdvSignedDeviceIdentityHmac) -> Result<Verified, PairingFailure> {
            verify(&container.encode_to_vec(), &SECRET, &self.companion.clone(), &mut self.random)
        }
    }

    #[test]
    fn a_genuine_identity_is_signed_in_turn() {
        let mut phone = Phone::new();
        let container = Phone::container(&phone.signed(false));
        let verified = phone.verify(&container).unwrap();
        assert_eq!(verified.key_index, 4);
        let answer = AdvSignedDeviceIdentity::decode(&verified.answer[..]).unwrap();
        assert_eq!(answer.account_signature_key, None);
        let (identity, account) = (phone.companion.public(), phone.account.public());
        assert_eq!(check_companion(&verified.answer, identity, Some(account)), Ok(()));
        assert_eq!(check_companion(&verified.account, identity, None), Ok(()));
    }

    #[test]
    fn a_hosted_identity_has_prefixes_of_its_own() {
        let mut phone = Phone::new();
        let signed = phone.signed(true);
        let mut container = Phone::container(&signed);
        let details = signed.encode_to_vec();
        container.account_type = Some(AdvEncryptionType::Hosted.into());
        assert_eq!(phone.verify(&container).err(), Some(PairingFailure::HmacMismatch));
        container.hmac = Some(Bytes::copy_from_slice(&hmac_sha256(&SECRET, &[&[6, 5], &details])));
        assert!(phone.verify(&container).is_ok());
    }

    #[test]
    fn a_wrong_hmac_is_refused() {
        let mut phone = Phone::new();
        let mut container = Phone::container(&phone.signed(false));
        container.hmac = Some(Bytes::from_static(&[0; 32]));
        assert_eq!(phone.verify(&container).err(), Some(PairingFailure::HmacMismatch));
        container.hmac = None;
        assert_eq!(phone.verify(&container).err(), Some(PairingFailure::HmacMismatch));
    }

    #[test]
    fn a_wrong_account_signature_is_refused() {
        let mut phone = Phone::new();
        let mut signed = phone.signed(false);
        signed.account_signature = Some(Bytes::from_static(&[9; 64]));
        assert_eq!(phone.verify(&Phone::container(&signed)).err(), Some(PairingFailure::SignatureMismatch));
    }

    #[test]
    fn a_signature_for_another_companion_is_refused() {
        let mut phone = Phone::new();
        let container = Phone::container(&phone.signed(false));
        phone.companion = KeyPair::generate(&mut phone.random);
        assert_eq!(phone.verify(&container).err(), Some(PairingFailure::SignatureMismatch));
    }

    #[test]
    fn keys_and_signatures_of_wrong_length_are_refused() {
        let mut phone = Phone::new();
        let mut short_key = phone.signed(false);
        short_key.account_signature_key = Some(Bytes::from_static(&[1; 31]));
        assert_eq!(phone.verify(&Phone::container(&short_key)).err(), Some(PairingFailure::Malformed));
        let mut short_signature = phone.signed(false);
        short_signature.account_signature = Some(Bytes::from_static(&[1; 63]));
        let refused = phone.verify(&Phone::container(&short_signature)).err();
        assert_eq!(refused, Some(PairingFailure::SignatureMismatch));
    }

    #[test]
    fn garbage_is_malformed_only_behind_a_good_hmac() {
        let mut phone = Phone::new();
        let identity = phone.companion.clone();
        let garbage = verify(b"\xff\xff", &SECRET, &identity, &mut phone.random);
        assert_eq!(garbage.err(), Some(PairingFailure::Malformed));
        let inner = Bytes::from_static(b"\xff\xff");
        let hmac = hmac_sha256(&SECRET, &[&inner]);
        let container = AdvSignedDeviceIdentityHmac {
            details: Some(inner),
            hmac: Some(Bytes::copy_from_slice(&hmac)),
            account_type: None,
        };
        assert_eq!(phone.verify(&container).err(), Some(PairingFailure::Malformed));
    }

    #[test]
    fn a_companion_of_another_account_is_not_genuine() {
        let mut phone = Phone::new();
        let verified = {
            let container = Phone::container(&phone.signed(false));
            phone.verify(&container).unwrap()
        };
        let other = KeyPair::generate(&mut phone.random);
        let identity = phone.companion.public();
        assert_eq!(check_companion(&verified.answer, identity, Some(other.public())), Err(NotGenuine));
        assert_eq!(check_companion(&verified.account, other.public(), None), Err(NotGenuine));
        assert_eq!(check_companion(b"\xff", identity, None), Err(NotGenuine));
    }
}
