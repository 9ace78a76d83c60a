//! Both sides against handshakes computed by others; see `testdata/PROVENANCE`.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::convert::Infallible;

use rand_core::{TryCryptoRng, TryRng};
use serde_json::Value;
use wa_crypto::{KeyPair, PrivateKey, PublicKey};
use wa_noise::{
    AwaitClientFinish, Ciphers, ClientIdentity, Initiator, Pattern, Reply, Responder, TrustRoot, frame,
    preamble,
};

const NOW: u64 = 1_800_000_000;

fn transcripts() -> Value {
    serde_json::from_str(include_str!("../testdata/transcripts.json")).unwrap()
}

fn bytes(value: &Value) -> Vec<u8> {
    hex::decode(value.as_str().unwrap()).unwrap()
}

fn key_pair(value: &Value) -> KeyPair {
    let pair = KeyPair::from_private(PrivateKey::from_slice(&bytes(&value["private"])).unwrap());
    assert_eq!(pair.public().as_bytes()[..], bytes(&value["public"]));
    pair
}

/// Gives out exactly the bytes it was made of.
struct Fixed(Vec<u8>);

impl Fixed {
    fn drawing(key: &Value) -> Self {
        Self(bytes(&key["private"]))
    }
}

impl TryRng for Fixed {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        unreachable!("keys are drawn as bytes")
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        unreachable!("keys are drawn as bytes")
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Infallible> {
        let rest = self.0.split_off(out.len());
        out.copy_from_slice(&self.0);
        self.0 = rest;
        Ok(())
    }
}

impl TryCryptoRng for Fixed {}

fn answer(all: &Value, pattern: &Value) -> Reply {
    let server = Responder::start(key_pair(&all["server_static"]), bytes(&all["cert_chain"]));
    let mut rng = Fixed::drawing(&all["server_ephemeral"]);
    let reply = server.read(&bytes(&pattern["client_hello"]), &mut rng);
    reply.unwrap()
}

fn await_finish(all: &Value, pattern: &Value) -> AwaitClientFinish {
    let Reply::AwaitFinish { server_hello, next } = answer(all, pattern) else {
        panic!("the hello needs a finish");
    };
    assert_eq!(server_hello, bytes(&pattern["server_hello"]));
    next
}

fn check_client(all: &Value, client: &ClientIdentity) {
    let expected = PublicKey::from_slice(&bytes(&all["client_static"]["public"])).unwrap();
    assert_eq!(client.static_key, expected);
    assert_eq!(client.payload, bytes(&all["client_payload"]));
}

fn check_transport(pattern: &Value, mut ciphers: Ciphers, sends: &str, receives: &str) {
    let list = |name: String| pattern[name.as_str()].as_array().unwrap().clone();
    for (plain, sealed) in list(format!("plain_{sends}")).iter().zip(list(sends.into())) {
        let mut buf = bytes(plain);
        ciphers.seal.seal(&mut buf).unwrap();
        assert_eq!(buf, bytes(&sealed));
    }
    for (plain, sealed) in list(format!("plain_{receives}")).iter().zip(list(receives.into())) {
        let mut buf = bytes(&sealed);
        ciphers.open.open(&mut buf).unwrap();
        assert_eq!(buf, bytes(plain));
    }
}

#[test]
fn the_client_speaks_xx_like_baileys() {
    let all = transcripts();
    let xx = &all["xx"];
    let mut rng = Fixed::drawing(&all["client_ephemeral"]);
    let (client, hello) = Initiator::start(key_pair(&all["client_static"]), &mut rng);
    assert_eq!(hello, bytes(&xx["client_hello"]));

    let trust = TrustRoot::new(PublicKey::from_slice(&bytes(&all["root_public"])).unwrap());
    let payload = bytes(&all["client_payload"]);
    let (ciphers, finish) = client.read(&bytes(&xx["server_hello"]), &trust, NOW, &payload).unwrap();
    assert_eq!(finish, bytes(&xx["client_finish"]));
    check_transport(xx, ciphers, "to_server", "to_client");
}

#[test]
fn the_server_answers_xx() {
    let all = transcripts();
    let server = await_finish(&all, &all["xx"]);
    assert_eq!(server.pattern(), Pattern::Xx);
    let (ciphers, client) = server.read(&bytes(&all["xx"]["client_finish"])).unwrap();
    check_client(&all, &client);
    check_transport(&all["xx"], ciphers, "to_client", "to_server");
}

#[test]
fn the_server_accepts_ik() {
    let all = transcripts();
    let Reply::Established { server_hello, ciphers, client } = answer(&all, &all["ik"]) else {
        panic!("IK needs no finish");
    };
    assert_eq!(server_hello, bytes(&all["ik"]["server_hello"]));
    check_client(&all, &client);
    check_transport(&all["ik"], ciphers, "to_client", "to_server");
}

#[test]
fn the_server_falls_back_from_an_ik_hello_for_another_key() {
    let all = transcripts();
    let fallback = &all["xx_fallback"];
    let server = await_finish(&all, fallback);
    assert_eq!(server.pattern(), Pattern::XxFallback);
    let (ciphers, client) = server.read(&bytes(&fallback["client_finish"])).unwrap();
    check_client(&all, &client);
    check_transport(fallback, ciphers, "to_client", "to_server");
}

#[test]
fn connections_open_with_baileys_bytes() {
    let all = transcripts();
    let xx = &all["xx"];
    for (routing, expected) in
        [(None, "first_message"), (Some(bytes(&xx["routing"])), "first_message_with_routing")]
    {
        let mut out = Vec::new();
        preamble::put_preamble(&mut out, routing.as_deref()).unwrap();
        frame::put_frame(&mut out, &bytes(&xx["client_hello"])).unwrap();
        assert_eq!(out, bytes(&xx[expected]));
    }
}
