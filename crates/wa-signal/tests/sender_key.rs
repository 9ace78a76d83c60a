//! What sender keys do, case by case and under loss, disorder and crashes.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::HashSet;

use proptest::prelude::*;
use prost::Message as _;
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};
use wa_crypto::KeyPair;
use wa_protobuf::signal::{SenderKeyDistributionMessage, SenderKeyMessage};
use wa_signal::{
    MAX_AHEAD, MAX_STORED_KEYS, ParseError,
    sender_key::{DecryptError, EncryptError, MAX_STATES, SenderKeyRecord},
};

fn rng() -> ChaCha20Rng {
    ChaCha20Rng::seed_from_u64(11)
}

/// A sender, and a member that has its key.
fn acquainted(rng: &mut ChaCha20Rng) -> (SenderKeyRecord, SenderKeyRecord) {
    let ours = SenderKeyRecord::create(rng);
    let mut theirs = SenderKeyRecord::empty();
    theirs.process(&ours.distribute().unwrap()).unwrap();
    (ours, theirs)
}

/// The body of a `skmsg`, read with another decoder.
fn body(message: &[u8]) -> SenderKeyMessage {
    assert_eq!(message[0], 0x33);
    SenderKeyMessage::decode(&message[1..message.len() - 64]).unwrap()
}

#[test]
fn wire_formats() {
    let mut rng = rng();
    let (mut ours, _) = acquainted(&mut rng);
    ours.encrypt(b"x", &mut rng).unwrap();
    let distribution = ours.distribute().unwrap();
    assert_eq!(distribution[0], 0x33);
    let distribution = SenderKeyDistributionMessage::decode(&distribution[1..]).unwrap();
    assert_eq!(distribution.iteration, Some(1));
    assert_eq!(distribution.chain_key.unwrap().len(), 32);
    assert_eq!(distribution.signing_key.unwrap()[0], 0x05);
    let message = body(&ours.encrypt(b"y", &mut rng).unwrap());
    assert_eq!((message.id, message.iteration), (distribution.id, Some(1)));
    assert!(message.id.unwrap() < 1 << 31);
}

#[test]
fn a_late_member_reads_from_now_on() {
    let mut rng = rng();
    let (mut ours, _) = acquainted(&mut rng);
    let before = ours.encrypt(b"before", &mut rng).unwrap();
    let mut late = SenderKeyRecord::empty();
    late.process(&ours.distribute().unwrap()).unwrap();
    let after = ours.encrypt(b"after", &mut rng).unwrap();
    assert_eq!(late.decrypt(&before), Err(DecryptError::Duplicate { iteration: 0 }));
    assert_eq!(late.decrypt(&after).unwrap(), b"after");
}

#[test]
fn a_repeated_distribution_changes_no_chain() {
    let mut rng = rng();
    let (mut ours, mut theirs) = acquainted(&mut rng);
    let distribution = ours.distribute().unwrap();
    let message = ours.encrypt(b"x", &mut rng).unwrap();
    theirs.decrypt(&message).unwrap();
    theirs.process(&distribution).unwrap();
    assert_eq!(theirs.decrypt(&message), Err(DecryptError::Duplicate { iteration: 0 }));
}

#[test]
fn only_the_sender_can_sign() {
    let mut rng = rng();
    let (ours, mut theirs) = acquainted(&mut rng);
    // Another member knows the chain key, and so could encrypt.
    let mut distribution = SenderKeyDistributionMessage::decode(&ours.distribute().unwrap()[1..]).unwrap();
    let forger = KeyPair::generate(&mut rng);
    distribution.signing_key = Some(forger.public().to_signal().to_vec().into());
    let id = distribution.id.unwrap();
    let mut body = vec![0x33];
    SenderKeyMessage { id: Some(id), iteration: Some(0), ciphertext: Some(vec![0; 16].into()) }
        .encode(&mut body)
        .unwrap();
    let signature = forger.private().sign(&[&body], &mut rng);
    body.extend_from_slice(signature.as_bytes());
    assert_eq!(theirs.decrypt(&body), Err(DecryptError::BadSignature));
}

