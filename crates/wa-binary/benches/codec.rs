//! Encoding and decoding of the stanzas that make up most of the traffic, and of the largest common one.
#![allow(
    clippy::unwrap_used,
    missing_docs,
    reason = "a benchmark ends with its first failure, and nobody links it"
)]

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use wa_binary::{Jid, Node, decode, encode_into};

/// A direct message as it arrives.
fn message() -> Node<'static> {
    Node::new("message")
        .attr("from", Jid::lid("100000000000001").with_device(1))
        .attr("sender_pn", Jid::pn("15550000001").with_device(1))
        .attr("id", "3EB0ABCDEF0123456789AB")
        .attr("type", "text")
        .attr("t", 1_700_000_000u64)
        .attr("notify", "Alice")
        .child(Node::new("enc").attr("v", 2u8).attr("type", "msg").with_bytes(vec![0x33; 180]))
}

fn receipt() -> Node<'static> {
    Node::new("receipt")
        .attr("id", "3EB0ABCDEF0123456789AB")
        .attr("to", Jid::lid("100000000000001").with_device(1))
        .attr("type", "read")
}

/// What a new companion uploads: 812 one-time keys.
fn prekey_upload() -> Node<'static> {
    let key = |id: u32| {
        Node::new("key")
            .child(Node::new("id").with_bytes(id.to_be_bytes()[1..].to_vec()))
            .child(Node::new("value").with_bytes(vec![id as u8; 32]))
    };
    Node::new("iq")
        .attr("id", "12345.6789-4")
        .attr("to", Jid::server())
        .attr("type", "set")
        .attr("xmlns", "encrypt")
        .child(Node::new("registration").with_bytes(vec![0, 0, 48, 57]))
        .child(Node::new("type").with_bytes(vec![5]))
        .child(Node::new("identity").with_bytes(vec![7; 32]))
        .child(Node::new("list").with_children((1..=812).map(key)))
        .child(
            Node::new("skey")
                .child(Node::new("id").with_bytes(vec![0, 0, 1]))
                .child(Node::new("value").with_bytes(vec![8; 32]))
                .child(Node::new("signature").with_bytes(vec![9; 64])),
        )
}

fn codec(criterion: &mut Criterion) {
    for (name, node) in [("message", message()), ("receipt", receipt()), ("prekey upload", prekey_upload())] {
        let mut frame = Vec::new();
        encode_into(&node, &mut frame).unwrap();
        let mut group = criterion.benchmark_group(name);
        group.throughput(Throughput::Bytes(frame.len() as u64));
        let mut out = Vec::with_capacity(frame.len());
        group.bench_function("encode", |bencher| {
            bencher.iter(|| {
                out.clear();
                encode_into(black_box(&node), &mut out).unwrap();
                black_box(out.len())
            });
        });
        group.bench_function("decode", |bencher| {
            bencher.iter(|| decode(black_box(&frame[1..])).unwrap());
        });
        group.finish();
    }
}

criterion_group!(benches, codec);
criterion_main!(benches);
