use std::collections::BTreeMap;

use bytes::Bytes;
use prost::Message;
use wa_protobuf::appstate::{SyncdPlainTextRecord, SyncdSnapshotRecovery};

use crate::record::mac_of;
use crate::wire::each;
use crate::{
    ApplyError, Collection, IndexMac, KeyId, Keyring, LtHash, Malformed, Mutation, Operation, State, ValueMac,
};

/// A collection in the clear, which the phone sends on request in an encrypted message, when the server's can't be
/// verified (protocol facts, section 18.4). It is believed because the phone is.
#[derive(Clone, Debug)]
pub struct Recovery {
    /// Whose state it is.
    pub collection: Collection,
    version: u64,
    hash: LtHash,
    records: Vec<(KeyId, ValueMac, Mutation)>,
}

impl Recovery {
    /// Decodes a `SyncdSnapshotRecovery`. The phone may have compressed it, which its message says.
    ///
    /// # Errors
    /// If a part is missing or has a length that it never has.
    pub fn decode(bytes: Bytes) -> Result<Self, Malformed> {
        let mut records = Vec::new();
        let rest = each(bytes, 3, |record| {
            records.push(decode_record(record)?);
            Ok(())
        })?;
        let rest = SyncdSnapshotRecovery::decode(&rest[..]).map_err(|_| Malformed("no protobuf"))?;
        let collection = rest.collection_name.unwrap_or_default();
        let hash = rest.collection_lthash.as_deref().and_then(|hash| hash.try_into().ok());
        Ok(Self {
            collection: collection.parse().map_err(|_| Malformed("name of a collection"))?,
            version: rest.version.and_then(|v| v.version).ok_or(Malformed("version of a recovery"))?,
            hash: LtHash::from_bytes(hash.ok_or(Malformed("hash of a recovery"))?),
            records,
        })
    }

    /// The keys that it takes to know the records again.
    pub fn key_ids(&self) -> impl Iterator<Item = &KeyId> {
        self.records.iter().map(|(key_id, ..)| key_id)
    }

    /// The state that it holds, and its records, each as a mutation that sets it.
    ///
    /// # Errors
    /// If `state` is as new, or a key is missing.
    pub fn open(self, state: &State, keys: &Keyring) -> Result<(State, Vec<Mutation>), ApplyError> {
        let (have, got) = (state.version, self.version);
        if got <= have {
            return Err(ApplyError::Old { have, got });
        }
        let mut missing: Vec<KeyId> = self.key_ids().filter(|id| keys.get(id).is_none()).cloned().collect();
        let mut values = BTreeMap::new();
        let mut mutations = Vec::with_capacity(self.records.len());
        for (key_id, value_mac, mutation) in self.records {
            if let Some(key) = keys.get(&key_id) {
                values.insert(IndexMac::new(mutation.index(), key), value_mac);
            }
            mutations.push(mutation);
        }
        if !missing.is_empty() {
            missing.sort();
            missing.dedup();
            return Err(ApplyError::MissingKeys(missing));
        }
        let state = State { collection: self.collection, version: got, hash: self.hash, values };
        Ok((state, mutations))
    }
}

fn decode_record(record: Bytes) -> Result<(KeyId, ValueMac, Mutation), Malformed> {
    let mut raw = Bytes::new();
    let rest = each(record, 1, |value| {
        raw = value;
        Ok(())
    })?;
    let rest = SyncdPlainTextRecord::decode(&rest[..]).map_err(|_| Malformed("no protobuf"))?;
    let key_id = KeyId::new(rest.key_id.unwrap_or_default());
    let mac = rest.mac.as_deref().and_then(mac_of);
    Ok((
        key_id.map_err(|_| Malformed("key id of a record"))?,
        ValueMac(mac.ok_or(Malformed("MAC of a record"))?),
        Mutation::new(Operation::Set, raw).ok_or(Malformed("a record without index"))?,
    ))
}
