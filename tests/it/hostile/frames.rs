//! Binary nodes: decrypted frames as a peer would choose them.

use rand::RngExt;
use wa_binary::{Content, Jid, Node, decode, encode, unpack};

use super::{cases, garbage, mutated, rng};

#[test]
fn random_frames_are_refused_or_read_without_panicking() {
    let mut rng = rng("random frames");
    for _ in 0..cases(20) {
        let mut frame = garbage(&mut rng);
        if let Some(flag) = frame.first_mut().filter(|_| rng.random_bool(0.8)) {
            *flag = 0;
        }
        read(&frame);
    }
}

#[test]
fn mutated_stanzas_are_refused_or_read_without_panicking() {
    let mut rng = rng("mutated stanzas");
    let stanzas: Vec<_> = stanzas().iter().map(|node| encode(node).expect("encodes")).collect();
    for case in 0..cases(25) {
        let frame = mutated(&mut rng, &stanzas[case % stanzas.len()]);
        read(&frame);
    }
}

#[test]
fn what_decodes_encodes_again_to_the_same_node() {
    let mut rng = rng("round trip");
    let stanzas: Vec<_> = stanzas().iter().map(|node| encode(node).expect("encodes")).collect();
    for case in 0..cases(5) {
        let frame = mutated(&mut rng, &stanzas[case % stanzas.len()]);
        let Ok(data) = unpack(&frame) else { continue };
        let Ok(node) = decode(&data) else { continue };
        let Ok(again) = encode(&node) else { continue };
        let second = decode(&again[1..]).expect("our own encoding decodes");
        assert_eq!(encode(&second).expect("encodes"), again);
    }
}

#[test]
fn inflating_a_bomb_stops_at_the_limit() {
    let bomb = {
        let mut zlib = flate2::write::ZlibEncoder::new(vec![2], flate2::Compression::best());
        std::io::copy(&mut std::io::Read::take(std::io::repeat(0), 1 << 30), &mut zlib).expect("compresses");
        zlib.finish().expect("compresses")
    };
    assert!(unpack(&bomb).is_err());
}

/// Everything that a reader does with a frame.
fn read(frame: &[u8]) {
    let Ok(data) = unpack(frame) else { return };
    let Ok(node) = decode(&data) else { return };
    walk(&node);
    let _ = node.to_string();
}

fn walk(node: &Node<'_>) {
    for (name, value) in node.attrs.iter() {
        let _ = value.text().parse::<Jid>().map(|jid| (jid.to_string(), jid.signal_name(), jid.ad_string()));
        let _ = (node.attrs.number::<u64>(name), node.attrs.parse_jid(name), node.require_jid(name));
    }
    let _ = (node.require_bytes(), node.require_child("enc"), node.require_text("id"));
    if let Content::Nodes(children) = &node.content {
        children.iter().for_each(walk);
    }
}

/// One of each shape that crosses the wire.
pub(super) fn stanzas() -> Vec<Node<'static>> {
    let pn: Jid = "15550000001:2@s.whatsapp.net".parse().expect("JID");
    let lid: Jid = "100000000000001:2@lid".parse().expect("JID");
    let enc = Node::new("enc").attr("v", "2").attr("type", "pkmsg").with_bytes(vec![0x33; 180]);
    vec![
        Node::new("message")
            .attr("id", "3EB0AAAABBBBCCCCDDDDEE")
            .attr("from", lid.clone())
            .attr("sender_pn", pn.clone())
            .attr("type", "text")
            .attr("t", "1700000000")
            .attr("notify", "Ana")
            .child(enc.clone()),
        Node::new("message").attr("id", "3EB0").attr("to", lid.to_user()).attr("type", "text").child(
            Node::new("participants").with_children(
                [1_u16, 2, 3]
                    .map(|d| Node::new("to").attr("jid", lid.clone().with_device(d)).child(enc.clone())),
            ),
        ),
        Node::new("receipt").attr("id", "3EB0").attr("from", pn.clone()).attr("type", "retry").with_children(
            [
                Node::new("retry")
                    .attr("count", "1")
                    .attr("id", "3EB0")
                    .attr("t", "1700000000")
                    .attr("v", "1"),
                Node::new("registration").with_bytes(vec![0, 0, 1, 2]),
            ],
        ),
        Node::new("iq").attr("id", "1.2-3").attr("type", "result").attr("from", Jid::server()).child(
            Node::new("usync").child(
                Node::new("list").child(
                    Node::new("user").attr("jid", pn.to_user()).with_children([
                        Node::new("lid").attr("val", lid.to_user()),
                        Node::new("devices")
                            .child(Node::new("device-list").with_children(
                                [0, 1].map(|d| Node::new("device").attr("id", d.to_string())),
                            )),
                    ]),
                ),
            ),
        ),
        Node::new("notification")
            .attr("type", "encrypt")
            .attr("from", Jid::server())
            .attr("id", "77")
            .attr("t", "1")
            .child(Node::new("count").attr("value", "3")),
        Node::new("stream:error").attr("code", "515"),
        Node::new("failure").attr("reason", "401"),
        Node::new("success").attr("t", "1700000000").attr("lid", lid),
        Node::new("ib").child(Node::new("offline").attr("count", "0")),
        Node::new("ack").attr("class", "message").attr("id", "3EB0").attr("from", pn),
    ]
}
