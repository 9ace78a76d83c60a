//! Bombs, damage, and memory.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

#[path = "../fuzz/check/plain.rs"]
mod plain;
#[path = "../fuzz/check/stream.rs"]
mod stream;
mod support;

use std::fs;
use std::io::{self, Read, Write};
use std::path::Path;

use allocation_counter::measure;
use flate2::Compression;
use flate2::write::ZlibEncoder;
use proptest::collection::vec;
use proptest::prelude::*;
use prost::Message;
use prost::encoding::{WireType, encode_key, encode_varint};
use support::{deflate, items};
use wa_history::{History, HistoryError, Item, MAX_INFLATED, MAX_PART, MAX_TINY, Part, RATIO_FREE, Refusal};
use wa_protobuf::history::{Conversation, HistorySync, HistorySyncMsg, Pushname, WebMessageInfo};

/// Bytes for buffers, zlib's window and one ordinary message.
const LITTLE: u64 = 512 << 10;
/// What the worst message may take while it is decoded.
const MUCH: u64 = 64 << 20;

fn field(tag: u32, value: &[u8]) -> Vec<u8> {
    let mut field = Vec::new();
    encode_key(tag, WireType::LengthDelimited, &mut field);
    encode_varint(value.len() as u64, &mut field);
    field.extend_from_slice(value);
    field
}

/// A chat with `count` messages, whose texts don't compress.
fn large_chat(count: u64) -> Vec<u8> {
    let mut seed = 7_u64;
    let messages = (0..count).map(|number| {
        let mut text = String::new();
        for _ in 0..16 {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            text.push_str(&format!("{seed:016x}"));
        }
        let info = WebMessageInfo { push_name: Some(text), ..Default::default() };
        HistorySyncMsg { message: Some(info), msg_order_id: Some(number) }
    });
    let id = Some("1@lid".to_owned());
    Conversation { id, messages: messages.collect(), ..Default::default() }.encode_to_vec()
}

fn refused(items: &[Item]) -> Vec<(Part, Refusal)> {
    let refused = |item: &Item| match item {
        Item::Refused { part, why, .. } => Some((*part, *why)),
        _ => None,
    };
    items.iter().filter_map(refused).collect()
}

#[test]
fn a_chat_of_any_length_takes_little_memory() {
    let blob = deflate(&field(2, &large_chat(100_000)));
    assert!(blob.len() > 10 << 20, "{} bytes are no test", blob.len());
    let mut seen = 0;
    let used = measure(|| {
        for item in History::new(&blob[..]) {
            if let Item::Message { message, .. } = item.unwrap() {
                assert_eq!(message.msg_order_id, Some(seen));
                seen += 1;
            }
        }
    });
    assert_eq!(seen, 100_000);
    assert!(used.bytes_max < LITTLE, "{} bytes", used.bytes_max);
}

#[test]
fn a_part_that_is_too_long_is_passed_over_without_being_kept() {
    let too_long = vec![0x7f; usize::try_from(MAX_PART).unwrap() + 1];
    let length = too_long.len() as u64;
    let mut chat = field(1, b"1@lid");
    let message = field(2, &too_long);
    chat.extend([message.clone(), field(2, &[0x10, 5]), field(13, &too_long), field(38, b"kept")].concat());
    let chunk = [field(7, &too_long), field(2, &chat), field(2, &field(2, &[0x10, 6]))].concat();
    let blob = deflate(&chunk);
    let mut found = (Vec::new(), None);
    let used = measure(|| found = items(&blob));
    let (items, error) = found;
    assert!(error.is_none(), "{error:?}");
    let refusals = refused(&items);
    assert_eq!(refusals[0], (Part::Field(7), Refusal::TooLong(length)));
    assert_eq!(refusals[1], (Part::Message, Refusal::TooLong(length)));
    assert!(matches!(refusals[2], (Part::Chat, Refusal::TooLong(_))));
    assert_eq!((refusals.len(), items.len()), (3, 6));
    assert!(used.bytes_max < LITTLE, "{} bytes", used.bytes_max);
}

