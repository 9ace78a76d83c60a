//! What sessions do, case by case.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use prost::Message as _;
use support::{Device, acquainted};
use wa_crypto::PublicKey;
use wa_protobuf::signal::{PreKeySignalMessage, SignalMessage};
use wa_signal::{
    Ciphertext, DecryptError, InitiateError, Kind, MAX_AHEAD, MAX_ARCHIVED, MAX_RECEIVE_CHAINS,
    MAX_STORED_KEYS, ParseError, PreKeyMessage, RecordError, Session,
};

/// The body of a `msg`, read with another decoder.
fn body(message: &[u8]) -> SignalMessage {
    assert_eq!(message[0], 0x33);
    SignalMessage::decode(&message[1..message.len() - 8]).unwrap()
}

fn ping_pong(alice: &mut Device, bob: &mut Device) {
    let there = alice.encrypt(b"there");
    assert_eq!(bob.decrypt(&there).unwrap(), b"there");
    let back = bob.encrypt(b"back");
    assert_eq!(alice.decrypt(&back).unwrap(), b"back");
}

#[test]
fn prekey_messages_until_answered() {
    let (mut alice, mut bob) = (Device::new(1), Device::new(2));
    alice.initiate(&bob.bundle(Some(7)));
    let first = alice.encrypt(b"1");
    let second = alice.encrypt(b"2");
    assert_eq!((first.kind, second.kind), (Kind::PreKey, Kind::PreKey));
    assert!(alice.session.as_ref().unwrap().is_unanswered());

    let outer = PreKeySignalMessage::decode(&second.bytes[1..]).unwrap();
    assert_eq!(second.bytes[0], 0x33);
    assert_eq!((outer.pre_key_id, outer.signed_pre_key_id), (Some(7), Some(1)));
    assert_eq!(outer.registration_id, Some(1));
    assert_eq!(outer.identity_key.as_deref(), Some(&alice.local.key.public().to_signal()[..]));
    let base_key = alice.session.as_ref().unwrap().base_key().to_signal();
    assert_eq!(outer.base_key.as_deref(), Some(&base_key[..]));
    let inner = body(&outer.message.unwrap());
    assert_eq!((inner.counter, inner.previous_counter), (Some(1), Some(0)));

    bob.decrypt(&first).unwrap();
    let answer = bob.encrypt(b"a");
    assert_eq!(answer.kind, Kind::Message);
    alice.decrypt(&answer).unwrap();
    assert_eq!(alice.encrypt(b"3").kind, Kind::Message);
    assert_eq!(bob.decrypt(&second).unwrap(), b"2");
}

#[test]
fn a_repeated_prekey_message_uses_the_session_it_opened() {
    let (mut alice, mut bob) = (Device::new(1), Device::new(2));
    alice.initiate(&bob.bundle(Some(1)));
    let messages = [alice.encrypt(b"1"), alice.encrypt(b"2")];
    bob.decrypt(&messages[0]).unwrap();
    assert!(bob.prekeys.iter().all(|prekey| prekey.id != 1));
    let answer = bob.encrypt(b"a");

    // The prekey is gone, and not needed.
    assert_eq!(bob.decrypt(&messages[1]).unwrap(), b"2");
    assert_eq!(bob.decrypt(&messages[0]), Err(DecryptError::Duplicate { counter: 0 }));
    assert_eq!(bob.encrypt(b"b").kind, Kind::Message);
    assert_eq!(alice.decrypt(&answer).unwrap(), b"a");
}

#[test]
fn a_prekey_message_of_an_archived_state_brings_it_back() {
    let (mut alice, mut bob) = (Device::new(1), Device::new(2));
    alice.initiate(&bob.bundle(Some(1)));
    let messages = [alice.encrypt(b"1"), alice.encrypt(b"2")];
    bob.decrypt(&messages[0]).unwrap();
    let first = *bob.session.as_ref().unwrap().base_key();
    bob.initiate(&alice.bundle(Some(1)));
    assert_ne!(bob.session.as_ref().unwrap().base_key(), &first);

    assert_eq!(bob.decrypt(&messages[1]).unwrap(), b"2");
    assert_eq!(bob.session.as_ref().unwrap().base_key(), &first);
    let answer = bob.encrypt(b"a");
    assert_eq!((answer.kind, alice.decrypt(&answer).unwrap()), (Kind::Message, b"a".to_vec()));
}

