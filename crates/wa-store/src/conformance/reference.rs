use bytes::Bytes;

use super::{Backend, key};
use crate::{Batch, Key, Kind, MemoryRecords, Records};

/// After any batches a backend holds what the memory records hold.
pub async fn random_batches_leave_what_the_reference_has(backend: impl Backend) {
    let (records, reference) = (backend.companion(1).await, MemoryRecords::new());
    for seed in 0..150 {
        let batch = random_batch(seed);
        reference.apply(batch.clone()).await.unwrap();
        drop(records.apply(batch));
        if seed % 10 == 9 {
            records.apply(Batch::new()).await.unwrap();
            same_records(&*records, &reference).await;
        }
    }
}

/// Panics unless both hold the same records of the kinds that [`random_batch`] uses.
pub async fn same_records(one: &dyn Records, other: &dyn Records) {
    for kind in KINDS.map(Kind::from_number) {
        let all = one.scan(kind, Key::FIRST..Key::END, usize::MAX).await.unwrap();
        let expected = other.scan(kind, Key::FIRST..Key::END, usize::MAX).await.unwrap();
        assert_eq!(all, expected, "{kind:?}");
        assert_eq!(one.count(kind).await.unwrap(), expected.len() as u64);
        let keys: Vec<_> = (0..NAMES).map(|name| key(&name.to_string())).collect();
        assert_eq!(one.get(kind, &keys).await.unwrap(), other.get(kind, &keys).await.unwrap());
    }
}

/// A batch of up to seven steps of every sort, the same for the same seed.
pub fn random_batch(seed: u64) -> Batch {
    let mut dice = Dice(seed);
    let mut batch = Batch::new();
    for _ in 0..dice.throw(8) {
        let kind = Kind::from_number(KINDS[dice.throw(KINDS.len() as u64) as usize]);
        let name = key(&dice.throw(NAMES).to_string());
        match dice.throw(20) {
            0 => batch.keep_last(kind, dice.throw(NAMES / 2) as usize),
            1 if dice.throw(4) == 0 => batch.wipe(),
            2..=6 => batch.delete(kind, name),
            _ => {
                let length = dice.throw(40) as usize;
                batch.put(kind, name, Bytes::from(vec![dice.throw(256) as u8; length]));
            }
        }
    }
    batch
}

const KINDS: [u8; 4] = [2, 3, 9, 77];
const NAMES: u64 = 24;

/// SplitMix64: numbers that look random, from a seed.
struct Dice(u64);

impl Dice {
    fn throw(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % sides
    }
}
