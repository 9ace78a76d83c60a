//! The message path allocates only what its types cannot do without.
#![allow(clippy::unwrap_used, reason = "a failed test is a panic")]

use wa_binary::{Jid, Node, decode, encode, encode_into};

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

#[test]
fn encoding_into_a_warm_buffer_allocates_nothing() {
    let node = message();
    let mut out = Vec::with_capacity(1024);
    let used = allocation_counter::measure(|| encode_into(&node, &mut out).unwrap());
    assert_eq!(used.count_total, 0);
}

/// Two lists of attributes, one of children, and the packed strings `id` and `t`.
#[test]
fn decoding_a_message_allocates_five_times() {
    let frame = encode(&message()).unwrap();
    let used = allocation_counter::measure(|| drop(decode(&frame[1..]).unwrap()));
    assert_eq!(used.count_total, 5);
}