#[test]
fn a_prekey_message_without_one_time_prekey() {
    let (mut alice, mut bob) = (Device::new(1), Device::new(2));
    alice.initiate(&bob.bundle(None));
    let hello = alice.encrypt(b"hello");
    let outer = PreKeySignalMessage::decode(&hello.bytes[1..]).unwrap();
    assert_eq!(outer.pre_key_id, None);

    // Some write the absence as 0.
    let zero = PreKeySignalMessage { pre_key_id: Some(0), ..outer };
    let zero = [vec![0x33], zero.encode_to_vec()].concat();
    let zero = Ciphertext { kind: Kind::PreKey, bytes: zero };
    assert_eq!(PreKeyMessage::parse(&zero.bytes).unwrap().prekey_id, None);
    assert_eq!(bob.decrypt(&zero).unwrap(), b"hello");
    assert_eq!(bob.prekeys.len(), 30);
}

#[test]
fn an_unknown_prekey_is_named() {
    let (mut alice, mut bob) = (Device::new(1), Device::new(2));
    alice.initiate(&bob.bundle(Some(4)));
    bob.prekeys.clear();
    let hello = alice.encrypt(b"hello");
    assert_eq!(bob.decrypt(&hello), Err(DecryptError::UnknownPreKey(4)));
    assert!(bob.session.is_none());
}

#[test]
fn a_bundle_with_a_wrong_signature_is_refused() {
    let (mut alice, bob, eve) = (Device::new(1), Device::new(2), Device::new(3));
    let mut bundle = bob.bundle(Some(1));
    bundle.signed_prekey = *eve.signed.key.public();
    let refused = Session::initiate(&alice.local, &bundle, None, &mut alice.rng);
    assert_eq!(refused.unwrap_err(), InitiateError::BadSignature);
}

#[test]
fn a_bundle_with_a_key_of_small_order_is_refused() {
    let (mut alice, bob) = (Device::new(1), Device::new(2));
    let mut bundle = bob.bundle(None);
    bundle.prekey = Some((1, PublicKey::from_bytes([0; 32])));
    let refused = Session::initiate(&alice.local, &bundle, None, &mut alice.rng);
    assert_eq!(refused.unwrap_err(), InitiateError::BadKey);
}

#[test]
fn both_start_at_once_and_converge() {
    let (mut alice, mut bob) = (Device::new(1), Device::new(2));
    alice.initiate(&bob.bundle(Some(1)));
    bob.initiate(&alice.bundle(Some(1)));
    let (from_alice, from_bob) = (alice.encrypt(b"a"), bob.encrypt(b"b"));
    assert_eq!(alice.decrypt(&from_bob).unwrap(), b"b");
    assert_eq!(bob.decrypt(&from_alice).unwrap(), b"a");

    // Each now uses the other's state; crossing messages are read all the same.
    let (from_alice, from_bob) = (alice.encrypt(b"a"), bob.encrypt(b"b"));
    assert_eq!(alice.decrypt(&from_bob).unwrap(), b"b");
    assert_eq!(bob.decrypt(&from_alice).unwrap(), b"a");

    ping_pong(&mut alice, &mut bob);
    assert_eq!(alice.session.unwrap().base_key(), bob.session.unwrap().base_key());
}

