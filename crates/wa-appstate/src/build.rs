use bytes::Bytes;
use prost::Message;
use rand_core::CryptoRng;
use wa_protobuf::appstate::{self, SyncdPatch};

use crate::record::Sealed;
use crate::state::{patch_mac, snapshot_mac};
use crate::wire::Head;
use crate::{
    Action, Change, Collection, IndexMac, KeyId, Keyring, Keys, MAX_RECORD, Mutation, Operation, State,
};

/// One mutation of a patch to be written.
#[derive(Clone, Debug)]
pub struct Draft {
    collection: Collection,
    mutation: Mutation,
}

/// A patch to be sent, for the version after the state's.
#[derive(Clone, Debug)]
pub struct Built {
    /// The content of `<patch>`: a `SyncdPatch` without version, which the server sets.
    pub patch: Vec<u8>,
    /// What it changes, once the server took it. If others were first (error 409), fetch and build again.
    pub change: Change,
}

/// Why a patch can't be built.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BuildError {
    /// The key to write with is not on the ring.
    #[error("the app state key {0} is missing")]
    MissingKey(KeyId),
    /// A draft belongs to another collection.
    #[error("a change of {0} in a patch of another collection")]
    WrongCollection(Collection),
    /// No key that is at hand wrote a record of this index.
    #[error("draft {0} removes what isn't there")]
    NothingToRemove(usize),
    /// A record is longer than half of [`MAX_RECORD`], the rest being for its encryption.
    #[error("draft {0} is too long")]
    TooLong(usize),
}

impl Draft {
    /// `action` holds from now on; `now` is in Unix milliseconds.
    pub fn set(action: &Action, now: i64) -> Self {
        Self::new(Operation::Set, action, now)
    }

    /// What `action` is about, is in no state any more; for instance a contact was deleted.
    pub fn remove(action: &Action, now: i64) -> Self {
        Self::new(Operation::Remove, action, now)
    }

    fn new(operation: Operation, action: &Action, now: i64) -> Self {
        Self { collection: action.collection(), mutation: action.write(operation, now) }
    }

    /// The collection it changes.
    pub const fn collection(&self) -> Collection {
        self.collection
    }

    /// What it says, in the clear.
    pub const fn mutation(&self) -> &Mutation {
        &self.mutation
    }

    /// What may stand for its index in the state, under each of the keys: of a state, only these matter for it.
    pub fn indexes(&self, keys: &Keyring) -> impl Iterator<Item = IndexMac> {
        keys.iter().map(|(_, key)| IndexMac::new(self.mutation.index(), key))
    }

    /// A removal names the record to go, so it is encrypted with the key of that record.
    fn key<'k>(
        &self,
        state: &State,
        keys: &'k Keyring,
        newest: (&'k KeyId, &'k Keys),
    ) -> Option<(&'k KeyId, &'k Keys)> {
        let is_there = |(_, key): &(&KeyId, &Keys)| {
            state.values.contains_key(&IndexMac::new(self.mutation.index(), key))
        };
        match self.mutation.operation() {
            Operation::Set => Some(newest),
            Operation::Remove => keys.iter().find(is_there),
        }
    }
}

impl State {
    /// Encrypts and signs a patch with the key `key_id`: of those that the phone shared, the newest.
    ///
    /// # Errors
    /// See [`BuildError`].
    pub fn build(
        &self,
        drafts: &[Draft],
        key_id: &KeyId,
        keys: &Keyring,
        rng: &mut impl CryptoRng,
    ) -> Result<Built, BuildError> {
        let key = keys.get(key_id).ok_or_else(|| BuildError::MissingKey(key_id.clone()))?;
        let mut records = Vec::with_capacity(drafts.len());
        for (number, draft) in drafts.iter().enumerate() {
            records.push(self.seal(number, draft, keys, (key_id, key), rng)?);
        }
        let mutations = drafts.iter().map(|draft| draft.mutation.clone()).collect();
        let change = self.fold(&records, mutations);
        let head = Head {
            version: change.version,
            snapshot_mac: snapshot_mac(self.collection, change.version, &change.hash, key),
            patch_mac: [0; 32],
            key_id: key_id.clone(),
        };
        let value_macs = records.iter().map(|record| record.value_mac);
        let patch_mac = patch_mac(self.collection, &head, value_macs, key);
        Ok(Built { patch: encode(&Head { patch_mac, ..head }, &records), change })
    }

    fn seal(
        &self,
        number: usize,
        draft: &Draft,
        keys: &Keyring,
        newest: (&KeyId, &Keys),
        rng: &mut impl CryptoRng,
    ) -> Result<Sealed, BuildError> {
        if draft.collection != self.collection {
            return Err(BuildError::WrongCollection(draft.collection));
        }
        if draft.mutation.raw().len() > MAX_RECORD / 2 {
            return Err(BuildError::TooLong(number));
        }
        let key = draft.key(self, keys, newest).ok_or(BuildError::NothingToRemove(number))?;
        Ok(Sealed::seal(&draft.mutation, key, rng))
    }
}

fn encode(head: &Head, records: &[Sealed]) -> Vec<u8> {
    let bytes = |mac: &[u8; 32]| Some(Bytes::copy_from_slice(mac));
    let patch = SyncdPatch {
        mutations: records.iter().map(Sealed::encode).collect(),
        snapshot_mac: bytes(&head.snapshot_mac),
        patch_mac: bytes(&head.patch_mac),
        key_id: Some(appstate::KeyId { id: Some(head.key_id.bytes().clone()) }),
        ..Default::default()
    };
    patch.encode_to_vec()
}
