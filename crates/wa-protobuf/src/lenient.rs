//! Reading messages whose texts are not all UTF-8.
//!
//! Clients in JavaScript cut texts inside a character, and write half of a surrogate pair as three bytes of its own.
//! Protobuf forbids that, and other clients don't mind; so a text of this kind is no reason to lose a message.

use std::borrow::Cow;
use std::collections::HashMap;
use std::marker::PhantomData;

use prost::encoding::{
    DecodeContext, WireType, decode_key, decode_varint, encode_key, encode_varint, skip_field,
};
use prost::{DecodeError, Message};

/// Messages inside each other that are looked into: fewer than the 100 that prost decodes, so that its limit isn't taken
/// for the sort of a field.
const MAX_DEPTH: usize = 90;
/// Different fields that are looked at in one message. The schema has fewer; more is no message of anybody's.
const MAX_FIELDS: usize = 4096;

/// Decodes a message; if texts in it are not UTF-8, with these repaired. Then the repaired bytes come along.
///
/// # Errors
/// The first error, where repairing texts doesn't help.
pub fn decode<M: Message + Default>(raw: &[u8]) -> Result<(M, Option<Vec<u8>>), DecodeError> {
    let error = match M::decode(raw) {
        Ok(message) => return Ok((message, None)),
        Err(error) => error,
    };
    let repaired = Repair::<M>::default().message(raw).ok_or_else(|| error.clone())?;
    match M::decode(&repaired[..]) {
        Ok(message) => Ok((message, Some(repaired))),
        Err(_) => Err(error),
    }
}

/// What a field with a length holds, as the schema of the whole message has it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sort {
    Text,
    Message,
    /// Bytes, packed numbers, or a field that the schema doesn't have.
    Other,
}

/// A walk over the bytes of a message `M`.
struct Repair<M> {
    /// Field numbers from the outermost message to the present field.
    path: Vec<u32>,
    known: HashMap<Vec<u32>, Sort>,
    schema: PhantomData<M>,
}

impl<M> Default for Repair<M> {
    fn default() -> Self {
        Self { path: Vec::new(), known: HashMap::new(), schema: PhantomData }
    }
}

impl<M: Message + Default> Repair<M> {
    /// The message at the present path with all its texts repaired; `None` if it is no message.
    fn message(&mut self, raw: &[u8]) -> Option<Vec<u8>> {
        if self.path.len() >= MAX_DEPTH {
            return None;
        }
        let mut repaired = Vec::with_capacity(raw.len());
        let mut rest = raw;
        while !rest.is_empty() {
            let field = rest;
            let (tag, wire) = decode_key(&mut rest).ok()?;
            if wire == WireType::LengthDelimited {
                let length = usize::try_from(decode_varint(&mut rest).ok()?).ok()?;
                let (value, after) = rest.split_at_checked(length)?;
                rest = after;
                self.path.push(tag);
                let value = self.value(value)?;
                self.path.pop();
                put(&mut repaired, tag, &value);
            } else {
                skip_field(wire, tag, &mut rest, DecodeContext::default()).ok()?;
                repaired.extend_from_slice(&field[..field.len() - rest.len()]);
            }
        }
        Some(repaired)
    }

    fn value<'v>(&mut self, value: &'v [u8]) -> Option<Cow<'v, [u8]>> {
        Some(match self.sort()? {
            Sort::Text => match text(value) {
                Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
                Cow::Owned(text) => Cow::Owned(text.into_bytes()),
            },
            Sort::Message => self.message(value).map_or(Cow::Borrowed(value), Cow::Owned),
            Sort::Other => Cow::Borrowed(value),
        })
    }

    /// What the present field holds; `None` once too many fields were asked for.
    fn sort(&mut self) -> Option<Sort> {
        if let Some(sort) = self.known.get(&self.path) {
            return Some(*sort);
        }
        if self.known.len() >= MAX_FIELDS {
            return None;
        }
        // Field 100,000 twice, which no schema has: a message, and bytes, but no UTF-8.
        const NO_TEXT: [u8; 8] = [0x80, 0xea, 0x30, 1, 0x80, 0xea, 0x30, 1];
        // Field 0: no message, but bytes, and packed numbers of any width.
        const NO_MESSAGE: [u8; 8] = [0; 8];
        let sort = match () {
            () if !self.takes(&NO_TEXT) => Sort::Text,
            () if !self.takes(&NO_MESSAGE) => Sort::Message,
            () => Sort::Other,
        };
        self.known.insert(self.path.clone(), sort);
        Some(sort)
    }

    /// Whether a message decodes that holds only this, in the present field.
    fn takes(&self, value: &[u8]) -> bool {
        let wrapped = self.path.iter().rev().fold(value.to_vec(), |inner, tag| {
            let mut outer = Vec::with_capacity(inner.len() + 8);
            put(&mut outer, *tag, &inner);
            outer
        });
        M::decode(&wrapped[..]).is_ok()
    }
}

