use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use proptest::prelude::*;
use serde_json::{Value, json};
use wa_signal::Session;
use wa_signal::parts::{ChainParts, RatchetParts, SenderKeyParts, SessionParts, SigningParts};
use wa_signal::sender_key::SenderKeyRecord;

use super::*;
use crate::sample::{Talk, damaged};

fn base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

fn chain_key(chain: &ChainParts) -> Value {
    json!({"Key": base64(chain.key.expose()), "Index": chain.counter})
}

fn go_state(parts: &RatchetParts) -> Value {
    let receive = parts.receive.iter().map(|chain| {
        json!({
            "SenderRatchetKeyPublic": base64(&chain.ratchet_key.to_signal()),
            "SenderRatchetKeyPrivate": null,
            "ChainKey": chain_key(chain.chain.as_ref().unwrap()),
            "MessageKeys": [{"CipherKey": "", "MacKey": "", "IV": "", "Index": 0}],
        })
    });
    json!({
        "LocalIdentityPublic": "",
        "LocalRegistrationID": 1,
        "NeedsRefresh": false,
        "PendingKeyExchange": null,
        "PendingPreKey": parts.unanswered.map(|it| json!({
            "PreKeyID": {"Value": it.prekey_id.unwrap_or(0), "IsEmpty": it.prekey_id.is_none()},
            "SignedPreKeyID": it.signed_prekey_id,
            "BaseKey": base64(&parts.base_key.to_signal()),
        })),
        "PreviousCounter": parts.previous_counter,
        "ReceiverChains": receive.collect::<Vec<_>>(),
        "RemoteIdentityPublic": base64(&parts.remote_identity.to_signal()),
        "RemoteRegistrationID": parts.remote_registration_id,
        "RootKey": base64(parts.root.expose()),
        "SenderBaseKey": base64(&parts.base_key.to_signal()),
        "SenderChain": {
            "SenderRatchetKeyPublic": base64(&parts.ratchet.public().to_signal()),
            "SenderRatchetKeyPrivate": base64(parts.ratchet.private().as_bytes()),
            "ChainKey": chain_key(&parts.send),
            "MessageKeys": [],
        },
        "SessionVersion": 3,
    })
}

/// A session as libsignal for Go writes it.
fn go_session(parts: &SessionParts) -> Value {
    let previous: Vec<_> = parts.archived.iter().map(go_state).collect();
    json!({"SessionState": go_state(&parts.current), "PreviousStates": previous})
}

/// A sender key as libsignal for Go writes it, the newest state first.
fn go_sender_key(states: &[SenderKeyParts]) -> Value {
    let state = |it: &SenderKeyParts| {
        let (public, private) = match &it.signing {
            SigningParts::Own(pair) => (*pair.public(), base64(pair.private().as_bytes())),
            SigningParts::Theirs(public) => (*public, base64(&[0; 32])),
        };
        let keys = it.skipped.iter().map(|(iteration, seed)| {
            json!({"Iteration": iteration, "IV": "", "CipherKey": "", "Seed": base64(seed.expose())})
        });
        json!({
            "Keys": keys.collect::<Vec<_>>(),
            "KeyID": it.id,
            "SenderChainKey": {"Iteration": it.chain.counter, "ChainKey": base64(it.chain.key.expose())},
            "SigningKeyPrivate": private,
            "SigningKeyPublic": base64(&public.to_signal()),
        })
    };
    json!({"SenderKeyStates": states.iter().rev().map(state).collect::<Vec<_>>()})
}

fn device_row() -> DeviceRow {
    DeviceRow {
        jid: "15550000001:7@s.whatsapp.net".into(),
        lid: Some("100000000000001:7@lid".into()),
        registration_id: 77,
        noise_key: vec![1; 32],
        identity_key: vec![2; 32],
        signed_pre_key: vec![3; 32],
        signed_pre_key_id: 1,
        signed_pre_key_sig: vec![4; 64],
        adv_key: vec![5; 32],
        adv_details: b"details".to_vec(),
        adv_account_sig: vec![7; 64],
        adv_account_sig_key: vec![6; 32],
        adv_device_sig: vec![8; 64],
        platform: "android".into(),
        business_name: String::new(),
        push_name: "Alice".into(),
        lid_migration_ts: Some(1_700_000_000),
    }
}