#[test]
fn messages_that_would_become_huge_are_refused_or_bounded() {
    // Cards of a carousel and contacts are the largest values of which a message has many; and reactions, receipts.
    let in_content = |path: &[u32], leaf: &[u8], count: usize| {
        let (last, outer) = path.split_last().unwrap();
        let many = field(*last, leaf).repeat(count);
        outer.iter().rev().fold(many, |inner, tag| field(*tag, &inner))
    };
    let paths: [&[u32]; 5] = [&[1, 2, 45, 7, 1], &[1, 2, 13, 2], &[1, 41], &[1, 40], &[1, 45]];
    for path in paths {
        for leaf in [&[][..], &[0x7a, 14, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1]] {
            let most = usize::try_from(MAX_PART).unwrap() / (leaf.len() + 3);
            for count in [MAX_TINY - path.len(), most - 8] {
                let blob = deflate(&field(2, &field(2, &in_content(path, leaf, count))));
                let used = measure(|| drop(items(&blob))).bytes_max;
                assert!(used < MUCH, "{used} bytes for {count} of {path:?}");
            }
        }
    }
}

#[test]
fn too_many_tiny_fields_cost_one_message() {
    let bomb = field(1, &field(41, &[]).repeat(MAX_TINY + 1));
    let chat = [field(2, &bomb), field(2, &[0x10, 5])].concat();
    let (items, error) = items(&deflate(&field(2, &chat)));
    assert!(error.is_none());
    assert_eq!(refused(&items), [(Part::Message, Refusal::TooMany)]);
    assert_eq!(items.len(), 3);
}

#[test]
fn texts_of_any_kind_are_no_bombs() {
    for character in ["\n", "(", "\"", "0", "\u{1}", "\u{2}", "ä", "😀"] {
        // As long as a text may be.
        let text = character.repeat(65_536 / character.len());
        let info = WebMessageInfo { push_name: Some(text), ..Default::default() };
        let message = HistorySyncMsg { message: Some(info), ..Default::default() };
        let blob = deflate(&field(2, &field(2, &message.encode_to_vec())));
        assert_eq!(refused(&items(&blob).0), [], "{character:?}");
    }
}

#[test]
fn a_message_that_is_no_message_costs_itself_alone() {
    let chat = [field(2, &field(1, &[0x0a, 0xff])), field(2, &[0x10, 5])].concat();
    let chunk = [field(2, &chat), field(7, &[0xff]), field(19, b"salt")].concat();
    let (items, error) = items(&deflate(&chunk));
    assert!(error.is_none());
    let unreadable = |part| (part, Refusal::Unreadable);
    assert_eq!(refused(&items), [unreadable(Part::Message), unreadable(Part::Field(7))]);
    assert_eq!(items.last(), Some(&Item::NctSalt("salt".into())));
}

#[test]
fn texts_that_are_no_utf8_are_repaired() {
    let name = Pushname { id: Some("1".into()), pushname: Some("aXb".into()) };
    let mut bytes = HistorySync { pushnames: vec![name], ..Default::default() }.encode_to_vec();
    *bytes.iter_mut().find(|byte| **byte == b'X').unwrap() = 0xff;
    let (items, _) = items(&deflate(&bytes));
    let Item::PushName(name) = &items[0] else { panic!("{items:?}") };
    assert_eq!(name.pushname.as_deref(), Some("a\u{fffd}b"));
}

/// Endless zeros after a head, compressed as well as can be.
fn bomb(head: &[u8], length: u64) -> Vec<u8> {
    let mut zlib = ZlibEncoder::new(Vec::new(), Compression::best());
    zlib.write_all(head).unwrap();
    io::copy(&mut io::repeat(0).take(length), &mut zlib).unwrap();
    zlib.finish().unwrap()
}