/// Appends a field with a length.
fn put(out: &mut Vec<u8>, tag: u32, value: &[u8]) {
    encode_key(tag, WireType::LengthDelimited, out);
    encode_varint(value.len() as u64, out);
    out.extend_from_slice(value);
}

/// Both halves of a surrogate pair become their character; whatever else is no UTF-8 becomes U+FFFD.
fn text(bytes: &[u8]) -> Cow<'_, str> {
    let mut repaired = String::new();
    let mut rest = bytes;
    loop {
        let error = match std::str::from_utf8(rest) {
            Ok(text) if repaired.is_empty() && rest.len() == bytes.len() => return Cow::Borrowed(text),
            Ok(text) => {
                repaired.push_str(text);
                return Cow::Owned(repaired);
            }
            Err(error) => error,
        };
        let (valid, broken) = rest.split_at(error.valid_up_to());
        repaired.push_str(std::str::from_utf8(valid).unwrap_or_default());
        let (character, length) = match (surrogate(broken), broken.get(3..).and_then(surrogate)) {
            (Some(first), Some(second)) => match char::decode_utf16([first, second]).next() {
                Some(Ok(character)) => (character, 6),
                _ => (char::REPLACEMENT_CHARACTER, 3),
            },
            (Some(_), None) => (char::REPLACEMENT_CHARACTER, 3),
            (None, _) => (char::REPLACEMENT_CHARACTER, error.error_len().unwrap_or(broken.len())),
        };
        repaired.push(character);
        rest = &broken[length..];
    }
}