const GROUP: &str = "120363000000000001@g.us";

fn store(talk: &Talk) -> Whatsmeow {
    let mut store = Whatsmeow::default();
    store.device(device_row());
    store.salt(vec![9; 16]);
    store.lid("100000000000003", "15550000003");
    let session = go_session(&talk.here.to_parts()).to_string();
    store.session("100000000000002_1:0", session.as_bytes());
    store.session("15550000003:2", session.as_bytes());
    store.identity("100000000000002_1:0", talk.there.key.public().as_bytes());
    for (key_id, uploaded) in [(29, true), (30, false), (31, false)] {
        store.prekey(&PreKeyRow { key_id, key: vec![30; 32], uploaded });
    }
    for (sender, key) in [("100000000000001_1:7", &talk.sender_key), ("2_1:0", &talk.their_sender_key)] {
        let sender_key = go_sender_key(&key.to_parts()).to_string().into_bytes();
        store.sender_key(&SenderKeyRow { chat_id: GROUP.into(), sender_id: sender.into(), sender_key });
    }
    let (key_id, key_data, fingerprint) = (vec![0, 0, 0, 1], vec![6; 32], vec![8, 5]);
    store.app_state_key(AppStateKeyRow { key_id, key_data, timestamp: 1_700_000_000_123, fingerprint });
    store.app_state(&AppStateVersionRow { name: "regular_low".into(), version: 12, hash: vec![3; 128] });
    for (version, value) in [(3, 5_u8), (12, 6), (7, 7)] {
        let (index_mac, value_mac) = (vec![4; 32], vec![value; 32]);
        store.app_state_mac(&AppStateMacRow { name: "regular_low".into(), version, index_mac, value_mac });
    }
    store.token(TokenRow {
        their_jid: "15550000003@s.whatsapp.net".into(),
        token: vec![1],
        timestamp: 1_700_000_000,
        sender_timestamp: None,
    });
    let jid = "15550000003@s.whatsapp.net";
    let full_name = Some("Carol Wood".to_owned());
    store.contact(ContactRow { their_jid: jid.into(), full_name, ..ContactRow::default() });
    store.chat_settings(&ChatSettingsRow {
        chat_jid: jid.into(),
        muted_until: -1,
        pinned: false,
        archived: true,
    });
    store
}

#[test]
fn the_rows_of_a_device_are_read() {
    let import = store(&Talk::new(1)).finish(1_750_000_000).unwrap();
    assert_eq!(import.left_out, []);
    let counts = import.counts;
    assert_eq!((counts.sessions, counts.identities, counts.prekeys, counts.sender_keys), (2, 2, 3, 2));
    assert_eq!((counts.app_state_keys, counts.app_states, counts.lid_mappings), (1, 1, 2));
    assert_eq!((counts.privacy_tokens, counts.contacts), (1, 1));
    let device = import.changes.device.as_ref().unwrap();
    assert_eq!((device.next_prekey_id, device.first_unuploaded_prekey_id), (32, 30));
    assert_eq!((device.lid_migration, device.registration_id), (LidMigration::Done, 77));
    assert_eq!(device.nct_salt.as_deref(), Some(&[9; 16][..]));
    let macs = &import.changes.app_state_records;
    assert_eq!((macs.len(), macs[0].value), (1, Some([6; 32])), "the latest counts");
    assert_eq!(import.changes.privacy_tokens[0].0, "100000000000003");
    let carol = &import.contacts[0];
    assert_eq!(carol.saved_name.as_deref(), Some("Carol Wood"));
    assert_eq!(carol.lid.as_deref(), Some("100000000000003@lid"));
    assert_eq!((carol.archived, carol.pinned, carol.muted_until), (true, false, Some(-1)));
    let at_lid = DeviceAddress::new("100000000000003_1", 2);
    assert!(import.changes.sessions.iter().any(|(address, _)| *address == at_lid));
}

