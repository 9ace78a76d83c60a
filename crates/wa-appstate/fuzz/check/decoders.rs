//! What must hold for any bytes. Shared by the fuzz target and the test that replays its corpus.

use bytes::Bytes;
use wa_appstate::{Collection, Keyring, Received, Recovery, Snapshot, State};

/// Each decoder refuses them or reads them, and without keys nothing that has records is believed.
pub(crate) fn check(bytes: &[u8]) {
    let bytes = Bytes::copy_from_slice(bytes);
    let (state, none) = (State::empty(Collection::RegularLow), Keyring::default());
    match Received::decode(bytes.clone()) {
        Ok(Received::Inline(patch)) => assert!(state.patch(&patch, &none).is_err()),
        Ok(Received::External(external)) => drop(external.with_blob(bytes.clone())),
        Err(_) => {}
    }
    if let Ok(snapshot) = Snapshot::decode(bytes.clone()) {
        assert!(state.snapshot(&snapshot, &none).is_err());
    }
    if let Ok(recovery) = Recovery::decode(bytes) {
        let _ = recovery.open(&state, &none);
    }
}
