use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use proptest::prelude::*;
use serde_json::json;
use wa_signal::parts::{ChainParts, ReceiveParts, SenderKeyParts, SessionParts, SigningParts};
use wa_signal::sender_key::SenderKeyRecord;
use wa_signal::{LocalIdentity, Session};
use wa_store::{DeviceAddress, SenderKeyName};

use super::*;
use crate::import::Import;
use crate::sample::{Talk, damaged};

fn base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// Bytes as Baileys' files have them.
fn buffer(bytes: &[u8]) -> Value {
    json!({"type": "Buffer", "data": base64(bytes)})
}

fn pair(byte: u8) -> Value {
    json!({"private": buffer(&[byte; 32]), "public": buffer(&[byte; 32])})
}

fn creds() -> Value {
    json!({
        "noiseKey": pair(1),
        "signedIdentityKey": pair(2),
        "signedPreKey": {"keyId": 1, "keyPair": pair(3), "signature": buffer(&[4; 64])},
        "registrationId": 77,
        "advSecretKey": base64(&[5; 32]),
        "nextPreKeyId": 31,
        "firstUnuploadedPreKeyId": 31,
        "me": {"id": "15550000001:7@s.whatsapp.net", "lid": "100000000000001:7@lid", "name": "Alice"},
        "account": {
            "details": base64(b"details"),
            "accountSignatureKey": base64(&[6; 32]),
            "accountSignature": base64(&[7; 64]),
            "deviceSignature": base64(&[8; 64]),
        },
        "platform": "android",
        "routingInfo": buffer(&[9, 9]),
    })
}

fn position(chain: Option<&ChainParts>) -> Value {
    match chain {
        Some(ChainParts { key, counter }) => {
            json!({"counter": i64::from(*counter) - 1, "key": base64(key.expose())})
        }
        None => json!({"counter": 4}),
    }
}

/// A session as libsignal for Node writes it.
fn node_session(parts: &SessionParts) -> Value {
    let mut sessions = serde_json::Map::new();
    for (nth, it) in std::iter::once(&parts.current).chain(&parts.archived).enumerate() {
        let mut chains = serde_json::Map::new();
        let sends = json!({"chainKey": position(Some(&it.send)), "chainType": 1, "messageKeys": {}});
        chains.insert(base64(&it.ratchet.public().to_signal()), sends);
        for ReceiveParts { ratchet_key, chain, skipped } in &it.receive {
            let keys =
                skipped.iter().map(|(counter, seed)| (counter.to_string(), json!(base64(seed.expose()))));
            let keys: serde_json::Map<_, _> = keys.collect();
            let chain = json!({"chainKey": position(chain.as_ref()), "chainType": 2, "messageKeys": keys});
            chains.insert(base64(&ratchet_key.to_signal()), chain);
        }
        let last = it.receive.last().map_or(it.base_key, |chain| chain.ratchet_key);
        let entry = json!({
            "registrationId": it.remote_registration_id,
            "currentRatchet": {
                "ephemeralKeyPair": {
                    "pubKey": base64(&it.ratchet.public().to_signal()),
                    "privKey": base64(it.ratchet.private().as_bytes()),
                },
                "lastRemoteEphemeralKey": base64(&last.to_signal()),
                "previousCounter": it.previous_counter,
                "rootKey": base64(it.root.expose()),
            },
            "indexInfo": {
                "baseKey": base64(&it.base_key.to_signal()),
                "baseKeyType": 1,
                "closed": if nth == 0 { -1 } else { 1_700_000_000_000_i64 },
                "used": 1_700_000_000_000_i64 - nth as i64,
                "created": 1_700_000_000_000_i64,
                "remoteIdentityKey": base64(&it.remote_identity.to_signal()),
            },
            "_chains": chains,
        });
        let mut entry = entry;
        if let Some(unanswered) = it.unanswered {
            entry["pendingPreKey"] = json!({
                "signedKeyId": unanswered.signed_prekey_id,
                "baseKey": base64(&it.base_key.to_signal()),
                "preKeyId": unanswered.prekey_id,
            });
        }
        // By another name each: two tests' ratchets may share a base key.
        sessions.insert(format!("{}{nth}", base64(&it.base_key.to_signal())), entry);
    }
    json!({"_sessions": sessions, "version": "v1"})
}

/// A sender key as Baileys writes it: bytes that hold JSON in which bytes are numbers.
fn node_sender_key(states: &[SenderKeyParts]) -> Value {
    let numbers = |bytes: &[u8]| json!({"type": "Buffer", "data": bytes});
    let state = |it: &SenderKeyParts| {
        let (public, private) = match &it.signing {
            SigningParts::Own(pair) => (*pair.public(), numbers(pair.private().as_bytes())),
            SigningParts::Theirs(public) => (*public, numbers(&[])),
        };
        let keys = it.skipped.iter().map(|(n, seed)| json!({"iteration": n, "seed": numbers(seed.expose())}));
        json!({
            "senderKeyId": it.id,
            "senderChainKey": {"iteration": it.chain.counter, "seed": numbers(it.chain.key.expose())},
            "senderSigningKey": {"public": numbers(&public.to_signal()), "private": private},
            "senderMessageKeys": keys.collect::<Vec<_>>(),
        })
    };
    let states: Vec<_> = states.iter().map(state).collect();
    buffer(json!(states).to_string().as_bytes())
}

