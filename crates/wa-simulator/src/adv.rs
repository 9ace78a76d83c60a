//! Account device verification: how a phone vouches for its companions (PROTOCOL.md 6.2).

use bytes::Bytes;
use prost::Message as _;
use rand::CryptoRng;
use wa_crypto::{KeyPair, PublicKey, Signature, mac};
use wa_protobuf::adv::{
    AdvDeviceIdentity, AdvEncryptionType, AdvKeyIndexList, AdvSignedDeviceIdentity,
    AdvSignedDeviceIdentityHmac, AdvSignedKeyIndexList,
};

use crate::faults::PairingFault;

/// Precedes what the account signs about a companion.
const ACCOUNT_SIGNATURE: &[u8] = &[6, 0];
/// Precedes what a companion signs about itself.
const DEVICE_SIGNATURE: &[u8] = &[6, 1];
/// The same two for a device in Meta's cloud.
const HOSTED_ACCOUNT_SIGNATURE: &[u8] = &[6, 5];
const HOSTED_DEVICE_SIGNATURE: &[u8] = &[6, 6];
/// Precedes the account's signed list of key indexes.
const KEY_INDEX_SIGNATURE: &[u8] = &[6, 2];

/// A companion as its account vouches for it, before the companion has signed.
#[derive(Clone, Debug)]
pub(crate) struct Vouched {
    pub(crate) key_index: u32,
    details: Bytes,
    account: PublicKey,
    account_signature: Bytes,
}

/// Why a companion's `pair-device-sign` or a sender's `device-identity` does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum AdvError {
    #[error("it is no ADVSignedDeviceIdentity")]
    Malformed,
    #[error("its details are not those that the account signed")]
    OtherDetails,
    #[error("its account signature is wrong")]
    AccountSignature,
    #[error("its account key is not the account's")]
    AccountKey,
    #[error("its device signature is wrong")]
    DeviceSignature,
    #[error("its key index is not {0}")]
    KeyIndex(u32),
}

impl Vouched {
    /// Signs for the companion with identity `companion`.
    pub(crate) fn sign(
        account: &KeyPair,
        companion: &PublicKey,
        (raw_id, key_index): (u32, u32),
        now: u64,
        fault: Option<PairingFault>,
        rng: &mut impl CryptoRng,
    ) -> Self {
        let details = AdvDeviceIdentity {
            raw_id: Some(raw_id),
            timestamp: Some(now),
            key_index: Some(key_index),
            account_type: Some(AdvEncryptionType::E2ee.into()),
            device_type: Some(AdvEncryptionType::E2ee.into()),
        };
        let details = details.encode_to_vec();
        let signature = account.private().sign(&[ACCOUNT_SIGNATURE, &details, companion.as_bytes()], rng);
        let mut signature = signature.as_bytes().to_vec();
        match fault {
            Some(PairingFault::AccountSignature) => spoil(&mut signature),
            Some(PairingFault::AccountSignatureLength) => signature.truncate(63),
            _ => {}
        }
        Self {
            key_index,
            details: details.into(),
            account: *account.public(),
            account_signature: signature.into(),
        }
    }

    /// The `device-identity` of pair-success: authenticated with the secret that only the QR code carries.
    pub(crate) fn container(&self, adv_secret: &[u8; 32], fault: Option<PairingFault>) -> Vec<u8> {
        let account_key = match fault {
            Some(PairingFault::AccountKeyLength) => self.account.to_signal().to_vec(),
            _ => self.account.as_bytes().to_vec(),
        };
        let details = AdvSignedDeviceIdentity {
            details: Some(self.details.clone()),
            account_signature_key: Some(account_key.into()),
            account_signature: Some(self.account_signature.clone()),
            device_signature: None,
        };
        let details = details.encode_to_vec();
        let mut hmac = mac::hmac_sha256(adv_secret, &[&details]).to_vec();
        match fault {
            Some(PairingFault::Hmac) => spoil(&mut hmac),
            Some(PairingFault::Container) => return vec![0xff; 16],
            _ => {}
        }
        let container = AdvSignedDeviceIdentityHmac {
            details: Some(details.into()),
            hmac: Some(hmac.into()),
            account_type: Some(AdvEncryptionType::E2ee.into()),
        };
        container.encode_to_vec()
    }

    /// Checks the companion's `pair-device-sign` and returns the identity that the server keeps: complete,
    /// but without the account's key, which others have from the phone itself.
    pub(crate) fn check_answer(
        &self,
        answer: &[u8],
        key_index: Option<u32>,
        companion: &PublicKey,
    ) -> Result<Bytes, AdvError> {
        if key_index != Some(self.key_index) {
            return Err(AdvError::KeyIndex(self.key_index));
        }
        let mut identity = AdvSignedDeviceIdentity::decode(answer).map_err(|_| AdvError::Malformed)?;
        if identity.details.as_ref() != Some(&self.details) {
            return Err(AdvError::OtherDetails);
        }
        if identity.account_signature.as_ref() != Some(&self.account_signature) {
            return Err(AdvError::AccountSignature);
        }
        check_device_signature(&identity, DEVICE_SIGNATURE, companion, &self.account)?;
        if identity.account_signature_key.take().is_some_and(|key| key != self.account.as_bytes()[..]) {
            return Err(AdvError::AccountKey);
        }
        Ok(identity.encode_to_vec().into())
    }
}

