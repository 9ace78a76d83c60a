//! Signal: whatever arrives, a session that refuses it is as it was before, and goes on working.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use wa_crypto::KeyPair;
use wa_signal::{
    Bundle, LocalIdentity, PreKey, PreKeyMessage, Session, SignedPreKey, sender_key::SenderKeyRecord,
};

use super::{cases, garbage, mutated, rng};

#[test]
fn damaged_messages_never_change_a_session() {
    let mut rng = rng("damaged messages");
    let (alice, bob) = (Device::new(&mut rng), Device::new(&mut rng));
    let (mut to_bob, mut to_alice) = conversation(&alice, &bob, &mut rng);
    for case in 0..cases(10) {
        let honest = to_bob.encrypt(&alice.local, b"a text\x01").expect("encrypts").bytes;
        let before = to_alice.clone().to_record(0);
        let damaged = if case % 5 == 0 { garbage(&mut rng) } else { mutated(&mut rng, &honest) };
        if damaged != honest {
            assert!(to_alice.decrypt(&bob.local, &damaged, &mut rng).is_err(), "a forgery was accepted");
            assert_eq!(to_alice.clone().to_record(0), before, "a forgery changed the session");
        }
        if case % 7 == 0 {
            assert_eq!(to_alice.decrypt(&bob.local, &honest, &mut rng).expect("honest"), b"a text\x01");
        }
        if case % 50 == 0 {
            let reply = to_alice.encrypt(&bob.local, b"reply\x01").expect("encrypts").bytes;
            assert_eq!(to_bob.decrypt(&alice.local, &reply, &mut rng).expect("honest"), b"reply\x01");
        }
    }
}

#[test]
fn damaged_prekey_messages_start_nothing() {
    let mut rng = rng("damaged prekey messages");
    let (alice, bob) = (Device::new(&mut rng), Device::new(&mut rng));
    let mut session = Session::initiate(&alice.local, &bob.bundle(), None, &mut rng).expect("initiates");
    let honest = session.encrypt(&alice.local, b"hello\x01").expect("encrypts").bytes;
    for _ in 0..cases(3) {
        let damaged = mutated(&mut rng, &honest);
        let Ok(message) = PreKeyMessage::parse(&damaged) else { continue };
        let signed = bob.signed.key.clone();
        let accepted = Session::accept(None, &bob.local, &signed, Some(&bob.prekey.key), &message, &mut rng);
        if let Ok((session, plaintext, _)) = accepted {
            // Ids and protobuf padding are not authenticated; keys and content are.
            assert_eq!(plaintext, b"hello\x01");
            assert_eq!(session.remote_identity(), alice.local.key.public());
        }
    }
}

#[test]
fn damaged_records_are_refused_or_harmless() {
    let mut rng = rng("damaged records");
    let (alice, bob) = (Device::new(&mut rng), Device::new(&mut rng));
    let (mut session, _) = conversation(&alice, &bob, &mut rng);
    let record = session.to_record(64);
    let mut group = SenderKeyRecord::create(&mut rng);
    let group_record = group.to_record(64);
    for _ in 0..cases(10) {
        if let Ok(mut session) = Session::from_record(&mutated(&mut rng, &record)) {
            let _ = session.encrypt(&alice.local, b"x\x01");
            let _ = session.decrypt(&alice.local, &garbage(&mut rng), &mut rng);
        }
        if let Ok(mut group) = SenderKeyRecord::from_record(&mutated(&mut rng, &group_record)) {
            let _ = group.decrypt(&garbage(&mut rng));
        }
    }
}

struct Device {
    local: LocalIdentity,
    signed: SignedPreKey,
    prekey: PreKey,
}

impl Device {
    fn new(rng: &mut ChaCha8Rng) -> Self {
        let local =
            LocalIdentity { key: KeyPair::generate(rng), registration_id: rng.random_range(1..16_380) };
        let signed = SignedPreKey::generate(&local, 1, rng);
        let prekey = PreKey::generate(1, 1, rng).remove(0);
        Self { local, signed, prekey }
    }

    fn bundle(&self) -> Bundle {
        Bundle {
            registration_id: self.local.registration_id,
            identity: *self.local.key.public(),
            signed_prekey_id: self.signed.id,
            signed_prekey: *self.signed.key.public(),
            signed_prekey_signature: self.signed.signature,
            prekey: Some((self.prekey.id, *self.prekey.key.public())),
        }
    }
}

/// A session of each side that has seen the other's ratchet.
fn conversation(alice: &Device, bob: &Device, rng: &mut ChaCha8Rng) -> (Session, Session) {
    let mut ours = Session::initiate(&alice.local, &bob.bundle(), None, rng).expect("initiates");
    let first = ours.encrypt(&alice.local, b"hi\x01").expect("encrypts").bytes;
    let first = PreKeyMessage::parse(&first).expect("a prekey message");
    let accepted = Session::accept(None, &bob.local, &bob.signed.key, Some(&bob.prekey.key), &first, rng);
    let (mut theirs, _, _) = accepted.expect("accepts");
    let answer = theirs.encrypt(&bob.local, b"hi\x01").expect("encrypts").bytes;
    ours.decrypt(&alice.local, &answer, rng).expect("decrypts");
    (ours, theirs)
}
