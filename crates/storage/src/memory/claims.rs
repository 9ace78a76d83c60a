use async_trait::async_trait;

use super::MemoryStorage;
use crate::{ClaimStore, StorageError, StoredClaim, Timestamp, Write};

#[async_trait]
impl ClaimStore for MemoryStorage {
    async fn claim(&self, scope: &str, key: &str) -> Result<Option<StoredClaim>, StorageError> {
        let tables = self.lock();
        Ok(tables.claims.get(&(scope.to_owned(), key.to_owned())).map(|(_, claim)| claim.clone()))
    }

    fn prune_claims(&self, before: Timestamp) -> Write<u64> {
        self.write(|tables| {
            let count = tables.claims.len();
            tables.claims.retain(|_, (_, claim)| claim.at >= before);
            Ok((count - tables.claims.len()) as u64)
        })
    }
}
