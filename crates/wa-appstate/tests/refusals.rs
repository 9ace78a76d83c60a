//! What a state doesn't take, and whose fault that is.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use bytes::Bytes;
use prost::Message;
use support::{TIME, key_id, numbered, pin, received, ring, rng, set, write};
use wa_appstate::{
    Action, ApplyError, BuildError, Collection, Draft, Keyring, Malformed, Mute, Part, Received, Recovery,
    Snapshot, State,
};
use wa_protobuf::appstate::{
    KeyId, SyncdPatch, SyncdPlainTextRecord, SyncdRecord, SyncdSnapshot, SyncdSnapshotRecovery, SyncdVersion,
};

const LOW: Collection = Collection::RegularLow;

fn version(number: u64) -> Option<SyncdVersion> {
    Some(SyncdVersion { version: Some(number) })
}

/// Three patches in a row, and the state after them.
fn history() -> (Vec<SyncdPatch>, State) {
    let mut state = State::empty(LOW);
    let patches = ["a", "b", "a"].map(|chat| numbered(&set(&mut state, &[pin(chat)], 0)));
    (patches.to_vec(), state)
}

fn records(patches: &[SyncdPatch]) -> Vec<SyncdRecord> {
    let mutations = patches.iter().flat_map(|patch| &patch.mutations);
    mutations.map(|mutation| mutation.record.clone().unwrap()).collect()
}

/// The snapshot of [`history`]: its first record was replaced.
fn snapshot() -> SyncdSnapshot {
    let (patches, _) = history();
    let last = patches[2].clone();
    SyncdSnapshot {
        version: last.version,
        records: records(&patches[1..]),
        mac: last.snapshot_mac,
        key_id: last.key_id,
    }
}

fn open(snapshot: &SyncdSnapshot, state: &State) -> Result<State, ApplyError> {
    let snapshot = Snapshot::decode(snapshot.encode_to_vec().into()).unwrap();
    state.snapshot(&snapshot, &ring(1)).map(|(state, _)| state)
}

#[test]
fn versions_come_one_after_another() {
    let (patches, state) = history();
    let keys = ring(1);
    let old = state.patch(&received(&patches[2]), &keys);
    assert_eq!(old, Err(ApplyError::Old { have: 3, got: 3 }));
    let gap = State::empty(LOW).patch(&received(&patches[1]), &keys);
    assert_eq!(gap, Err(ApplyError::Gap { have: 0, got: 2 }));
    // Even one whose keys aren't there: nothing is asked for in vain.
    let gap = State::empty(LOW).patch(&received(&patches[1]), &Keyring::default());
    assert_eq!(gap, Err(ApplyError::Gap { have: 0, got: 2 }));
}

#[test]
fn the_keys_that_are_missing_are_named() {
    let mut state = State::empty(LOW);
    set(&mut state, &[pin("a"), pin("b")], 3);
    set(&mut state, &[pin("c")], 2);
    let before = state.clone();
    // Removals are written with the key of what goes.
    let drafts = ["a", "b", "c"].map(|chat| Draft::remove(&pin(chat), TIME));
    let built = state.build(&drafts, &key_id(4), &ring(5), &mut rng()).unwrap();
    let patch = received(&numbered(&built));
    let all = vec![key_id(2), key_id(3), key_id(4)];
    assert_eq!(before.patch(&patch, &ring(0)), Err(ApplyError::MissingKeys(all)));
    assert_eq!(before.patch(&patch, &ring(4)), Err(ApplyError::MissingKeys(vec![key_id(4)])));
    let change = before.patch(&patch, &ring(5)).unwrap();
    assert!(change.values.values().all(Option::is_none) && change.values.len() == 3);
}

#[test]
fn a_patch_belongs_to_its_collection_and_version() {
    let (patches, _) = history();
    let elsewhere = State::empty(Collection::Regular).patch(&received(&patches[0]), &ring(1));
    assert_eq!(elsewhere, Err(ApplyError::Tampered(Part::Patch)));
    let moved = SyncdPatch { version: version(1), ..patches[1].clone() };
    let moved = State::empty(LOW).patch(&received(&moved), &ring(1));
    assert_eq!(moved, Err(ApplyError::Tampered(Part::Patch)));
}

