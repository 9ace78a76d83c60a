//! Handshakes between both sides, and what somebody between them can do.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use bytes::Bytes;
use proptest::{collection::vec, prelude::*};
use prost::Message;
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};
use wa_crypto::{AgreementError, KeyPair};
use wa_noise::{
    AwaitClientFinish, AwaitClientHello, AwaitServerHello, HandshakeError, Initiator, OpenError, Part, Reply,
    Responder, TrustRoot,
    cert::{Authority, CertificateError},
};
use wa_protobuf::handshake::{ClientHello, HandshakeMessage, ServerHello};

const NOW: u64 = 1_800_000_000;
const PAYLOAD: &[u8] = b"client payload";

/// A client and a server with their keys, before the first message.
struct World {
    rng: ChaCha20Rng,
    authority: Authority,
    client_key: KeyPair,
    server_key: KeyPair,
}

impl World {
    fn new() -> Self {
        let mut rng = ChaCha20Rng::from_seed([5; 32]);
        Self {
            authority: Authority::generate(&mut rng),
            client_key: KeyPair::generate(&mut rng),
            server_key: KeyPair::generate(&mut rng),
            rng,
        }
    }

    fn client(&mut self) -> (AwaitServerHello, Vec<u8>) {
        Initiator::start(self.client_key.clone(), &mut self.rng)
    }

    fn server(&mut self) -> AwaitClientHello {
        let leaf = *self.server_key.public();
        let chain = self.authority.issue(&leaf, NOW, NOW, &mut self.rng);
        Responder::start(self.server_key.clone(), chain)
    }

    fn answer(&mut self, hello: &[u8]) -> Result<(AwaitClientFinish, Vec<u8>), HandshakeError> {
        match self.server().read(hello, &mut self.rng)? {
            Reply::AwaitFinish { server_hello, next } => Ok((next, server_hello)),
            Reply::Established { .. } => panic!("an XX hello established a connection"),
        }
    }

    fn trust(&self) -> TrustRoot {
        self.authority.trust_root()
    }
}

/// Runs a handshake, letting `tamper` change each message (numbered from 0), until somebody
/// refuses one: then gives the number of the message and the error.
fn run(mut tamper: impl FnMut(usize, &mut Vec<u8>)) -> Result<(), (usize, HandshakeError)> {
    let mut world = World::new();
    let trust = world.trust();
    let (client, mut hello) = world.client();
    tamper(0, &mut hello);
    let (server, mut answer) = world.answer(&hello).map_err(|error| (0, error))?;
    tamper(1, &mut answer);
    let (mut client, mut finish) = client.read(&answer, &trust, NOW, PAYLOAD).map_err(|error| (1, error))?;
    tamper(2, &mut finish);
    let (mut server, identity) = server.read(&finish).map_err(|error| (2, error))?;

    assert_eq!(&identity.static_key, world.client_key.public());
    assert_eq!(identity.payload, PAYLOAD);
    let mut buf = b"up".to_vec();
    client.seal.seal(&mut buf).unwrap();
    server.open.open(&mut buf).unwrap();
    server.seal.seal(&mut buf).unwrap();
    client.open.open(&mut buf).unwrap();
    assert_eq!(buf, b"up");
    Ok(())
}

fn refusal(tamper: impl FnMut(usize, &mut Vec<u8>)) -> (usize, HandshakeError) {
    run(tamper).unwrap_err()
}

fn lengths() -> [usize; 3] {
    let mut lengths = [0; 3];
    run(|number, message| lengths[number] = message.len()).unwrap();
    lengths
}

#[test]
fn no_byte_of_any_message_can_be_changed() {
    for (target, length) in lengths().into_iter().enumerate() {
        for index in 0..length {
            for mask in [0x01, 0x80] {
                let (refused, _) = refusal(|number, message| {
                    if number == target {
                        message[index] ^= mask;
                    }
                });
                // A changed ephemeral key of the client is only seen by the client.
                assert!(refused == target || (target, refused) == (0, 1), "{target} {index}");
            }
        }
    }
}

