//! The codec agrees with whatsmeow, in both directions.
#![allow(clippy::unwrap_used, reason = "a failed test is a panic")]

use std::collections::BTreeMap;

use serde_json::Value as Json;
use wa_binary::{Jid, Node, decode, encode, phash, unpack};

fn vectors() -> Json {
    serde_json::from_str(include_str!("../testdata/whatsmeow.json")).unwrap()
}

fn to(jid: &str) -> Node<'static> {
    Node::new("to").attr("jid", jid.parse::<Jid>().unwrap())
}

/// What each vector of `binary_nodes` says, taken from the facts that came with the vectors.
fn nodes() -> BTreeMap<&'static str, Node<'static>> {
    BTreeMap::from([
        ("hex", Node::new("message").attr("id", "3EB0AAAABCF")),
        ("iq_count", Node::new("iq").attr("id", "1.2-3").child(Node::new("count"))),
        ("jid_ad", to("15550000001:2@s.whatsapp.net")),
        ("jid_fb", to("1000:300@msgr")),
        ("jid_hosted", to("15550000001:99@hosted")),
        ("jid_interop", to("4-1000:3@interop")),
        ("jid_lid_ad", to("100000000000001:2@lid")),
        ("jid_pair", to("15550000001@s.whatsapp.net")),
        ("jid_server", to("s.whatsapp.net")),
        ("raw", Node::new("enc").attr("v", "2").with_bytes(vec![0xab; 300])),
        ("strcontent", Node::new("member_add_mode").text("all_member_add")),
    ])
}

#[test]
fn nodes_are_written_as_whatsmeow_writes_them() {
    let vectors = vectors();
    let vectors = vectors["binary_nodes"].as_object().unwrap();
    let nodes = nodes();
    assert_eq!(vectors.keys().collect::<Vec<_>>(), nodes.keys().collect::<Vec<_>>());
    for (name, node) in nodes {
        assert_eq!(hex::encode(encode(&node).unwrap()), vectors[name].as_str().unwrap(), "{name}");
    }
}

#[test]
fn nodes_are_read_as_whatsmeow_meant_them() {
    let vectors = vectors();
    for (name, node) in nodes() {
        let frame = hex::decode(vectors["binary_nodes"][name].as_str().unwrap()).unwrap();
        let content = unpack(&frame).unwrap();
        let read = decode(&content).unwrap();
        // Text that is neither token nor packed comes back as bytes.
        let expected = if name == "strcontent" { node.with_bytes(b"all_member_add") } else { node };
        assert_eq!(read, expected, "{name}");
    }
}

#[test]
fn participant_hash_is_whatsmeow_s() {
    let vectors = vectors();
    let devices: Vec<Jid> = vectors["phash"]["devices"]
        .as_array()
        .unwrap()
        .iter()
        .map(|d| d.as_str().unwrap().parse().unwrap())
        .collect();
    assert_eq!(phash(&devices), vectors["phash"]["hash"].as_str().unwrap());
}
