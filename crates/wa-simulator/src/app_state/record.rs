//! One record, encrypted and in the clear (PROTOCOL.md 18.2).

use bytes::Bytes;
use prost::Message as _;
use rand::Rng;
use wa_crypto::{cbc, mac};
use wa_protobuf::appstate::{
    KeyId, SyncActionData, SyncdIndex, SyncdMutation, SyncdRecord, SyncdValue, syncd_mutation::SyncdOperation,
};

use super::keys::Keys;

const IV: usize = 16;
const MAC: usize = 32;

/// A mutation that was read: its MACs are right.
pub(super) struct Opened {
    pub(super) is_removal: bool,
    pub(super) index_mac: [u8; 32],
    pub(super) value_mac: [u8; 32],
    pub(super) data: SyncActionData,
}

/// Why a mutation is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Flaw {
    #[error("a record lacks a part, or a part has not its length")]
    Form,
    #[error("a record is encrypted with a key that the phone has not shared")]
    Key,
    #[error("the MAC of a value is wrong")]
    Value,
    #[error("the MAC of an index is wrong")]
    Index,
    #[error("a record holds no action")]
    Content,
}

/// Encrypts `data`, whose index is set.
pub(super) fn seal(
    keys: &Keys,
    is_removal: bool,
    data: &SyncActionData,
    rng: &mut impl Rng,
) -> SyncdMutation {
    let mut iv = [0; IV];
    rng.fill_bytes(&mut iv);
    let mut value = iv.to_vec();
    value.extend_from_slice(&cbc::encrypt(&keys.value, &iv, &data.encode_to_vec()));
    let tag = value_mac(keys, is_removal, &value);
    value.extend_from_slice(&tag);
    let index = mac::hmac_sha256(&keys.index, &[data.index()]);
    let operation = if is_removal { SyncdOperation::Remove } else { SyncdOperation::Set };
    SyncdMutation {
        operation: Some(operation.into()),
        record: Some(SyncdRecord {
            index: Some(SyncdIndex { blob: Some(index.to_vec().into()) }),
            value: Some(SyncdValue { blob: Some(value.into()) }),
            key_id: Some(KeyId { id: Some(keys.id.clone()) }),
        }),
    }
}

/// Verifies and decrypts.
pub(super) fn open(all: &[Keys], mutation: &SyncdMutation) -> Result<Opened, Flaw> {
    let is_removal = match SyncdOperation::try_from(mutation.operation.unwrap_or_default()) {
        Ok(operation) => operation == SyncdOperation::Remove,
        Err(_) => return Err(Flaw::Form),
    };
    let record = mutation.record.as_ref().ok_or(Flaw::Form)?;
    let index_mac = index_mac(record).ok_or(Flaw::Form)?;
    let (body, tag) = value_parts(record).ok_or(Flaw::Form)?;
    let id = record.key_id.as_ref().and_then(|key| key.id.as_ref()).ok_or(Flaw::Form)?;
    let keys = all.iter().find(|keys| keys.id == *id).ok_or(Flaw::Key)?;
    if value_mac(keys, is_removal, body) != tag {
        return Err(Flaw::Value);
    }
    let (iv, ciphertext) = body.split_first_chunk::<IV>().ok_or(Flaw::Form)?;
    let plain = cbc::decrypt(&keys.value, iv, ciphertext).map_err(|_| Flaw::Content)?;
    let data = SyncActionData::decode(&plain[..]).map_err(|_| Flaw::Content)?;
    let index = data.index.as_ref().ok_or(Flaw::Content)?;
    if mac::hmac_sha256(&keys.index, &[index]) != index_mac {
        return Err(Flaw::Index);
    }
    // A compact JSON array of strings.
    let parts: Vec<String> = serde_json::from_slice(index).map_err(|_| Flaw::Content)?;
    if parts.is_empty() || data.version.is_none() || (data.value.is_none() && !is_removal) {
        return Err(Flaw::Content);
    }
    Ok(Opened { is_removal, index_mac, value_mac: tag, data })
}

pub(super) fn index_mac(record: &SyncdRecord) -> Option<[u8; 32]> {
    record.index.as_ref()?.blob.as_deref()?.try_into().ok()
}

/// IV with ciphertext, and the MAC behind them.
pub(super) fn value_parts(record: &SyncdRecord) -> Option<(&[u8], [u8; 32])> {
    let blob: &Bytes = record.value.as_ref()?.blob.as_ref()?;
    let (body, tag) = blob.split_at_checked(blob.len().checked_sub(MAC)?)?;
    let is_whole = body.len() >= 2 * IV && body.len().is_multiple_of(IV);
    Some((body, tag.try_into().ok()?)).filter(|_| is_whole)
}

fn value_mac(keys: &Keys, is_removal: bool, body: &[u8]) -> [u8; 32] {
    let operation = [if is_removal { 2 } else { 1 }];
    let length = (keys.id.len() as u64 + 1).to_be_bytes();
    mac::hmac_sha512(&keys.value_mac, &[&operation, &keys.id, body, &length])
}
