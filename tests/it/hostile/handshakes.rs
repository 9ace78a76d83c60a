//! The Noise handshake of both sides, and the bytes around it.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use wa_crypto::KeyPair;
use wa_noise::cert::Authority;
use wa_noise::frame::FrameDecoder;
use wa_noise::preamble::{Preamble, Progress};
use wa_noise::{AwaitClientHello, AwaitServerHello, Initiator, Reply, Responder, TrustRoot};

use super::{cases, garbage, mutated, rng};

const NOW: u64 = 1_800_000_000;

#[test]
fn a_server_refuses_every_damaged_handshake() {
    let mut rng = rng("damaged client messages");
    let server = Server::new(&mut rng);
    for case in 0..cases(2) {
        let (client, hello) = Initiator::start(KeyPair::generate(&mut rng), &mut rng);
        if case % 2 == 0 {
            let hello = if case % 4 == 0 { garbage(&mut rng) } else { mutated(&mut rng, &hello) };
            let _ = server.start().read(&hello, &mut rng);
            continue;
        }
        let Ok(Reply::AwaitFinish { server_hello, next }) = server.start().read(&hello, &mut rng) else {
            panic!("an honest hello is answered")
        };
        let (_, finish) = client.read(&server_hello, &server.trust, NOW, b"payload").expect("honest server");
        let damaged = mutated(&mut rng, &finish);
        if let Ok((_, identity)) = next.read(&damaged) {
            // Protobuf has room for bytes that mean nothing; what was authenticated is as it was sent.
            assert_eq!(identity.payload, b"payload");
        }
    }
}

#[test]
fn a_client_refuses_every_damaged_handshake() {
    let mut rng = rng("damaged server messages");
    let server = Server::new(&mut rng);
    for case in 0..cases(2) {
        let (client, hello): (AwaitServerHello, _) = Initiator::start(KeyPair::generate(&mut rng), &mut rng);
        let Ok(Reply::AwaitFinish { server_hello, .. }) = server.start().read(&hello, &mut rng) else {
            panic!("an honest hello is answered")
        };
        let damaged = if case % 3 == 0 { garbage(&mut rng) } else { mutated(&mut rng, &server_hello) };
        let _ = client.read(&damaged, &server.trust, NOW, b"payload");
    }
}

#[test]
fn frames_and_preambles_of_any_shape_neither_panic_nor_hang() {
    let mut rng = rng("frames");
    for _ in 0..cases(10) {
        let bytes = garbage(&mut rng);
        let mut decoder = FrameDecoder::with_limit(1 << 16);
        for chunk in bytes.chunks(rng.random_range(1..=64)) {
            decoder.push(chunk);
            while let Ok(Some(_)) = decoder.next() {}
        }
        let mut preamble = Preamble::default();
        for chunk in bytes.chunks(rng.random_range(1..=8)) {
            match preamble.push(chunk) {
                Ok(Progress::More(next)) => preamble = next,
                _ => break,
            }
        }
    }
}

struct Server {
    key: KeyPair,
    chain: Vec<u8>,
    trust: TrustRoot,
}

impl Server {
    fn new(rng: &mut ChaCha8Rng) -> Self {
        let authority = Authority::generate(rng);
        let key = KeyPair::generate(rng);
        let chain = authority.issue(key.public(), 0, u64::MAX, rng);
        Self { key, chain, trust: authority.trust_root() }
    }

    fn start(&self) -> AwaitClientHello {
        Responder::start(self.key.clone(), self.chain.clone())
    }
}
