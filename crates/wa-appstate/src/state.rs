use std::collections::{BTreeMap, BTreeSet};

use wa_crypto::{Secret, mac};

use crate::record::{Flaw, Sealed};
use crate::wire::Head;
use crate::{
    Collection, IndexMac, KeyId, Keyring, Keys, LtHash, Mutation, Operation, Patch, Snapshot, ValueMac,
};

/// A collection as one device knows it: a plain value, for the caller to store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct State {
    /// Whose state it is.
    pub collection: Collection,
    /// 0 before the first patch or snapshot.
    pub version: u64,
    /// The sum over all records.
    pub hash: LtHash,
    /// What stands for each record. Where all of them are many, those that [`Patch::indexes`] or
    /// [`Draft::indexes`](crate::Draft::indexes) name are enough.
    pub values: BTreeMap<IndexMac, ValueMac>,
}

/// What a patch changes. [`State::apply`] does it.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// The version afterwards.
    pub version: u64,
    /// The sum over all records afterwards.
    pub hash: LtHash,
    /// What stands for the records that were set; `None` for those that are gone.
    pub values: BTreeMap<IndexMac, Option<ValueMac>>,
    /// What the patch says, in its order: a later mutation of one index holds.
    pub mutations: Vec<Mutation>,
    /// Mutations that removed what wasn't there. Phones write such (protocol facts, section 18.3): it is no error, as
    /// the MAC over the state afterwards was right.
    pub needless_removals: usize,
}

/// A part of a patch or snapshot that has a MAC. Numbers count from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The patch as a whole.
    Patch,
    /// The snapshot as a whole.
    Snapshot,
    /// The value, operation or key id of this record.
    Value(usize),
    /// The index of this record.
    Index(usize),
}

/// Why a patch or snapshot can't be taken. The state is as it was.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ApplyError {
    /// Nobody's fault: ask the account's other devices for these keys, then try again.
    #[error("app state keys are missing: {0:?}")]
    MissingKeys(Vec<KeyId>),
    /// Nobody's fault: it was applied before. Whoever wrote a patch for this version was too late, and writes another.
    #[error("version {got} is not after version {have}")]
    Old {
        /// The version of the state.
        have: u64,
        /// That of the patch or snapshot.
        got: u64,
    },
    /// The server's fault: versions are left out. Fetch from the version of the state; if that doesn't help, a snapshot.
    #[error("versions between {have} and {got} are missing")]
    Gap {
        /// The version of the state.
        have: u64,
        /// That of the patch.
        got: u64,
    },
    /// The server's fault: this was changed on its way, belongs elsewhere, or was put together of parts.
    #[error("the MAC of {0:?} is wrong")]
    Tampered(Part),
    /// The server's or an author's fault: one index has two records.
    #[error("record {0} has the index of another")]
    Doubled(usize),
    /// The author's fault, who has the keys: the record with this number is genuine, but can't be read.
    #[error("record {0} is unreadable")]
    Unreadable(usize),
    /// The patch is genuine, but where its author got to, this state doesn't: one of them is wrong. A snapshot puts it
    /// right, or else the phone's recovery.
    #[error(
        "the state differs from that of the patch's author ({needless_removals} removals of what isn't there)"
    )]
    Diverged {
        /// Mutations that removed what this state doesn't have.
        needless_removals: usize,
    },
}

impl State {
    /// The state before anything was fetched.
    pub const fn empty(collection: Collection) -> Self {
        Self { collection, version: 0, hash: LtHash::EMPTY, values: BTreeMap::new() }
    }

    /// What `patch` changes, if each of its MACs is right and it is the next one.
    ///
    /// # Errors
    /// See [`ApplyError`], in the order of its variants: so keys are asked for only by what is next.
    pub fn patch(&self, patch: &Patch, keys: &Keyring) -> Result<Change, ApplyError> {
        self.expect(patch.version())?;
        let key = require(keys, patch.key_ids(), &patch.head.key_id)?;
        let value_macs = patch.mutations.iter().map(|record| record.value_mac);
        if !same(patch_mac(self.collection, &patch.head, value_macs, key), patch.head.patch_mac) {
            return Err(ApplyError::Tampered(Part::Patch));
        }
        let mutations = open(&patch.mutations, keys)?;
        let change = self.fold(&patch.mutations, mutations);
        let reached = snapshot_mac(self.collection, change.version, &change.hash, key);
        if !same(reached, patch.head.snapshot_mac) {
            return Err(ApplyError::Diverged { needless_removals: change.needless_removals });
        }
        Ok(change)
    }

