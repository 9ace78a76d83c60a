//! Account device verification: what makes a companion believe a phone, and others believe a companion
//! (PROTOCOL.md 6.2).

use bytes::Bytes;
use prost::Message;
use rand::CryptoRng;
use wa_crypto::mac::verify_hmac_sha256;
use wa_crypto::{KeyPair, PublicKey, Signature};
use wa_protobuf::adv::{
    AdvDeviceIdentity, AdvEncryptionType, AdvKeyIndexList, AdvSignedDeviceIdentity,
    AdvSignedDeviceIdentityHmac, AdvSignedKeyIndexList,
};

use crate::cause::PairingFailure;

/// Goes before what an account signs for a companion of its own.
const ACCOUNT_SIGNATURE: [u8; 2] = [6, 0];
/// Goes before what a companion signs in turn.
const DEVICE_SIGNATURE: [u8; 2] = [6, 1];
/// Goes before what an account signs, or what is authenticated, for a device in Meta's cloud.
const HOSTED: [u8; 2] = [6, 5];
/// Goes before what a device in Meta's cloud signs in turn.
const HOSTED_DEVICE_SIGNATURE: [u8; 2] = [6, 6];
/// Goes before what an account signs of the companions that it has.
const KEY_INDEX_SIGNATURE: [u8; 2] = [6, 2];

/// The account's key in the identity that this companion keeps of itself.
pub(crate) fn account_key(own_identity: &[u8]) -> Option<PublicKey> {
    let signed = AdvSignedDeviceIdentity::decode(own_identity).ok()?;
    PublicKey::from_slice(&signed.account_signature_key?).ok()
}

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

/// Why a companion is not believed to belong to its account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NotGenuine {
    /// It is malformed, or a signature is wrong.
    #[error("the device identity of a companion is not genuine")]
    Signature,
    /// It doesn't say which account signed it, and that isn't known either.
    #[error("the account that vouches for a companion is unknown")]
    UnknownAccount,
    /// The account has signed a newer list since.
    #[error("the account has signed a newer list of companions since")]
    Old,
}

/// What a device identity says, once its signatures have held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Vouched {
    /// The key of the account that has signed, which is the identity key of its phone.
    pub(crate) account_key: PublicKey,
    /// The companion's number in the account's list.
    pub(crate) key_index: Option<u32>,
}

/// Checks a device identity: its account has signed the device's identity key, and the device has signed in turn.
///
/// The account is that of the key inside; where there is none, as in copies of the server, `known` is it, the identity
/// key of the account's phone. Whether it is the right account is for the caller to know.
pub(crate) fn check_companion(
    device_identity: &[u8],
    identity: &PublicKey,
    is_hosted: bool,
    known: Option<&PublicKey>,
) -> Result<Vouched, NotGenuine> {
    let signed = AdvSignedDeviceIdentity::decode(device_identity).map_err(|_| NotGenuine::Signature)?;
    let inside = signed.account_signature_key.as_deref().filter(|key| !key.is_empty());
    let inside = inside.map(PublicKey::from_slice).transpose().map_err(|_| NotGenuine::Signature)?;
    let account_key = inside.or(known.copied()).ok_or(NotGenuine::UnknownAccount)?;
    let inner = signed.details.as_deref().ok_or(NotGenuine::Signature)?;
    let device = AdvDeviceIdentity::decode(inner).map_err(|_| NotGenuine::Signature)?;
    let is_hosted_type = device.device_type == Some(AdvEncryptionType::Hosted.into());
    check_account_signature(&signed, &account_key, identity, is_hosted_type)?;
    let prefix = if is_hosted { HOSTED_DEVICE_SIGNATURE } else { DEVICE_SIGNATURE };
    let parts: [&[u8]; 4] = [&prefix, inner, identity.as_bytes(), account_key.as_bytes()];
    let signature = signature(signed.device_signature.as_deref())?;
    identity.verify(&parts, &signature).map_err(|_| NotGenuine::Signature)?;
    Ok(Vouched { account_key, key_index: device.key_index })
}

/// The companions that an account has at present (PROTOCOL.md 15).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct KeyIndexes {
    signed_at: i64,
    current: u32,
    valid: Vec<u32>,
}

impl KeyIndexes {
    /// Reads the signed list that comes with a list of devices.
    pub(crate) fn read(signed: &[u8], account_key: &PublicKey) -> Result<Self, NotGenuine> {
        let list = AdvSignedKeyIndexList::decode(signed).map_err(|_| NotGenuine::Signature)?;
        let details = list.details.as_deref().ok_or(NotGenuine::Signature)?;
        let signature = signature(list.account_signature.as_deref())?;
        account_key
            .verify(&[&KEY_INDEX_SIGNATURE, details], &signature)
            .map_err(|_| NotGenuine::Signature)?;
        let list = AdvKeyIndexList::decode(details).map_err(|_| NotGenuine::Signature)?;
        let signed_at = list.timestamp.and_then(|at| at.try_into().ok()).unwrap_or(0);
        Ok(Self { signed_at, current: list.current_index.unwrap_or(0), valid: list.valid_indexes })
    }

