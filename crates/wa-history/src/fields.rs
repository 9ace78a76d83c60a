//! Protobuf fields of a stream whose end isn't there yet.

use std::io::Read;

use prost::encoding::{WireType, decode_key, decode_varint};

use crate::HistoryError;
use crate::inflate::Inflate;

/// The key of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Key {
    pub(crate) tag: u32,
    pub(crate) wire: WireType,
}

impl<R: Read> Inflate<R> {
    pub(crate) fn key(&mut self) -> Result<Key, HistoryError> {
        let key = u32::try_from(self.varint()?).map_err(|_| HistoryError::Malformed)?;
        let wire = WireType::try_from(u64::from(key & 7)).map_err(|_| HistoryError::Malformed)?;
        match key >> 3 {
            0 => Err(HistoryError::Malformed),
            tag => Ok(Key { tag, wire }),
        }
    }

    pub(crate) fn varint(&mut self) -> Result<u64, HistoryError> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            // Of the tenth byte one bit counts.
            if shift == 63 && byte > 1 {
                break;
            }
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(HistoryError::Malformed)
    }

    /// How many bytes the value of a field has, its length read if it has one. Groups are of no use to anybody.
    pub(crate) fn length(&mut self, wire: WireType) -> Result<Option<u64>, HistoryError> {
        match wire {
            WireType::Varint => Ok(None),
            WireType::SixtyFourBit => Ok(Some(8)),
            WireType::ThirtyTwoBit => Ok(Some(4)),
            WireType::LengthDelimited => self.varint().map(Some),
            WireType::StartGroup | WireType::EndGroup => Err(HistoryError::Malformed),
        }
    }
}

/// Bytes below which a field is tiny: shorter than any JID or id of a message.
const TINY: usize = 16;
/// Messages inside each other that prost decodes.
const MAX_DEPTH: usize = 100;

/// Whether `message` has no more than `most` tiny fields that could be messages, at any depth.
///
/// Decoding makes a value of each, which may be a thousand times as long as the field was.
pub(crate) fn has_few_tiny(message: &[u8], most: usize) -> bool {
    count_tiny(message, MAX_DEPTH, most) <= most
}

/// Counts until there are more than `most`.
fn count_tiny(message: &[u8], depth: usize, most: usize) -> usize {
    let (mut tiny, mut rest) = (0, message);
    while tiny <= most
        && let Some((value, after)) = next(rest)
    {
        rest = after;
        let Some(value) = value else { continue };
        tiny += usize::from(value.len() < TINY);
        if depth > 0 && tiny <= most {
            tiny += count_tiny(value, depth - 1, most - tiny);
        }
    }
    tiny
}

/// The value of the first field, if it has a length, and what follows; nothing where no field is.
fn next(mut message: &[u8]) -> Option<(Option<&[u8]>, &[u8])> {
    let (_, wire) = decode_key(&mut message).ok()?;
    let fixed = match wire {
        WireType::LengthDelimited => {
            let length = usize::try_from(decode_varint(&mut message).ok()?).ok()?;
            return message.split_at_checked(length).map(|(value, after)| (Some(value), after));
        }
        WireType::Varint => decode_varint(&mut message).ok().map(|_| 0)?,
        WireType::SixtyFourBit => 8,
        WireType::ThirtyTwoBit => 4,
        WireType::StartGroup | WireType::EndGroup => 0,
    };
    Some((None, message.get(fixed..)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tiny_fields_count_at_every_depth_and_others_do_not() {
        let tiny = [0x0a, 1, 0xff];
        let long = [&[0x0a, 18][..], &tiny.repeat(6)].concat();
        let number = [0x08, 1];
        let message = [&tiny[..], &long, &number].concat();
        assert!(has_few_tiny(&message, 7));
        assert!(!has_few_tiny(&message, 6));
        // What follows something broken isn't decoded either.
        assert!(has_few_tiny(&[&[0x0f][..], &tiny.repeat(9)].concat(), 0));
    }
}