/// Half of a surrogate pair, written as a character of its own.
fn surrogate(bytes: &[u8]) -> Option<u16> {
    match *bytes {
        [0xed, second @ 0xa0..=0xbf, third @ 0x80..=0xbf, ..] => {
            Some(0xd000 | u16::from(second & 0x3f) << 6 | u16::from(third & 0x3f))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::e2e::{self, ContextInfo, ExtendedTextMessage, ImageMessage};

    const HALF: &[u8] = &[0xed, 0xa0, 0xbd];
    const OTHER_HALF: &[u8] = &[0xed, 0xb8, 0x80];

    /// The message with these bytes in the place of every letter X, in turn.
    fn broken(message: &e2e::Message, bytes: &[u8]) -> Vec<u8> {
        let mut broken = bytes.iter().cycle();
        let mut raw = message.encode_to_vec();
        for byte in raw.iter_mut().filter(|byte| **byte == b'X') {
            *byte = *broken.next().unwrap();
        }
        raw
    }

    fn nested() -> e2e::Message {
        let quoted = e2e::Message { conversation: Some("quoted XXX".into()), ..Default::default() };
        let context = ContextInfo {
            stanza_id: Some("A".into()),
            quoted_message: Some(Box::new(quoted)),
            ..Default::default()
        };
        let text = ExtendedTextMessage {
            text: Some("text XXX!".into()),
            description: Some("XXX".into()),
            jpeg_thumbnail: Some(vec![0xff, 0xd8, 0xed, 0xa0].into()),
            context_info: Some(Box::new(context)),
            ..Default::default()
        };
        e2e::Message { extended_text_message: Some(Box::new(text)), ..Default::default() }
    }

    #[test]
    fn texts_are_repaired_wherever_they_are_and_bytes_stay() {
        let raw = broken(&nested(), HALF);
        assert!(e2e::Message::decode(&raw[..]).is_err());
        let (message, repaired) = decode::<e2e::Message>(&raw).unwrap();
        let text = message.extended_text_message.as_ref().unwrap();
        assert_eq!(text.text.as_deref(), Some("text \u{fffd}!"));
        assert_eq!(text.description.as_deref(), Some("\u{fffd}"));
        assert_eq!(text.jpeg_thumbnail.as_deref(), Some(&[0xff, 0xd8, 0xed, 0xa0][..]));
        let quoted = text.context_info.as_ref().unwrap().quoted_message.as_ref().unwrap();
        assert_eq!(quoted.conversation.as_deref(), Some("quoted \u{fffd}"));
        assert_eq!(e2e::Message::decode(&repaired.unwrap()[..]).unwrap(), message);
    }

    #[test]
    fn fields_that_nobody_knows_stay() {
        let mut raw = broken(&nested(), HALF);
        put(&mut raw, 4000, HALF);
        let repaired = decode::<e2e::Message>(&raw).unwrap().1.unwrap();
        assert!(repaired.ends_with(HALF));
    }

    #[test]
    fn a_text_that_ends_inside_a_character_does_not_take_along_what_follows() {
        // 0xc3 and the first byte of the key of field 16 would be a character.
        let image = ImageMessage {
            caption: Some("cafX".into()),
            jpeg_thumbnail: Some(vec![1].into()),
            ..Default::default()
        };
        let message = e2e::Message { image_message: Some(Box::new(image)), ..Default::default() };
        let raw = broken(&message, &[0xc3]);
        let image = decode::<e2e::Message>(&raw).unwrap().0.image_message.unwrap();
        assert_eq!(image.caption.as_deref(), Some("caf\u{fffd}"));
        assert_eq!(image.jpeg_thumbnail.as_deref(), Some(&[1][..]));
    }

    #[test]
    fn both_halves_of_a_pair_are_their_character() {
        assert_eq!(text(&[b"a", HALF, OTHER_HALF, b"b"].concat()), "a\u{1f600}b");
        assert_eq!(text(&[HALF, HALF, OTHER_HALF].concat()), "\u{fffd}\u{1f600}");
        assert_eq!(text(OTHER_HALF), "\u{fffd}");
        assert_eq!(text(&[b'x', 0xf0, 0x9f, 0x98]), "x\u{fffd}");
        assert_eq!(text("whole \u{1f600}".as_bytes()), "whole \u{1f600}");
    }

    #[test]
    fn what_is_sound_is_not_touched_and_what_is_no_message_is_refused() {
        let raw = nested().encode_to_vec();
        assert_eq!(decode::<e2e::Message>(&raw).unwrap(), (nested(), None));
        assert!(decode::<e2e::Message>(b"\xff").is_err());
        // A length that goes beyond the end.
        assert!(decode::<e2e::Message>(&[0x0a, 5, 0xed]).is_err());
    }

    #[test]
    fn the_work_is_bounded() {
        let mut raw = Vec::new();
        put(&mut raw, 1, HALF);
        for tag in 1000..200_000 {
            put(&mut raw, tag, &[]);
        }
        assert!(decode::<e2e::Message>(&raw).is_err());
        let mut deep = HALF.to_vec();
        for tag in [1, 40].into_iter().cycle().take(202) {
            let mut outer = Vec::new();
            put(&mut outer, tag, &deep);
            deep = outer;
        }
        assert!(decode::<e2e::Message>(&deep).is_err());
    }

    proptest! {
        #[test]
        fn any_bytes_are_taken_without_harm(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            if let Ok((message, Some(repaired))) = decode::<e2e::Message>(&bytes) {
                prop_assert_eq!(e2e::Message::decode(&repaired[..]).unwrap(), message);
            }
        }

        #[test]
        fn a_text_of_any_bytes_is_read(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            let mut raw = Vec::new();
            put(&mut raw, 1, &bytes);
            let (message, _) = decode::<e2e::Message>(&raw).unwrap();
            let text = message.conversation.unwrap();
            match String::from_utf8(bytes) {
                Ok(sound) => prop_assert_eq!(text, sound),
                Err(_) => prop_assert!(text.chars().any(|repaired| repaired >= char::REPLACEMENT_CHARACTER)),
            }
        }
    }
}
