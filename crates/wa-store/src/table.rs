use std::collections::BTreeMap;
use std::ops::Range;

use bytes::Bytes;

use crate::{Key, Kind, Step};

/// Records in memory, and what each step of a batch means: the reference for all backends.
#[derive(Default)]
pub(crate) struct Table {
    kinds: BTreeMap<Kind, BTreeMap<Key, Bytes>>,
}

impl Table {
    pub(crate) fn get(&self, kind: Kind, keys: &[Key]) -> Vec<Option<Bytes>> {
        let records = self.kinds.get(&kind);
        keys.iter().map(|key| records.and_then(|records| records.get(key)).cloned()).collect()
    }

    pub(crate) fn scan(&self, kind: Kind, range: Range<Key>, limit: usize) -> Vec<(Key, Bytes)> {
        // An empty or reversed range has no records; `BTreeMap::range` would panic on a reversed one.
        let records = self.kinds.get(&kind).filter(|_| range.start < range.end);
        let found = records.into_iter().flat_map(|records| records.range(range.clone())).take(limit);
        found.map(|(key, value)| (key.clone(), value.clone())).collect()
    }

    pub(crate) fn count(&self, kind: Kind) -> u64 {
        self.kinds.get(&kind).map_or(0, |records| records.len() as u64)
    }

    pub(crate) fn apply(&mut self, step: Step) {
        match step {
            Step::Put(kind, key, value) => {
                self.kinds.entry(kind).or_default().insert(key, value);
            }
            Step::Delete(kind, key) => {
                if let Some(records) = self.kinds.get_mut(&kind) {
                    records.remove(&key);
                }
            }
            Step::KeepLast(kind, count) => self.keep_last(kind, count),
            Step::Wipe => self.kinds.clear(),
        }
    }

    /// The fewest steps that make this table.
    pub(crate) fn steps(&self) -> Vec<Step> {
        let records = self.kinds.iter().flat_map(|(kind, records)| {
            records.iter().map(|(key, value)| Step::Put(*kind, key.clone(), value.clone()))
        });
        records.collect()
    }

    /// How many bytes its keys and values have.
    pub(crate) fn size(&self) -> u64 {
        let records = self.kinds.values().flatten();
        records.map(|(key, value)| (key.as_str().len() + value.len()) as u64).sum()
    }

    fn keep_last(&mut self, kind: Kind, count: usize) {
        let Some(records) = self.kinds.get_mut(&kind) else { return };
        let surplus = records.len().saturating_sub(count);
        for _ in 0..surplus {
            records.pop_first();
        }
    }
}
