//! Bytes that no honest peer sends: always an error or a node, never a panic, never much memory.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a failed test is a panic")]

#[path = "../fuzz/check/frame.rs"]
mod frame;
#[path = "../fuzz/check/jid.rs"]
mod jid;

use std::fs;
use std::path::Path;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;
use wa_binary::{
    Content, DecodeError, Jid, Limits, MAX_ATTRIBUTES, MAX_DEPTH, MAX_INFLATED, Node, decode, decode_with,
    encode, encode_compressed, unpack, unpack_with,
};

/// What [`Limits`] promises, plus a constant for the small allocations of short input.
fn assert_frugal(data: &[u8]) {
    let used = allocation_counter::measure(|| drop(decode(data)));
    let allowed = 32 * data.len() as u64 + 256;
    assert!(used.bytes_max <= allowed, "{} bytes for {} of input", used.bytes_max, data.len());
}

fn stanza() -> Node<'static> {
    let key = |id: u8| {
        Node::new("key")
            .child(Node::new("id").with_bytes(vec![0, 0, id]))
            .child(Node::new("value").with_bytes(vec![id; 32]))
    };
    Node::new("iq")
        .attr("id", "12345.6789-3")
        .attr("to", Jid::server())
        .attr("from", Jid::lid("100000000000001").with_device(3))
        .attr("notify", "Zoë 🙂")
        .child(Node::new("mode").text("3EB0ABCDEF0123456789AB"))
        .with_children((0..20).map(key))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn arbitrary_bytes_are_survived(data in vec(any::<u8>(), 0..400)) {
        assert_frugal(&data);
        frame::check(&data);
    }

    /// Bytes of which most mean something, so that the decoder gets further.
    #[test]
    fn arbitrary_tags_are_survived(
        data in vec(prop_oneof![
            3 => prop::sample::select(vec![0u8, 1, 2, 3, 0x13, 236, 239, 245, 246, 247, 248, 249, 250, 251, 252, 255]),
            1 => any::<u8>(),
        ], 0..400),
    ) {
        assert_frugal(&data);
        frame::check(&data);
        let node: Vec<u8> = [0, 248, 4, 19, 8, 55].into_iter().chain(data).collect();
        frame::check(&node);
    }

    #[test]
    fn mutated_frames_are_survived(changes in vec((any::<Index>(), any::<u8>()), 1..6), cut in any::<Index>()) {
        let mut frame = encode(&stanza()).unwrap();
        for (at, byte) in changes {
            let at = at.index(frame.len());
            frame[at] = byte;
        }
        frame::check(&frame);
        assert_frugal(&frame[1..]);
        frame.truncate(cut.index(frame.len()));
        frame::check(&frame);
    }

    #[test]
    fn mutated_zlib_streams_are_survived(at in any::<Index>(), byte in any::<u8>()) {
        let mut frame = encode_compressed(&stanza()).unwrap();
        let at = at.index(frame.len());
        frame[at] = byte;
        frame::check(&frame);
    }
}

#[test]
fn the_corpus_of_the_fuzzer_is_survived() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus");
    let files = |name: &str| -> Vec<Vec<u8>> {
        let entries = fs::read_dir(folder.join(name)).unwrap();
        entries.map(|entry| fs::read(entry.unwrap().path()).unwrap()).collect()
    };
    let frames = files("frame");
    assert!(frames.len() > 30);
    frames.iter().for_each(|bytes| frame::check(bytes));
    let jids = files("jid");
    assert!(jids.len() > 10);
    jids.iter().for_each(|text| jid::check(text));
}

#[test]
fn lists_that_promise_too_much_take_no_memory() {
    // Every level of nesting claims a list of 65,535 nodes.
    let promise: Vec<u8> = [248, 2, 19, 249, 255, 255].repeat(10_000);
    let used = allocation_counter::measure(|| {
        assert_eq!(decode(&promise), Err(DecodeError::Truncated { at: promise.len() }));
    });
    assert_eq!(used.bytes_total, 0);
    // Bytes that suffice for the first promise do not for one more inside of it; with six more they do.
    let mut data = vec![248, 2, 19, 249, 255, 255, 248, 2, 19, 249, 0, 1];
    data.resize(6 + 3 * 65_535, 0);
    assert_eq!(decode(&data), Err(DecodeError::Truncated { at: data.len() }));
    data.resize(data.len() + 6, 0);
    assert_eq!(decode(&data), Err(DecodeError::Unnamed { at: 13 }));
}

