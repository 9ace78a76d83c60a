//! App state and history: what the server keeps for an account, and what a phone hands over.

use std::io::Write;

use bytes::Bytes;
use flate2::{Compression, write::ZlibEncoder};
use prost::Message;
use rand_chacha::ChaCha8Rng;
use wa_appstate::{Action, Draft, KeyId, Keyring, Keys, Received, Recovery, Snapshot, State};
use wa_history::History;
use wa_protobuf::appstate::{SyncdPatch, SyncdSnapshot, SyncdVersion};
use wa_protobuf::history::{Conversation, HistorySync, HistorySyncMsg, Pushname};

use super::{cases, garbage, mutated, rng};

#[test]
fn damaged_app_state_is_refused_and_changes_nothing() {
    let mut rng = rng("app state");
    let (keys, patch) = patch(&mut rng);
    let records = patch.mutations.iter().filter_map(|mutation| mutation.record.clone()).collect();
    let snapshot = SyncdSnapshot {
        version: patch.version,
        records,
        mac: patch.snapshot_mac.clone(),
        key_id: patch.key_id.clone(),
    };
    let valid = [patch.encode_to_vec(), snapshot.encode_to_vec()];
    let state = State::empty(pin().collection());
    let genuine = read(&state, &keys, &valid[0].clone().into()).expect("the patch is genuine");
    for case in 0..cases(1) {
        let bytes: Bytes = match case % 4 {
            0 => garbage(&mut rng).into(),
            _ => mutated(&mut rng, &valid[case % 2]).into(),
        };
        // What no MAC covers is not read either.
        if let Some(found) = read(&state, &keys, &bytes) {
            assert_eq!(found, genuine);
        }
        if let Ok(snapshot) = Snapshot::decode(bytes.clone())
            && let Ok((found, _)) = state.snapshot(&snapshot, &keys)
        {
            assert_eq!((found.version, found.hash), (genuine.version, genuine.hash.clone()));
        }
        if let Ok(recovery) = Recovery::decode(bytes) {
            let _ = recovery.open(&state, &keys);
        }
    }
}

#[test]
fn damaged_history_ends_in_an_error_or_is_read() {
    let mut rng = rng("history");
    let plain = chunk().encode_to_vec();
    let blob = deflate(&plain);
    for case in 0..cases(2) {
        let bytes = match case % 4 {
            0 => garbage(&mut rng),
            1 => mutated(&mut rng, &blob),
            2 => deflate(&garbage(&mut rng)),
            _ => deflate(&mutated(&mut rng, &plain)),
        };
        // An item takes two bytes at least, and an error is the last of all.
        let items: Vec<_> = History::new(&bytes[..]).take(100_000).collect();
        assert!(items.len() < 100_000);
        assert!(items.iter().rev().skip(1).all(Result::is_ok));
    }
}

fn read(state: &State, keys: &Keyring, bytes: &Bytes) -> Option<wa_appstate::Change> {
    match Received::decode(bytes.clone()).ok()? {
        Received::Inline(patch) => state.patch(&patch, keys).ok(),
        Received::External(external) => state.patch(&external.with_blob(bytes.clone()).ok()?, keys).ok(),
    }
}

fn pin() -> Action {
    Action::Pin { chat: "15550000001@s.whatsapp.net".to_owned(), pinned: true }
}

fn patch(rng: &mut ChaCha8Rng) -> (Keyring, SyncdPatch) {
    let id = KeyId::new(vec![0, 0, 0, 0, 0, 1]).expect("an id");
    let mut keys = Keyring::default();
    keys.insert(id.clone(), Keys::expand(&[7; 32]));
    let drafts = [Draft::set(&pin(), 1), Draft::set(&Action::UnarchiveChats(true), 2)];
    let built = State::empty(pin().collection()).build(&drafts, &id, &keys, rng).expect("a patch");
    let mut patch = SyncdPatch::decode(&built.patch[..]).expect("a patch");
    patch.version = Some(SyncdVersion { version: Some(1) });
    (keys, patch)
}

fn chunk() -> HistorySync {
    let message = HistorySyncMsg { msg_order_id: Some(1), ..Default::default() };
    let chat = Conversation {
        id: Some("15550000001@s.whatsapp.net".into()),
        messages: vec![message; 5],
        name: Some("Ana".into()),
        ..Default::default()
    };
    let name = Pushname { id: Some("1@lid".into()), pushname: Some("Ana".into()) };
    HistorySync {
        sync_type: Some(3),
        conversations: vec![chat; 3],
        pushnames: vec![name; 3],
        nct_salt: Some(vec![1; 32].into()),
        ..Default::default()
    }
}

fn deflate(plain: &[u8]) -> Vec<u8> {
    let mut zlib = ZlibEncoder::new(Vec::new(), Compression::fast());
    zlib.write_all(plain).and_then(|()| zlib.finish()).expect("memory takes all")
}