#[test]
fn previous_counter_is_the_last_of_the_previous_chain() {
    let (mut alice, mut bob) = acquainted();
    for _ in 0..3 {
        alice.encrypt(b"x");
    }
    let late = alice.encrypt(b"late");
    let turn = bob.encrypt(b"turn");
    alice.decrypt(&turn).unwrap();
    // Bob has not seen Alice's present chain, so his turn is of the chain she knows.
    assert_eq!(body(&alice.encrypt(b"y").bytes).counter, Some(4));
    bob.decrypt(&late).unwrap();
    let turn = bob.encrypt(b"turn");
    alice.decrypt(&turn).unwrap();
    let next = body(&alice.encrypt(b"z").bytes);
    assert_eq!((next.counter, next.previous_counter), (Some(0), Some(4)));
}

#[test]
fn any_previous_counter_is_read() {
    // An all-ones value reaches the MAC check, which the change can't pass.
    let (mut alice, mut bob) = acquainted();
    let message = alice.encrypt(b"x");
    let mut changed = body(&message.bytes);
    changed.previous_counter = Some(u32::MAX);
    let bytes = [&[0x33], &changed.encode_to_vec()[..], &[0; 8]].concat();
    let changed = Ciphertext { kind: Kind::Message, bytes };
    assert_eq!(bob.decrypt(&changed), Err(DecryptError::NoSession));
    assert_eq!(bob.decrypt(&message).unwrap(), b"x");
}

#[test]
fn versions_other_than_3_are_refused() {
    let (mut alice, mut bob) = acquainted();
    let mut message = alice.encrypt(b"x");
    for (byte, version) in [(0x03, 0), (0x13, 1), (0x23, 2), (0x43, 4), (0xf3, 15)] {
        message.bytes[0] = byte;
        assert_eq!(bob.decrypt(&message), Err(DecryptError::Malformed(ParseError::Version(version))));
        message.kind = Kind::PreKey;
        assert_eq!(bob.decrypt(&message), Err(DecryptError::Malformed(ParseError::Version(version))));
        message.kind = Kind::Message;
    }
    // The lower half only says what the sender could speak; but the MAC covers it.
    message.bytes[0] = 0x34;
    assert_eq!(bob.decrypt(&message), Err(DecryptError::NoSession));
    message.bytes[0] = 0x33;
    assert_eq!(bob.decrypt(&message).unwrap(), b"x");
}

#[test]
fn missing_fields_are_named() {
    let (mut alice, mut bob) = acquainted();
    let whole = body(&alice.encrypt(b"x").bytes);
    let cases = [
        (SignalMessage { ratchet_key: None, ..whole.clone() }, "ratchet key"),
        (SignalMessage { counter: None, ..whole.clone() }, "counter"),
        (SignalMessage { ciphertext: None, ..whole }, "ciphertext"),
    ];
    for (message, missing) in cases {
        let bytes = [&[0x33], &message.encode_to_vec()[..], &[0; 8]].concat();
        let message = Ciphertext { kind: Kind::Message, bytes };
        assert_eq!(bob.decrypt(&message), Err(DecryptError::Malformed(ParseError::Missing(missing))));
    }
}

#[test]
fn a_wrong_mac_on_a_known_chain_is_told_from_an_unknown_session() {
    let (mut alice, mut bob) = acquainted();
    ping_pong(&mut alice, &mut bob);
    let first = alice.encrypt(b"1");
    bob.decrypt(&first).unwrap();
    let mut second = alice.encrypt(b"2");
    *second.bytes.last_mut().unwrap() ^= 1;
    assert_eq!(bob.decrypt(&second), Err(DecryptError::BadMac));
    assert_eq!(Device::new(9).decrypt(&first), Err(DecryptError::NoSession));
    let mut carol = Device::new(3);
    let bundle = Device::new(4).bundle(Some(1));
    carol.initiate(&bundle);
    let stray = carol.encrypt(b"?");
    let bytes = PreKeyMessage::parse(&stray.bytes).unwrap().inner.to_vec();
    let stray = Ciphertext { kind: Kind::Message, bytes };
    assert_eq!(bob.decrypt(&stray), Err(DecryptError::NoSession));
}

