use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use rand::Rng;
use wa_crypto::mac;
use wa_protobuf::appstate::{
    KeyId, SyncActionData, SyncdMutation, SyncdPatch, SyncdPlainTextRecord, SyncdRecord, SyncdSnapshot,
    SyncdSnapshotRecovery, SyncdVersion,
};

use super::hash::Hash;
use super::keys::Keys;
use super::record::{self, Flaw, Opened};

/// Patches that are kept of one collection.
const MAX_PATCHES: usize = 10_000;
/// Mutations of one patch.
const MAX_MUTATIONS: usize = 10_000;

/// A collection as the phone has it, and the server's log of patches beside it.
pub(super) struct Collection {
    name: &'static str,
    hash: Hash,
    /// By the MAC of their index.
    records: BTreeMap<[u8; 32], Held>,
    /// Patch n is at index n − 1: the version is the number of patches. Their mutations are inside.
    patches: Vec<SyncdPatch>,
    /// The collection as it was at some version, for who asks for everything.
    snapshot: Option<SyncdSnapshot>,
}

/// A record, encrypted as it came and in the clear.
struct Held {
    sealed: SyncdRecord,
    value_mac: [u8; 32],
    data: SyncActionData,
}

/// Why a patch of a companion is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refused {
    #[error("a patch is a SyncdPatch with its MACs and mutations, and without version")]
    Form,
    #[error("a patch is signed with a key that the phone has not shared")]
    Key,
    #[error("the MAC of the patch is wrong")]
    PatchMac,
    #[error("the MAC over the state after the patch is wrong")]
    StateMac,
    #[error("a patch changes one index twice")]
    Doubled,
    #[error("{0}")]
    Record(&'static str),
    #[error("the log of patches is full")]
    Full,
}

impl From<Flaw> for Refused {
    fn from(flaw: Flaw) -> Self {
        Self::Record(match flaw {
            Flaw::Form => "a record lacks a part, or a part has not its length",
            Flaw::Key => "a record is encrypted with a key that the phone has not shared",
            Flaw::Value => "the MAC of a value is wrong",
            Flaw::Index => "the MAC of an index is wrong",
            Flaw::Content => "a record holds no action",
        })
    }
}

/// What a patch leads to.
struct Next {
    hash: Hash,
    /// Of each index: what it holds from now on.
    records: BTreeMap<[u8; 32], Option<Held>>,
}

impl Collection {
    pub(super) fn new(name: &'static str) -> Self {
        Self { name, hash: Hash::EMPTY, records: BTreeMap::new(), patches: Vec::new(), snapshot: None }
    }