    /// The state that `snapshot` holds, and its records, each as a mutation that sets it.
    ///
    /// # Errors
    /// If it is older than this state, a MAC is wrong or a key is missing. A snapshot of the same version is taken: it
    /// puts a state right that [diverged](ApplyError::Diverged).
    pub fn snapshot(&self, snapshot: &Snapshot, keys: &Keyring) -> Result<(Self, Vec<Mutation>), ApplyError> {
        let (have, got) = (self.version, snapshot.version);
        if got < have {
            return Err(ApplyError::Old { have, got });
        }
        let key = require(keys, snapshot.key_ids(), &snapshot.key_id)?;
        let mutations = open(&snapshot.records, keys)?;
        let mut state = Self { version: got, ..Self::empty(self.collection) };
        for (number, record) in snapshot.records.iter().enumerate() {
            if state.values.insert(record.index_mac, record.value_mac).is_some() {
                return Err(ApplyError::Doubled(number));
            }
            state.hash.add(&record.value_mac);
        }
        if !same(snapshot_mac(self.collection, got, &state.hash, key), snapshot.mac) {
            return Err(ApplyError::Tampered(Part::Snapshot));
        }
        Ok((state, mutations))
    }

    /// Does what [`State::patch`] found.
    pub fn apply(&mut self, change: &Change) {
        self.version = change.version;
        self.hash = change.hash.clone();
        for (index, value) in &change.values {
            match value {
                Some(value) => self.values.insert(*index, *value),
                None => self.values.remove(index),
            };
        }
    }

    fn expect(&self, got: u64) -> Result<(), ApplyError> {
        let have = self.version;
        match got.checked_sub(have) {
            Some(1) => Ok(()),
            None | Some(0) => Err(ApplyError::Old { have, got }),
            Some(_) => Err(ApplyError::Gap { have, got }),
        }
    }

    /// The records of a patch one after another: each takes the place of what its index had, in the state or from an
    /// earlier mutation of the same patch. Nothing there to remove changes nothing.
    pub(crate) fn fold(&self, records: &[Sealed], mutations: Vec<Mutation>) -> Change {
        let mut hash = self.hash.clone();
        let mut values: BTreeMap<IndexMac, Option<ValueMac>> = BTreeMap::new();
        let mut needless_removals = 0;
        for record in records {
            let set = (record.operation == Operation::Set).then_some(record.value_mac);
            let stored = || self.values.get(&record.index_mac).copied();
            let before = values.insert(record.index_mac, set).unwrap_or_else(stored);
            if let Some(before) = &before {
                hash.subtract(before);
            }
            match &set {
                Some(set) => hash.add(set),
                None => needless_removals += usize::from(before.is_none()),
            }
        }
        // 2^64 patches are never written.
        Change { version: self.version.saturating_add(1), hash, values, mutations, needless_removals }
    }
}

/// The key `wanted`, if all of `ids` are there, of which it is one.
fn require<'k, 'i>(
    keys: &'k Keyring,
    ids: impl Iterator<Item = &'i KeyId>,
    wanted: &KeyId,
) -> Result<&'k Keys, ApplyError> {
    let missing: BTreeSet<&KeyId> = ids.filter(|id| keys.get(id).is_none()).collect();
    match keys.get(wanted) {
        Some(key) if missing.is_empty() => Ok(key),
        _ => Err(ApplyError::MissingKeys(missing.into_iter().cloned().collect())),
    }
}

/// In constant time.
fn same(a: [u8; 32], b: [u8; 32]) -> bool {
    Secret::new(a) == Secret::new(b)
}

fn open(records: &[Sealed], keys: &Keyring) -> Result<Vec<Mutation>, ApplyError> {
    let open = |(number, record): (usize, &Sealed)| {
        let key = keys.get(&record.key_id);
        let key = key.ok_or_else(|| ApplyError::MissingKeys(vec![record.key_id.clone()]))?;
        record.open(key).map_err(|flaw| match flaw {
            Flaw::ValueMac => ApplyError::Tampered(Part::Value(number)),
            Flaw::IndexMac => ApplyError::Tampered(Part::Index(number)),
            Flaw::Unreadable => ApplyError::Unreadable(number),
        })
    };
    records.iter().enumerate().map(open).collect()
}

pub(crate) fn snapshot_mac(collection: Collection, version: u64, hash: &LtHash, key: &Keys) -> [u8; 32] {
    let parts: [&[u8]; 3] = [&hash.to_bytes(), &version.to_be_bytes(), collection.name().as_bytes()];
    mac::hmac_sha256(key.snapshot_mac.expose(), &parts)
}

pub(crate) fn patch_mac(
    collection: Collection,
    head: &Head,
    value_macs: impl Iterator<Item = ValueMac>,
    key: &Keys,
) -> [u8; 32] {
    let value_macs: Vec<u8> = value_macs.flat_map(|mac| mac.0).collect();
    let version = head.version.to_be_bytes();
    let parts = [&head.snapshot_mac[..], &value_macs, &version, collection.name().as_bytes()];
    mac::hmac_sha256(key.patch_mac.expose(), &parts)
}