/// The complete `device-identity` of a device that isn't a client's: with the account's key.
pub(crate) fn identity(
    account: &KeyPair,
    device: &KeyPair,
    (raw_id, key_index): (u32, u32),
    is_hosted: bool,
    now: u64,
    rng: &mut impl CryptoRng,
) -> Bytes {
    let (kind, account_prefix, device_prefix) = match is_hosted {
        true => (AdvEncryptionType::Hosted, HOSTED_ACCOUNT_SIGNATURE, HOSTED_DEVICE_SIGNATURE),
        false => (AdvEncryptionType::E2ee, ACCOUNT_SIGNATURE, DEVICE_SIGNATURE),
    };
    let details = AdvDeviceIdentity {
        raw_id: Some(raw_id),
        timestamp: Some(now),
        key_index: Some(key_index),
        account_type: Some(kind.into()),
        device_type: Some(kind.into()),
    };
    let details = details.encode_to_vec();
    let (identity, key) = (device.public().as_bytes(), account.public().as_bytes());
    let vouched = account.private().sign(&[account_prefix, &details, identity], rng);
    let confirmed = device.private().sign(&[device_prefix, &details, identity, key], rng);
    let identity = AdvSignedDeviceIdentity {
        details: Some(details.into()),
        account_signature_key: Some(key.to_vec().into()),
        account_signature: Some(vouched.as_bytes().to_vec().into()),
        device_signature: Some(confirmed.as_bytes().to_vec().into()),
    };
    identity.encode_to_vec().into()
}

/// Checks the `device-identity` that came with a `pkmsg`: it must bind `companion`, the identity key in the
/// `pkmsg`, to the sender's account.
pub(crate) fn check_device_identity(
    bytes: &[u8],
    companion: &PublicKey,
    account: &PublicKey,
    is_hosted: bool,
) -> Result<(), AdvError> {
    let (account_prefix, device_prefix) = match is_hosted {
        true => (HOSTED_ACCOUNT_SIGNATURE, HOSTED_DEVICE_SIGNATURE),
        false => (ACCOUNT_SIGNATURE, DEVICE_SIGNATURE),
    };
    let identity = AdvSignedDeviceIdentity::decode(bytes).map_err(|_| AdvError::Malformed)?;
    let details = identity.details.as_deref().ok_or(AdvError::Malformed)?;
    if let Some(key) = &identity.account_signature_key
        && key[..] != account.as_bytes()[..]
    {
        return Err(AdvError::AccountKey);
    }
    let signature = identity.account_signature.as_deref().ok_or(AdvError::AccountSignature)?;
    let signature = Signature::from_slice(signature).map_err(|_| AdvError::AccountSignature)?;
    account
        .verify(&[account_prefix, details, companion.as_bytes()], &signature)
        .map_err(|_| AdvError::AccountSignature)?;
    check_device_signature(&identity, device_prefix, companion, account)
}

fn check_device_signature(
    identity: &AdvSignedDeviceIdentity,
    prefix: &[u8],
    companion: &PublicKey,
    account: &PublicKey,
) -> Result<(), AdvError> {
    let details = identity.details.as_deref().ok_or(AdvError::Malformed)?;
    let signature = identity.device_signature.as_deref().ok_or(AdvError::DeviceSignature)?;
    let signature = Signature::from_slice(signature).map_err(|_| AdvError::DeviceSignature)?;
    companion
        .verify(&[prefix, details, companion.as_bytes(), account.as_bytes()], &signature)
        .map_err(|_| AdvError::DeviceSignature)
}

/// The signed list of the companions that are valid, as usync and device notifications carry it.
pub(crate) fn key_index_list(
    account: &KeyPair,
    raw_id: u32,
    now: u64,
    current_index: u32,
    valid_indexes: Vec<u32>,
    rng: &mut impl CryptoRng,
) -> Bytes {
    let details = AdvKeyIndexList {
        raw_id: Some(raw_id),
        timestamp: Some(now),
        current_index: Some(current_index),
        valid_indexes,
        account_type: Some(AdvEncryptionType::E2ee.into()),
    };
    let details = details.encode_to_vec();
    let signature = account.private().sign(&[KEY_INDEX_SIGNATURE, &details], rng);
    let list = AdvSignedKeyIndexList {
        details: Some(details.into()),
        account_signature: Some(signature.as_bytes().to_vec().into()),
        account_signature_key: Some(account.public().as_bytes().to_vec().into()),
    };
    list.encode_to_vec().into()
}

fn spoil(bytes: &mut [u8]) {
    if let Some(byte) = bytes.get_mut(10) {
        *byte ^= 1;
    }
}
