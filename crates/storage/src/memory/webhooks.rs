use async_trait::async_trait;

use super::record::Log;
use super::{InstanceTables, MemoryStorage};
use crate::{
    Consumer, Edit, Edited, Epoch, InstanceId, Missing, NewEvent, Recorded, StorageError, Timestamp, UserId,
    Webhook, WebhookMark, WebhookPatch, WebhookStore, Write,
};

#[async_trait]
impl WebhookStore for MemoryStorage {
    async fn webhooks(&self, owner: UserId, instance: InstanceId) -> Result<Vec<Webhook>, StorageError> {
        Ok(self.lock().owned(owner, instance)?.all_webhooks())
    }

    fn create_webhook(&self, owner: UserId, webhook: Webhook, limit: u64, edit: Edit) -> Write<Recorded> {
        let now = self.clock.now();
        self.write(|tables| {
            let tables = tables.owned_mut(owner, webhook.instance)?;
            if tables.webhooks.contains_key(&webhook.name) {
                return Err(StorageError::Conflict { what: "name" });
            }
            if tables.webhooks.len() as u64 >= limit {
                return Err(StorageError::LimitReached { what: "webhooks" });
            }
            tables.check_terms(&edit)?;
            tables.cursors.insert(webhook.name.clone(), tables.last_seq());
            let told = webhook.told(false);
            tables.webhooks.insert(webhook.name.clone(), webhook);
            Ok(tables.tell(told, &edit, now))
        })
    }

    fn update_webhook(
        &self,
        owner: UserId,
        instance: InstanceId,
        name: String,
        patch: WebhookPatch,
        edit: Edit,
    ) -> Write<Edited<Webhook>> {
        let now = self.clock.now();
        self.write(|tables| {
            let tables = tables.owned_mut(owner, instance)?;
            let before = tables.webhooks.get(&name).cloned().ok_or(NO_WEBHOOK)?;
            edit.check(&before.version())?;
            let mut changed = before.clone();
            patch.apply(&mut changed, edit.now)?;
            let recorded = tables.replace_webhook(&before, &changed, &edit, now)?;
            Ok(Edited { before, now: changed, recorded })
        })
    }

    fn delete_webhook(
        &self,
        owner: UserId,
        instance: InstanceId,
        name: String,
        edit: Edit,
    ) -> Write<Recorded> {
        let now = self.clock.now();
        self.write(|tables| {
            let tables = tables.owned_mut(owner, instance)?;
            let before = tables.webhooks.get(&name).cloned().ok_or(NO_WEBHOOK)?;
            edit.check(&before.version())?;
            tables.check_terms(&edit)?;
            tables.webhooks.remove(&name);
            tables.cursors.remove(&name);
            tables.deliveries.retain(|(consumer, _), _| *consumer != name);
            tables.attempts.remove(&name);
            if name == Webhook::DEFAULT {
                tables.cursors.insert(name.clone(), tables.last_seq());
                tables.webhooks.insert(name, before.anew(now));
            }
            Ok(tables.tell(before.told(true), &edit, now))
        })
    }

    fn mark_webhook(
        &self,
        consumer: Consumer,
        epoch: Epoch,
        mark: WebhookMark,
        now: Timestamp,
    ) -> Write<Recorded> {
        let time = self.clock.now();
        self.write(|tables| {
            let tables = tables.instance_mut(consumer.instance)?;
            let edit = Edit::at(now).told_by(epoch);
            tables.check_terms(&edit)?;
            let webhook = tables.webhooks.get_mut(&consumer.name).ok_or(NO_WEBHOOK)?;
            let event = webhook.mark(mark, now);
            Ok(event.map(|event| tables.tell(event, &edit, time)).unwrap_or_default())
        })
    }

    async fn fleet_webhooks(&self, instance: InstanceId) -> Result<Vec<Webhook>, StorageError> {
        Ok(self.lock().instance(instance).map(InstanceTables::all_webhooks).unwrap_or_default())
    }
}

impl InstanceTables {
    /// `Fenced` when this node doesn't hold the instance as the edit says it does.
    pub(super) fn check_terms(&self, edit: &Edit) -> Result<(), StorageError> {
        match edit.epoch {
            Some(epoch) if epoch != self.epoch => Err(StorageError::Fenced),
            _ => Ok(()),
        }
    }

    /// Puts a changed webhook in the place of another one, and tells of it.
    pub(super) fn replace_webhook(
        &mut self,
        before: &Webhook,
        changed: &Webhook,
        edit: &Edit,
        now: Timestamp,
    ) -> Result<Recorded, StorageError> {
        if before == changed {
            return Ok(Recorded::default());
        }
        self.check_terms(edit)?;
        if !before.is_on() && changed.is_on() {
            self.cursors.insert(changed.name.clone(), self.last_seq());
        }
        self.webhooks.insert(changed.name.clone(), changed.clone());
        Ok(self.tell(changed.told(false), edit, now))
    }

    pub(super) fn tell(&mut self, event: NewEvent, edit: &Edit, now: Timestamp) -> Recorded {
        let mut log = Log::after(self, now);
        log.append(edit.epoch.map(|_| event));
        self.keep(log)
    }

    fn all_webhooks(&self) -> Vec<Webhook> {
        self.webhooks.values().cloned().collect()
    }
}

const NO_WEBHOOK: StorageError = StorageError::NotFound { what: Missing::Webhook };
