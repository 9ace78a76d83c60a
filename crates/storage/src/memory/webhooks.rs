use async_trait::async_trait;

use super::{InstanceTables, MemoryStorage};
use crate::{
    InstanceId, Missing, StorageError, Timestamp, UserId, Webhook, WebhookPatch, WebhookStore, Write,
};

#[async_trait]
impl WebhookStore for MemoryStorage {
    async fn webhooks(&self, owner: UserId, instance: InstanceId) -> Result<Vec<Webhook>, StorageError> {
        Ok(self.lock().owned(owner, instance)?.all_webhooks())
    }

    fn create_webhook(&self, owner: UserId, webhook: Webhook, limit: u64) -> Write<()> {
        self.write(|tables| {
            let tables = tables.owned_mut(owner, webhook.instance)?;
            if tables.webhooks.contains_key(&webhook.name) {
                return Err(StorageError::Conflict { what: "name" });
            }
            if tables.webhooks.len() as u64 >= limit {
                return Err(StorageError::LimitReached { what: "webhooks" });
            }
            tables.cursors.insert(webhook.name.clone(), tables.last_seq());
            tables.webhooks.insert(webhook.name.clone(), webhook);
            Ok(())
        })
    }

    fn update_webhook(
        &self,
        owner: UserId,
        instance: InstanceId,
        name: String,
        patch: WebhookPatch,
        now: Timestamp,
    ) -> Write<Webhook> {
        self.write(|tables| {
            let webhook = tables.owned_mut(owner, instance)?.webhooks.get_mut(&name).ok_or(NO_WEBHOOK)?;
            patch.apply(webhook, now);
            Ok(webhook.clone())
        })
    }

    fn delete_webhook(&self, owner: UserId, instance: InstanceId, name: String) -> Write<()> {
        let now = self.clock.now();
        self.write(|tables| {
            let tables = tables.owned_mut(owner, instance)?;
            tables.webhooks.remove(&name).ok_or(NO_WEBHOOK)?;
            tables.cursors.remove(&name);
            tables.deliveries.retain(|(consumer, _), _| *consumer != name);
            if name == Webhook::DEFAULT {
                tables.cursors.insert(name.clone(), tables.last_seq());
                tables.webhooks.insert(name.clone(), Webhook::new(instance, name, now));
            }
            Ok(())
        })
    }

    async fn fleet_webhooks(&self, instance: InstanceId) -> Result<Vec<Webhook>, StorageError> {
        Ok(self.lock().instance(instance).map(InstanceTables::all_webhooks).unwrap_or_default())
    }
}

impl InstanceTables {
    fn all_webhooks(&self) -> Vec<Webhook> {
        self.webhooks.values().cloned().collect()
    }
}

const NO_WEBHOOK: StorageError = StorageError::NotFound { what: Missing::Webhook };