    pub(super) fn name(&self) -> &'static str {
        self.name
    }

    pub(super) fn version(&self) -> usize {
        self.patches.len()
    }

    /// The patches after this version.
    pub(super) fn after(&self, version: usize) -> &[SyncdPatch] {
        self.patches.get(version..).unwrap_or_default()
    }

    /// What the records say.
    pub(super) fn data(&self) -> impl Iterator<Item = &SyncActionData> {
        self.records.values().map(|held| &held.data)
    }

    /// The phone changes its state: adds a patch that says so. `true` removes a record.
    pub(super) fn write(&mut self, all: &[Keys], changes: &[(bool, SyncActionData)], rng: &mut impl Rng) {
        let Some(newest) = all.last() else { return };
        let sealed = changes.iter().map(|(is_removal, data)| {
            // What goes is named as it was written.
            let wrote =
                |keys: &&Keys| self.records.contains_key(&mac::hmac_sha256(&keys.index, &[data.index()]));
            let keys = all.iter().find(wrote).filter(|_| *is_removal).unwrap_or(newest);
            record::seal(keys, *is_removal, data, rng)
        });
        let mutations: Vec<SyncdMutation> = sealed.collect();
        let opened: Result<Vec<Opened>, Flaw> =
            mutations.iter().map(|mutation| record::open(all, mutation)).collect();
        let Ok(opened) = opened else {
            tracing::error!("a phone can't read its own record");
            return;
        };
        let version = self.patches.len() as u64 + 1;
        let next = self.next(&mutations, opened);
        let snapshot_mac = self.snapshot_mac(newest, version, &next.hash);
        let patch_mac = self.patch_mac(newest, version, &snapshot_mac, &mutations);
        self.accept(
            next,
            SyncdPatch {
                version: Some(SyncdVersion { version: Some(version) }),
                mutations,
                snapshot_mac: Some(snapshot_mac.to_vec().into()),
                patch_mac: Some(patch_mac.to_vec().into()),
                key_id: Some(KeyId { id: Some(newest.id.clone()) }),
                // The phone is device 0.
                device_index: Some(0),
                ..Default::default()
            },
        );
    }

    /// Takes a companion's patch for the next version, if all of its MACs are right. The server can't verify them: it is
    /// the phone that would, and would unlink who wrote it.
    pub(super) fn take(&mut self, all: &[Keys], patch: SyncdPatch) -> Result<(), Refused> {
        if self.patches.len() >= MAX_PATCHES {
            return Err(Refused::Full);
        }
        let mac = |mac: &Option<Bytes>| -> Option<[u8; 32]> { mac.as_deref()?.try_into().ok() };
        let (Some(snapshot_mac), Some(patch_mac)) = (mac(&patch.snapshot_mac), mac(&patch.patch_mac)) else {
            return Err(Refused::Form);
        };
        let is_sound = patch.version.is_none()
            && patch.external_mutations.is_none()
            && (1..=MAX_MUTATIONS).contains(&patch.mutations.len());
        let id = patch.key_id.as_ref().and_then(|key| key.id.as_ref()).filter(|_| is_sound);
        let id = id.ok_or(Refused::Form)?;
        let keys = all.iter().find(|keys| keys.id == *id).ok_or(Refused::Key)?;
        let version = self.patches.len() as u64 + 1;
        let opened: Result<Vec<_>, _> =
            patch.mutations.iter().map(|mutation| record::open(all, mutation)).collect();
        let opened = opened?;
        // WhatsApp Web refuses a patch that changes one index twice (PROTOCOL.md 18.3).
        let mut seen = BTreeSet::new();
        if !opened.iter().all(|mutation| seen.insert((mutation.index_mac, mutation.is_removal))) {
            return Err(Refused::Doubled);
        }
        if self.patch_mac(keys, version, &snapshot_mac, &patch.mutations) != patch_mac {
            return Err(Refused::PatchMac);
        }
        let next = self.next(&patch.mutations, opened);
        if self.snapshot_mac(keys, version, &next.hash) != snapshot_mac {
            return Err(Refused::StateMac);
        }
        let version = Some(SyncdVersion { version: Some(version) });
        self.accept(next, SyncdPatch { version, ..patch });
        Ok(())
    }

    /// What the server gives to who asks for everything: the collection as it was lately, made anew after so many patches.
    pub(super) fn snapshot(&mut self, every: usize) -> Option<&SyncdSnapshot> {
        let version = |snapshot: &SyncdSnapshot| snapshot.version.and_then(|version| version.version);
        let made_at = self.snapshot.as_ref().and_then(version).unwrap_or(0);
        if self.patches.len() as u64 >= made_at + every.max(1) as u64 {
            self.snapshot = self.present();
        }
        self.snapshot.as_ref()
    }

    /// The collection as it is. Its MAC is that of the last patch, which covers the same.
    fn present(&self) -> Option<SyncdSnapshot> {
        let last = self.patches.last()?;
        Some(SyncdSnapshot {
            version: last.version,
            records: self.records.values().map(|held| held.sealed.clone()).collect(),
            mac: last.snapshot_mac.clone(),
            key_id: last.key_id.clone(),
        })
    }

    /// The collection in the clear, as the phone tells it.
    pub(super) fn recovery(&self) -> SyncdSnapshotRecovery {
        let record = |held: &Held| SyncdPlainTextRecord {
            value: Some(held.data.clone()),
            key_id: held.sealed.key_id.as_ref().and_then(|key| key.id.clone()),
            mac: Some(held.value_mac.to_vec().into()),
        };
        SyncdSnapshotRecovery {
            version: Some(SyncdVersion { version: Some(self.patches.len() as u64) }),
            collection_name: Some(self.name.to_owned()),
            mutation_records: self.records.values().map(record).collect(),
            collection_lthash: Some(self.hash.bytes().to_vec().into()),
        }
    }

    fn next(&self, mutations: &[SyncdMutation], opened: Vec<Opened>) -> Next {
        let mut next = Next { hash: self.hash, records: BTreeMap::new() };
        for (mutation, opened) in mutations.iter().zip(opened) {
            let before = match next.records.get(&opened.index_mac) {
                Some(changed) => changed.as_ref().map(|held| held.value_mac),
                None => self.records.get(&opened.index_mac).map(|held| held.value_mac),
            };
            if let Some(before) = before {
                next.hash.subtract(&before);
            }
            let sealed = mutation.record.clone().filter(|_| !opened.is_removal);
            if sealed.is_some() {
                next.hash.add(&opened.value_mac);
            }
            let held = sealed.map(|sealed| Held { sealed, value_mac: opened.value_mac, data: opened.data });
            next.records.insert(opened.index_mac, held);
        }
        next
    }

    fn accept(&mut self, next: Next, patch: SyncdPatch) {
        self.hash = next.hash;
        for (index, held) in next.records {
            match held {
                Some(held) => drop(self.records.insert(index, held)),
                None => drop(self.records.remove(&index)),
            }
        }
        self.patches.push(patch);
    }

    fn snapshot_mac(&self, keys: &Keys, version: u64, hash: &Hash) -> [u8; 32] {
        let parts: [&[u8]; 3] = [&hash.bytes(), &version.to_be_bytes(), self.name.as_bytes()];
        mac::hmac_sha256(&keys.snapshot_mac, &parts)
    }

    fn patch_mac(&self, keys: &Keys, version: u64, snapshot: &[u8], mutations: &[SyncdMutation]) -> [u8; 32] {
        let tags = mutations.iter().filter_map(|mutation| record::value_parts(mutation.record.as_ref()?));
        let tags: Vec<u8> = tags.flat_map(|(_, tag)| tag).collect();
        let version = version.to_be_bytes();
        mac::hmac_sha256(&keys.patch_mac, &[snapshot, &tags, &version, self.name.as_bytes()])
    }
}