#[test]
fn the_mac_covers_both_identities() {
    let (mut alice, mut bob) = acquainted();
    let message = alice.encrypt(b"x");
    let session = bob.session.as_mut().unwrap();
    let refused = session.decrypt(&Device::new(3).local, &message.bytes, &mut bob.rng);
    assert_eq!(refused, Err(DecryptError::NoSession));
    assert_eq!(bob.decrypt(&message).unwrap(), b"x");
}

#[test]
fn too_far_ahead_is_refused() {
    let (mut alice, mut bob) = acquainted();
    let first = alice.encrypt(b"first");
    for _ in 0..MAX_AHEAD {
        alice.encrypt(b"lost");
    }
    let far = alice.encrypt(b"far");
    bob.decrypt(&first).unwrap();
    let before = bob.snapshot();
    assert!(bob.decrypt(&far).is_ok());
    assert_ne!(bob.snapshot(), before);

    for _ in 0..=MAX_AHEAD {
        alice.encrypt(b"lost");
    }
    let too_far = alice.encrypt(b"too far");
    let before = bob.snapshot();
    assert!(matches!(bob.decrypt(&too_far), Err(DecryptError::TooFarAhead { .. })));
    assert_eq!(bob.snapshot(), before);
}

#[test]
fn skipped_keys_are_bounded_and_the_newest_are_kept() {
    let (mut alice, mut bob) = acquainted();
    let messages: Vec<_> = (0..3001).map(|_| alice.encrypt(b"x")).collect();
    bob.decrypt(&messages[1500]).unwrap();
    bob.decrypt(&messages[3000]).unwrap();
    assert!(bob.snapshot().unwrap().len() < MAX_STORED_KEYS * 36 + 700);
    assert!(bob.decrypt(&messages[2999]).is_ok());
    assert!(bob.decrypt(&messages[999]).is_ok());
    assert!(matches!(bob.decrypt(&messages[998]), Err(DecryptError::Duplicate { .. })));
}

#[test]
fn receiving_chains_are_bounded() {
    let (mut alice, mut bob) = acquainted();
    let mut late = Vec::new();
    for _ in 0..=MAX_RECEIVE_CHAINS {
        late.push(alice.encrypt(b"late"));
        ping_pong(&mut alice, &mut bob);
    }
    assert_eq!(bob.decrypt(&late[0]), Err(DecryptError::NoSession));
    for message in &late[1..] {
        assert_eq!(bob.decrypt(message).unwrap(), b"late");
    }
}

#[test]
fn archived_states_are_bounded() {
    let (mut alice, mut bob) = (Device::new(1), Device::new(2));
    let mut hellos = Vec::new();
    for _ in 0..MAX_ARCHIVED + 2 {
        alice.initiate(&bob.bundle(None));
        hellos.push(alice.encrypt(b"1"));
        bob.decrypt(&hellos[hellos.len() - 1]).unwrap();
    }
    // The oldest was forgotten, so its message opens it once more; the others are duplicates.
    assert!(matches!(bob.decrypt(&hellos[1]), Err(DecryptError::Duplicate { .. })));
    assert!(bob.decrypt(&hellos[0]).is_ok());
    assert!(bob.snapshot().unwrap().len() < (MAX_ARCHIVED + 1) * 330);
}

#[test]
fn everything_received_needs_a_save() {
    let (mut alice, mut bob) = acquainted();
    for device in [&mut alice, &mut bob] {
        assert!(device.session.as_ref().unwrap().needs_save());
        device.save(64);
        assert!(!device.session.as_ref().unwrap().needs_save());
        device.reload();
        assert!(!device.session.as_ref().unwrap().needs_save());
    }
    let message = alice.encrypt(b"x");
    bob.decrypt(&message).unwrap();
    assert!(bob.session.as_ref().unwrap().needs_save());
    bob.save(64);
    assert!(bob.decrypt(&message).is_err());
    assert!(!bob.session.as_ref().unwrap().needs_save());
}

