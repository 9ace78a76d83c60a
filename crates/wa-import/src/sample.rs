//! A conversation to move, and damage, for tests.

use proptest::prelude::*;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;
use serde_json::{Value, json};
use wa_crypto::KeyPair;
use wa_signal::sender_key::SenderKeyRecord;
use wa_signal::{Bundle, LocalIdentity, PreKeyMessage, Session, SignedPreKey};

/// Two who have written each other, one message of whom is under way, in a chat and in a group.
pub(crate) struct Talk {
    pub(crate) own: LocalIdentity,
    pub(crate) here: Session,
    pub(crate) there: LocalIdentity,
    pub(crate) at_there: Session,
    /// Ours, and what they know of it.
    pub(crate) sender_key: SenderKeyRecord,
    known_to_them: SenderKeyRecord,
    /// Theirs, as we know it.
    pub(crate) their_sender_key: SenderKeyRecord,
    late: Vec<u8>,
    rng: ChaCha20Rng,
}

impl Talk {
    /// We have begun it, and are not answered.
    pub(crate) fn unanswered(seed: u64) -> (LocalIdentity, LocalIdentity, Session) {
        let mut rng = ChaCha20Rng::seed_from_u64(seed);
        let (own, there, _, session) = begun(&mut rng);
        (own, there, session)
    }

    pub(crate) fn new(seed: u64) -> Self {
        let mut rng = ChaCha20Rng::seed_from_u64(seed);
        let (own, there, signed, mut here) = begun(&mut rng);
        let hello = here.encrypt(&own, b"hello").unwrap();
        let message = PreKeyMessage::parse(&hello.bytes).unwrap();
        let (mut at_there, ..) =
            Session::accept(None, &there, &signed.key, None, &message, &mut rng).unwrap();
        let late = at_there.encrypt(&there, b"late").unwrap().bytes;
        let answer = at_there.encrypt(&there, b"answer").unwrap().bytes;
        here.decrypt(&own, &answer, &mut rng).unwrap();
        let mut sender_key = SenderKeyRecord::create(&mut rng);
        let mut known_to_them = SenderKeyRecord::empty();
        known_to_them.process(&sender_key.distribute().unwrap()).unwrap();
        let first = sender_key.encrypt(b"first", &mut rng).unwrap();
        known_to_them.decrypt(&first).unwrap();
        let mut theirs = SenderKeyRecord::create(&mut rng);
        let mut their_sender_key = SenderKeyRecord::empty();
        their_sender_key.process(&theirs.distribute().unwrap()).unwrap();
        theirs.encrypt(b"not come", &mut rng).unwrap();
        their_sender_key.decrypt(&theirs.encrypt(b"come", &mut rng).unwrap()).unwrap();
        Self { own, here, there, at_there, sender_key, known_to_them, their_sender_key, late, rng }
    }

    /// Both write, and read what the other one has written.
    pub(crate) fn goes_on_with(&mut self, here: &mut Session) {
        let text = here.encrypt(&self.own, b"from here").unwrap().bytes;
        assert_eq!(self.at_there.decrypt(&self.there, &text, &mut self.rng).unwrap(), b"from here");
        let text = self.at_there.encrypt(&self.there, b"from there").unwrap().bytes;
        assert_eq!(here.decrypt(&self.own, &text, &mut self.rng).unwrap(), b"from there");
    }

    /// What was under way when the store was written.
    pub(crate) fn late_one_is_read(&mut self, here: &mut Session) -> bool {
        here.decrypt(&self.own, &self.late, &mut self.rng).is_ok()
    }

    pub(crate) fn group_goes_on_with(&mut self, mut sender_key: SenderKeyRecord) {
        let text = sender_key.encrypt(b"to all", &mut self.rng).unwrap();
        assert_eq!(self.known_to_them.decrypt(&text).unwrap(), b"to all");
    }
}

fn begun(rng: &mut ChaCha20Rng) -> (LocalIdentity, LocalIdentity, SignedPreKey, Session) {
    let own = LocalIdentity { key: KeyPair::generate(rng), registration_id: 1 };
    let there = LocalIdentity { key: KeyPair::generate(rng), registration_id: 2 };
    let signed = SignedPreKey::generate(&there, 9, rng);
    let bundle = Bundle {
        registration_id: 2,
        identity: *there.key.public(),
        signed_prekey_id: 9,
        signed_prekey: *signed.key.public(),
        signed_prekey_signature: signed.signature,
        prekey: None,
    };
    let session = Session::initiate(&own, &bundle, None, rng).unwrap();
    (own, there, signed, session)
}

/// Something that is wrong with a file.
#[derive(Clone, Debug)]
pub(crate) enum Damage {
    /// It ends there, of 65,536ths of its length.
    Cut(u16),
    /// A byte there is another one.
    Byte(u16, u8),
    /// One of its values is another one.
    Value(u16, Value),
}

pub(crate) fn damaged() -> impl Strategy<Value = Damage> {
    let value = prop_oneof![
        Just(json!(null)),
        Just(json!({})),
        Just(json!([])),
        Just(json!([1, 2])),
        any::<i64>().prop_map(|number| json!(number)),
        any::<f64>().prop_map(|number| json!(number)),
        "[A-Za-z0-9+/=]{0,50}".prop_map(|text| json!(text)),
    ];
    prop_oneof![
        any::<u16>().prop_map(Damage::Cut),
        any::<(u16, u8)>().prop_map(|(at, byte)| Damage::Byte(at, byte)),
        (any::<u16>(), value).prop_map(|(at, value)| Damage::Value(at, value)),
    ]
}

impl Damage {
    pub(crate) fn of(&self, value: &Value) -> Vec<u8> {
        let mut text = value.to_string().into_bytes();
        let place = |at: u16, length: usize| usize::from(at) * length / 65_536;
        match self {
            Self::Cut(at) => text.truncate(place(*at, text.len())),
            Self::Byte(at, byte) => {
                let at = place(*at, text.len());
                if let Some(there) = text.get_mut(at) {
                    *there = *byte;
                }
            }
            Self::Value(at, other) => {
                let mut value = value.clone();
                let mut left = place(*at, count(&value));
                replace(&mut value, &mut left, other);
                text = value.to_string().into_bytes();
            }
        }
        text
    }
}

fn count(value: &Value) -> usize {
    1 + match value {
        Value::Array(values) => values.iter().map(count).sum::<usize>(),
        Value::Object(fields) => fields.values().map(count).sum(),
        _ => 0,
    }
}

/// Replaces the value that comes after so many others.
fn replace(value: &mut Value, left: &mut usize, other: &Value) -> bool {
    if *left == 0 {
        *value = other.clone();
        return true;
    }
    *left -= 1;
    match value {
        Value::Array(values) => values.iter_mut().any(|value| replace(value, left, other)),
        Value::Object(fields) => fields.values_mut().any(|value| replace(value, left, other)),
        _ => false,
    }
}