#[test]
fn the_densest_frames_keep_the_promise() {
    let list = |node: &[u8]| [&[248, 2, 19, 249, 0x40, 0][..], &node.repeat(0x4000)].concat();
    assert_frugal(&list(&[248, 1, 19]));
    assert_frugal(&list(&[248, 2, 19, 0]));
    assert_frugal(&list(&[248, 2, 19, 251, 1, 0xab]));
    // 127 attributes of two bytes each.
    let attributes: Vec<u8> = (1..=127).flat_map(|name| [name, 0]).collect();
    assert_frugal(&list(&[&[248, 255, 19], &attributes[..]].concat()));
    // Text that triples because none of it is UTF-8, and JIDs that become text.
    assert_frugal(&[&[248, 3, 19, 8, 253, 15, 255, 255][..], &[0xff; 0xfffff]].concat());
    assert_frugal(&list(&[248, 3, 19, 8, 250, 55, 252, 1, b'x']));
    assert!(decode(&list(&[248, 3, 19, 8, 250, 55, 252, 1, b'x'])).is_ok());
}

#[test]
fn attributes_are_bounded_and_unique() {
    let with_attributes = |count: u16, names: &[u8]| {
        let mut data = vec![249];
        data.extend((1 + 2 * count).to_be_bytes());
        data.push(19);
        data.extend(names.iter().flat_map(|name| [252, 1, *name, 55]));
        data
    };
    let names: Vec<u8> = (0..=MAX_ATTRIBUTES as u8).collect();
    assert!(decode(&with_attributes(127, &names[..127])).is_ok());
    let error = DecodeError::TooManyAttributes { count: 128, at: 4 };
    assert_eq!(decode(&with_attributes(128, &names)), Err(error));
    assert_eq!(decode(&with_attributes(2, b"aa")), Err(DecodeError::DuplicateAttribute { at: 11 }));
    assert_eq!(decode(&with_attributes(3, b"ab")), Err(DecodeError::Truncated { at: 12 }));
}

#[test]
fn nesting_is_bounded() {
    let nested = |depth: usize| {
        let mut data = [248, 2, 19, 248, 1].repeat(depth - 1);
        data.extend([248, 1, 19]);
        data
    };
    assert!(decode(&nested(MAX_DEPTH)).is_ok());
    let error = DecodeError::TooDeep { at: 5 * MAX_DEPTH };
    assert_eq!(decode(&nested(MAX_DEPTH + 1)), Err(error));
    assert_eq!(decode(&nested(1_000_000)), Err(error));
    let limits = Limits { depth: 1, ..Limits::DEFAULT };
    assert!(decode_with(&nested(1), &limits).is_ok());
    assert_eq!(decode_with(&nested(2), &limits), Err(DecodeError::TooDeep { at: 5 }));
}

#[test]
fn lists_are_bounded() {
    let data = [248, 2, 19, 248, 2, 248, 1, 19, 248, 1, 19];
    assert!(decode(&data).is_ok());
    let error = DecodeError::ListTooLong { size: 2, at: 5 };
    assert_eq!(decode_with(&data, &Limits { list: 1, ..Limits::DEFAULT }), Err(error));
}

#[test]
fn bombs_are_defused() {
    let bomb = encode_compressed(&Node::new("enc").with_bytes(vec![0; MAX_INFLATED])).unwrap();
    assert!(bomb.len() < MAX_INFLATED / 500);
    let too_large = DecodeError::InflatedTooLarge { limit: MAX_INFLATED };
    assert_eq!(unpack(&bomb), Err(too_large));
    let used = allocation_counter::measure(|| {
        let limits = Limits { inflated: 10_000, ..Limits::DEFAULT };
        assert_eq!(unpack_with(&bomb, &limits), Err(DecodeError::InflatedTooLarge { limit: 10_000 }));
    });
    assert!(used.bytes_max < 200_000, "{}", used.bytes_max);
}

#[test]
fn zlib_streams_are_whole_and_alone() {
    let frame = encode_compressed(&stanza()).unwrap();
    assert!(unpack(&frame).is_ok());
    for len in 1..frame.len() {
        assert_eq!(unpack(&frame[..len]), Err(DecodeError::Inflate), "{len}");
    }
    let more = [&frame[..], &[0]].concat();
    assert_eq!(unpack(&more), Err(DecodeError::TrailingData { left: 1 }));
    let plain = encode(&stanza()).unwrap();
    let exact = Limits { inflated: plain.len() - 1, ..Limits::DEFAULT };
    assert!(unpack_with(&frame, &exact).is_ok());
    let short = Limits { inflated: plain.len() - 2, ..Limits::DEFAULT };
    assert!(unpack_with(&frame, &short).is_err());
    assert_eq!(unpack(&[]), Err(DecodeError::Truncated { at: 0 }));
}