#[test]
fn a_bomb_is_noticed_soon_and_in_little_memory() {
    // A call record, which is passed over, of a gigabyte.
    let mut head = field(19, b"salt");
    encode_key(100, WireType::LengthDelimited, &mut head);
    encode_varint(1 << 30, &mut head);
    let blob = bomb(&head, 64 << 20);
    let mut stream = Counted { source: &blob[..], read: 0 };
    let mut found = Vec::new();
    let used = measure(|| found = History::new(&mut stream).collect());
    assert!(matches!(&found[..], [Ok(Item::NctSalt(_)), Err(HistoryError::TooLarge)]), "{found:?}");
    assert!(used.bytes_max < LITTLE, "{} bytes", used.bytes_max);
    // Not before the ratio counts, and not long after.
    assert!((stream.read as u64) < RATIO_FREE / 64, "{} of {} bytes were read", stream.read, blob.len());
    const { assert!(MAX_INFLATED > 200 << 20, "the longest chunks that are known must pass") }
}

struct Counted<'a> {
    source: &'a [u8],
    read: usize,
}

impl Read for Counted<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let read = self.source.read(out)?;
        self.read += read;
        Ok(read)
    }
}

#[test]
fn every_kind_of_damage_has_its_error() {
    let chunk = [field(19, b"salt"), field(7, &[])].concat();
    let blob = deflate(&chunk);
    let error = |blob: &[u8]| items(blob).1;
    assert!(matches!(error(&[]), Some(HistoryError::Truncated)));
    assert!(matches!(error(&blob[..blob.len() - 1]), Some(HistoryError::Truncated)));
    assert!(matches!(error(b"no zlib at all"), Some(HistoryError::Corrupt)));
    let mut changed = blob.clone();
    *changed.last_mut().unwrap() ^= 1;
    assert!(matches!(error(&changed), Some(HistoryError::Corrupt)));
    assert!(matches!(error(&deflate(&[0x9a])), Some(HistoryError::Truncated)));
    assert!(matches!(error(&deflate(&[0])), Some(HistoryError::Malformed)));
    assert!(matches!(error(&deflate(&[0x0b])), Some(HistoryError::Malformed)));
    // A key that is longer than keys are, in a chunk and in a chat.
    let long = [0x80, 0x80, 0x80, 0x80, 0x10, 0];
    assert!(matches!(error(&deflate(&long)), Some(HistoryError::Malformed)));
    assert!(matches!(error(&deflate(&field(2, &long))), Some(HistoryError::Malformed)));
    // A message that is longer than its chat.
    assert!(matches!(error(&deflate(&[0x12, 3, 0x12, 9, 1, 0, 0])), Some(HistoryError::Malformed)));
    let failing = blob[..5].chain(Failing);
    let last = History::new(failing).last().unwrap();
    assert!(matches!(last, Err(HistoryError::Read(_))), "{last:?}");
}

struct Failing;

impl Read for Failing {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Err(io::Error::other("the connection is gone"))
    }
}

#[test]
fn nothing_follows_an_error() {
    let mut history = History::new(&b"no zlib"[..]);
    assert!(history.next().is_some_and(|item| item.is_err()));
    assert!(history.next().is_none());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn random_bytes_do_no_harm(bytes in vec(any::<u8>(), 0..300), likely in vec(0..0x30u8, 0..300)) {
        for chunk in [&bytes, &likely] {
            items(chunk);
            items(&deflate(chunk));
            // Inside a chat, and in a message of one.
            items(&deflate(&field(2, chunk)));
            items(&deflate(&field(2, &field(2, chunk))));
        }
    }
}

#[test]
fn the_corpus_of_the_fuzzer_is_survived() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus");
    let files: Vec<_> = fs::read_dir(folder.join("plain"))
        .unwrap()
        .map(|file| fs::read(file.unwrap().path()).unwrap())
        .collect();
    assert!(files.len() > 10);
    files.iter().for_each(|bytes| plain::check(bytes));
    let files: Vec<_> = fs::read_dir(folder.join("stream"))
        .unwrap()
        .map(|file| fs::read(file.unwrap().path()).unwrap())
        .collect();
    assert!(files.len() > 10);
    files.iter().for_each(|bytes| stream::check(bytes));
}
