use async_trait::async_trait;

use super::{MemoryStorage, Tables};
use crate::{DialectAccess, DialectStore, InstanceId, StorageError, UserId, Write};

#[async_trait]
impl DialectStore for MemoryStorage {
    async fn dialect_access(
        &self,
        owner: UserId,
        instance: InstanceId,
        dialect: &str,
    ) -> Result<Option<DialectAccess>, StorageError> {
        Ok(self.lock().owned(owner, instance)?.dialects.get(dialect).cloned())
    }

    fn init_dialect_access(
        &self,
        owner: UserId,
        instance: InstanceId,
        dialect: String,
        access: DialectAccess,
    ) -> Write<DialectAccess> {
        self.write(|tables| {
            if let Some(known) = tables.owned(owner, instance)?.dialects.get(&dialect) {
                return Ok(known.clone());
            }
            tables.keep_access(owner, instance, dialect, access.clone())?;
            Ok(access)
        })
    }

    fn put_dialect_access(
        &self,
        owner: UserId,
        instance: InstanceId,
        dialect: String,
        access: DialectAccess,
    ) -> Write<()> {
        self.write(|tables| tables.keep_access(owner, instance, dialect, access))
    }

    fn exchange_dialect_access(
        &self,
        owner: UserId,
        instance: InstanceId,
        dialect: String,
        seen: DialectAccess,
        access: DialectAccess,
    ) -> Write<()> {
        self.write(|tables| {
            if tables.owned(owner, instance)?.dialects.get(&dialect) != Some(&seen) {
                return Err(StorageError::Stale);
            }
            tables.keep_access(owner, instance, dialect, access)
        })
    }

    async fn dialect_instance(
        &self,
        dialect: &str,
        key_hash: [u8; 32],
    ) -> Result<Option<(UserId, InstanceId)>, StorageError> {
        Ok(self.lock().reached_by(dialect, key_hash))
    }
}

impl Tables {
    fn keep_access(
        &mut self,
        owner: UserId,
        instance: InstanceId,
        dialect: String,
        access: DialectAccess,
    ) -> Result<(), StorageError> {
        self.owned(owner, instance)?;
        if self.reached_by(&dialect, access.key.hash()).is_some_and(|(_, other)| other != instance) {
            return Err(StorageError::Conflict { what: "key" });
        }
        self.instance_mut(instance)?.dialects.insert(dialect, access);
        Ok(())
    }

    fn reached_by(&self, dialect: &str, key_hash: [u8; 32]) -> Option<(UserId, InstanceId)> {
        let is_it = |access: &DialectAccess| access.key.hash() == key_hash;
        let found = self.instances.values().find(|tables| tables.dialects.get(dialect).is_some_and(is_it));
        found.map(|tables| (tables.instance.owner, tables.instance.id))
    }
}
