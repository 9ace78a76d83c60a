//! A device with a store that survives crashes, for tests that play both sides.
#![allow(dead_code, reason = "each test uses its part")]

use std::sync::LazyLock;

use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};
use wa_crypto::KeyPair;
use wa_signal::{
    Bundle, Ciphertext, DecryptError, Kind, LocalIdentity, PreKey, PreKeyMessage, Session, SignedPreKey,
};

#[derive(Clone)]
pub(crate) struct Device {
    pub(crate) rng: ChaCha20Rng,
    pub(crate) local: LocalIdentity,
    pub(crate) signed: SignedPreKey,
    pub(crate) prekeys: Vec<PreKey>,
    pub(crate) session: Option<Session>,
    stored: Stored,
}

#[derive(Clone)]
struct Stored {
    prekeys: Vec<PreKey>,
    session: Option<Vec<u8>>,
}

impl Device {
    pub(crate) fn new(seed: u64) -> Self {
        let mut rng = ChaCha20Rng::seed_from_u64(seed);
        let local = LocalIdentity { key: KeyPair::generate(&mut rng), registration_id: seed as u32 };
        let signed = SignedPreKey::generate(&local, 1, &mut rng);
        let prekeys = PreKey::generate(1, 30, &mut rng);
        let stored = Stored { prekeys: prekeys.clone(), session: None };
        Self { rng, local, signed, prekeys, session: None, stored }
    }

    /// What the server would hand out; each one-time prekey once.
    pub(crate) fn bundle(&self, prekey_id: Option<u32>) -> Bundle {
        let prekey = self.prekeys.iter().find(|prekey| Some(prekey.id) == prekey_id);
        Bundle {
            registration_id: self.local.registration_id,
            identity: *self.local.key.public(),
            signed_prekey_id: self.signed.id,
            signed_prekey: *self.signed.key.public(),
            signed_prekey_signature: self.signed.signature,
            prekey: prekey.map(|prekey| (prekey.id, *prekey.key.public())),
        }
    }

    pub(crate) fn initiate(&mut self, bundle: &Bundle) {
        let previous = self.session.take();
        self.session = Some(Session::initiate(&self.local, bundle, previous, &mut self.rng).unwrap());
    }

    pub(crate) fn encrypt(&mut self, text: &[u8]) -> Ciphertext {
        self.session.as_mut().unwrap().encrypt(&self.local, text).unwrap()
    }

    pub(crate) fn decrypt(&mut self, message: &Ciphertext) -> Result<Vec<u8>, DecryptError> {
        match message.kind {
            Kind::PreKey => self.accept(&PreKeyMessage::parse(&message.bytes)?),
            Kind::Message => {
                let session = self.session.as_mut().ok_or(DecryptError::NoSession)?;
                session.decrypt(&self.local, &message.bytes, &mut self.rng)
            }
        }
    }

    fn accept(&mut self, message: &PreKeyMessage<'_>) -> Result<Vec<u8>, DecryptError> {
        let prekey = self.prekeys.iter().find(|prekey| Some(prekey.id) == message.prekey_id);
        let (session, text, accepted) = Session::accept(
            self.session.as_ref(),
            &self.local,
            &self.signed.key,
            prekey.map(|prekey| &prekey.key),
            message,
            &mut self.rng,
        )?;
        self.session = Some(session);
        self.prekeys.retain(|prekey| Some(prekey.id) != accepted.used_prekey);
        Ok(text)
    }

    pub(crate) fn save(&mut self, lease: u32) {
        let session = self.session.as_mut().map(|session| session.to_record(lease));
        self.stored = Stored { prekeys: self.prekeys.clone(), session };
    }

    /// Goes on with what was stored last, as after a crash.
    pub(crate) fn reload(&mut self) {
        let Stored { prekeys, session } = self.stored.clone();
        self.prekeys = prekeys;
        self.session = session.map(|record| Session::from_record(&record).unwrap());
    }

    /// All that the session is, as bytes to compare.
    pub(crate) fn snapshot(&self) -> Option<Vec<u8>> {
        self.session.clone().map(|mut session| session.to_record(0))
    }
}

/// Two devices in a conversation: both have sent and received.
pub(crate) fn acquainted() -> (Device, Device) {
    static PAIR: LazyLock<(Device, Device)> = LazyLock::new(introduce);
    PAIR.clone()
}

fn introduce() -> (Device, Device) {
    let (mut alice, mut bob) = (Device::new(1), Device::new(2));
    alice.initiate(&bob.bundle(Some(1)));
    let hello = alice.encrypt(b"hello");
    assert_eq!(bob.decrypt(&hello).unwrap(), b"hello");
    let answer = bob.encrypt(b"answer");
    assert_eq!(alice.decrypt(&answer).unwrap(), b"answer");
    (alice, bob)
}