/// Names and contents of a store.
fn files(talk: &Talk) -> Vec<(String, Value)> {
    let collection = json!({
        "version": 12,
        "hash": buffer(&[3; 128]),
        "indexValueMap": {base64(&[4; 32]): {"valueMac": buffer(&[5; 32])}},
    });
    let key = json!({
        "keyData": base64(&[6; 32]),
        "fingerprint": {"rawId": 5, "currentIndex": 1, "deviceIndexes": [0, 1]},
        "timestamp": "1700000000123",
    });
    let own = talk.sender_key.to_parts();
    [
        ("creds.json", creds()),
        ("session-100000000000002_1.0.json", node_session(&talk.here.to_parts())),
        ("session-15550000003.2.json", node_session(&talk.here.to_parts())),
        ("session-100000000000001_1.7.json", node_session(&talk.here.to_parts())),
        ("identity-key-100000000000002_1.0.json", buffer(&talk.there.key.public().to_signal())),
        ("pre-key-30.json", pair(30)),
        ("sender-key-1203-77@g.us--15550000001--7.json", node_sender_key(&own)),
        (
            "sender-key-1203-77@g.us--100000000000002_1--0.json",
            node_sender_key(&talk.their_sender_key.to_parts()),
        ),
        (
            "sender-key-memory-1203-77@g.us.json",
            json!({"100000000000002@lid": true, "100000000000001:7@lid": true, "1:3@lid": false}),
        ),
        ("app-state-sync-key-AAAA__w==.json", key),
        ("app-state-sync-version-regular_low.json", collection),
        ("lid-mapping-15550000003.json", json!("100000000000003")),
        ("lid-mapping-100000000000003_reverse.json", json!("15550000003")),
        ("tctoken-100000000000002@lid.json", json!({"token": buffer(&[1]), "timestamp": "1700000000"})),
        ("device-list-15550000003.json", json!(["0", "2"])),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into()
}

fn read(files: &[(String, Value)]) -> Result<Import, ImportError> {
    let mut store = Baileys::default();
    files.iter().for_each(|(name, value)| store.file(name, value.to_string().as_bytes()));
    store.finish(1_750_000_000)
}

#[test]
fn a_folder_is_read() {
    let import = read(&files(&Talk::new(1))).unwrap();
    assert_eq!(import.left_out, []);
    let counts = import.counts;
    assert_eq!((counts.sessions, counts.identities, counts.prekeys, counts.sender_keys), (2, 2, 1, 2));
    assert_eq!((counts.app_state_keys, counts.app_states, counts.lid_mappings), (1, 1, 2));
    assert_eq!((counts.privacy_tokens, counts.passed_over), (1, 1));
    let device = import.changes.device.as_ref().unwrap();
    assert_eq!((device.noise_key, device.identity_key, device.adv_secret), ([1; 32], [2; 32], [5; 32]));
    assert_eq!((device.registration_id, device.next_prekey_id), (77, 31));
    assert_eq!(device.lid.as_ref().unwrap().to_string(), "100000000000001:7@lid");
    assert_eq!((device.push_name.as_str(), device.platform.as_str()), ("Alice", "android"));
    assert_eq!(device.signed_prekey_rotated_at, 1_750_000_000);
    assert_eq!(import.account().unwrap().to_string(), "15550000001@s.whatsapp.net");
    let at_lid = DeviceAddress::new("100000000000003_1", 2);
    assert!(import.changes.sessions.iter().any(|(address, _)| *address == at_lid), "moved to the LID");
    let key = &import.changes.app_state_keys[0];
    assert_eq!((&key.id[..], key.timestamp), (&[0, 0, 0, 0xff][..], 1_700_000_000_123));
    assert_eq!(&key.fingerprint[..], [8, 5, 16, 1, 26, 2, 0, 1]);
    let (group, holders) = &import.changes.key_holders[0];
    assert_eq!((group.as_str(), holders.as_ref().unwrap().len()), ("1203-77@g.us", 1));
    let names: Vec<_> = import.changes.sender_keys.iter().map(|(name, _)| name.clone()).collect();
    assert!(names.contains(&SenderKeyName::new("1203-77@g.us", DeviceAddress::new("100000000000001_1", 7))));
    let bare = import.without_app_state();
    assert_eq!((bare.counts.app_states, bare.changes.app_state_records.len()), (0, 0));
}

#[test]
fn both_sides_talk_on() {
    let mut talk = Talk::new(2);
    let import = read(&files(&talk)).unwrap();
    let address = DeviceAddress::new("100000000000002_1", 0);
    let (_, record) = import.changes.sessions.iter().find(|(it, _)| *it == address).unwrap();
    let mut here = Session::from_record(record.as_ref().unwrap()).unwrap();
    assert!(talk.late_one_is_read(&mut here), "what was under way is read, too");
    talk.goes_on_with(&mut here);
    let own = SenderKeyName::new("1203-77@g.us", DeviceAddress::new("100000000000001_1", 7));
    let (_, record) = import.changes.sender_keys.iter().find(|(name, _)| *name == own).unwrap();
    talk.group_goes_on_with(SenderKeyRecord::from_record(record.as_ref().unwrap()).unwrap());
}

#[test]
fn one_document_is_read_in_all_of_its_forms() {
    let talk = Talk::new(3);
    let files = files(&talk);
    let expected = read(&files).unwrap().counts;
    let flat: serde_json::Map<_, _> = files.iter().cloned().collect();
    // As some adapters keep them: without the ending, and each value as a text.
    let texts: serde_json::Map<_, _> = files
        .iter()
        .map(|(name, value)| (name.trim_end_matches(".json").to_owned(), json!(value.to_string())))
        .collect();
    let mut keys = json!({});
    for (name, value) in &files {
        let Some((kind, id)) = TYPES.iter().find_map(|(kind, _)| {
            let id = name.strip_suffix(".json")?.strip_prefix(kind)?.strip_prefix('-')?;
            Some((*kind, id_of(id)))
        }) else {
            continue;
        };
        keys[kind][id.replace("--", "::")] = value.clone();
    }
    let nested = json!({"creds": creds(), "keys": keys});
    for document in [Value::Object(flat), Value::Object(texts), nested] {
        let mut store = Baileys::default();
        store.document(document.to_string().as_bytes()).unwrap();
        let import = store.finish(0).unwrap();
        assert_eq!((import.counts, import.left_out), (expected, vec![]));
    }
}

#[test]
fn what_is_damaged_is_named() {
    let talk = Talk::new(4);
    let mut files = files(&talk);
    files[1].1["_sessions"] = json!({});
    files[5].1 = json!({"private": "short"});
    let import = read(&files).unwrap();
    let left_out: Vec<_> = import.left_out.iter().map(|it| format!("{}: {}", it.place, it.problem)).collect();
    assert_eq!(
        left_out,
        [
            "session-100000000000002_1.0: entry of _sessions is missing",
            "pre-key-30: private is not written as bytes"
        ]
    );
    assert_eq!((import.counts.left_out, import.counts.sessions), (2, 1));
    files[0].1["noiseKey"] = json!(null);
    assert_eq!(read(&files).unwrap_err().to_string(), "creds.json: noiseKey is missing");
    files[0].1 = creds();
    files[0].1["me"] = json!(null);
    assert_eq!(read(&files).unwrap_err(), ImportError::NotLinked("creds.json"));
    assert_eq!(read(&files[1..]).unwrap_err(), ImportError::NoCredentials("creds.json"));
    let mut store = Baileys::default();
    assert!(store.document(b"[]").is_err() && store.document(b"{").is_err());
}

#[test]
fn the_open_session_sends_and_the_others_are_kept() {
    let talk = Talk::new(5);
    let mut parts = talk.here.to_parts();
    parts.archived = vec![Talk::new(6).here.to_parts().current];
    let record = node_session(&parts);
    let read = session::parts(&record).unwrap();
    assert_eq!(read.current.base_key, parts.current.base_key);
    assert_eq!(read.archived[0].base_key, parts.archived[0].base_key);
    assert_eq!(read.current.unanswered, parts.current.unanswered);
    assert_eq!(read.current.send.counter, parts.current.send.counter);
}

#[test]
fn prekeys_that_opened_a_session_are_named_until_it_is_answered() {
    let (_, _, fresh): (LocalIdentity, LocalIdentity, Session) = Talk::unanswered(7);
    let parts = fresh.to_parts();
    let read = session::parts(&node_session(&parts)).unwrap();
    assert!(read.current.unanswered.is_some());
    assert_eq!(read.current.unanswered, parts.current.unanswered);
}

proptest! {
    #[test]
    fn damaged_files_never_panic(
        nth in 0_usize..15,
        damage in damaged(),
        name in "[a-z0-9@._:-]{0,40}",
        bytes: Vec<u8>,
    ) {
        let mut files = files(&Talk::new(8));
        let (_, value) = &mut files[nth];
        let text = damage.of(value);
        let mut store = Baileys::default();
        for (other, (name, value)) in files.iter().enumerate() {
            let content = if other == nth { text.clone() } else { value.to_string().into_bytes() };
            store.file(name, &content);
        }
        store.file(&name, &bytes);
        let _ = store.document(&bytes);
        let _ = store.document(&text);
        if let Ok(import) = store.finish(0) {
            for (_, record) in &import.changes.sessions {
                Session::from_record(record.as_ref().unwrap()).unwrap();
            }
            for (_, record) in &import.changes.sender_keys {
                SenderKeyRecord::from_record(record.as_ref().unwrap()).unwrap();
            }
        }
    }
}