    /// When the account signed it, in Unix seconds: the newest holds.
    pub(crate) fn signed_at(&self) -> i64 {
        self.signed_at
    }

    /// Whether a companion with this index is one of the account's: listed, or newer than the list.
    pub(crate) fn contains(&self, index: Option<u32>) -> bool {
        index.is_some_and(|index| self.valid.contains(&index) || index > self.current)
    }
}

fn check_account_signature(
    signed: &AdvSignedDeviceIdentity,
    account_key: &PublicKey,
    identity: &PublicKey,
    hosted: bool,
) -> Result<(), NotGenuine> {
    let inner = signed.details.as_deref().ok_or(NotGenuine::Signature)?;
    let prefix: &[u8] = if hosted { &HOSTED } else { &ACCOUNT_SIGNATURE };
    let signature = signature(signed.account_signature.as_deref())?;
    let parts = [prefix, inner, identity.as_bytes()];
    account_key.verify(&parts, &signature).map_err(|_| NotGenuine::Signature)
}

fn signature(bytes: Option<&[u8]>) -> Result<Signature, NotGenuine> {
    Signature::from_slice(bytes.ok_or(NotGenuine::Signature)?).map_err(|_| NotGenuine::Signature)
}

fn malformed<E>(_: E) -> PairingFailure {
    PairingFailure::Malformed
}

#[cfg(test)]
mod foreign;

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
        let vouched = Ok(Vouched { account_key: *account, key_index: Some(4) });
        assert_eq!(check_companion(&verified.answer, identity, false, Some(account)), vouched);
        assert_eq!(check_companion(&verified.account, identity, false, None), vouched);
        assert_eq!(account_key(&verified.account), Some(*account));
        // Of a copy without the account's key nothing is known.
        let unknown = check_companion(&verified.answer, identity, false, None);
        assert_eq!(unknown, Err(NotGenuine::UnknownAccount));
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
        let check = |bytes: &[u8], identity, known| check_companion(bytes, identity, false, known);
        let wrong = Err(NotGenuine::Signature);
        assert_eq!(check(&verified.answer, identity, Some(other.public())), wrong);
        assert_eq!(check(&verified.account, other.public(), None), wrong);
        assert_eq!(check(b"\xff", identity, None), wrong);
    }

    #[test]
    fn a_device_in_the_cloud_signs_with_a_prefix_of_its_own() {
        let mut phone = Phone::new();
        let mut signed = phone.signed(true);
        let details = signed.details.clone().unwrap();
        let (identity, account) = (*phone.companion.public(), *phone.account.public());
        let parts: [&[u8]; 4] = [&[6, 6], &details, identity.as_bytes(), account.as_bytes()];
        let signature = phone.companion.private().sign(&parts, &mut phone.random);
        signed.device_signature = Some(Bytes::copy_from_slice(signature.as_bytes()));
        let bytes = signed.encode_to_vec();
        assert!(check_companion(&bytes, &identity, true, None).is_ok());
        assert_eq!(check_companion(&bytes, &identity, false, None), Err(NotGenuine::Signature));
    }

    #[test]
    fn a_list_of_key_indexes_holds_if_its_account_signed_it() {
        let mut phone = Phone::new();
        let list = AdvKeyIndexList {
            raw_id: Some(1),
            timestamp: Some(1_700_000_000),
            current_index: Some(5),
            valid_indexes: vec![0, 3],
            account_type: None,
        };
        let details = list.encode_to_vec();
        let signature = phone.account.private().sign(&[&[6, 2], &details], &mut phone.random);
        let signed = AdvSignedKeyIndexList {
            details: Some(details.into()),
            account_signature: Some(Bytes::copy_from_slice(signature.as_bytes())),
            account_signature_key: None,
        };
        let bytes = signed.encode_to_vec();
        let indexes = KeyIndexes::read(&bytes, phone.account.public()).unwrap();
        let held: Vec<_> = (0..8).filter(|index| indexes.contains(Some(*index))).collect();
        assert_eq!(held, [0, 3, 6, 7]);
        assert!(!indexes.contains(None));
        assert_eq!(KeyIndexes::read(&bytes, phone.companion.public()), Err(NotGenuine::Signature));
        assert_eq!(KeyIndexes::read(b"\xff", phone.account.public()), Err(NotGenuine::Signature));
    }
}
