//! A batch in the log: length (4 bytes, little-endian), checksum (4 bytes), steps in protobuf.
//!
//! The checksum covers the place in the file too. So what looks like a frame inside of a stored value, which a stranger
//! may have written, isn't one.

use bytes::Bytes;
use prost::Message;

use crate::{Key, Kind, Step};

/// Why there is no frame at a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoFrame {
    /// Nothing follows.
    End,
    /// What follows is no whole frame, and no whole frame follows it: the last write before a crash.
    Torn,
    /// What follows is no whole frame, yet whole ones come after it.
    Damaged,
}

/// These steps as one frame that begins at byte `at` of the file. `None`: they are too large for one.
pub(super) fn encode(steps: &[Step], at: u64) -> Option<Vec<u8>> {
    let body = BatchRecord { steps: steps.iter().map(StepRecord::from).collect() }.encode_to_vec();
    let length = u32::try_from(body.len()).ok()?.to_le_bytes();
    let sum = checksum(at, length, &body).to_le_bytes();
    Some([&length[..], &sum, &body].concat())
}

/// The steps of the frame at the beginning of `bytes`, which lie at byte `at` of the file, and what follows it.
pub(super) fn decode(bytes: &[u8], at: u64) -> Result<(Vec<Step>, &[u8]), NoFrame> {
    if bytes.is_empty() {
        return Err(NoFrame::End);
    }
    if let Some((body, rest)) = split(bytes, at) {
        // A checksum that holds over steps that make no sense was not torn by a crash.
        let steps = steps(body).ok_or(NoFrame::Damaged)?;
        return Ok((steps, rest));
    }
    let mut later = (1..bytes.len()).filter_map(|skipped| split(bytes.get(skipped..)?, at + skipped as u64));
    if later.next().is_some() { Err(NoFrame::Damaged) } else { Err(NoFrame::Torn) }
}

/// A frame's body, if it is whole, and what follows.
fn split(bytes: &[u8], at: u64) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    let (sum, rest) = rest.split_first_chunk::<4>()?;
    let (body, rest) = rest.split_at_checked(usize::try_from(u32::from_le_bytes(*length)).ok()?)?;
    (checksum(at, *length, body) == u32::from_le_bytes(*sum)).then_some((body, rest))
}

fn steps(body: &[u8]) -> Option<Vec<Step>> {
    BatchRecord::decode(body).ok()?.steps.into_iter().map(StepRecord::into_step).collect()
}

fn checksum(at: u64, length: [u8; 4], body: &[u8]) -> u32 {
    crc32(at.to_le_bytes().iter().chain(&length).chain(body))
}

/// CRC-32 as in zip files.
fn crc32<'a>(bytes: impl Iterator<Item = &'a u8>) -> u32 {
    !bytes.fold(!0, |sum, byte| CRC_TABLE[usize::from(sum as u8 ^ byte)] ^ (sum >> 8))
}

const CRC_TABLE: [u32; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut sum = byte as u32;
        let mut bit = 0;
        while bit < 8 {
            sum = if sum & 1 == 1 { 0xedb8_8320 ^ (sum >> 1) } else { sum >> 1 };
            bit += 1;
        }
        table[byte] = sum;
        byte += 1;
    }
    table
};

#[derive(Clone, PartialEq, Message)]
#[prost(skip_debug)]
struct BatchRecord {
    #[prost(message, repeated, tag = "1")]
    steps: Vec<StepRecord>,
}

#[derive(Clone, PartialEq, Message)]
#[prost(skip_debug)]
struct StepRecord {
    /// One of [`PUT`], [`DELETE`], [`KEEP_LAST`], [`WIPE`].
    #[prost(uint32, tag = "1")]
    what: u32,
    #[prost(uint32, tag = "2")]
    kind: u32,
    #[prost(string, tag = "3")]
    key: String,
    #[prost(bytes = "bytes", tag = "4")]
    value: Bytes,
    #[prost(uint64, tag = "5")]
    count: u64,
}

const PUT: u32 = 1;
const DELETE: u32 = 2;
const KEEP_LAST: u32 = 3;
const WIPE: u32 = 4;

