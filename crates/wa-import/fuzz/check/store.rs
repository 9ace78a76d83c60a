//! What must hold for any bytes. Shared by the fuzz target and the test that replays its corpus.

use wa_import::{Baileys, SenderKeyRow, Whatsmeow};

/// Files of each kind, under names that are taken.
const NAMES: [&str; 9] = [
    "session-15550000001.0.json",
    "identity-key-15550000001.0.json",
    "pre-key-1.json",
    "sender-key-1-2@g.us--15550000001--0.json",
    "sender-key-memory-1-2@g.us.json",
    "app-state-sync-key-AAAA.json",
    "app-state-sync-version-regular.json",
    "lid-mapping-15550000001.json",
    "tctoken-100000000000001@lid.json",
];

/// Whatever they are given as, they are read or left out.
pub(crate) fn check(bytes: &[u8]) {
    let mut store = Baileys::default();
    NAMES.iter().for_each(|name| store.file(name, bytes));
    store.file("creds.json", bytes);
    let _ = store.document(bytes);
    if let Ok(import) = store.finish(0) {
        assert_eq!(import.changes.sessions.len(), import.counts.sessions);
        assert!(import.changes.device.is_some_and(|device| device.is_paired()));
    }
    let mut store = Whatsmeow::default();
    store.session("15550000001:0", bytes);
    store.identity("15550000001:0", bytes);
    let (chat_id, sender_id) = ("1-2@g.us".into(), "15550000001:0".into());
    store.sender_key(&SenderKeyRow { chat_id, sender_id, sender_key: bytes.to_vec() });
    assert!(store.finish(0).is_err(), "there is no device");
}
