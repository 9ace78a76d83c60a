use std::fmt;

use bytes::Bytes;
use rand_core::CryptoRng;
use wa_crypto::{Secret, cbc, mac};
use wa_protobuf::appstate::syncd_mutation::SyncdOperation;
use wa_protobuf::appstate::{self, SyncActionData, SyncdIndex, SyncdMutation, SyncdRecord, SyncdValue};
use wa_protobuf::lenient;

use crate::key::hex;
use crate::{KeyId, Keys, Malformed};

/// Bytes of the longest record that is taken, encrypted. Decoding makes at most a hundred times as much of it, for the
/// moment of one record; and the longest that there are, the messages that a deletion names, have some kilobytes.
pub const MAX_RECORD: usize = 1 << 20;

const IV_LEN: usize = 16;
const MAC_LEN: usize = 32;
const BLOCK: usize = 16;

/// What stands for the index of a record at the server: a MAC under the key that the record was written with.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IndexMac(pub [u8; 32]);

/// What stands for a record in the [`LtHash`](crate::LtHash): the MAC over its operation, key id and ciphertext.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ValueMac(pub [u8; 32]);

impl fmt::Debug for IndexMac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        hex(f, &self.0)
    }
}

impl fmt::Debug for ValueMac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        hex(f, &self.0)
    }
}

/// What becomes of the record of an index.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operation {
    /// It is this one from now on.
    Set,
    /// There is none any more.
    Remove,
}

impl Operation {
    /// The byte that stands for it in a value MAC.
    const fn byte(self) -> u8 {
        match self {
            Self::Set => 1,
            Self::Remove => 2,
        }
    }

    pub(crate) fn decode(operation: Option<i32>) -> Result<Self, Malformed> {
        match operation.map_or(Ok(SyncdOperation::Set), SyncdOperation::try_from) {
            Ok(SyncdOperation::Set) => Ok(Self::Set),
            Ok(SyncdOperation::Remove) => Ok(Self::Remove),
            Err(_) => Err(Malformed("operation")),
        }
    }

    const fn encode(self) -> SyncdOperation {
        match self {
            Self::Set => SyncdOperation::Set,
            Self::Remove => SyncdOperation::Remove,
        }
    }
}

/// A mutation in the clear; its MACs were right. What it says is [`Action::read`](crate::Action::read).
#[derive(Clone, PartialEq, Eq)]
pub struct Mutation {
    pub(crate) operation: Operation,
    /// JSON, as it came.
    pub(crate) index: Bytes,
    /// An encoded `SyncActionData`, as it came.
    pub(crate) raw: Bytes,
}

impl Mutation {
    /// `None` if `raw` is no `SyncActionData` with an index.
    pub(crate) fn new(operation: Operation, raw: Bytes) -> Option<Self> {
        let (data, _) = lenient::decode::<SyncActionData>(&raw).ok()?;
        Some(Self { operation, index: data.index?, raw })
    }

    /// A mutation that was verified before and kept since, by its operation and what [`Self::raw`] gave. `None` if it is
    /// none.
    pub fn from_raw(operation: Operation, raw: Bytes) -> Option<Self> {
        Self::new(operation, raw)
    }

    /// Whether the record holds from now on, or no more.
    pub const fn operation(&self) -> Operation {
        self.operation
    }

    /// What the record is about: JSON, in the bytes that its MAC covers.
    pub const fn index(&self) -> &Bytes {
        &self.index
    }

    /// The parts of the index: the name of the action, then its subject. `None` if it is no array of strings.
    pub fn index_parts(&self) -> Option<Vec<String>> {
        serde_json::from_slice(&self.index).ok()
    }

    /// The record as it came, an encoded `SyncActionData`: with fields that no schema here has.
    pub const fn raw(&self) -> &Bytes {
        &self.raw
    }

    /// The record; texts that are no UTF-8 are repaired.
    pub fn data(&self) -> SyncActionData {
        // It was decoded before: a mutation is made of nothing else.
        lenient::decode(&self.raw).map(|(data, _)| data).unwrap_or_default()
    }
}

/// Shows no more than what kind of action it is: the rest is about people.
impl fmt::Debug for Mutation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.index_parts().and_then(|index| index.into_iter().next());
        f.debug_struct("Mutation")
            .field("operation", &self.operation)
            .field("action", &name)
            .finish_non_exhaustive()
    }
}

/// What is wrong with an encrypted record whose form is right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flaw {
    ValueMac,
    IndexMac,
    /// The author of the record, who has the keys, encrypted something else.
    Unreadable,
}