#[test]
fn no_message_can_be_cut_short() {
    for (target, length) in lengths().into_iter().enumerate() {
        for cut in 0..length {
            let (refused, _) = refusal(|number, message| {
                if number == target {
                    message.truncate(cut);
                }
            });
            assert_eq!(refused, target, "{cut}");
        }
    }
}

#[test]
fn messages_of_another_step_are_refused() {
    let mut messages = [const { Vec::new() }; 3];
    run(|number, message| messages[number].clone_from(message)).unwrap();
    for target in 0..3 {
        for other in (0..3).filter(|other| *other != target) {
            let (refused, error) = refusal(|number, message| {
                if number == target {
                    message.clone_from(&messages[other]);
                }
            });
            assert_eq!(refused, target);
            assert!(matches!(error, HandshakeError::Unexpected(_)), "{error}");
        }
        let (refused, error) = refusal(|number, message| {
            if number == target {
                *message = messages.concat();
            }
        });
        assert_eq!(refused, target);
        assert!(matches!(error, HandshakeError::Unexpected(_)), "{error}");
    }
}

#[test]
fn a_client_believes_only_its_trust_root() {
    let mut world = World::new();
    let (client, hello) = world.client();
    let (_, answer) = world.answer(&hello).unwrap();
    let refused = client.read(&answer, &TrustRoot::whatsapp(), NOW, PAYLOAD);
    assert_eq!(refused.unwrap_err(), HandshakeError::Certificate(CertificateError::IntermediateSignature));
}

#[test]
fn a_server_needs_a_certificate_for_its_own_key() {
    let mut world = World::new();
    let (client, hello) = world.client();
    let another = *KeyPair::generate(&mut world.rng).public();
    let chain = world.authority.issue(&another, NOW, NOW, &mut world.rng);
    let server = Responder::start(world.server_key.clone(), chain);
    let Reply::AwaitFinish { server_hello, .. } = server.read(&hello, &mut world.rng).unwrap() else {
        panic!("XX needs a finish");
    };
    let refused = client.read(&server_hello, &world.trust(), NOW, PAYLOAD);
    assert_eq!(refused.unwrap_err(), HandshakeError::Certificate(CertificateError::LeafKey));
}

#[test]
fn a_certificate_counts_at_the_given_time() {
    for now in [NOW - 1, NOW + 1] {
        let mut world = World::new();
        let (client, hello) = world.client();
        let (_, answer) = world.answer(&hello).unwrap();
        let refused = client.read(&answer, &world.trust(), now, PAYLOAD).unwrap_err();
        assert!(matches!(refused, HandshakeError::Certificate(_)), "{refused}");
    }
}

fn client_hello(hello: ClientHello) -> Vec<u8> {
    HandshakeMessage { client_hello: Some(hello), ..HandshakeMessage::default() }.encode_to_vec()
}

fn server_hello(hello: ServerHello) -> Vec<u8> {
    HandshakeMessage { server_hello: Some(hello), ..HandshakeMessage::default() }.encode_to_vec()
}

#[test]
fn ephemeral_keys_must_have_32_bytes() {
    for actual in [0, 31, 33] {
        let ephemeral = Some(Bytes::from(vec![9; actual]));
        let error = HandshakeError::KeyLength { part: Part::Ephemeral, actual };
        let hello = client_hello(ClientHello { ephemeral: ephemeral.clone(), ..ClientHello::default() });
        assert_eq!(World::new().answer(&hello).unwrap_err(), error);
        let hello = server_hello(ServerHello {
            ephemeral,
            r#static: Some(Bytes::new()),
            payload: Some(Bytes::new()),
            ..ServerHello::default()
        });
        assert_eq!(refusal(replace(1, &hello)), (1, error));
    }
}

