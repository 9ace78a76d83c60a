//! What a frame costs, each way, and a whole handshake.
#![allow(clippy::unwrap_used, missing_docs, reason = "a benchmark")]

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};
use wa_crypto::KeyPair;
use wa_noise::{Ciphers, Initiator, Reply, Responder, cert::Authority};

/// The size of a stanza that carries a text to three devices.
const STANZA: usize = 700;

struct Peers {
    rng: ChaCha20Rng,
    authority: Authority,
    server: KeyPair,
    client: KeyPair,
    chain: Vec<u8>,
}

impl Peers {
    fn new() -> Self {
        let mut rng = ChaCha20Rng::seed_from_u64(1);
        let authority = Authority::generate(&mut rng);
        let (server, client) = (KeyPair::generate(&mut rng), KeyPair::generate(&mut rng));
        let chain = authority.issue(server.public(), 0, u64::MAX, &mut rng);
        Self { rng, authority, server, client, chain }
    }

    fn shake_hands(&mut self) -> (Ciphers, Ciphers) {
        let (client, hello) = Initiator::start(self.client.clone(), &mut self.rng);
        let server = Responder::start(self.server.clone(), self.chain.clone());
        let Reply::AwaitFinish { server_hello, next } = server.read(&hello, &mut self.rng).unwrap() else {
            unreachable!("the client does not resume")
        };
        let trust = self.authority.trust_root();
        let (client, finish) = client.read(&server_hello, &trust, 1_800_000_000, b"payload").unwrap();
        (client, next.read(&finish).unwrap().0)
    }
}

fn frames(c: &mut Criterion) {
    let (mut client, mut server) = Peers::new().shake_hands();
    let mut group = c.benchmark_group("frame");
    group.throughput(Throughput::Bytes(STANZA as u64));
    let mut buffer = Vec::with_capacity(STANZA + 16);
    group.bench_function("seal and open", |b| {
        b.iter(|| {
            buffer.clear();
            buffer.resize(STANZA, 7);
            client.seal.seal(&mut buffer).unwrap();
            server.open.open(&mut buffer).unwrap();
            black_box(&buffer);
        });
    });
    group.finish();
}

fn handshake(c: &mut Criterion) {
    let mut peers = Peers::new();
    c.bench_function("handshake, both sides", |b| b.iter(|| black_box(peers.shake_hands())));
}

criterion_group!(benches, frames, handshake);
criterion_main!(benches);