#[test]
fn records_keep_their_index_and_their_value() {
    let mut state = State::empty(LOW);
    let genuine = numbered(&set(&mut state, &[pin("a"), pin("b")], 0));
    let read = |patch: &SyncdPatch| State::empty(LOW).patch(&received(patch), &ring(1)).map(|_| ());
    assert_eq!(read(&genuine), Ok(()));

    let mut swapped = genuine.clone();
    let [a, b] = &mut swapped.mutations[..] else { panic!("two") };
    std::mem::swap(&mut a.record.as_mut().unwrap().index, &mut b.record.as_mut().unwrap().index);
    assert_eq!(read(&swapped), Err(ApplyError::Tampered(Part::Index(0))));

    let mut changed = genuine.clone();
    let value = changed.mutations[1].record.as_mut().unwrap().value.as_mut().unwrap();
    let mut blob = value.blob.take().unwrap().to_vec();
    blob[3] ^= 1;
    value.blob = Some(blob.into());
    assert_eq!(read(&changed), Err(ApplyError::Tampered(Part::Value(1))));

    let mut removed = genuine;
    removed.mutations[1].operation = Some(1);
    assert_eq!(read(&removed), Err(ApplyError::Tampered(Part::Value(1))));
}

#[test]
fn a_state_that_lacks_what_its_author_had_is_told_and_a_snapshot_puts_it_right() {
    let (patches, state) = history();
    let mut broken = State::empty(LOW);
    broken.apply(&broken.patch(&received(&patches[0]), &ring(1)).unwrap());
    broken.apply(&broken.patch(&received(&patches[1]), &ring(1)).unwrap());
    broken.values.clear();
    let diverged = broken.patch(&received(&patches[2]), &ring(1));
    assert_eq!(diverged, Err(ApplyError::Diverged { needless_removals: 0 }));
    assert_eq!(open(&snapshot(), &broken), Ok(state));
}

#[test]
fn a_removal_of_what_is_not_there_is_counted_and_nothing_else() {
    let mut state = State::empty(LOW);
    set(&mut state, &[pin("a"), pin("b")], 0);
    let (before, mut reader) = (state.clone(), state.clone());
    let remove = Draft::remove(&pin("b"), TIME);
    let built = write(&mut state, &[remove.clone(), remove], 0);
    let patch = received(&numbered(&built));
    let change = before.patch(&patch, &ring(1)).unwrap();
    assert_eq!((change.needless_removals, change.mutations.len()), (1, 2));

    // Where the state lacks more than that, it isn't the author's.
    reader.values.clear();
    assert_eq!(reader.patch(&patch, &ring(1)), Err(ApplyError::Diverged { needless_removals: 2 }));
}

#[test]
fn mutations_of_one_index_count_one_after_another() {
    let mut state = State::empty(LOW);
    set(&mut state, &[pin("a")], 0);
    let before = state.clone();
    let unpin = Action::Pin { chat: "a".into(), pinned: false };
    let (set_one, remove) = (Draft::set(&unpin, TIME), Draft::remove(&pin("a"), TIME));
    let drafts = [set_one.clone(), Draft::set(&pin("a"), TIME), remove, set_one];
    let built = write(&mut state, &drafts, 0);
    let change = before.patch(&received(&numbered(&built)), &ring(1)).unwrap();
    assert_eq!(change.mutations.len(), 4);
    let values: Vec<_> = change.values.values().flatten().collect();
    let mut sum = wa_appstate::LtHash::EMPTY;
    sum.add(values[0]);
    assert_eq!((values.len(), &change.hash), (1, &sum));
}

#[test]
fn a_snapshot_is_whole_and_not_old() {
    let (patches, state) = history();
    let genuine = snapshot();
    assert_eq!(open(&genuine, &State::empty(LOW)), Ok(state.clone()));

    let tampered = Err(ApplyError::Tampered(Part::Snapshot));
    let less = SyncdSnapshot { records: records(&patches[1..2]), ..genuine.clone() };
    assert_eq!(open(&less, &State::empty(LOW)), tampered);
    let older = SyncdSnapshot { version: version(4), ..genuine.clone() };
    assert_eq!(open(&older, &State::empty(LOW)), tampered);
    assert_eq!(open(&genuine, &State::empty(Collection::Regular)), tampered);
    let doubled = SyncdSnapshot { records: records(&patches), ..genuine.clone() };
    assert_eq!(open(&doubled, &State::empty(LOW)), Err(ApplyError::Doubled(2)));

    let newer = State { version: 4, ..state };
    assert_eq!(open(&genuine, &newer), Err(ApplyError::Old { have: 4, got: 3 }));
    let unread = Snapshot::decode(genuine.encode_to_vec().into()).unwrap();
    let refused = State::empty(LOW).snapshot(&unread, &ring(0)).unwrap_err();
    assert_eq!(refused, ApplyError::MissingKeys(vec![key_id(0)]));
}

