//! What a message costs: in the same chain, with a ratchet step, with a new session; and its record.
#![allow(clippy::unwrap_used, missing_docs, reason = "a benchmark")]

use std::hint::black_box;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};
use wa_crypto::KeyPair;
use wa_signal::{
    Bundle, LocalIdentity, PreKey, PreKeyMessage, Session, SignedPreKey, sender_key::SenderKeyRecord,
};

/// A padded text message.
const TEXT: [u8; 64] = [9; 64];

struct Pair {
    rng: ChaCha20Rng,
    alice: LocalIdentity,
    bob: LocalIdentity,
    signed: SignedPreKey,
    prekey: PreKey,
    bundle: Bundle,
}

impl Pair {
    fn new() -> Self {
        let mut rng = ChaCha20Rng::seed_from_u64(1);
        let alice = LocalIdentity { key: KeyPair::generate(&mut rng), registration_id: 1 };
        let bob = LocalIdentity { key: KeyPair::generate(&mut rng), registration_id: 2 };
        let signed = SignedPreKey::generate(&bob, 1, &mut rng);
        let prekey = PreKey::generate(1, 1, &mut rng).remove(0);
        let bundle = Bundle {
            registration_id: 2,
            identity: *bob.key.public(),
            signed_prekey_id: 1,
            signed_prekey: *signed.key.public(),
            signed_prekey_signature: signed.signature,
            prekey: Some((1, *prekey.key.public())),
        };
        Self { rng, alice, bob, signed, prekey, bundle }
    }

    fn accept(&mut self, message: &[u8]) -> Session {
        let message = PreKeyMessage::parse(message).unwrap();
        let (signed, prekey) = (&self.signed.key, Some(&self.prekey.key));
        Session::accept(None, &self.bob, signed, prekey, &message, &mut self.rng).unwrap().0
    }

    /// Both sides of a session that has gone to and fro for a while.
    fn sessions(&mut self) -> (Session, Session) {
        let mut at_alice = Session::initiate(&self.alice, &self.bundle, None, &mut self.rng).unwrap();
        let hello = at_alice.encrypt(&self.alice, &TEXT).unwrap();
        let mut at_bob = self.accept(&hello.bytes);
        for _ in 0..6 {
            let back = at_bob.encrypt(&self.bob, &TEXT).unwrap();
            at_alice.decrypt(&self.alice, &back.bytes, &mut self.rng).unwrap();
            let there = at_alice.encrypt(&self.alice, &TEXT).unwrap();
            at_bob.decrypt(&self.bob, &there.bytes, &mut self.rng).unwrap();
        }
        (at_alice, at_bob)
    }
}

fn same_chain(c: &mut Criterion) {
    let mut pair = Pair::new();
    let (mut at_alice, at_bob) = pair.sessions();
    let message = at_alice.encrypt(&pair.alice, &TEXT).unwrap().bytes;
    c.bench_function("signal/same chain/encrypt", |b| {
        b.iter(|| at_alice.encrypt(&pair.alice, black_box(&TEXT)).unwrap());
    });
    c.bench_function("signal/same chain/decrypt", |b| {
        b.iter_batched_ref(
            || at_bob.clone(),
            |session| session.decrypt(&pair.bob, black_box(&message), &mut pair.rng).unwrap(),
            BatchSize::SmallInput,
        );
    });
}

fn ratchet_step(c: &mut Criterion) {
    let mut pair = Pair::new();
    let (at_alice, mut at_bob) = pair.sessions();
    let message = at_bob.encrypt(&pair.bob, &TEXT).unwrap().bytes;
    c.bench_function("signal/ratchet step/decrypt", |b| {
        b.iter_batched_ref(
            || at_alice.clone(),
            |session| session.decrypt(&pair.alice, black_box(&message), &mut pair.rng).unwrap(),
            BatchSize::SmallInput,
        );
    });
}

fn prekey_message(c: &mut Criterion) {
    let mut pair = Pair::new();
    c.bench_function("signal/prekey message/encrypt", |b| {
        b.iter(|| {
            let session = Session::initiate(&pair.alice, &pair.bundle, None, &mut pair.rng);
            session.unwrap().encrypt(&pair.alice, black_box(&TEXT)).unwrap()
        });
    });
    let mut session = Session::initiate(&pair.alice, &pair.bundle, None, &mut pair.rng).unwrap();
    let message = session.encrypt(&pair.alice, &TEXT).unwrap().bytes;
    c.bench_function("signal/prekey message/decrypt", |b| b.iter(|| pair.accept(black_box(&message))));
}

fn record(c: &mut Criterion) {
    let (mut session, _) = Pair::new().sessions();
    let record = session.to_record(64);
    c.bench_function("signal/record/write", |b| b.iter(|| session.to_record(64)));
    c.bench_function("signal/record/read", |b| {
        b.iter(|| Session::from_record(black_box(&record)).unwrap());
    });
}

fn sender_key(c: &mut Criterion) {
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    let mut ours = SenderKeyRecord::create(&mut rng);
    let mut theirs = SenderKeyRecord::empty();
    theirs.process(&ours.distribute().unwrap()).unwrap();
    let message = ours.encrypt(&TEXT, &mut rng).unwrap();
    c.bench_function("signal/sender key/encrypt", |b| {
        b.iter(|| ours.encrypt(black_box(&TEXT), &mut rng).unwrap());
    });
    c.bench_function("signal/sender key/decrypt", |b| {
        b.iter_batched_ref(
            || theirs.clone(),
            |record| record.decrypt(black_box(&message)).unwrap(),
            BatchSize::SmallInput,
        );
    });
}

criterion_group!(benches, same_chain, ratchet_step, prekey_message, record, sender_key);
criterion_main!(benches);
