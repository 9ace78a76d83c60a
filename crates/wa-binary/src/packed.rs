//! Packed strings: two characters a byte, for digits (nibble) and upper-case hexadecimal.

use crate::tag;

/// Longest string that is packed: its byte count must fit seven bits with the odd flag above them.
pub(crate) const MAX_LEN: usize = 127;
/// Room for the longest string a peer can claim: 127 bytes of two characters.
pub(crate) type Buffer = [u8; 254];
/// Set in the count byte when the last low nibble is padding.
const ODD: u8 = 0x80;
const PAD: u8 = 0x0f;

/// Which alphabet a packed string uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Packing {
    Nibble,
    Hex,
}

impl Packing {
    /// The packing WhatsApp would choose for `text`: digits first, then hexadecimal, else none.
    pub(crate) fn of(text: &str) -> Option<Self> {
        if text.is_empty() || text.len() > MAX_LEN {
            return None;
        }
        let (mut nibble, mut hex) = (true, true);
        for byte in text.bytes() {
            match byte {
                b'0'..=b'9' => {}
                b'-' | b'.' => hex = false,
                b'A'..=b'F' => nibble = false,
                _ => return None,
            }
        }
        if nibble { Some(Self::Nibble) } else { hex.then_some(Self::Hex) }
    }

    /// Type byte on the wire.
    pub(crate) fn tag(self) -> u8 {
        match self {
            Self::Nibble => tag::NIBBLE_8,
            Self::Hex => tag::HEX_8,
        }
    }

    /// Appends type byte, count and packed characters. `text` must be one that [`of`](Self::of) chose.
    pub(crate) fn write(self, text: &str, out: &mut Vec<u8>) {
        let (pairs, tail) = text.as_bytes().as_chunks::<2>();
        let odd = if tail.is_empty() { 0 } else { ODD };
        out.push(self.tag());
        out.push(text.len().div_ceil(2) as u8 | odd);
        out.extend(pairs.iter().map(|[high, low]| pack(*high) << 4 | pack(*low)));
        out.extend(tail.iter().map(|last| pack(*last) << 4 | PAD));
    }

    /// Unpacks `bytes` into `buffer`. `None` for a nibble that stands for no character, for padding that is
    /// not 15, and for an odd flag on nothing.
    pub(crate) fn read<'b>(self, count: u8, bytes: &[u8], buffer: &'b mut Buffer) -> Option<&'b str> {
        let odd = usize::from(count & ODD != 0);
        let len = (2 * bytes.len()).checked_sub(odd)?;
        for (pair, byte) in buffer.as_chunks_mut::<2>().0.iter_mut().zip(bytes) {
            *pair = [self.unpack(byte >> 4), self.unpack(byte & 0x0f)];
        }
        if odd == 1 && bytes.last()? & 0x0f != PAD {
            return None;
        }
        let text = buffer.get(..len)?;
        if text.contains(&NO_CHARACTER) { None } else { std::str::from_utf8(text).ok() }
    }

    fn unpack(self, nibble: u8) -> u8 {
        let alphabet = match self {
            Self::Nibble => b"0123456789-.\0\0\0\0",
            Self::Hex => b"0123456789ABCDEF",
        };
        alphabet.get(usize::from(nibble)).copied().unwrap_or(NO_CHARACTER)
    }
}

const NO_CHARACTER: u8 = 0;

/// Number of bytes that follow the count byte.
pub(crate) fn byte_len(count: u8) -> usize {
    usize::from(count & !ODD)
}

fn pack(character: u8) -> u8 {
    match character {
        b'-' => 10,
        b'.' => 11,
        b'A'..=b'F' => character - b'A' + 10,
        digit => digit & 0x0f,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(packing: Packing, wire: &[u8]) -> Option<String> {
        packing.read(wire[0], &wire[1..], &mut [0; 254]).map(str::to_owned)
    }

    #[test]
    fn chooses_digits_before_hexadecimal_and_neither_for_anything_else() {
        for (text, expected) in [
            ("15550000001", Some(Packing::Nibble)),
            ("1.2-3", Some(Packing::Nibble)),
            ("3EB0AAAABCF", Some(Packing::Hex)),
            ("A-1", None),
            ("3eb0", None),
            ("", None),
            ("1 2", None),
            ("١", None),
        ] {
            assert_eq!(Packing::of(text), expected, "{text}");
        }
        assert_eq!(Packing::of(&"1".repeat(MAX_LEN)), Some(Packing::Nibble));
        assert_eq!(Packing::of(&"1".repeat(MAX_LEN + 1)), None);
    }

    #[test]
    fn every_length_comes_back() {
        for (packing, alphabet) in [(Packing::Nibble, "0123456789-."), (Packing::Hex, "F0123456789ABCDE")] {
            for len in 1..=MAX_LEN {
                let text: String = alphabet.chars().cycle().take(len).collect();
                let mut wire = Vec::new();
                packing.write(&text, &mut wire);
                assert_eq!(wire[0], packing.tag());
                assert_eq!(byte_len(wire[1]), wire.len() - 2);
                assert_eq!(read(packing, &wire[1..]).as_deref(), Some(&*text));
            }
        }
    }

    #[test]
    fn nibbles_without_a_character_are_refused() {
        for bad in [0xc0, 0xd0, 0xe0, 0xf0, 0x0c, 0x0d, 0x0e, 0x0f] {
            assert_eq!(read(Packing::Nibble, &[1, bad]), None, "{bad:02x}");
        }
    }

    #[test]
    fn an_odd_tail_must_be_padded_with_15() {
        assert_eq!(read(Packing::Nibble, &[0x81, 0x1f]).as_deref(), Some("1"));
        assert_eq!(read(Packing::Nibble, &[0x81, 0x10]), None);
        assert_eq!(read(Packing::Hex, &[0x81, 0xff]).as_deref(), Some("F"));
        assert_eq!(read(Packing::Hex, &[0x81, 0xf0]), None);
        assert_eq!(read(Packing::Nibble, &[0x80]), None);
        assert_eq!(read(Packing::Nibble, &[0]).as_deref(), Some(""));
    }
}