#[test]
fn the_phones_copy_is_a_state_like_any_other() {
    let (patches, state) = history();
    let (mut copy, mut reader) = (Vec::new(), State::empty(LOW));
    for patch in &patches {
        let change = reader.patch(&received(patch), &ring(1)).unwrap();
        let mac = change.values.values().next().unwrap().unwrap();
        copy.push(SyncdPlainTextRecord {
            value: Some(change.mutations[0].data()),
            key_id: Some(key_id(0).bytes().clone()),
            mac: Some(mac.0.to_vec().into()),
        });
        reader.apply(&change);
    }
    let recovery = SyncdSnapshotRecovery {
        version: version(3),
        collection_name: Some(LOW.name().into()),
        mutation_records: copy.split_off(1),
        collection_lthash: Some(state.hash.to_bytes().to_vec().into()),
    };
    let recovery = Recovery::decode(recovery.encode_to_vec().into()).unwrap();
    assert_eq!(recovery.collection, LOW);
    let (recovered, mutations) = recovery.clone().open(&State::empty(LOW), &ring(1)).unwrap();
    assert_eq!((recovered, mutations.len()), (state.clone(), 2));
    let old = recovery.clone().open(&state, &ring(1)).unwrap_err();
    assert_eq!(old, ApplyError::Old { have: 3, got: 3 });
    let missing = recovery.open(&State::empty(LOW), &ring(0)).unwrap_err();
    assert_eq!(missing, ApplyError::MissingKeys(vec![key_id(0)]));
}

#[test]
fn what_has_not_the_form_of_a_patch_is_named() {
    let (patches, _) = history();
    let refuse = |change: &dyn Fn(&mut SyncdPatch)| {
        let mut patch = patches[0].clone();
        change(&mut patch);
        Received::decode(patch.encode_to_vec().into()).map(|_| ()).unwrap_err()
    };
    assert_eq!(refuse(&|patch| patch.version = None), Malformed("version of a patch"));
    let short = Some(Bytes::from_static(&[1; 31]));
    assert_eq!(refuse(&|patch| patch.patch_mac = short.clone()), Malformed("MAC of a patch"));
    assert_eq!(refuse(&|patch| patch.snapshot_mac = None), Malformed("snapshot MAC of a patch"));
    let long = KeyId { id: Some(vec![1; 65].into()) };
    assert_eq!(refuse(&|patch| patch.key_id = Some(long.clone())), Malformed("key id of a patch"));
    assert_eq!(refuse(&|patch| patch.mutations[0].operation = Some(2)), Malformed("operation"));
    assert_eq!(refuse(&|patch| patch.mutations[0].record = None), Malformed("a mutation without record"));
    let elsewhere = refuse(&|patch| patch.external_mutations = Some(Default::default()));
    assert_eq!(elsewhere, Malformed("mutations here and elsewhere"));
    let blob = |patch: &mut SyncdPatch, bytes: Vec<u8>| {
        let record = patch.mutations[0].record.as_mut().unwrap();
        record.value.as_mut().unwrap().blob = Some(bytes.into());
    };
    for length in [0, 48, 63, 65, wa_appstate::MAX_RECORD + 16] {
        let refused = refuse(&|patch| blob(patch, vec![0; length]));
        assert_eq!(refused, Malformed("length of a value"), "{length}");
    }
}

#[test]
fn what_cannot_be_written_is_refused() {
    let state = State::empty(LOW);
    let build =
        |draft: Draft, number| state.build(&[draft], &key_id(number), &ring(1), &mut rng()).map(|_| ());
    let mute = Action::Mute { chat: "a".into(), mute: Mute::Off };
    let elsewhere = BuildError::WrongCollection(Collection::RegularHigh);
    assert_eq!(build(Draft::set(&mute, TIME), 0), Err(elsewhere));
    assert_eq!(build(Draft::set(&pin("a"), TIME), 1), Err(BuildError::MissingKey(key_id(1))));
    assert_eq!(build(Draft::remove(&pin("a"), TIME), 0), Err(BuildError::NothingToRemove(0)));
    let long = pin(&"a".repeat(wa_appstate::MAX_RECORD / 2));
    assert_eq!(build(Draft::set(&long, TIME), 0), Err(BuildError::TooLong(0)));
}
