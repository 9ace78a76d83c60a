//! Webhooks: list, create, change, delete.

mod again;
mod settings;
mod trials;

use std::sync::Arc;
use std::time::Duration;

use outbound::AddressGuard;
use serde_json::json;
use storage::{
    AuditAction, Consumer, Edit, Epoch, InstanceId, Journal, Missing, Recorded, Rotation, SecretText,
    Storage, StorageError, Version, Webhook, WebhookPatch,
};
use webhook::{Dispatcher, Reachability};

pub use again::{LogPlace, Redeliver};
pub use settings::{MAX_RETRIES, MAX_WEBHOOK_NAME, RETRY_INTERVAL, SECRET};
pub(crate) use settings::{check_change, check_new};
use trials::Trials;

use crate::audit::AuditService;
use crate::auth::{Caller, random_text};
use crate::clock::now;
use crate::error::ServiceError;
use crate::field::Field;
use crate::supervisor::Supervisor;

/// Longest time for which a webhook's calls have the signatures of two secrets.
pub const MAX_OVERLAP: Duration = Duration::from_secs(30 * 24 * 60 * 60);
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
    audit: AuditService,
    supervisor: Supervisor,
    dispatcher: Dispatcher,
    guard: AddressGuard,
    trials: Trials,
}

impl WebhookService {
    /// A service over these parts.
    pub(crate) fn new(
        (journal, audit): (Journal, AuditService),
        supervisor: Supervisor,
        dispatcher: Dispatcher,
        guard: AddressGuard,
    ) -> Self {
        let trials = Trials::default();
        Self { inner: Arc::new(Inner { journal, audit, supervisor, dispatcher, guard, trials }) }
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

    /// Adds a webhook, which is told of what happens from now on. Unless it says how often a call is repeated, none is given
    /// up. Fields that the patch leaves out get the documented
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
        let patch = settings::waiting_unless_told(patch);
        let webhook = check_new(patch, Webhook::new(instance, name, now()), &self.inner.guard)?;
        let (edit, held) = self.edit(instance).await;
        let created = self.storage().create_webhook(caller.user, webhook.clone(), MAX_WEBHOOKS, edit).await;
        let recorded = created.map_err(|error| refused(error, held))?;
        self.did(caller, AuditAction::WebhookCreated, instance, name).await;
        self.changed(instance, name, &recorded).await?;
        Ok(webhook)
    }

    /// Changes a webhook. The change is merged where it is stored, so that two at once undo nothing of each other. What
    /// happened while it was off isn't delivered when it is switched on.
    ///
    /// # Errors
    /// `NotFound`; `Invalid` names the first field that can't be accepted; `Stale` when it isn't in one of the states that
    /// are expected, if any are; `Unavailable` when another process carries the instance.
    pub async fn update(
        &self,
        caller: &Caller,
        instance: InstanceId,
        name: &str,
        patch: WebhookPatch,
        expected: Option<Vec<Version>>,
    ) -> Result<Webhook, ServiceError> {
        let present = self.find(caller, instance, name).await?;
        let patch = check_change(patch, &present, &self.inner.guard)?;
        let (edit, held) = self.edit(instance).await;
        let edit = edit.expecting(expected);
        let edited = self.storage().update_webhook(caller.user, instance, name.to_owned(), patch, edit).await;
        let edited = edited.map_err(|error| refused(error, held))?;
        self.did(caller, AuditAction::WebhookUpdated, instance, name).await;
        if edited.changes() {
            self.changed(instance, name, &edited.recorded).await?;
        }
        Ok(edited.now)
    }

    /// Ends a pause of a webhook whose receiver took nothing: what waits is due.
    ///
    /// # Errors
    /// `NotFound`; `Unavailable` when another process carries the instance.
    pub async fn resume(
        &self,
        caller: &Caller,
        instance: InstanceId,
        name: &str,
    ) -> Result<Webhook, ServiceError> {
        let webhook = self.find(caller, instance, name).await?;
        if webhook.paused_at.is_none() && webhook.failing_since.is_none() {
            return Ok(webhook);
        }
        let patch = WebhookPatch { ends_pause: true, ..WebhookPatch::default() };
        self.update(caller, instance, name, patch, None).await
    }

    /// Gives a webhook another secret, generated where none is given. For the time of the overlap its calls have the
    /// signatures of both: that of the present one where it was, and that of the new one beside it.
    ///
    /// # Errors
    /// As [`Self::update`].
    pub async fn rotate_secret(
        &self,
        caller: &Caller,
        instance: InstanceId,
        name: &str,
        secret: Option<SecretText>,
        overlap: Duration,
    ) -> Result<Webhook, ServiceError> {
        if overlap > MAX_OVERLAP {
            let message = format!("must be 0 to {} seconds", MAX_OVERLAP.as_secs());
            return Err(ServiceError::invalid(Field::SecretOverlap, message));
        }
        let secret = secret.unwrap_or_else(|| SecretText::new(random_text::<32>()));
        let rotation = Some(Rotation { secret, overlap });
        let patch = WebhookPatch { rotation, ..WebhookPatch::default() };
        self.update(caller, instance, name, patch, None).await
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
        let (edit, held) = self.edit(instance).await;
        let deleted = self.storage().delete_webhook(caller.user, instance, name.to_owned(), edit).await;
        let recorded = deleted.map_err(|error| refused(error, held))?;
        self.did(caller, AuditAction::WebhookDeleted, instance, name).await;
        self.changed(instance, name, &recorded).await?;
        Ok(())
    }

    /// Keeps in the audit log what was done.
    async fn did(&self, caller: &Caller, action: AuditAction, instance: InstanceId, name: &str) {
        self.inner.audit.did(caller.actor, action, instance, json!({"webhook": name})).await;
    }

    /// To be called when a change is durable: the deliveries follow it, those that wait for another try at once, and then
    /// those who read the log hear of it.
    pub(crate) async fn changed(
        &self,
        instance: InstanceId,
        name: &str,
        recorded: &Recorded,
    ) -> Result<(), ServiceError> {
        let hastened = self.inner.dispatcher.hasten(&Consumer::webhook(instance, name)).await;
        self.inner.dispatcher.changed(instance);
        self.inner.journal.ring(instance, recorded);
        hastened?;
        Ok(())
    }

    /// The terms of a change that only the holder of the instance may make; and why that isn't this process, if so.
    async fn edit(&self, instance: InstanceId) -> (Edit, Option<ServiceError>) {
        match self.inner.supervisor.epoch(instance).await {
            Ok(epoch) => (Edit::at(now()).told_by(epoch), None),
            Err(error) => (Edit::at(now()).told_by(Epoch::default()), Some(error)),
        }
    }

    fn storage(&self) -> &Arc<dyn Storage> {
        self.inner.journal.storage()
    }
}

/// Why a change was refused, where `held` says why this process doesn't hold the instance.
fn refused(error: StorageError, held: Option<ServiceError>) -> ServiceError {
    match (error, held) {
        (StorageError::Fenced, Some(held)) => held,
        (error, _) => error.into(),
    }
}

impl std::fmt::Debug for WebhookService {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WebhookService").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
