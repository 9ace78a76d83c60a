//! Hostile bytes: decoding ends in a value or an error.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use bytes::Bytes;
use proptest::prelude::*;
use prost::Message;
use wa_protobuf::{adv, appstate, cert, companion, e2e, handshake, history, payload, signal};

fn decode_as_everything(bytes: &Bytes) {
    let _ = adv::AdvSignedDeviceIdentityHmac::decode(bytes.clone());
    let _ = adv::AdvKeyIndexList::decode(bytes.clone());
    let _ = appstate::SyncdPatch::decode(bytes.clone());
    let _ = appstate::SyncActionData::decode(bytes.clone());
    let _ = cert::CertChain::decode(bytes.clone());
    let _ = companion::DeviceProps::decode(bytes.clone());
    let _ = handshake::HandshakeMessage::decode(bytes.clone());
    let _ = history::HistorySync::decode(bytes.clone());
    let _ = payload::ClientPayload::decode(bytes.clone());
    let _ = signal::PreKeySignalMessage::decode(bytes.clone());
    if let Ok(message) = e2e::Message::decode(bytes.clone()) {
        let encoded = message.encode_to_vec();
        assert_eq!(encoded, e2e::Message::decode(&encoded[..]).unwrap().encode_to_vec());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(5000))]

    #[test]
    fn random_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        decode_as_everything(&Bytes::from(bytes));
    }

    #[test]
    fn mutated_messages_never_panic(
        vector in 0..100usize,
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let json: std::collections::BTreeMap<String, String> =
            serde_json::from_str(include_str!("../testdata/baileys.json")).unwrap();
        let mut bytes = hex::decode(json.values().nth(vector % json.len()).unwrap()).unwrap();
        for (index, value) in changes {
            let at = index.index(bytes.len());
            bytes[at] = value;
        }
        decode_as_everything(&Bytes::from(bytes));
    }
}

#[test]
fn nesting_is_bounded() {
    assert!(e2e::Message::decode(&nested(5_000)[..]).is_err());
    assert!(e2e::Message::decode(&nested(20)[..]).is_ok());
}

/// A message inside a view-once wrapper inside a message, `depth` times.
fn nested(depth: usize) -> Vec<u8> {
    let mut message = e2e::Message { conversation: Some("x".into()), ..Default::default() }.encode_to_vec();
    for _ in 0..depth {
        let mut wrapper = Vec::new();
        prost::encoding::bytes::encode(1, &message, &mut wrapper);
        message = Vec::new();
        prost::encoding::bytes::encode(37, &wrapper, &mut message);
    }
    message
}
