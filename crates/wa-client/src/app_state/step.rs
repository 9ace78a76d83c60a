use std::collections::BTreeSet;

use wa_appstate::{
    ApplyError, Change, Collection, IndexMac, KeyId, Keyring, LtHash, Malformed, Mutation, Patch, Snapshot,
    State, ValueMac,
};
use wa_store::{AppStateVersion, Store};

use super::flow::failed;
use crate::computing::Turns;
use crate::mirror::Applied;
use crate::request::RequestError;

/// Records above which verifying them is left to a thread of its own: it takes some 10 µs each.
const MANY: usize = 500;

/// A collection that is being brought up to date, and what is to be stored and told of it.
pub(super) struct Held {
    /// With those values alone that patches so far were about.
    pub(super) state: State,
    pub(super) mutations: Vec<Mutation>,
    /// What is in `state.values`, or is known to be in none.
    loaded: BTreeSet<IndexMac>,
    /// What is to be stored.
    changed: BTreeSet<IndexMac>,
    /// It goes on from what is stored.
    is_stored: bool,
    /// The version that was known before.
    newest: u64,
}

/// Why a collection can't be brought up to date.
pub(super) enum Trouble {
    /// Until these keys are there.
    Missing(Vec<KeyId>),
    /// What came is not what it should be.
    Wrong(String),
    /// For reasons that have nothing to do with it.
    Failed(RequestError),
}

impl From<RequestError> for Trouble {
    fn from(error: RequestError) -> Self {
        Self::Failed(error)
    }
}

impl From<Malformed> for Trouble {
    fn from(error: Malformed) -> Self {
        Self::Wrong(error.to_string())
    }
}

impl From<ApplyError> for Trouble {
    fn from(error: ApplyError) -> Self {
        match error {
            ApplyError::MissingKeys(keys) => Self::Missing(keys),
            other => Self::Wrong(other.to_string()),
        }
    }
}

impl Held {
    /// As if nothing were known.
    pub(super) fn empty(collection: Collection) -> Self {
        Self {
            state: State::empty(collection),
            mutations: Vec::new(),
            loaded: BTreeSet::new(),
            changed: BTreeSet::new(),
            is_stored: false,
            newest: 0,
        }
    }

    /// As the phone has sent it.
    pub(super) fn told(state: State, mutations: Vec<Mutation>) -> Self {
        let empty = Self::empty(state.collection);
        Self { state, mutations, ..empty }
    }

    /// As it is stored.
    pub(super) fn known(collection: Collection, known: &AppStateVersion) -> Self {
        let mut held = Self::empty(collection);
        held.state.version = known.version;
        held.state.hash = LtHash::from_bytes(&known.hash);
        held.is_stored = true;
        held.newest = known.version;
        held
    }

    /// As if nothing were known but that there was this version.
    pub(super) fn anew(collection: Collection, newest: u64) -> Self {
        Self { newest, ..Self::empty(collection) }
    }

    /// The newest version that was ever known.
    pub(super) fn newest_known(&self) -> u64 {
        self.newest
    }

    /// Whether it is known from its beginning, and takes the place of what is stored.
    pub(super) fn is_whole(&self) -> bool {
        !self.is_stored
    }

    /// After which version to ask; none where everything is wanted.
    pub(super) fn asks_from(&self) -> Option<u64> {
        (self.state.version > 0).then_some(self.state.version)
    }

    /// Reads what is stored of these records.
    pub(super) async fn load(
        &mut self,
        store: &Store,
        indexes: impl Iterator<Item = IndexMac>,
    ) -> Result<(), RequestError> {
        let wanted: Vec<IndexMac> = indexes.filter(|index| self.loaded.insert(*index)).collect();
        // Who begins anew must not see what is stored.
        if !self.is_stored || wanted.is_empty() {
            return Ok(());
        }
        let keys: Vec<[u8; 32]> = wanted.iter().map(|index| index.0).collect();
        let found = store.app_state_records(self.state.collection.name(), &keys).await.map_err(failed)?;
        let known =
            wanted.into_iter().zip(found).filter_map(|(index, value)| Some((index, ValueMac(value?))));
        self.state.values.extend(known);
        Ok(())
    }

    /// Takes the next patch. One that is known already is passed over.
    pub(super) async fn advance(
        &mut self,
        patch: Patch,
        keys: &Keyring,
        store: &Store,
        computing: &Turns,
    ) -> Result<(), Trouble> {
        if patch.version() <= self.state.version {
            return Ok(());
        }
        let indexes: Vec<IndexMac> = patch.indexes().copied().collect();
        let count = indexes.len();
        self.load(store, indexes.into_iter()).await?;
        if count <= MANY {
            let change = self.state.patch(&patch, keys)?;
            self.take(change);
            return Ok(());
        }
        let (state, keys) = (self.state.clone(), keys.clone());
        let verified = computing.clone().take(move || state.patch(&patch, &keys)).await;
        let change = verified.ok_or(Trouble::Failed(RequestError::Stopped))??;
        self.take(change);
        Ok(())
    }

    /// Takes what was verified or written.
    pub(super) fn take(&mut self, change: Change) {
        self.state.apply(&change);
        self.changed.extend(change.values.keys());
        self.loaded.extend(change.values.keys());
        self.mutations.extend(change.mutations);
    }

    /// What is to be stored and told; nothing if nothing has changed. `stored`: the records that the store has of the
    /// collection, where all of them are replaced.
    pub(super) fn into_applied(self, stored: Vec<[u8; 32]>) -> Option<Applied> {
        let is_whole = self.is_whole();
        let has_news = is_whole || self.state.version > self.newest;
        if !has_news {
            return None;
        }
        let gone = stored.into_iter().map(IndexMac).filter(|index| !self.state.values.contains_key(index));
        let touched: BTreeSet<IndexMac> =
            if is_whole { self.state.values.keys().copied().chain(gone).collect() } else { self.changed };
        let values = &self.state.values;
        let values = touched.into_iter().map(|index| (index, values.get(&index).copied())).collect();
        Some(Applied {
            collection: self.state.collection,
            version: self.state.version,
            hash: self.state.hash,
            values,
            mutations: self.mutations,
            is_whole,
        })
    }
}

/// The collection as a snapshot has it, in the place of what was known.
pub(super) async fn whole(
    held: &Held,
    snapshot: Snapshot,
    keys: &Keyring,
    computing: &Turns,
) -> Result<Held, Trouble> {
    let (collection, newest) = (held.state.collection, held.newest);
    let keys = keys.clone();
    let verified = computing.clone().take(move || State::empty(collection).snapshot(&snapshot, &keys)).await;
    let (state, mutations) = verified.ok_or(Trouble::Failed(RequestError::Stopped))??;
    let loaded = state.values.keys().copied().collect();
    Ok(Held { state, mutations, loaded, newest, ..Held::empty(collection) })
}