impl From<&Step> for StepRecord {
    fn from(step: &Step) -> Self {
        let on = |what, kind: &Kind| Self { what, kind: kind.number().into(), ..Self::default() };
        match step {
            Step::Put(kind, key, value) => {
                Self { key: key.as_str().to_owned(), value: value.clone(), ..on(PUT, kind) }
            }
            Step::Delete(kind, key) => Self { key: key.as_str().to_owned(), ..on(DELETE, kind) },
            Step::KeepLast(kind, count) => Self { count: *count as u64, ..on(KEEP_LAST, kind) },
            Step::Wipe => Self { what: WIPE, ..Self::default() },
        }
    }
}

impl StepRecord {
    fn into_step(self) -> Option<Step> {
        let kind = Kind::from_number(u8::try_from(self.kind).ok()?);
        let key = Key::from_stored(self.key);
        Some(match self.what {
            PUT => Step::Put(kind, key, self.value),
            DELETE => Step::Delete(kind, key),
            KEEP_LAST => Step::KeepLast(kind, usize::try_from(self.count).unwrap_or(usize::MAX)),
            WIPE => Step::Wipe,
            _ => return None,
        })
    }
}

impl std::fmt::Debug for BatchRecord {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BatchRecord").finish_non_exhaustive()
    }
}

impl std::fmt::Debug for StepRecord {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StepRecord").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::conformance::random_batch;

    #[test]
    fn the_checksum_is_the_known_one() {
        assert_eq!(crc32(b"123456789".iter()), 0xcbf4_3926);
    }

    #[test]
    fn zeros_are_no_frame() {
        assert_eq!(decode(&[0; 64], 0), Err(NoFrame::Torn));
        assert_eq!(decode(&[0; 64], 8), Err(NoFrame::Torn));
        assert_eq!(decode(&[], 8), Err(NoFrame::End));
    }

    #[test]
    fn a_damaged_frame_before_a_whole_one_is_not_a_torn_one() {
        let frame = |at| encode(random_batch(3).steps(), at).unwrap();
        let length = frame(8).len();
        let two = [frame(8), frame(8 + length as u64)].concat();
        for at in 0..length {
            let mut damaged = two.clone();
            damaged[at] ^= 0x10;
            assert_eq!(decode(&damaged, 8), Err(NoFrame::Damaged), "byte {at}");
            damaged.truncate(length);
            assert_eq!(decode(&damaged, 8), Err(NoFrame::Torn), "byte {at}");
        }
    }

    #[test]
    fn a_frame_holds_at_its_place_only() {
        let inner = encode(random_batch(3).steps(), 8).unwrap();
        assert_eq!(decode(&inner, 9), Err(NoFrame::Torn));
        let outer = [Step::Put(Kind::PEER_DATA, Key::FIRST, inner.into())];
        let mut torn = encode(&outer, 8).unwrap();
        torn.pop();
        assert_eq!(decode(&torn, 8), Err(NoFrame::Torn));
    }

    #[test]
    fn unknown_steps_are_not_passed_over() {
        let unknown = BatchRecord { steps: vec![StepRecord { what: 9, ..StepRecord::default() }] };
        let body = unknown.encode_to_vec();
        let length = (body.len() as u32).to_le_bytes();
        let sum = checksum(8, length, &body).to_le_bytes();
        assert_eq!(decode(&[&length[..], &sum, &body].concat(), 8), Err(NoFrame::Damaged));
    }

    proptest! {
        #[test]
        fn steps_come_back(seed: u64, at in 0..u64::from(u32::MAX), after in proptest::collection::vec(any::<u8>(), 0..20)) {
            let steps = random_batch(seed).into_steps();
            let bytes = [encode(&steps, at).unwrap(), after.clone()].concat();
            let (found, rest) = decode(&bytes, at).unwrap();
            prop_assert_eq!(found, steps);
            prop_assert_eq!(rest, &after[..]);
        }

        #[test]
        fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = decode(&bytes, 8);
        }
    }
}
