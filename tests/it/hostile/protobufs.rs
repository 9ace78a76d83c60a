//! Protobufs: every message that a peer can hand us.

use bytes::Bytes;
use prost::Message;
use wa_protobuf::{adv, appstate, cert, companion, e2e, handshake, history, payload, signal};

use super::{cases, garbage, mutated, rng};

#[test]
fn random_and_mutated_protobufs_are_refused_or_read_without_panicking() {
    let mut rng = rng("protobufs");
    let valid = samples();
    for case in 0..cases(10) {
        let bytes = match case % 3 {
            0 => garbage(&mut rng),
            _ => mutated(&mut rng, &valid[case % valid.len()]),
        };
        decode_as_everything(&Bytes::from(bytes));
    }
}

#[test]
fn deep_nesting_is_refused() {
    let mut bytes = Vec::new();
    for _ in 0..10_000 {
        // ephemeralMessage (40) { message (1) { … } }, each wrapping what was there.
        for tag in [0x0a_u8, 0] {
            let mut outer = Vec::new();
            let key = if tag == 0 { 40 << 3 | 2 } else { u64::from(tag) };
            prost::encoding::encode_varint(key, &mut outer);
            prost::encoding::encode_varint(bytes.len() as u64, &mut outer);
            outer.extend_from_slice(&bytes);
            bytes = outer;
        }
        if bytes.len() > 20_000 {
            break;
        }
    }
    assert!(e2e::Message::decode(&*bytes).is_err());
}

fn decode_as_everything(bytes: &Bytes) {
    fn decode<M: Message + Default>(bytes: &Bytes) {
        if let Ok(message) = M::decode(bytes.clone()) {
            let again = message.encode_to_vec();
            assert!(M::decode(&*again).is_ok(), "our own encoding decodes");
        }
    }
    decode::<e2e::Message>(bytes);
    decode::<handshake::HandshakeMessage>(bytes);
    decode::<cert::CertChain>(bytes);
    decode::<payload::ClientPayload>(bytes);
    decode::<adv::AdvSignedDeviceIdentityHmac>(bytes);
    decode::<adv::AdvSignedDeviceIdentity>(bytes);
    decode::<adv::AdvDeviceIdentity>(bytes);
    decode::<companion::DeviceProps>(bytes);
    decode::<signal::SignalMessage>(bytes);
    decode::<signal::PreKeySignalMessage>(bytes);
    decode::<signal::SenderKeyMessage>(bytes);
    decode::<history::HistorySync>(bytes);
    decode::<appstate::SyncdPatch>(bytes);
}

fn samples() -> Vec<Vec<u8>> {
    let text = e2e::Message { conversation: Some("hello".to_owned()), ..Default::default() };
    let own = e2e::Message {
        device_sent_message: Some(Box::new(e2e::DeviceSentMessage {
            destination_jid: Some("15550000001@s.whatsapp.net".to_owned()),
            message: Some(Box::new(text.clone())),
            ..Default::default()
        })),
        ..Default::default()
    };
    let identity = adv::AdvSignedDeviceIdentity {
        details: Some(Bytes::from_static(&[1; 20])),
        account_signature_key: Some(Bytes::from_static(&[2; 32])),
        account_signature: Some(Bytes::from_static(&[3; 64])),
        device_signature: Some(Bytes::from_static(&[4; 64])),
    };
    let hello = handshake::HandshakeMessage {
        client_hello: Some(handshake::ClientHello {
            ephemeral: Some(Bytes::from_static(&[5; 32])),
            ..Default::default()
        }),
        ..Default::default()
    };
    let message = signal::SignalMessage {
        ratchet_key: Some(Bytes::from_static(&[5; 33])),
        counter: Some(7),
        previous_counter: Some(u32::MAX),
        ciphertext: Some(Bytes::from_static(&[9; 32])),
    };
    vec![
        text.encode_to_vec(),
        own.encode_to_vec(),
        identity.encode_to_vec(),
        hello.encode_to_vec(),
        message.encode_to_vec(),
    ]
}