#[test]
fn both_sides_talk_on() {
    let mut talk = Talk::new(2);
    let import = store(&talk).finish(0).unwrap();
    let address = DeviceAddress::new("100000000000002_1", 0);
    let (_, record) = import.changes.sessions.iter().find(|(it, _)| *it == address).unwrap();
    let mut here = Session::from_record(record.as_ref().unwrap()).unwrap();
    talk.goes_on_with(&mut here);
    assert!(!talk.late_one_is_read(&mut here), "its key is kept derived, which is told in the README");
    let own = SenderKeyName::new(GROUP, DeviceAddress::new("100000000000001_1", 7));
    let (_, record) = import.changes.sender_keys.iter().find(|(name, _)| *name == own).unwrap();
    talk.group_goes_on_with(SenderKeyRecord::from_record(record.as_ref().unwrap()).unwrap());
}

#[test]
fn unanswered_and_previous_states_are_read() {
    let (_, _, fresh) = Talk::unanswered(3);
    let mut parts = fresh.to_parts();
    parts.archived = vec![Talk::new(4).here.to_parts().current];
    let mut written = go_session(&parts);
    written["PreviousStates"].as_array_mut().unwrap().push(json!({"SessionVersion": 0}));
    let read = record::session(written.to_string().as_bytes()).unwrap();
    assert_eq!(read.current.unanswered, parts.current.unanswered);
    assert_eq!((read.archived.len(), read.archived[0].base_key), (1, parts.archived[0].base_key));
}

#[test]
fn what_is_damaged_is_named() {
    let mut store = store(&Talk::new(5));
    store.session("no address", b"{}");
    store.session("1:0", b"{}");
    store.session("1:0", br#"{"SessionState": {"SessionVersion": 2}}"#);
    let import = store.finish(0).unwrap();
    let left_out: Vec<_> = import.left_out.iter().map(|it| format!("{}: {}", it.place, it.problem)).collect();
    assert_eq!(
        left_out,
        [
            "whatsmeow_sessions no address: has a name of an unknown form",
            "whatsmeow_sessions 1:0: SessionState is missing",
            "whatsmeow_sessions 1:0: SessionVersion is not 3",
        ]
    );
    let mut broken = Whatsmeow::default();
    broken.device(DeviceRow { noise_key: vec![1; 31], ..device_row() });
    assert_eq!(broken.finish(0).unwrap_err().to_string(), "whatsmeow_device: noise_key is of another length");
    assert_eq!(Whatsmeow::default().finish(0).unwrap_err(), ImportError::NoCredentials("whatsmeow_device"));
}

proptest! {
    #[test]
    fn damaged_records_never_panic(damage in damaged(), bytes: Vec<u8>, name in "[0-9_:@a-z.]{0,20}") {
        let talk = Talk::new(6);
        let mut store = store(&talk);
        let session = damage.of(&go_session(&talk.here.to_parts()));
        let key = damage.of(&go_sender_key(&talk.sender_key.to_parts()));
        store.session("2:0", &session);
        store.session(&name, &bytes);
        store.identity(&name, &bytes);
        store.lid(&name, &name);
        for sender_key in [key, bytes.clone()] {
            store.sender_key(&SenderKeyRow { chat_id: GROUP.into(), sender_id: "2:0".into(), sender_key });
        }
        let import = store.finish(0).unwrap();
        for (_, record) in &import.changes.sessions {
            Session::from_record(record.as_ref().unwrap()).unwrap();
        }
        for (_, record) in &import.changes.sender_keys {
            SenderKeyRecord::from_record(record.as_ref().unwrap()).unwrap();
        }
    }
}
