//! Hostile bytes: every decoder ends in a value or an error, and keeps little more than it was given.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "../fuzz/check/decoders.rs"]
mod decoders;
mod support;

use std::fs;
use std::path::Path;

use allocation_counter::measure;
use bytes::Bytes;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;
use prost::Message;
use support::{numbered, pin, ring, set};
use wa_appstate::{Collection, Received, Recovery, Snapshot, State};
use wa_protobuf::appstate::{SyncdPatch, SyncdSnapshot};

/// Bytes that a decoder may keep for one that it was given.
const FACTOR: u64 = 4;
/// Bytes that it needs for anything.
const FIXED: u64 = 64 << 10;

fn patch() -> SyncdPatch {
    let mut state = State::empty(Collection::RegularLow);
    numbered(&set(&mut state, &[pin("a"), pin("b"), pin("c")], 0))
}

fn decode_all(bytes: &Bytes) {
    let state = State::empty(Collection::RegularLow);
    match Received::decode(bytes.clone()) {
        Ok(Received::Inline(patch)) => drop(state.patch(&patch, &ring(1))),
        Ok(Received::External(external)) => drop(external.with_blob(bytes.clone())),
        Err(_) => {}
    }
    if let Ok(snapshot) = Snapshot::decode(bytes.clone()) {
        let _ = state.snapshot(&snapshot, &ring(1));
    }
    if let Ok(recovery) = Recovery::decode(bytes.clone()) {
        let _ = recovery.open(&state, &ring(1));
    }
    let mut external = patch();
    external.mutations.clear();
    external.external_mutations = Some(Default::default());
    let Ok(Received::External(external)) = Received::decode(external.encode_to_vec().into()) else {
        panic!("the mutations are elsewhere")
    };
    let _ = external.with_blob(bytes.clone());
}

/// Field keys and lengths that occur, rather than anything.
fn likely_bytes() -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![
        prop::sample::select(&[0x08u8, 0x0a, 0x12, 0x1a, 0x22, 0x2a, 0x32, 0, 1, 2, 32, 64, 0x80, 0xff][..]),
        any::<u8>(),
    ];
    vec(byte, 0..200)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(5_000))]

    #[test]
    fn random_bytes_do_no_harm(bytes in likely_bytes()) {
        decode_all(&bytes.into());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn damaged_patches_and_snapshots_do_no_harm(
        changes in vec((any::<Index>(), any::<u8>()), 1..4),
        cut in any::<Option<Index>>(),
    ) {
        let patch = patch();
        let records = patch.mutations.iter().map(|mutation| mutation.record.clone().unwrap()).collect();
        let snapshot = SyncdSnapshot {
            version: patch.version,
            records,
            mac: patch.snapshot_mac.clone(),
            key_id: patch.key_id.clone(),
        };
        for mut bytes in [patch.encode_to_vec(), snapshot.encode_to_vec()] {
            for (place, byte) in &changes {
                let place = place.index(bytes.len());
                bytes[place] = *byte;
            }
            if let Some(cut) = cut {
                bytes.truncate(cut.index(bytes.len()));
            }
            decode_all(&bytes.into());
        }
    }
}

#[test]
fn decoding_takes_no_more_than_a_few_times_its_input() {
    let record = patch().mutations.remove(0);
    let many = |tag: u8, content: &[u8], count: usize| {
        let field = [&[tag << 3 | 2, u8::try_from(content.len()).unwrap()], content].concat();
        Bytes::from(field.repeat(count))
    };
    let shortest = {
        let mut record = record.clone();
        let value = record.record.as_mut().unwrap().value.as_mut().unwrap();
        value.blob = Some(vec![0; 64].into());
        let key_id = record.record.as_mut().unwrap().key_id.as_mut().unwrap();
        key_id.id = Some(vec![1].into());
        record
    };
    let in_snapshot = shortest.record.clone().unwrap().encode_to_vec();
    // Every field of a patch, snapshot or blob, empty or as short as it can be, twenty thousand times.
    let mut inputs: Vec<Bytes> = (1..=9).map(|tag| many(tag, &[], 20_000)).collect();
    inputs.push(many(2, &shortest.encode_to_vec(), 20_000));
    inputs.push(many(1, &shortest.encode_to_vec(), 20_000));
    inputs.push(many(2, &in_snapshot, 20_000));
    for input in inputs {
        let bound = input.len() as u64 * FACTOR + FIXED;
        let used = measure(|| decode_all(&input)).bytes_max;
        assert!(used <= bound, "{used} bytes for {}, field {}", input.len(), input[0] >> 3);
    }
}

#[test]
fn the_corpus_of_the_fuzzer_is_survived() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus");
    let files: Vec<_> = fs::read_dir(folder.join("decoders"))
        .unwrap()
        .map(|file| fs::read(file.unwrap().path()).unwrap())
        .collect();
    assert!(files.len() > 10);
    files.iter().for_each(|bytes| decoders::check(bytes));
}
