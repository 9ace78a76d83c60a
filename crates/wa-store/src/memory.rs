use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use parking_lot::Mutex;

use crate::table::Table;
use crate::{Batch, Commit, Key, Kind, Records, StoreError};

/// The reference backend: everything in memory, lost with the last handle. For tests and experiments.
#[derive(Default)]
pub struct MemoryRecords {
    shared: Arc<Mutex<Shared>>,
    epoch: u64,
}

/// What all handles share.
#[derive(Default)]
struct Shared {
    table: Table,
    /// Of the latest owner.
    epoch: u64,
}

impl MemoryRecords {
    /// A store of a companion that isn't paired yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Another handle of the same owner.
    #[must_use]
    pub fn another(&self) -> Self {
        Self { shared: Arc::clone(&self.shared), epoch: self.epoch }
    }

    /// The handle of a new owner; the batches of all older owners are refused from now on.
    #[must_use]
    pub fn take_over(&self) -> Self {
        let mut shared = self.shared.lock();
        shared.epoch += 1;
        Self { shared: Arc::clone(&self.shared), epoch: shared.epoch }
    }

    fn apply_now(&self, batch: Batch) -> Result<(), StoreError> {
        let mut shared = self.shared.lock();
        if shared.epoch != self.epoch {
            return Err(StoreError::Fenced);
        }
        batch.into_steps().into_iter().for_each(|step| shared.table.apply(step));
        Ok(())
    }
}

#[async_trait]
impl Records for MemoryRecords {
    async fn get(&self, kind: Kind, keys: &[Key]) -> Result<Vec<Option<Bytes>>, StoreError> {
        Ok(self.shared.lock().table.get(kind, keys))
    }

    async fn scan(
        &self,
        kind: Kind,
        range: Range<Key>,
        limit: usize,
    ) -> Result<Vec<(Key, Bytes)>, StoreError> {
        Ok(self.shared.lock().table.scan(kind, range, limit))
    }

    async fn count(&self, kind: Kind) -> Result<u64, StoreError> {
        Ok(self.shared.lock().table.count(kind))
    }

    fn apply(&self, batch: Batch) -> Commit {
        Box::pin(std::future::ready(self.apply_now(batch)))
    }
}

#[cfg(test)]
mod tests {
    use crate::conformance::MemoryBackend;

    crate::conformance_tests!(MemoryBackend::default());
    crate::ownership_tests!(MemoryBackend::default());
}
