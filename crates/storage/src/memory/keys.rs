use async_trait::async_trait;

use super::MemoryStorage;
use super::messages::size;
use crate::{
    AuditEntry, KeyId, KeyStore, Missing, Page, ScopedKey, StorageError, Timestamp, User, UserId, Write,
};

#[async_trait]
impl KeyStore for MemoryStorage {
    fn create_key(&self, key: ScopedKey, hash: [u8; 32], limit: u64, told: Option<AuditEntry>) -> Write<()> {
        self.write(|tables| {
            if !tables.users.contains_key(&key.owner) {
                return Err(StorageError::NotFound { what: Missing::User });
            }
            if tables.keys.contains_key(&key.id) {
                return Err(StorageError::Conflict { what: "id" });
            }
            if tables.keys.values().any(|(_, other)| *other == hash) {
                return Err(StorageError::Conflict { what: "key" });
            }
            if tables.keys.values().filter(|(other, _)| other.owner == key.owner).count() as u64 >= limit {
                return Err(StorageError::LimitReached { what: "keys" });
            }
            tables.keys.insert(key.id, (key, hash));
            tables.tell(told);
            Ok(())
        })
    }

    async fn keys(&self, owner: UserId, limit: u64, skip: u64) -> Result<Page<ScopedKey>, StorageError> {
        let tables = self.lock();
        let of_owner = tables.keys.values().map(|(key, _)| key).filter(|key| key.owner == owner);
        let mut all: Vec<_> = of_owner.cloned().collect();
        all.sort_by_key(|key| (key.created_at, key.id));
        let total = all.len() as u64;
        let items: Vec<_> = all.into_iter().skip(size(skip)).take(size(limit)).collect();
        let has_more = skip.saturating_add(items.len() as u64) < total;
        Ok(Page { items, total, has_more, next: None })
    }

    async fn key_by_hash(&self, hash: [u8; 32]) -> Result<Option<(ScopedKey, User)>, StorageError> {
        let tables = self.lock();
        let found = tables.keys.values().find(|(_, other)| *other == hash);
        Ok(found.and_then(|(key, _)| Some((key.clone(), tables.users.get(&key.owner)?.clone()))))
    }

    fn note_use(&self, id: KeyId, at: Timestamp) -> Write<()> {
        self.write(|tables| {
            if let Some((key, _)) = tables.keys.get_mut(&id) {
                key.last_used_at = Some(at);
            }
            Ok(())
        })
    }

    fn delete_key(&self, owner: UserId, id: KeyId, told: Option<AuditEntry>) -> Write<()> {
        self.write(|tables| {
            if tables.keys.get(&id).is_none_or(|(key, _)| key.owner != owner) {
                return Err(StorageError::NotFound { what: Missing::Key });
            }
            tables.keys.remove(&id);
            tables.tell(told);
            Ok(())
        })
    }
}