/// A mutation as it travels.
#[derive(Clone, Debug)]
pub(crate) struct Sealed {
    pub(crate) operation: Operation,
    pub(crate) index_mac: IndexMac,
    /// IV and ciphertext.
    body: Bytes,
    pub(crate) value_mac: ValueMac,
    pub(crate) key_id: KeyId,
}

impl Sealed {
    pub(crate) fn decode(operation: Operation, record: SyncdRecord) -> Result<Self, Malformed> {
        let index = record.index.and_then(|index| index.blob).unwrap_or_default();
        let mut body = record.value.and_then(|value| value.blob).unwrap_or_default();
        let key_id = record.key_id.and_then(|id| id.id).unwrap_or_default();
        let shortest = IV_LEN + BLOCK + MAC_LEN;
        if !(shortest..=MAX_RECORD).contains(&body.len()) || !body.len().is_multiple_of(BLOCK) {
            return Err(Malformed("length of a value"));
        }
        let mac = body.split_off(body.len() - MAC_LEN);
        Ok(Self {
            operation,
            index_mac: IndexMac(mac_of(&index).ok_or(Malformed("length of an index"))?),
            value_mac: ValueMac(mac_of(&mac).ok_or(Malformed("length of a value"))?),
            body,
            key_id: KeyId::new(key_id).map_err(|_| Malformed("key id of a record"))?,
        })
    }

    /// Verifies both MACs and decrypts.
    pub(crate) fn open(&self, keys: &Keys) -> Result<Mutation, Flaw> {
        let (before, after) = around(self.operation, &self.key_id);
        let covered = [&before[..], self.key_id.bytes(), &self.body, &after];
        mac::verify_hmac_sha512(keys.value_mac.expose(), &covered, &self.value_mac.0)
            .map_err(|_| Flaw::ValueMac)?;
        let (iv, ciphertext) = self.body.split_first_chunk::<IV_LEN>().ok_or(Flaw::Unreadable)?;
        let plain = cbc::decrypt(keys.value.expose(), iv, ciphertext).map_err(|_| Flaw::Unreadable)?;
        let mutation = Mutation::new(self.operation, plain.into()).ok_or(Flaw::Unreadable)?;
        mac::verify_hmac_sha256(keys.index.expose(), &[&mutation.index], &self.index_mac.0)
            .map_err(|_| Flaw::IndexMac)?;
        Ok(mutation)
    }

    /// Encrypts and signs.
    pub(crate) fn seal(
        mutation: &Mutation,
        (key_id, keys): (&KeyId, &Keys),
        rng: &mut impl CryptoRng,
    ) -> Self {
        let operation = mutation.operation;
        let iv = Secret::<IV_LEN>::generate(rng);
        let mut body = iv.expose().to_vec();
        body.extend_from_slice(&cbc::encrypt(keys.value.expose(), iv.expose(), &mutation.raw));
        let (before, after) = around(operation, key_id);
        let covered = [&before[..], key_id.bytes(), &body, &after];
        let value_mac = ValueMac(mac::hmac_sha512(keys.value_mac.expose(), &covered));
        let index_mac = IndexMac::new(&mutation.index, keys);
        Self { operation, index_mac, body: body.into(), value_mac, key_id: key_id.clone() }
    }

    pub(crate) fn encode(&self) -> SyncdMutation {
        let value = [&self.body[..], &self.value_mac.0].concat();
        SyncdMutation {
            operation: Some(self.operation.encode().into()),
            record: Some(SyncdRecord {
                index: Some(SyncdIndex { blob: Some(self.index_mac.0.to_vec().into()) }),
                value: Some(SyncdValue { blob: Some(value.into()) }),
                key_id: Some(appstate::KeyId { id: Some(self.key_id.bytes().clone()) }),
            }),
        }
    }
}

impl IndexMac {
    /// Of an index, the JSON array as it is encrypted, under a key.
    pub fn new(index: &[u8], keys: &Keys) -> Self {
        Self(mac::hmac_sha256(keys.index.expose(), &[index]))
    }
}

/// What a value MAC covers before and after key id and body (protocol facts, section 18.2).
fn around(operation: Operation, key_id: &KeyId) -> ([u8; 1], [u8; 8]) {
    let length = key_id.bytes().len() as u64 + 1;
    ([operation.byte()], length.to_be_bytes())
}

pub(crate) fn mac_of(bytes: &[u8]) -> Option<[u8; 32]> {
    bytes.try_into().ok()
}