#[test]
fn a_lease_spares_saves_and_is_skipped_after_a_crash() {
    let (mut alice, mut bob) = acquainted();
    alice.save(64);
    let mut sent = Vec::new();
    for _ in 0..64 {
        sent.push(alice.encrypt(b"x"));
        assert!(!alice.session.as_ref().unwrap().needs_save());
    }
    alice.encrypt(b"never sent");
    assert!(alice.session.as_ref().unwrap().needs_save());

    alice.reload();
    let next = alice.encrypt(b"after the crash");
    assert!(alice.session.as_ref().unwrap().needs_save());
    assert_eq!(body(&sent[63].bytes).counter, Some(63));
    assert_eq!(body(&next.bytes).counter, Some(64));
    assert_eq!(bob.decrypt(&next).unwrap(), b"after the crash");
    assert_eq!(bob.decrypt(&sent[10]).unwrap(), b"x");
}

#[test]
fn a_session_put_away_in_good_order_skips_nothing() {
    let (mut alice, _) = acquainted();
    alice.encrypt(b"x");
    alice.save(0);
    alice.reload();
    assert_eq!(body(&alice.encrypt(b"y").bytes).counter, Some(1));
}

#[test]
fn the_previous_counter_covers_a_lease_that_may_have_been_used() {
    let (mut alice, mut bob) = acquainted();
    alice.save(64);
    let sent = alice.encrypt(b"x");
    alice.reload();
    bob.decrypt(&sent).unwrap();
    let turn = bob.encrypt(b"turn");
    alice.decrypt(&turn).unwrap();
    assert_eq!(body(&alice.encrypt(b"y").bytes).previous_counter, Some(63));
}

#[test]
fn records_are_small() {
    let (mut alice, mut bob) = acquainted();
    assert!(alice.snapshot().unwrap().len() < 350);
    for _ in 0..20 {
        ping_pong(&mut alice, &mut bob);
    }
    assert!(alice.snapshot().unwrap().len() < 600, "{}", alice.snapshot().unwrap().len());
}

#[test]
fn a_record_is_read_strictly() {
    let (mut alice, mut bob) = acquainted();
    ping_pong(&mut alice, &mut bob);
    let record = alice.snapshot().unwrap();
    assert_eq!(Session::from_record(&record).unwrap().to_record(0), record);
    for length in 0..record.len() {
        assert_eq!(Session::from_record(&record[..length]).unwrap_err(), RecordError::Truncated);
    }
    let trailing = [&record[..], &[0]].concat();
    assert_eq!(Session::from_record(&trailing).unwrap_err(), RecordError::Invalid("end"));
    let newer = [&[2], &record[1..]].concat();
    assert_eq!(Session::from_record(&newer).unwrap_err(), RecordError::Version(2));
}

#[test]
fn debug_shows_no_secret() {
    let (alice, _) = acquainted();
    let shown = format!("{:?} {:?} {:?}", alice.session, alice.local, alice.signed);
    let secrets = [alice.local.key.private().as_bytes(), alice.signed.key.private().as_bytes()];
    for secret in secrets {
        assert!(!shown.contains(&hex::encode(secret)));
    }
    assert!(shown.len() < 1000, "{shown}");
}

#[test]
fn a_known_base_key_with_another_identity_is_not_the_known_session() {
    let (mut alice, mut bob) = (Device::new(1), Device::new(2));
    alice.initiate(&bob.bundle(Some(1)));
    let messages = [alice.encrypt(b"1"), alice.encrypt(b"2")];
    bob.decrypt(&messages[0]).unwrap();
    let eve = Device::new(3).local.key.public().to_signal();
    let mut outer = PreKeySignalMessage::decode(&messages[1].bytes[1..]).unwrap();
    outer.identity_key = Some(eve.to_vec().into());
    let forged = [&[0x33], &outer.encode_to_vec()[..]].concat();

    let before = bob.snapshot();
    let forged = Ciphertext { kind: Kind::PreKey, bytes: forged };
    assert!(!bob.session.as_ref().unwrap().recognizes(&PreKeyMessage::parse(&forged.bytes).unwrap()));
    assert_eq!(bob.decrypt(&forged), Err(DecryptError::UnknownPreKey(1)));
    assert_eq!(bob.snapshot(), before);
}
