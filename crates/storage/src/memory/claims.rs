use async_trait::async_trait;

use super::MemoryStorage;
use crate::{ClaimStore, Json, StorageError, StoredClaim, Timestamp, Write};

#[async_trait]
impl ClaimStore for MemoryStorage {
    async fn claim(&self, scope: &str, key: &str) -> Result<Option<StoredClaim>, StorageError> {
        let tables = self.lock();
        Ok(tables.claims.get(&(scope.to_owned(), key.to_owned())).map(|(_, claim)| claim.clone()))
    }

    fn answer_claim(&self, scope: String, key: String, answer: Json) -> Write<()> {
        self.write(|tables| {
            let claim = tables.claims.get_mut(&(scope, key));
            let (_, claim) = claim.ok_or(StorageError::NotFound { what: "idempotency key" })?;
            claim.answer = answer;
            Ok(())
        })
    }

    fn prune_claims(&self, before: Timestamp) -> Write<u64> {
        self.write(|tables| {
            let count = tables.claims.len();
            tables.claims.retain(|_, (_, claim)| claim.at >= before);
            Ok((count - tables.claims.len()) as u64)
        })
    }
}
