use std::fmt;

use wa_crypto::kdf;

use crate::ValueMac;
use crate::key::hex;

/// The sum over the records of a collection: 64 numbers of 16 bits that wrap around (protocol facts, section 18.3).
///
/// Whatever the order in which records came and went, the same records have the same sum.
#[derive(Clone, PartialEq, Eq)]
pub struct LtHash([u16; 64]);

impl LtHash {
    /// The sum over no record.
    pub const EMPTY: Self = Self([0; 64]);

    /// As [`LtHash::to_bytes`] gave it.
    pub fn from_bytes(bytes: &[u8; 128]) -> Self {
        let mut sum = [0; 64];
        for (number, [low, high]) in sum.iter_mut().zip(bytes.as_chunks().0) {
            *number = u16::from_le_bytes([*low, *high]);
        }
        Self(sum)
    }

    /// The 128 bytes that a snapshot MAC covers.
    pub fn to_bytes(&self) -> [u8; 128] {
        let mut bytes = [0; 128];
        for (place, number) in bytes.as_chunks_mut().0.iter_mut().zip(self.0) {
            *place = number.to_le_bytes();
        }
        bytes
    }

    /// A record came.
    pub fn add(&mut self, record: &ValueMac) {
        self.each(record, u16::wrapping_add);
    }

    /// A record went, or another took its place.
    pub fn subtract(&mut self, record: &ValueMac) {
        self.each(record, u16::wrapping_sub);
    }

    fn each(&mut self, record: &ValueMac, step: fn(u16, u16) -> u16) {
        let share = Self::from_bytes(&kdf::hkdf(&record.0, b"", b"WhatsApp Patch Integrity"));
        for (number, share) in self.0.iter_mut().zip(share.0) {
            *number = step(*number, share);
        }
    }
}

impl Default for LtHash {
    fn default() -> Self {
        Self::EMPTY
    }
}

impl fmt::Debug for LtHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        hex(f, &self.to_bytes())
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    type Records = Vec<[u8; 32]>;

    /// Records that stay, and these and others coming and going in any order.
    fn steps() -> impl Strategy<Value = (Records, Vec<(bool, [u8; 32])>)> {
        (vec(any::<[u8; 32]>(), 0..8), vec(any::<[u8; 32]>(), 0..8)).prop_flat_map(|(stay, go)| {
            let mut steps: Vec<_> = stay.iter().chain(&go).map(|record| (true, *record)).collect();
            steps.extend(go.iter().map(|record| (false, *record)));
            (Just(stay), Just(steps).prop_shuffle())
        })
    }

    proptest! {
        #[test]
        fn only_what_stays_counts((stay, steps) in steps()) {
            let mut expected = LtHash::EMPTY;
            stay.iter().for_each(|record| expected.add(&ValueMac(*record)));
            let mut hash = LtHash::EMPTY;
            for (comes, record) in steps {
                if comes { hash.add(&ValueMac(record)) } else { hash.subtract(&ValueMac(record)) }
            }
            prop_assert_eq!(hash, expected);
        }

        #[test]
        fn bytes_come_back(low in any::<[[u8; 32]; 4]>()) {
            let bytes: [u8; 128] = low.concat().try_into().unwrap();
            prop_assert_eq!(LtHash::from_bytes(&bytes).to_bytes(), bytes);
        }
    }
}
