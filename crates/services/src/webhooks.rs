//! Webhooks: list, create, change, delete.

mod settings;

use std::sync::Arc;

use outbound::AddressGuard;
use storage::{
    Consumer, EventData, InstanceId, Journal, Missing, NewEvent, Record, Storage, UserId, Webhook,
    WebhookData, WebhookPatch,
};
use webhook::{Dispatcher, Reachability};

pub use settings::{MAX_RETRIES, MAX_WEBHOOK_NAME, RETRY_INTERVAL, SECRET};
pub(crate) use settings::{check_change, check_new, is_on, patched};

use crate::auth::Caller;
use crate::clock::now;
use crate::error::ServiceError;
use crate::supervisor::Supervisor;

/// Most webhooks of one instance, the default one included.
pub const MAX_WEBHOOKS: u64 = 10;

/// Use cases about webhooks. Each is a consumer of the event log with a cursor of its own. Clones are the same service.
///
/// Every instance has one named [`Webhook::DEFAULT`]; [`crate::InstanceService`] changes that one together with the
/// instance. Each change is told as an event.
#[derive(Clone)]
pub struct WebhookService {
    inner: Arc<Inner>,
}

struct Inner {
    journal: Journal,
    supervisor: Supervisor,
    dispatcher: Dispatcher,
    guard: AddressGuard,
}

impl WebhookService {
    /// A service over these parts.
    pub(crate) fn new(
        journal: Journal,
        supervisor: Supervisor,
        dispatcher: Dispatcher,
        guard: AddressGuard,
    ) -> Self {
        Self { inner: Arc::new(Inner { journal, supervisor, dispatcher, guard }) }
    }

    /// An instance's webhooks, by name.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn list(&self, caller: &Caller, instance: InstanceId) -> Result<Vec<Webhook>, ServiceError> {
        Ok(self.storage().webhooks(caller.user, instance).await?)
    }

    /// One webhook.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn find(
        &self,
        caller: &Caller,
        instance: InstanceId,
        name: &str,
    ) -> Result<Webhook, ServiceError> {
        let webhooks = self.storage().webhooks(caller.user, instance).await?;
        let found = webhooks.into_iter().find(|webhook| webhook.name == name);
        found.ok_or(ServiceError::NotFound { what: Missing::Webhook })
    }

    /// What this process knows of the place where the calls of a caller's webhook go; `None` before it has tried it.
    pub fn reachability(&self, caller: &Caller, webhook: &Webhook) -> Option<Reachability> {
        self.inner.dispatcher.reachability(caller.user, webhook.url.as_deref()?)
    }

    /// Adds a webhook, which is told of what happens from now on. Fields that the patch leaves out get the documented
    /// defaults; with a URL it is on unless told otherwise.
    ///
    /// # Errors
    /// `NotFound`; `Invalid` names the first field that can't be accepted; `Conflict` when the name is taken or there
    /// are [`MAX_WEBHOOKS`]; `Unavailable` when another process carries the instance.
    pub async fn create(
        &self,
        caller: &Caller,
        instance: InstanceId,
        name: &str,
        patch: WebhookPatch,
    ) -> Result<Webhook, ServiceError> {
        settings::check_name(name)?;
        let mut webhook = Webhook::new(instance, name, now());
        webhook = patched(&webhook, &check_new(patch, &webhook, &self.inner.guard)?);
        self.inner.supervisor.check_holds(caller.user, instance).await?;
        self.storage().create_webhook(caller.user, webhook.clone(), MAX_WEBHOOKS).await?;
        self.tell(&webhook, false).await?;
        Ok(webhook)
    }

    /// Changes a webhook. What happened while it was off isn't delivered when it is switched on.
    ///
    /// # Errors
    /// `NotFound`; `Invalid` names the first field that can't be accepted; `Unavailable` when another process carries
    /// the instance.
    pub async fn update(
        &self,
        caller: &Caller,
        instance: InstanceId,
        name: &str,
        patch: WebhookPatch,
    ) -> Result<Webhook, ServiceError> {
        let present = self.find(caller, instance, name).await?;
        let patch = check_change(patch, &present, &self.inner.guard)?;
        if patched(&present, &patch) == present {
            return Ok(present);
        }
        self.inner.supervisor.epoch(instance)?;
        self.before_change(caller.user, &present, &patch).await?;
        let webhook =
            self.storage().update_webhook(caller.user, instance, name.to_owned(), patch, now()).await?;
        self.tell(&webhook, false).await?;
        Ok(webhook)
    }

    /// Removes a webhook with all that it is still owed. The default one is back to its defaults instead: off, without
    /// a URL.
    ///
    /// # Errors
    /// `NotFound`; `Unavailable` when another process carries the instance.
    pub async fn delete(
        &self,
        caller: &Caller,
        instance: InstanceId,
        name: &str,
    ) -> Result<(), ServiceError> {
        let present = self.find(caller, instance, name).await?;
        self.inner.supervisor.epoch(instance)?;
        self.storage().delete_webhook(caller.user, instance, name.to_owned()).await?;
        self.tell(&Webhook { enabled: false, ..present }, true).await
    }

    /// To be called before a change is stored: a webhook that is switched on starts with what happens next.
    pub(crate) async fn before_change(
        &self,
        owner: UserId,
        present: &Webhook,
        patch: &WebhookPatch,
    ) -> Result<(), ServiceError> {
        if is_on(present) || !is_on(&patched(present, patch)) {
            return Ok(());
        }
        Ok(self.inner.dispatcher.skip_to_newest(owner, present.instance, &present.name).await?)
    }

    /// To be called after a change is stored: the deliveries follow it, those that wait for another try at once, and the
    /// log tells of it.
    pub(crate) async fn tell(&self, webhook: &Webhook, deleted: bool) -> Result<(), ServiceError> {
        let consumer = Consumer::webhook(webhook.instance, webhook.name.as_str());
        let hastened = self.inner.dispatcher.hasten(&consumer).await;
        self.inner.dispatcher.changed(webhook.instance);
        hastened?;
        let told = WebhookData { name: webhook.name.clone(), enabled: webhook.enabled, deleted };
        let epoch = self.inner.supervisor.epoch(webhook.instance)?;
        let event = NewEvent::new(None, EventData::WebhookUpdated(told));
        self.inner.journal.record(Record::new(webhook.instance, epoch).event(event)).await?;
        Ok(())
    }

    fn storage(&self) -> &Arc<dyn Storage> {
        self.inner.journal.storage()
    }
}

impl std::fmt::Debug for WebhookService {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WebhookService").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