#[test]
fn ephemeral_keys_must_not_be_of_small_order() {
    let ephemeral = Some(Bytes::from(vec![0; 32]));
    let error = HandshakeError::Agreement(AgreementError);
    let hello = client_hello(ClientHello { ephemeral: ephemeral.clone(), ..ClientHello::default() });
    assert_eq!(World::new().answer(&hello).unwrap_err(), error);
    let hello = server_hello(ServerHello {
        ephemeral,
        r#static: Some(Bytes::new()),
        payload: Some(Bytes::new()),
        ..ServerHello::default()
    });
    assert_eq!(refusal(replace(1, &hello)), (1, error));
}

#[test]
fn half_an_ik_hello_is_refused() {
    let hello = |static_key: Option<&[u8]>, payload: Option<&[u8]>| {
        client_hello(ClientHello {
            ephemeral: Some(Bytes::from(vec![9; 32])),
            r#static: static_key.map(Bytes::copy_from_slice),
            payload: payload.map(Bytes::copy_from_slice),
            ..ClientHello::default()
        })
    };
    assert_eq!(
        World::new().answer(&hello(Some(&[0; 48]), None)).unwrap_err(),
        HandshakeError::Missing(Part::Payload)
    );
    assert_eq!(
        World::new().answer(&hello(None, Some(&[0; 48]))).unwrap_err(),
        HandshakeError::Missing(Part::Static)
    );
}

fn replace(target: usize, with: &[u8]) -> impl FnMut(usize, &mut Vec<u8>) {
    move |number, message| {
        if number == target {
            *message = with.to_vec();
        }
    }
}

/// An IK hello as somebody else computed it, for the server key that goes with it.
fn recorded_ik() -> (Vec<u8>, KeyPair, Vec<u8>) {
    let all: serde_json::Value = serde_json::from_str(include_str!("../testdata/transcripts.json")).unwrap();
    let bytes = |value: &serde_json::Value| hex::decode(value.as_str().unwrap()).unwrap();
    let private = wa_crypto::PrivateKey::from_slice(&bytes(&all["server_static"]["private"]));
    (
        bytes(&all["ik"]["client_hello"]),
        KeyPair::from_private(private.unwrap()),
        bytes(&all["ik"]["to_server"][0]),
    )
}

#[test]
fn no_byte_of_an_ik_hello_can_be_changed() {
    let (hello, key, _) = recorded_ik();
    let mut rng = ChaCha20Rng::from_seed([6; 32]);
    for index in 0..hello.len() {
        let mut changed = hello.clone();
        changed[index] ^= 0x01;
        let reply = Responder::start(key.clone(), Bytes::new()).read(&changed, &mut rng);
        assert!(!matches!(reply, Ok(Reply::Established { .. })), "{index}");
    }
}

#[test]
fn a_replayed_ik_hello_leads_to_nothing() {
    let (hello, key, mut frame) = recorded_ik();
    let mut rng = ChaCha20Rng::from_seed([6; 32]);
    let reply = Responder::start(key, Bytes::new()).read(&hello, &mut rng);
    let Ok(Reply::Established { mut ciphers, .. }) = reply else {
        panic!("the hello is valid");
    };
    assert_eq!(ciphers.open.open(&mut frame), Err(OpenError::Authentication));
}

proptest! {
    #[test]
    fn random_bytes_are_refused_at_every_step(bytes in vec(any::<u8>(), 0..200)) {
        for target in 0..3 {
            let (refused, _) = refusal(replace(target, &bytes));
            prop_assert_eq!(refused, target);
        }
    }

    #[test]
    fn random_hellos_never_establish(
        static_key in vec(any::<u8>(), 0..70),
        payload in vec(any::<u8>(), 0..70),
        ephemeral in any::<[u8; 32]>(),
    ) {
        let hello = client_hello(ClientHello {
            ephemeral: Some(Bytes::copy_from_slice(&ephemeral)),
            r#static: Some(static_key.into()),
            payload: Some(payload.into()),
            ..ClientHello::default()
        });
        let mut world = World::new();
        let server = world.server();
        let reply = server.read(&hello, &mut world.rng);
        let falls_back = matches!(reply, Ok(Reply::AwaitFinish { .. }));
        prop_assert!(falls_back);
    }
}
