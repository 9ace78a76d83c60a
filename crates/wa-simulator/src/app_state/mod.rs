//! The app state (PROTOCOL.md 18): what the phone knows of it, and the log of patches that the server keeps.
//!
//! Both are one here: the server stores what it can't read, and the phone, which can, looks at each patch before.

pub(crate) mod blob;
mod change;
mod collection;
mod hash;
mod keys;
mod record;
mod said;

use bytes::Bytes;
use parking_lot::{MappedMutexGuard, MutexGuard};
use prost::Message as _;
use rand::Rng;
use serde::Serialize;
use std::sync::Arc;
use wa_binary::Node;
use wa_protobuf::appstate::{SyncActionData, SyncdPatch, SyncdSnapshot, SyncdSnapshotRecovery};

pub(crate) use change::{Named, Written, sentinel};
pub use change::{StateChange, StateMessage};
pub(crate) use collection::Refused;

use crate::{account::Account, media, world::World};
use collection::Collection;
use keys::Keys;

/// The collections that there are (PROTOCOL.md 18).
pub(crate) const NAMES: [&str; 5] =
    ["critical_block", "critical_unblock_low", "regular_high", "regular", "regular_low"];

/// The app state of an account.
pub(crate) struct AppState {
    /// With the data that they were made of, oldest first. The last one writes.
    keys: Vec<(Keys, [u8; 32])>,
    collections: [Collection; NAMES.len()],
}

/// A record of the app state, in the clear.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StateRecord {
    /// The collection that it is in.
    pub collection: &'static str,
    /// What it is about: the name of the action, then its subject.
    pub index: Vec<String>,
    /// When it was written: Unix milliseconds.
    pub timestamp: i64,
    /// The version of the action.
    pub version: i32,
    /// What it says, for the actions that phones here write; else `null`.
    pub said: serde_json::Value,
    /// An encoded `SyncActionValue`.
    #[serde(serialize_with = "as_hex")]
    pub value: Vec<u8>,
}

impl AppState {
    fn new(key: [u8; 32]) -> Self {
        let mut state = Self { keys: Vec::new(), collections: NAMES.map(Collection::new) };
        state.add_key(key);
        state
    }

    /// Writes with another key from now on. Its id is a device number and a counter, as phones number their keys.
    fn add_key(&mut self, data: [u8; 32]) {
        let number = u32::try_from(self.keys.len()).unwrap_or(u32::MAX).saturating_add(1);
        let mut id = vec![0, 0];
        id.extend_from_slice(&number.to_be_bytes());
        self.keys.push((Keys::expand(id.into(), &data), data));
    }

    /// The keys by id, with what is shared of them.
    pub(crate) fn shared_keys(&self) -> impl Iterator<Item = (&Bytes, &[u8; 32])> {
        self.keys.iter().map(|(keys, data)| (&keys.id, data))
    }

    pub(crate) fn version(&self, name: &str) -> usize {
        self.collection(name).map_or(0, Collection::version)
    }

    /// The patches of a collection after this version.
    pub(crate) fn after(&self, name: &str, version: usize) -> &[SyncdPatch] {
        self.collection(name).map(|collection| collection.after(version)).unwrap_or_default()
    }

    /// The collection as it was some patches ago, at most `every` of them.
    pub(crate) fn snapshot(&mut self, name: &str, every: usize) -> Option<&SyncdSnapshot> {
        self.collections.iter_mut().find(|collection| collection.name() == name)?.snapshot(every)
    }

    /// The collection in the clear.
    pub(crate) fn recovery(&self, name: &str) -> Option<SyncdSnapshotRecovery> {
        self.collection(name).map(Collection::recovery)
    }

    /// Takes a companion's patch.
    pub(crate) fn take(&mut self, name: &str, patch: SyncdPatch) -> Result<(), Refused> {
        let keys: Vec<Keys> = self.keys.iter().map(|(keys, _)| keys.clone()).collect();
        let mut collections = self.collections.iter_mut();
        let collection = collections.find(|collection| collection.name() == name).ok_or(Refused::Form)?;
        collection.take(&keys, patch)
    }