#[test]
fn a_genuine_message_with_a_bad_ciphertext_changes_nothing() {
    let mut rng = rng();
    let signing = KeyPair::generate(&mut rng);
    let distribution = SenderKeyDistributionMessage {
        id: Some(5),
        iteration: Some(0),
        chain_key: Some(vec![1; 32].into()),
        signing_key: Some(signing.public().to_signal().to_vec().into()),
    };
    let mut theirs = SenderKeyRecord::empty();
    theirs.process(&[&[0x33], &distribution.encode_to_vec()[..]].concat()).unwrap();
    let mut message = vec![0x33];
    SenderKeyMessage { id: Some(5), iteration: Some(3), ciphertext: Some(vec![0; 15].into()) }
        .encode(&mut message)
        .unwrap();
    let signature = signing.private().sign(&[&message], &mut rng);
    message.extend_from_slice(signature.as_bytes());
    let before = theirs.to_record(0);
    assert_eq!(theirs.decrypt(&message), Err(DecryptError::BadCiphertext));
    assert_eq!(theirs.to_record(0), before);
}

#[test]
fn malformed_distributions_are_named() {
    let whole = SenderKeyDistributionMessage {
        id: Some(1),
        iteration: Some(0),
        chain_key: Some(vec![1; 32].into()),
        signing_key: Some([&[5][..], &[2; 32]].concat().into()),
    };
    let refusal = |distribution: SenderKeyDistributionMessage| {
        let bytes = [&[0x33], &distribution.encode_to_vec()[..]].concat();
        SenderKeyRecord::empty().process(&bytes).err()
    };
    assert_eq!(refusal(whole.clone()), None);
    let short = SenderKeyDistributionMessage { chain_key: Some(vec![1; 31].into()), ..whole.clone() };
    assert_eq!(refusal(short), Some(ParseError::ChainKey));
    let bare = SenderKeyDistributionMessage { signing_key: Some(vec![2; 32].into()), ..whole.clone() };
    assert!(matches!(refusal(bare), Some(ParseError::Key("signing key", _))));
    let nameless = SenderKeyDistributionMessage { id: None, ..whole };
    assert_eq!(refusal(nameless), Some(ParseError::Missing("sender key id")));
    assert_eq!(SenderKeyRecord::empty().process(&[0x23, 8, 1]), Err(ParseError::Version(2)));
}

#[test]
fn keys_of_one_sender_are_bounded() {
    let mut rng = rng();
    let mut theirs = SenderKeyRecord::empty();
    let mut messages = Vec::new();
    for _ in 0..=MAX_STATES {
        let mut ours = SenderKeyRecord::create(&mut rng);
        theirs.process(&ours.distribute().unwrap()).unwrap();
        messages.push(ours.encrypt(b"x", &mut rng).unwrap());
    }
    assert!(matches!(theirs.decrypt(&messages[0]), Err(DecryptError::UnknownKey(_))));
    for message in &messages[1..] {
        assert!(theirs.decrypt(message).is_ok());
    }
}

#[test]
fn skipped_keys_are_bounded() {
    let mut rng = rng();
    let (mut ours, mut theirs) = acquainted(&mut rng);
    let messages: Vec<_> = (0..2601).map(|_| ours.encrypt(b"x", &mut rng).unwrap()).collect();
    assert!(matches!(
        theirs.decrypt(&messages[MAX_AHEAD as usize + 1]),
        Err(DecryptError::TooFarAhead { .. })
    ));
    theirs.decrypt(&messages[1300]).unwrap();
    theirs.decrypt(&messages[2600]).unwrap();
    assert!(theirs.to_record(0).len() < MAX_STORED_KEYS * 34 + 200);
    assert!(theirs.decrypt(&messages[2599]).is_ok());
    assert!(theirs.decrypt(&messages[599]).is_ok());
    assert_eq!(theirs.decrypt(&messages[598]), Err(DecryptError::Duplicate { iteration: 598 }));
}