#[test]
fn nodes_are_whole_and_alone() {
    assert_eq!(decode(&[248, 1, 19, 0]), Err(DecodeError::TrailingData { left: 1 }));
    let data = encode(&stanza()).unwrap();
    for len in 1..data.len() {
        assert!(decode(&data[1..len]).is_err(), "{len}");
    }
}

#[test]
fn malformed_parts_are_named() {
    for (data, error) in [
        (&[][..], DecodeError::Truncated { at: 0 }),
        (&[0, 19], DecodeError::Unnamed { at: 1 }),
        (&[248, 0], DecodeError::Unnamed { at: 2 }),
        (&[248, 1, 252, 0], DecodeError::Unnamed { at: 4 }),
        (&[248, 1, 255, 0], DecodeError::Unnamed { at: 4 }),
        (&[248, 3, 19, 252, 0, 55], DecodeError::Unnamed { at: 5 }),
        (&[19], DecodeError::UnexpectedTag { byte: 19, at: 0 }),
        (&[248, 1, 0], DecodeError::UnexpectedTag { byte: 0, at: 2 }),
        (&[248, 1, 240], DecodeError::UnexpectedTag { byte: 240, at: 2 }),
        (&[248, 1, 250, 0, 3], DecodeError::UnexpectedTag { byte: 250, at: 2 }),
        (&[248, 3, 19, 8, 248, 0], DecodeError::UnexpectedTag { byte: 248, at: 4 }),
        (&[248, 1, 255, 1, 0xc0], DecodeError::Packed { at: 5 }),
        (&[248, 3, 19, 8, 251, 0x80], DecodeError::Packed { at: 6 }),
        (&[248, 1, 252, 1, 0xff], DecodeError::Utf8 { at: 5 }),
        (&[248, 3, 19, 8, 250, 252, 1, 0xff, 3], DecodeError::Utf8 { at: 8 }),
        (&[248, 3, 19, 8, 250, 55, 0], DecodeError::Jid { at: 7 }),
        (&[248, 3, 19, 8, 247, 0, 1, 0], DecodeError::Jid { at: 8 }),
        (&[248, 3, 19, 8, 247, 0, 1, 252, 1, b'@'], DecodeError::Jid { at: 10 }),
        (&[248, 3, 19, 8, 246, 55, 0, 1, 3], DecodeError::Jid { at: 9 }),
        (&[248, 3, 19, 8, 245, 55, 0, 1, 0, 1, 204], DecodeError::Jid { at: 11 }),
        // JIDs do not nest.
        (&[248, 3, 19, 8, 250, 250, 0, 3, 3], DecodeError::UnexpectedTag { byte: 250, at: 5 }),
        (&[248, 2, 19, 254, 255, 255, 255, 255, 0], DecodeError::Truncated { at: 9 }),
    ] {
        assert_eq!(decode(data), Err(error), "{data:?}");
    }
}

/// Push names come cut in the middle of a character; that must not cost a connection.
#[test]
fn text_that_is_not_utf_8_gets_replacement_characters() {
    let data = [248, 3, 19, 52, 252, 3, b'Z', 0xc3, b'x'];
    let node = decode(&data).unwrap();
    assert_eq!(node.attrs.iter().next().unwrap().1, &"Z\u{fffd}x");
}

#[test]
fn pairs_that_are_no_jid_become_text() {
    for (pair, text) in [
        (&[250, 252, 1, b'a', 252, 1, b'b'][..], "a@b"),
        (&[250, 0, 252, 1, b'b'], "@b"),
        (&[250, 252, 3, b'a', b':', b'1', 118], "a:1@lid"),
        (&[250, 252, 3, b'a', b'.', b'1', 118], "a.1@lid"),
        (&[250, 252, 3, b'a', b'@', b'1', 28], "a@1@g.us"),
    ] {
        let attribute = [&[248, 3, 19, 8], pair].concat();
        assert_eq!(decode(&attribute).unwrap().attrs.get("id").unwrap(), &text);
        let content = [&[248, 2, 19], pair].concat();
        assert_eq!(decode(&content).unwrap().content, Content::Text(text.into()));
    }
}
