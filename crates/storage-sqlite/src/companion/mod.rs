//! The records of companions: `wa_store::Records` on the shared database.

use std::ops::Range;
use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use bytes::Bytes;
use diesel::SqliteConnection;
use storage::{Epoch, InstanceId};
use storage_sql::{Fault, Sealer};
use wa_store::{Batch, Commit, Key, Kind, Records, Store, StoreError};

use crate::database::SqliteDatabase;
use crate::records;

impl SqliteDatabase {
    /// The store of the companion that speaks for an instance, with every value sealed. It can be written while the
    /// instance is held under this epoch, and read at any time; its records go when the instance is deleted.
    pub fn companion_store(&self, instance: InstanceId, epoch: Epoch) -> Store {
        let sealer = Sealer::for_instance(self.master_key(), instance);
        Store::new(self.companion(instance, epoch), Arc::new(sealer))
    }

    /// The records below it, sealed as they are.
    pub fn companion(&self, instance: InstanceId, epoch: Epoch) -> Arc<dyn Records> {
        Arc::new(CompanionRecords { database: self.clone(), instance, epoch, key: Arc::default() })
    }
}

/// Reads and writes the records of one instance's companion.
struct CompanionRecords {
    database: SqliteDatabase,
    instance: InstanceId,
    epoch: Epoch,
    /// `instances.key`, once looked up. It stays right: keys are never used again.
    key: Arc<OnceLock<i64>>,
}

impl CompanionRecords {
    /// Runs a read with the instance's key.
    async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut SqliteConnection, i64) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (instance, known) = (self.instance, Arc::clone(&self.key));
        let read = self.database.read(move |db| {
            let key = match known.get() {
                Some(key) => *key,
                None => {
                    let key = records::key_of(db, instance)?;
                    *known.get_or_init(|| key)
                }
            };
            work(db, key)
        });
        Ok(read.await?)
    }
}

#[async_trait]
impl Records for CompanionRecords {
    async fn get(&self, kind: Kind, keys: &[Key]) -> Result<Vec<Option<Bytes>>, StoreError> {
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let keys = keys.to_vec();
        self.read(move |db, instance| records::get(db, instance, kind, &keys)).await
    }

    async fn scan(
        &self,
        kind: Kind,
        range: Range<Key>,
        limit: usize,
    ) -> Result<Vec<(Key, Bytes)>, StoreError> {
        self.read(move |db, instance| records::scan(db, instance, kind, &range, limit)).await
    }

    async fn count(&self, kind: Kind) -> Result<u64, StoreError> {
        self.read(move |db, instance| records::count(db, instance, kind)).await
    }

    fn apply(&self, batch: Batch) -> Commit {
        let (instance, epoch) = (self.instance, self.epoch);
        self.database.shared.queue.commit(move |tx| {
            let key = tx.check_epoch(instance, epoch)?;
            records::apply(&mut tx.db, key, &batch)
        })
    }
}

#[cfg(test)]
mod tests;
