//! Hostile bytes: every parser ends in a value or an error, and a bad message changes nothing.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use proptest::{prelude::*, sample::Index};
use support::acquainted;
use wa_signal::{Ciphertext, Kind, PreKeyMessage, Session, sender_key::SenderKeyRecord, unpad};

fn mutate(bytes: &mut [u8], changes: &[(Index, u8)]) -> bool {
    for (index, flip) in changes {
        bytes[index.index(bytes.len())] ^= flip;
    }
    !changes.is_empty()
}

fn changes() -> impl Strategy<Value = Vec<(Index, u8)>> {
    proptest::collection::vec((any::<Index>(), 1..=255u8), 1..3)
}

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    proptest::collection::vec(any::<u8>(), 0..200)
}

/// Bytes that at least begin as all messages do.
fn likely_bytes() -> impl Strategy<Value = Vec<u8>> {
    bytes().prop_map(|bytes| [&[0x33], &bytes[..]].concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10_000))]

    #[test]
    fn random_bytes_are_no_message(random in prop_oneof![bytes(), likely_bytes()]) {
        let mut device = acquainted().0;
        prop_assert!(PreKeyMessage::parse(&random).is_err());
        for kind in [Kind::Message, Kind::PreKey] {
            let message = Ciphertext { kind, bytes: random.clone() };
            prop_assert!(device.decrypt(&message).is_err());
        }
        let mut record = SenderKeyRecord::empty();
        prop_assert!(record.decrypt(&random).is_err());
        prop_assert!(record.process(&random).is_err());
        let _ = Session::from_record(&random);
        let _ = SenderKeyRecord::from_record(&random);
        let _ = unpad(&random);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn a_changed_message_changes_nothing(new_chain: bool, late: bool, changes in changes()) {
        let (mut alice, mut bob) = acquainted();
        if !new_chain {
            let first = alice.encrypt(b"1");
            bob.decrypt(&first).unwrap();
        }
        let skipped = alice.encrypt(b"2");
        let next = alice.encrypt(b"3");
        let genuine = if late {
            bob.decrypt(&next).unwrap();
            skipped
        } else {
            next
        };
        let mut changed = genuine.clone();
        mutate(&mut changed.bytes, &changes);
        prop_assume!(changed != genuine);

        let before = bob.snapshot();
        prop_assert!(bob.decrypt(&changed).is_err());
        prop_assert_eq!(bob.snapshot(), before);
        prop_assert!(bob.decrypt(&genuine).is_ok());
    }

    #[test]
    fn a_changed_prekey_message_opens_nothing_else(known: bool, changes in changes()) {
        let (mut alice, mut bob) = acquainted();
        alice.initiate(&bob.bundle(Some(2)));
        if known {
            let first = alice.encrypt(b"text");
            bob.decrypt(&first).unwrap();
        }
        let genuine = alice.encrypt(b"text");
        let mut changed = genuine.clone();
        mutate(&mut changed.bytes, &changes);

        let before = bob.snapshot();
        match bob.decrypt(&changed) {
            // Registration id, prekey ids and what names no field aren't covered by the MAC.
            Ok(text) => prop_assert_eq!(text, b"text"),
            Err(_) => {
                prop_assert_eq!(bob.snapshot(), before);
                prop_assert_eq!(bob.prekeys.len(), if known { 28 } else { 29 });
                prop_assert!(bob.decrypt(&genuine).is_ok());
            }
        }
    }

    #[test]
    fn a_changed_record_is_refused_or_usable(cut: Option<Index>, changes in changes()) {
        let (mut alice, mut bob) = acquainted();
        let skipped = alice.encrypt(b"1");
        let message = alice.encrypt(b"2");
        bob.decrypt(&message).unwrap();
        let mut record = bob.session.as_mut().unwrap().to_record(64);
        mutate(&mut record, &changes);
        if let Some(cut) = cut {
            record.truncate(cut.index(record.len()));
        }
        if let Ok(mut session) = Session::from_record(&record) {
            let _ = session.decrypt(&bob.local, &skipped.bytes, &mut bob.rng);
            let _ = session.encrypt(&bob.local, b"text");
            let again = session.to_record(64);
            prop_assert!(Session::from_record(&again).is_ok());
        }
    }

    #[test]
    fn a_changed_group_message_changes_nothing(changes in changes(), record_changes in changes()) {
        let mut rng = acquainted().0.rng;
        let mut ours = SenderKeyRecord::create(&mut rng);
        let mut theirs = SenderKeyRecord::empty();
        theirs.process(&ours.distribute().unwrap()).unwrap();
        let skipped = ours.encrypt(b"1", &mut rng).unwrap();
        let genuine = ours.encrypt(b"2", &mut rng).unwrap();
        let mut changed = genuine.clone();
        mutate(&mut changed, &changes);
        prop_assume!(changed != genuine);

        let before = theirs.to_record(0);
        prop_assert!(theirs.decrypt(&changed).is_err());
        prop_assert_eq!(theirs.to_record(0), before);
        prop_assert_eq!(theirs.decrypt(&genuine).unwrap(), b"2");

        for record in [&mut ours, &mut theirs] {
            let mut bytes = record.to_record(64);
            mutate(&mut bytes, &record_changes);
            if let Ok(mut record) = SenderKeyRecord::from_record(&bytes) {
                let _ = record.decrypt(&skipped);
                let _ = record.encrypt(b"text", &mut rng);
                prop_assert!(SenderKeyRecord::from_record(&record.to_record(64)).is_ok());
            }
        }
    }
}