    /// The phone writes, a patch for each collection; returns which have changed.
    pub(crate) fn write(&mut self, changes: &[Written], rng: &mut impl Rng) -> Vec<(&'static str, usize)> {
        let keys: Vec<Keys> = self.keys.iter().map(|(keys, _)| keys.clone()).collect();
        let mut changed = Vec::new();
        for collection in &mut self.collections {
            let of_it = changes.iter().filter(|change| change.collection == collection.name());
            let of_it: Vec<(bool, SyncActionData)> =
                of_it.map(|change| (change.is_removal, change.data.clone())).collect();
            if !of_it.is_empty() {
                collection.write(&keys, &of_it, rng);
                changed.push((collection.name(), collection.version()));
            }
        }
        changed
    }

    /// What the records of all collections say.
    pub(crate) fn records(&self) -> Vec<StateRecord> {
        let of = |collection: &Collection| -> Vec<StateRecord> {
            collection.data().map(|data| StateRecord::read(collection.name(), data)).collect()
        };
        let mut records: Vec<_> = self.collections.iter().flat_map(of).collect();
        records.sort_by(|a, b| (a.collection, &a.index).cmp(&(b.collection, &b.index)));
        records
    }

    fn collection(&self, name: &str) -> Option<&Collection> {
        self.collections.iter().find(|collection| collection.name() == name)
    }
}

#[allow(clippy::ptr_arg)] // The shape that serde wants.
fn as_hex<S: serde::Serializer>(bytes: &Vec<u8>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&hex::encode(bytes))
}

impl StateRecord {
    fn read(collection: &'static str, data: &SyncActionData) -> Self {
        let value = data.value.clone().unwrap_or_default();
        Self {
            collection,
            index: serde_json::from_slice(data.index()).unwrap_or_default(),
            timestamp: value.timestamp(),
            version: data.version(),
            said: said::said(&value),
            value: value.encode_to_vec(),
        }
    }
}

impl World {
    /// The account's app state; made with what each phone writes first, when somebody looks at it first.
    pub(crate) fn app_state<'a>(&self, account: &'a Account) -> MappedMutexGuard<'a, AppState> {
        MutexGuard::map(account.app_state(), |state| {
            &mut **state.get_or_insert_with(|| {
                let mut state = AppState::new(self.app_state_key(account, 1));
                let name = account.directory().name.clone();
                let salt = self.nct_salt(account).to_vec();
                let first = change::first(&name, &salt, self.millis());
                state.write(&first, &mut self.fork_rng());
                Box::new(state)
            })
        })
    }

    /// The phone changes its app state, and its companions are told that there is something new.
    pub(crate) fn write_app_state(&self, account: &Arc<Account>, changes: &[Written]) {
        let changed = self.app_state(account).write(changes, &mut self.fork_rng());
        self.tell_app_state(account, None, &changed);
    }

    /// From now on the phone writes with another key.
    pub(crate) fn rotate_app_state_key(&self, account: &Account) {
        let mut state = self.app_state(account);
        let number = u8::try_from(state.keys.len() + 1).unwrap_or(u8::MAX);
        let key = self.app_state_key(account, number);
        state.add_key(key);
    }

    /// Tells companions which collections have a new version (PROTOCOL.md 18.4).
    pub(crate) fn tell_app_state(
        &self,
        account: &Arc<Account>,
        except: Option<u16>,
        changed: &[(&'static str, usize)],
    ) {
        if changed.is_empty() {
            return;
        }
        let collections = changed
            .iter()
            .map(|(name, version)| Node::new("collection").attr("name", *name).attr("version", *version));
        let notice = Node::new("notification").attr("from", account.pn()).with_children(collections);
        self.notify(account, except, "server_sync", &notice);
    }

    /// Puts a blob on the media host, and returns the path to it.
    pub(crate) fn keep_blob(&self, kind: &str, blob: &blob::Blob) -> String {
        let Some(key) = media::Key::of_blob(kind, &blob.bytes) else { return String::new() };
        if let Err(error) = self.media.store(&key, blob.bytes.clone()) {
            tracing::warn!(%error, "the media host does not keep a blob of the phone");
        }
        self.media.direct_path(&key, self.clock.unix_seconds())
    }

    /// A key of the account's app state. It depends on the account alone, so that all companions have the same.
    fn app_state_key(&self, account: &Account, number: u8) -> [u8; 32] {
        match number {
            1 => self.token(&[b"app state key", account.number.as_bytes()]),
            _ => self.token(&[b"later app state key", account.number.as_bytes(), &[number]]),
        }
    }

    /// The simulator's time in Unix milliseconds.
    pub(crate) fn millis(&self) -> i64 {
        i64::try_from(self.clock.unix_millis()).unwrap_or(i64::MAX)
    }
}
