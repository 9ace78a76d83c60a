//! What other implementations computed (`testdata/PROVENANCE`).

mod actions;

use std::collections::BTreeMap;
use std::convert::Infallible;

use bytes::Bytes;
use prost::Message;
use rand_core::{TryCryptoRng, TryRng};
use serde_json::Value;
use wa_protobuf::appstate::{SyncdPatch, SyncdSnapshot, SyncdVersion};

use crate::record::Sealed;
use crate::state::{patch_mac, snapshot_mac};
use crate::wire::Head;
use crate::{
    Action, ApplyError, Collection, Draft, IndexMac, KeyId, Keyring, Keys, LtHash, Mutation, Operation, Part,
    Patch, Received, Snapshot, State, ValueMac,
};

const TIME: i64 = 1_800_000_000_000;

/// Gives out the same bytes again and again: the IV of a record.
struct Iv([u8; 16]);

impl TryRng for Iv {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        unreachable!("an IV is drawn as bytes")
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        unreachable!("an IV is drawn as bytes")
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Infallible> {
        out.copy_from_slice(&self.0);
        Ok(())
    }
}

impl TryCryptoRng for Iv {}

fn bytes(value: &Value) -> Vec<u8> {
    hex::decode(value.as_str().unwrap()).unwrap()
}

fn array<const N: usize>(value: &Value) -> [u8; N] {
    bytes(value).try_into().unwrap()
}

fn key() -> (KeyId, Keys) {
    (KeyId::new(vec![0, 0, 0, 0, 1, 2]).unwrap(), Keys::expand(&[7; 32]))
}

fn ring() -> Keyring {
    let mut ring = Keyring::default();
    let (id, keys) = key();
    ring.insert(id, keys);
    ring
}

#[test]
fn keys_macs_and_hash_are_whatsmeows() {
    let vector: Value = serde_json::from_str(include_str!("../testdata/whatsmeow.json")).unwrap();
    let (id, keys) = key();
    for (name, key) in [
        ("index", &keys.index),
        ("valueEnc", &keys.value),
        ("valueMac", &keys.value_mac),
        ("snapshotMac", &keys.snapshot_mac),
        ("patchMac", &keys.patch_mac),
    ] {
        assert_eq!(key.expose(), &array::<32>(&vector[name]), "{name}");
    }

    let index: Bytes = vector["indexJson"].as_str().unwrap().to_owned().into();
    assert_eq!(IndexMac::new(&index, &keys).0, array(&vector["index_mac"]));
    let seal = |operation| {
        let raw = vector["plain"].as_str().unwrap().to_owned().into();
        Sealed::seal(&Mutation { operation, index: index.clone(), raw }, (&id, &keys), &mut Iv([1; 16]))
    };
    let set = seal(Operation::Set);
    assert_eq!(set.value_mac.0, array(&vector["content_mac_set"]));
    assert_eq!(seal(Operation::Remove).value_mac.0, array(&vector["content_mac_remove"]));
    let blob = set.encode().record.unwrap().value.unwrap().blob.unwrap();
    assert_eq!(blob[..32], bytes(&vector["content"]));

    let mut hash = LtHash::EMPTY;
    hash.add(&set.value_mac);
    assert_eq!(hash.to_bytes(), array(&vector["lthash_after_1"]));
    let collection = Collection::RegularHigh;
    let snapshot_mac = snapshot_mac(collection, 1, &hash, &keys);
    assert_eq!(snapshot_mac, array(&vector["snapshot_mac_v1_regular_high"]));
    let head = Head { version: 1, snapshot_mac, patch_mac: [0; 32], key_id: id };
    let patch_mac = patch_mac(collection, &head, [set.value_mac].into_iter(), &keys);
    assert_eq!(patch_mac, array(&vector["patch_mac_v1_regular_high"]));
}

/// A patch that Baileys wrote.
struct Recorded {
    collection: Collection,
    index: String,
    /// Without version, as it was sent.
    sent: Vec<u8>,
    /// Numbered, as it is received.
    received: SyncdPatch,
    hash: LtHash,
}

impl Recorded {
    fn patch(&self) -> Patch {
        let Received::Inline(patch) = Received::decode(self.received.encode_to_vec().into()).unwrap() else {
            panic!("Baileys writes no blobs")
        };
        patch
    }

