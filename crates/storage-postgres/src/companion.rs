//! The records of companions: `wa_store::Records` on the shared database.

use std::ops::Range;
use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use bytes::Bytes;
use diesel_async::AsyncPgConnection;
use storage::{Epoch, InstanceId};
use storage_sql::{Fault, Sealer};
use wa_store::{Batch, Commit, Key, Kind, Records, Store, StoreError};

use crate::database::PostgresDatabase;
use crate::records;

impl PostgresDatabase {
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
    database: PostgresDatabase,
    instance: InstanceId,
    epoch: Epoch,
    /// `instances.key`, once looked up. It stays right: keys are never used again.
    key: Arc<OnceLock<i64>>,
}

impl CompanionRecords {
    /// What a read looks the instance's key up with.
    fn known(&self) -> Known {
        Known { instance: self.instance, key: Arc::clone(&self.key) }
    }
}

struct Known {
    instance: InstanceId,
    key: Arc<OnceLock<i64>>,
}

impl Known {
    async fn key(&self, db: &mut AsyncPgConnection) -> Result<i64, Fault> {
        if let Some(key) = self.key.get() {
            return Ok(*key);
        }
        let key = records::key_of(db, self.instance).await?;
        Ok(*self.key.get_or_init(|| key))
    }
}

#[async_trait]
impl Records for CompanionRecords {
    async fn get(&self, kind: Kind, keys: &[Key]) -> Result<Vec<Option<Bytes>>, StoreError> {
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let (known, keys) = (self.known(), keys.to_vec());
        let found = self.database.read(async move |db| {
            let instance = known.key(db).await?;
            records::get(db, instance, kind, &keys).await
        });
        Ok(found.await?)
    }

    async fn scan(
        &self,
        kind: Kind,
        range: Range<Key>,
        limit: usize,
    ) -> Result<Vec<(Key, Bytes)>, StoreError> {
        let known = self.known();
        let found = self.database.read(async move |db| {
            let instance = known.key(db).await?;
            records::scan(db, instance, kind, &range, limit).await
        });
        Ok(found.await?)
    }

    async fn count(&self, kind: Kind) -> Result<u64, StoreError> {
        let known = self.known();
        let counted = self.database.read(async move |db| {
            let instance = known.key(db).await?;
            records::count(db, instance, kind).await
        });
        Ok(counted.await?)
    }

    fn apply(&self, batch: Batch) -> Commit {
        let (instance, epoch) = (self.instance, self.epoch);
        self.database.shared.queue.commit(instance, async move |tx| {
            let key = tx.check_epoch(instance, epoch).await?;
            records::apply(&mut tx.db, key, &batch).await
        })
    }
}
