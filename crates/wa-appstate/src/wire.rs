//! Patches, snapshots and blobs of mutations out of untrusted bytes.
//!
//! Records are decoded one by one, and each must have the form of one: so what a decoder keeps is never more than a
//! small multiple of the bytes that it was given, whatever they say.

use bytes::{Buf, Bytes};
use prost::Message;
use prost::encoding::{DecodeContext, WireType, decode_key, decode_varint, skip_field};
use wa_protobuf::appstate::{ExternalBlobReference, SyncdMutation, SyncdPatch, SyncdRecord, SyncdSnapshot};

use crate::record::{Sealed, mac_of};
use crate::{IndexMac, KeyId, Operation};

/// The bytes are not what they should be: the server's fault, or that of the device that wrote them. Names what is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("malformed app state: {0}")]
pub struct Malformed(pub &'static str);

const NOT_PROTOBUF: Malformed = Malformed("no protobuf");

/// A patch as the server hands it out.
#[derive(Clone, Debug)]
pub enum Received {
    /// It is all there.
    Inline(Patch),
    /// Its mutations are a blob to be fetched first.
    External(ExternalPatch),
}

/// A change of a collection, not verified yet: [`State::patch`](crate::State::patch).
#[derive(Clone, Debug)]
pub struct Patch {
    pub(crate) head: Head,
    pub(crate) mutations: Vec<Sealed>,
}

/// A patch without its mutations.
#[derive(Clone, Debug)]
pub struct ExternalPatch {
    /// Where the blob is, and how it is encrypted.
    pub reference: ExternalBlobReference,
    head: Head,
}

#[derive(Clone, Debug)]
pub(crate) struct Head {
    pub(crate) version: u64,
    pub(crate) snapshot_mac: [u8; 32],
    pub(crate) patch_mac: [u8; 32],
    pub(crate) key_id: KeyId,
}

/// All records of a collection, not verified yet: [`State::snapshot`](crate::State::snapshot).
#[derive(Clone, Debug)]
pub struct Snapshot {
    pub(crate) version: u64,
    pub(crate) mac: [u8; 32],
    pub(crate) key_id: KeyId,
    pub(crate) records: Vec<Sealed>,
}

impl Received {
    /// Decodes the content of a `<patch>`, a `SyncdPatch`.
    ///
    /// # Errors
    /// If a part is missing or has a length that it never has. A patch has its version here, which the server set.
    pub fn decode(patch: Bytes) -> Result<Self, Malformed> {
        let mut mutations = Vec::new();
        let rest = each(patch, 2, |mutation| {
            mutations.push(decode_mutation(mutation)?);
            Ok(())
        })?;
        let rest = SyncdPatch::decode(&rest[..]).map_err(|_| NOT_PROTOBUF)?;
        let head = Head {
            version: rest.version.and_then(|v| v.version).ok_or(Malformed("version of a patch"))?,
            snapshot_mac: mac(rest.snapshot_mac.as_ref(), "snapshot MAC of a patch")?,
            patch_mac: mac(rest.patch_mac.as_ref(), "MAC of a patch")?,
            key_id: key_id(rest.key_id, "key id of a patch")?,
        };
        match rest.external_mutations {
            None => Ok(Self::Inline(Patch { head, mutations })),
            Some(reference) if mutations.is_empty() => Ok(Self::External(ExternalPatch { reference, head })),
            Some(_) => Err(Malformed("mutations here and elsewhere")),
        }
    }
}

impl ExternalPatch {
    /// The patch, with the blob that was fetched and decrypted: a `SyncdMutations`.
    ///
    /// # Errors
    /// If the blob is none, or holds no mutation.
    pub fn with_blob(self, blob: Bytes) -> Result<Patch, Malformed> {
        let mut mutations = Vec::new();
        each(blob, 1, |mutation| {
            mutations.push(decode_mutation(mutation)?);
            Ok(())
        })?;
        if mutations.is_empty() {
            return Err(Malformed("a blob without mutations"));
        }
        Ok(Patch { head: self.head, mutations })
    }
}

impl Patch {
    /// The version of the collection after this patch.
    pub const fn version(&self) -> u64 {
        self.head.version
    }

    /// The keys that it takes to read this, some of them several times.
    pub fn key_ids(&self) -> impl Iterator<Item = &KeyId> {
        std::iter::once(&self.head.key_id).chain(self.mutations.iter().map(|record| &record.key_id))
    }

    /// The records that it replaces or removes, by what stands for their index: of a state, only these matter for it.
    pub fn indexes(&self) -> impl Iterator<Item = &IndexMac> {
        self.mutations.iter().map(|record| &record.index_mac)
    }
}

impl Snapshot {
    /// Decodes a snapshot that was fetched and decrypted, a `SyncdSnapshot`.
    ///
    /// # Errors
    /// If a part is missing or has a length that it never has.
    pub fn decode(blob: Bytes) -> Result<Self, Malformed> {
        let mut records = Vec::new();
        let rest = each(blob, 2, |record| {
            let record = SyncdRecord::decode(record).map_err(|_| NOT_PROTOBUF)?;
            records.push(Sealed::decode(Operation::Set, record)?);
            Ok(())
        })?;
        let rest = SyncdSnapshot::decode(&rest[..]).map_err(|_| NOT_PROTOBUF)?;
        Ok(Self {
            version: rest.version.and_then(|v| v.version).ok_or(Malformed("version of a snapshot"))?,
            mac: mac(rest.mac.as_ref(), "MAC of a snapshot")?,
            key_id: key_id(rest.key_id, "key id of a snapshot")?,
            records,
        })
    }

    /// The version of the collection that this is.
    pub const fn version(&self) -> u64 {
        self.version
    }

    /// The keys that it takes to read this, some of them several times.
    pub fn key_ids(&self) -> impl Iterator<Item = &KeyId> {
        std::iter::once(&self.key_id).chain(self.records.iter().map(|record| &record.key_id))
    }
}

fn decode_mutation(mutation: Bytes) -> Result<Sealed, Malformed> {
    let SyncdMutation { operation, record } = SyncdMutation::decode(mutation).map_err(|_| NOT_PROTOBUF)?;
    Sealed::decode(Operation::decode(operation)?, record.ok_or(Malformed("a mutation without record"))?)
}

fn mac(bytes: Option<&Bytes>, name: &'static str) -> Result<[u8; 32], Malformed> {
    bytes.and_then(|bytes| mac_of(bytes)).ok_or(Malformed(name))
}

fn key_id(id: Option<wa_protobuf::appstate::KeyId>, name: &'static str) -> Result<KeyId, Malformed> {
    let id = id.and_then(|id| id.id).unwrap_or_default();
    KeyId::new(id).map_err(|_| Malformed(name))
}

/// Gives every content of field `tag` of a message to `take`, and returns the message without that field.
pub(crate) fn each(
    mut message: Bytes,
    tag: u32,
    mut take: impl FnMut(Bytes) -> Result<(), Malformed>,
) -> Result<Vec<u8>, Malformed> {
    let mut rest = Vec::new();
    while message.has_remaining() {
        let field = message.clone();
        let (found, wire) = decode_key(&mut message).map_err(|_| NOT_PROTOBUF)?;
        if found == tag && wire == WireType::LengthDelimited {
            let length = decode_varint(&mut message).map_err(|_| NOT_PROTOBUF)?;
            let length = usize::try_from(length).ok().filter(|length| *length <= message.len());
            take(message.split_to(length.ok_or(NOT_PROTOBUF)?))?;
        } else {
            skip_field(wire, found, &mut message, DecodeContext::default()).map_err(|_| NOT_PROTOBUF)?;
            rest.extend_from_slice(&field[..field.len() - message.len()]);
        }
    }
    Ok(rest)
}