#[test]
fn others_keys_encrypt_nothing() {
    let mut rng = rng();
    let (_, mut theirs) = acquainted(&mut rng);
    assert_eq!(theirs.encrypt(b"x", &mut rng), Err(EncryptError::NotOurs));
    assert_eq!(theirs.distribute(), Err(EncryptError::NotOurs));
    assert!(SenderKeyRecord::empty().is_empty() && !theirs.is_empty());
}

#[test]
fn a_lease_is_skipped_after_a_crash() {
    let mut rng = rng();
    let (mut ours, mut theirs) = acquainted(&mut rng);
    assert!(ours.needs_save());
    let record = ours.to_record(2);
    for _ in 0..2 {
        ours.encrypt(b"x", &mut rng).unwrap();
        assert!(!ours.needs_save());
    }
    ours.encrypt(b"never sent", &mut rng).unwrap();
    assert!(ours.needs_save());

    let mut ours = SenderKeyRecord::from_record(&record).unwrap();
    let distribution = ours.distribute().unwrap();
    assert_eq!(SenderKeyDistributionMessage::decode(&distribution[1..]).unwrap().iteration, Some(2));
    let message = ours.encrypt(b"y", &mut rng).unwrap();
    assert!(ours.needs_save());
    assert_eq!(body(&message).iteration, Some(2));
    assert_eq!(theirs.decrypt(&message).unwrap(), b"y");
}

#[test]
fn debug_shows_no_secret() {
    let (ours, theirs) = acquainted(&mut rng());
    for shown in [format!("{ours:?}"), format!("{theirs:?}")] {
        assert!(shown.starts_with("SenderKeyRecord { ids: [") && shown.len() < 60, "{shown}");
    }
}

#[derive(Clone, Copy, Debug)]
enum Happened {
    Send { lease: u32 },
    Deliver { pick: prop::sample::Index },
    Repeat { pick: prop::sample::Index },
    SenderCrashes,
    ReceiverReloads,
}

fn event() -> impl Strategy<Value = Happened> {
    let pick = any::<prop::sample::Index>;
    prop_oneof![
        4 => (0..20u32).prop_map(|lease| Happened::Send { lease }),
        4 => pick().prop_map(|pick| Happened::Deliver { pick }),
        1 => pick().prop_map(|pick| Happened::Repeat { pick }),
        1 => Just(Happened::SenderCrashes),
        1 => Just(Happened::ReceiverReloads),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn every_message_is_read_once_and_no_key_is_used_twice(
        events in proptest::collection::vec(event(), 1..80),
    ) {
        let mut rng = rng();
        let (mut ours, mut theirs) = acquainted(&mut rng);
        let mut stored = ours.to_record(0);
        let (mut sent, mut under_way, mut read) = (HashSet::new(), Vec::new(), Vec::new());
        for event in events {
            match event {
                Happened::Send { lease } => {
                    let message = ours.encrypt(b"text", &mut rng).unwrap();
                    if ours.needs_save() {
                        stored = ours.to_record(lease);
                    }
                    prop_assert!(sent.insert(body(&message).iteration), "an iteration was used twice");
                    under_way.push(message);
                }
                Happened::Deliver { pick } if !under_way.is_empty() => {
                    let message = under_way.remove(pick.index(under_way.len()));
                    prop_assert_eq!(theirs.decrypt(&message).unwrap(), b"text");
                    read.push(message);
                }
                Happened::Repeat { pick } if !read.is_empty() => {
                    let outcome = theirs.decrypt(&read[pick.index(read.len())]);
                    let repeated = matches!(outcome, Err(DecryptError::Duplicate { .. }));
                    prop_assert!(repeated);
                }
                Happened::SenderCrashes => ours = SenderKeyRecord::from_record(&stored).unwrap(),
                Happened::ReceiverReloads => {
                    theirs = SenderKeyRecord::from_record(&theirs.to_record(0)).unwrap();
                }
                Happened::Deliver { .. } | Happened::Repeat { .. } => {}
            }
        }
        for message in under_way {
            prop_assert_eq!(theirs.decrypt(&message).unwrap(), b"text");
        }
    }
}
