use async_trait::async_trait;

use super::MemoryStorage;
use super::messages::size;
use crate::{ClaimStore, StorageError, StoredClaim, Timestamp};

#[async_trait]
impl ClaimStore for MemoryStorage {
    async fn claim(&self, scope: &str, key: &str) -> Result<Option<StoredClaim>, StorageError> {
        let tables = self.lock();
        Ok(tables.claims.get(&(scope.to_owned(), key.to_owned())).map(|(_, claim)| claim.clone()))
    }

    async fn prune_claims(&self, before: Timestamp, limit: u64) -> Result<u64, StorageError> {
        let mut tables = self.lock();
        let old = tables.claims.iter().filter(|(_, (_, claim))| claim.at < before);
        let old: Vec<_> = old.take(size(limit)).map(|(key, _)| key.clone()).collect();
        old.iter().for_each(|key| drop(tables.claims.remove(key)));
        Ok(old.len() as u64)
    }
}