    fn iv(&self) -> [u8; 16] {
        let record = self.received.mutations[0].record.as_ref().unwrap();
        *record.value.as_ref().unwrap().blob.as_ref().unwrap().first_chunk().unwrap()
    }
}

fn recorded() -> Vec<Recorded> {
    let vectors: Value = serde_json::from_str(include_str!("../testdata/baileys.json")).unwrap();
    let record = |vector: &Value| {
        let sent = bytes(&vector["patch"]);
        let mut received = SyncdPatch::decode(&sent[..]).unwrap();
        received.version = Some(SyncdVersion { version: vector["version"].as_u64() });
        Recorded {
            collection: vector["collection"].as_str().unwrap().parse().unwrap(),
            index: vector["index"].as_str().unwrap().to_owned(),
            sent,
            received,
            hash: LtHash::from_bytes(&array(&vector["hash"])),
        }
    };
    vectors["patches"].as_array().unwrap().iter().map(record).collect()
}

#[test]
fn baileys_patches_are_read_and_built_to_the_byte() {
    let (key_id, ring) = (key().0, ring());
    let mut states: BTreeMap<Collection, State> = BTreeMap::new();
    let (recorded, expected) = (recorded(), actions::expected());
    assert_eq!(recorded.len(), expected.len());
    for (recorded, (operation, action)) in recorded.iter().zip(&expected) {
        let state = states.entry(recorded.collection).or_insert_with(|| State::empty(recorded.collection));
        let change = state.patch(&recorded.patch(), &ring).unwrap();
        let [mutation] = &change.mutations[..] else { panic!("Baileys writes one mutation a patch") };
        assert_eq!(mutation.index(), recorded.index.as_bytes());
        assert_eq!(change.hash, recorded.hash);
        assert_eq!(mutation.operation(), *operation);
        assert_eq!(&Action::read(recorded.collection, mutation), action);

        if action.collection() == recorded.collection {
            let draft = match operation {
                Operation::Set => Draft::set(action, TIME),
                Operation::Remove => Draft::remove(action, TIME),
            };
            let built = state.build(&[draft], &key_id, &ring, &mut Iv(recorded.iv())).unwrap();
            assert_eq!(hex::encode(built.patch), hex::encode(&recorded.sent), "{}", recorded.index);
            assert_eq!(built.change, change);
        }
        state.apply(&change);
    }
}

/// What is left after Baileys' patches makes a snapshot: its MAC is that of the last patch over the state.
#[test]
fn a_snapshot_of_baileys_patches_is_their_state() {
    for collection in Collection::ALL {
        let mut live = BTreeMap::new();
        let mut state = State::empty(collection);
        let patches: Vec<_> = recorded().into_iter().filter(|patch| patch.collection == collection).collect();
        for recorded in &patches {
            state.apply(&state.patch(&recorded.patch(), &ring()).unwrap());
            for mutation in &recorded.received.mutations {
                let record = mutation.record.clone().unwrap();
                let index = record.index.clone().unwrap().blob.unwrap();
                match Operation::decode(mutation.operation).unwrap() {
                    Operation::Set => live.insert(index, record),
                    Operation::Remove => live.remove(&index),
                };
            }
        }
        let last = &patches.last().expect("every collection has some").received;
        let mut snapshot = SyncdSnapshot {
            version: last.version,
            records: live.into_values().collect(),
            mac: last.snapshot_mac.clone(),
            key_id: last.key_id.clone(),
        };
        let read = |snapshot: &SyncdSnapshot| {
            let snapshot = Snapshot::decode(snapshot.encode_to_vec().into()).unwrap();
            State::empty(collection).snapshot(&snapshot, &ring())
        };
        let (found, mutations) = read(&snapshot).unwrap();
        assert_eq!(found, state);
        assert_eq!(mutations.len(), state.values.len());

        snapshot.records.pop();
        assert_eq!(read(&snapshot), Err(ApplyError::Tampered(Part::Snapshot)));
    }
}

#[test]
fn values_stand_for_records_in_hexadecimal() {
    assert_eq!(format!("{:?}", ValueMac([0xab; 32])), "ab".repeat(32));
    assert_eq!(format!("{:?}", IndexMac([0x01; 32])), "01".repeat(32));
}
