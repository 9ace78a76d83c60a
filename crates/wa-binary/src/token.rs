//! Look-up in the token dictionary, both ways.

mod table;

use table::{DOUBLE, SINGLE};

/// A string's place in the dictionary.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Token {
    /// One byte on the wire.
    Single(u8),
    /// Dictionary 0 to 3 and the index in it: two bytes on the wire.
    Double(u8, u8),
}

/// The string of a single-byte token.
pub(crate) fn single(byte: u8) -> Option<&'static str> {
    SINGLE.get(usize::from(byte)).copied().filter(|token| !token.is_empty())
}

/// The string of a two-byte token.
pub(crate) fn double(dictionary: u8, index: u8) -> Option<&'static str> {
    DOUBLE.get(usize::from(dictionary))?.get(usize::from(index)).copied()
}

/// The token of a string, if the dictionary has it.
pub(crate) fn find(text: &str) -> Option<Token> {
    if text.is_empty() || text.len() > LONGEST {
        return None;
    }
    let mut slot = hash(text.as_bytes()) & MASK;
    loop {
        let token = Token::from_id(*INDEX.get(slot)?)?;
        if token.text() == Some(text) {
            return Some(token);
        }
        slot = (slot + 1) & MASK;
    }
}

impl Token {
    /// 0 is an empty slot; single-byte tokens are their byte; the others follow from 256.
    fn from_id(id: u16) -> Option<Self> {
        let [high, low] = id.to_be_bytes();
        match (high, low) {
            (0, 0) => None,
            (0, byte) => Some(Self::Single(byte)),
            (high, index) => Some(Self::Double(high - 1, index)),
        }
    }

    /// The string it stands for.
    pub(crate) fn text(self) -> Option<&'static str> {
        match self {
            Self::Single(byte) => single(byte),
            Self::Double(dictionary, index) => double(dictionary, index),
        }
    }
}

/// Three times as many slots as tokens: most look-ups end in the first slot, and 8 KiB stay in cache.
const SLOTS: usize = 4096;
const MASK: usize = SLOTS - 1;
const LONGEST: usize = longest();
static INDEX: [u16; SLOTS] = index();

/// FNV-1a, folded. It runs at compile time too, so it cannot come from a crate.
const fn hash(bytes: &[u8]) -> usize {
    let mut hash: u32 = 0x811c_9dc5;
    let mut rest = bytes;
    while let [byte, tail @ ..] = rest {
        hash = (hash ^ *byte as u32).wrapping_mul(0x0100_0193);
        rest = tail;
    }
    (hash ^ (hash >> 15)) as usize
}

const fn index() -> [u16; SLOTS] {
    let mut slots = [0; SLOTS];
    let mut byte = 1;
    while byte < SINGLE.len() {
        insert(&mut slots, SINGLE[byte], byte as u16);
        byte += 1;
    }
    let mut dictionary = 0;
    while dictionary < DOUBLE.len() {
        let mut at = 0;
        while at < DOUBLE[dictionary].len() {
            insert(&mut slots, DOUBLE[dictionary][at], (256 * (dictionary + 1) + at) as u16);
            at += 1;
        }
        dictionary += 1;
    }
    slots
}

const fn insert(slots: &mut [u16; SLOTS], token: &str, id: u16) {
    let mut slot = hash(token.as_bytes()) & MASK;
    while slots[slot] != 0 {
        slot = (slot + 1) & MASK;
    }
    slots[slot] = id;
}

const fn longest() -> usize {
    let mut longest = 0;
    let mut at = 0;
    while at < SINGLE.len() {
        longest = if SINGLE[at].len() > longest { SINGLE[at].len() } else { longest };
        at += 1;
    }
    at = 0;
    while at < 4 * 256 {
        let len = DOUBLE[at / 256][at % 256].len();
        longest = if len > longest { len } else { longest };
        at += 1;
    }
    longest
}

#[cfg(test)]
mod tests {
    use sha2::{Digest, Sha256};

    use super::*;

    fn digest(entries: &[&str]) -> String {
        hex::encode(Sha256::digest(entries.join("\0")))
    }

    #[test]
    fn the_dictionary_is_version_3() {
        assert_eq!(digest(&SINGLE), "c57be53e133c7270974ee8eb7f9533a9b67b5b52e6288e584382ca7217a81c6c");
        let expected = [
            "331f4bcbe5817464047e82606da11f0765c7137bf28fba77b3661d9dc1a4ebdc",
            "4065d6eaa6c04f62c45cc42f9a06be100fa70f1fd9844502e2619faee754b0b0",
            "81dc9163d301cc04443a9e1b9aa95e51eb18fa029f0a6a13b396556acb5301a1",
            "5bfc42acd39f517202ea1a989279655d199ddd129e657e52772e747e6cfe9c1c",
        ];
        for (dictionary, expected) in DOUBLE.iter().zip(expected) {
            assert_eq!(digest(dictionary), expected);
        }
    }

    #[test]
    fn every_token_is_found_where_it_stands() {
        for (at, text) in SINGLE.iter().enumerate().skip(1) {
            assert_eq!(find(text), Some(Token::Single(at as u8)), "{text}");
            assert_eq!(single(at as u8), Some(*text));
        }
        for (dictionary, entries) in DOUBLE.iter().enumerate() {
            for (at, text) in entries.iter().enumerate() {
                assert_eq!(find(text), Some(Token::Double(dictionary as u8, at as u8)), "{text}");
                assert_eq!(double(dictionary as u8, at as u8), Some(*text));
            }
        }
    }

    #[test]
    fn other_strings_and_bytes_have_no_token() {
        for text in ["", "iqq", "Message", "15550000001", &"x".repeat(LONGEST), &"x".repeat(LONGEST + 1)] {
            assert_eq!(find(text), None, "{text}");
        }
        assert_eq!(single(0), None);
        assert_eq!(single(236), None);
        assert_eq!(double(4, 0), None);
    }

    #[test]
    fn probing_stays_short() {
        let slot_runs = INDEX.split(|id| *id == 0).map(<[u16]>::len).max();
        assert!(slot_runs < Some(16), "{slot_runs:?}");
    }
}
