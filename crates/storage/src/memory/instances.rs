use std::collections::{BTreeMap, HashMap};

use async_trait::async_trait;

use super::{Account, MemoryStorage};
use crate::{Instance, InstanceId, InstancePatch, InstanceStore, StorageError, Timestamp, UserId, Write};

#[async_trait]
impl InstanceStore for MemoryStorage {
    fn create_instance(&self, instance: Instance) -> Write<()> {
        self.write(|tables| {
            if !tables.users.contains_key(&instance.owner) {
                return Err(StorageError::NotFound { what: "user" });
            }
            if tables.accounts.contains_key(&instance.id) {
                return Err(StorageError::Conflict { what: "id" });
            }
            tables.accounts.insert(instance.id, Account::new(instance));
            Ok(())
        })
    }

    async fn instance(&self, owner: UserId, id: InstanceId) -> Result<Option<Instance>, StorageError> {
        Ok(self.lock().owned(owner, id).ok().map(Account::view))
    }

    async fn instances(&self, owner: UserId) -> Result<Vec<Instance>, StorageError> {
        let tables = self.lock();
        Ok(oldest_first(tables.accounts.values().filter(|account| account.instance.owner == owner)))
    }

    fn update_instance(
        &self,
        owner: UserId,
        id: InstanceId,
        patch: InstancePatch,
        now: Timestamp,
    ) -> Write<Instance> {
        self.write(|tables| {
            let account = tables.owned_mut(owner, id)?;
            patch.apply(&mut account.instance, now);
            Ok(account.view())
        })
    }

    fn delete_instance(&self, owner: UserId, id: InstanceId) -> Write<()> {
        self.write(|tables| {
            tables.owned(owner, id)?;
            tables.accounts.remove(&id);
            tables.claims.retain(|_, (instance, _)| *instance != id);
            Ok(())
        })
    }
}

impl Account {
    fn new(instance: Instance) -> Self {
        Self {
            instance,
            messages: Vec::new(),
            by_message_id: HashMap::new(),
            events: Vec::new(),
            cursors: HashMap::new(),
            deliveries: BTreeMap::new(),
        }
    }
}

pub(super) fn oldest_first<'a>(accounts: impl Iterator<Item = &'a Account>) -> Vec<Instance> {
    let mut instances: Vec<_> = accounts.map(Account::view).collect();
    instances.sort_by_key(|instance| (instance.created_at, instance.id));
    instances
}
