//! Changing an instance and its default webhook.

use super::settings::UpdateInstance;
use super::settings::{check_change as check_instance, check_proxy};
use super::{InstanceService, InstanceView};
use crate::auth::Caller;
use crate::clock::now;
use crate::error::ServiceError;
use crate::field::Field;
use crate::status::{ConnectionStatus, resumes};
use crate::text::unfit_for_a_name;
use crate::webhooks::check_change;
use serde_json::json;
use storage::{AuditAction, Edit, Edited, Epoch, Instance, InstanceId, InstancePatch, StorageError, Webhook};
use wa_client::RequestError;

impl InstanceService {
    /// Changes an instance and its default webhook. The change is merged where it is stored, so that two at once undo
    /// nothing of each other. What happened while the webhook was off isn't delivered when it is switched on.
    ///
    /// # Errors
    /// `NotFound`; `Invalid` names the first field that can't be accepted; `Stale` when it isn't in a state that the update
    /// expects; `NotConnected` for a push name, which is announced at once; `Unavailable` when another process carries the
    /// instance.
    pub async fn update(
        &self,
        caller: &Caller,
        id: InstanceId,
        update: UpdateInstance,
    ) -> Result<InstanceView, ServiceError> {
        let present = self.find(caller, id).await?;
        let edit = Edit::at(now()).expecting(update.expected.clone());
        // Asked again where it is stored: this is for what can't be taken back.
        edit.check(&present.version())?;
        let push_name = update.push_name.clone();
        let is_called_anew = push_name.is_some();
        let patch = self.checked(update, &present.webhook)?;
        if let Some(name) = push_name {
            self.set_push_name(&present.instance, name.as_deref()).await?;
        }
        let edited = self.store(caller, id, patch, edit).await?;
        let mut fields = changed(&edited);
        fields.extend(is_called_anew.then(|| "pushName".to_owned()));
        self.did(caller, AuditAction::InstanceUpdated, id, json!({"fields": fields})).await;
        self.follow(&edited).await?;
        let (instance, webhook) = edited.now;
        Ok(self.view(instance, webhook))
    }

    /// The changes as they are stored.
    fn checked(&self, update: UpdateInstance, present: &Webhook) -> Result<InstancePatch, ServiceError> {
        let webhook = check_change(update.webhook.clone(), present, &self.inner.guard)?;
        let proxy = update.proxy.clone().map(|proxy| check_proxy(proxy, &self.inner.guard)).transpose()?;
        Ok(InstancePatch { webhook, proxy, ..check_instance(update)? })
    }

    async fn store(
        &self,
        caller: &Caller,
        id: InstanceId,
        patch: InstancePatch,
        edit: Edit,
    ) -> Result<Edited<(Instance, Webhook)>, ServiceError> {
        let held = self.inner.supervisor.epoch(id).await;
        // Under no epoch, what concerns nobody else can be changed all the same.
        let edit = edit.told_by(held.as_ref().copied().unwrap_or(Epoch::default()));
        match self.storage().update_instance(caller.user, id, patch, edit).await {
            Err(StorageError::Fenced) => Err(held.err().unwrap_or_else(ServiceError::held_elsewhere)),
            edited => Ok(edited?),
        }
    }

    /// Lets follow what depends on the settings.
    async fn follow(&self, edited: &Edited<(Instance, Webhook)>) -> Result<(), ServiceError> {
        let ((before, webhook_before), (instance, webhook)) = (&edited.before, &edited.now);
        // Before it is told: whoever hears that has to find it.
        if let Some(running) = self.inner.supervisor.run_of(instance.id) {
            running.set_media_download(instance.media_download);
        }
        if webhook != webhook_before {
            self.inner.webhooks.changed(instance.id, Webhook::DEFAULT, &edited.recorded).await?;
        } else {
            self.inner.journal.ring(instance.id, &edited.recorded);
        }
        if instance.limits != before.limits
            && let Ok(epoch) = self.inner.supervisor.epoch(instance.id).await
        {
            self.inner.quotas.know(instance, epoch);
        }
        if instance.connection != before.connection {
            self.inner.supervisor.renew(instance).await;
        }
        // One that could not run, and was running when it could be read.
        if !before.can_run() && resumes(instance) {
            self.inner.supervisor.start(instance).await?;
        }
        Ok(())
    }

    async fn set_push_name(&self, instance: &Instance, name: Option<&str>) -> Result<(), ServiceError> {
        if let Some(problem) = name.and_then(unfit_for_a_name) {
            return Err(ServiceError::invalid(Field::PushName, problem));
        }
        let Some(running) = self.inner.supervisor.find(instance.owner, instance.id) else {
            return Err(self.not_connected(instance));
        };
        match running.companion.set_push_name(name).await {
            Ok(()) => Ok(()),
            Err(RequestError::NotConnected { .. } | RequestError::Stopped) => {
                Err(ServiceError::not_connected(&ConnectionStatus::of_state(&running.state())))
            }
            Err(RequestError::Invalid(_)) => {
                Err(ServiceError::invalid(Field::PushName, "must have 1 to 25 characters"))
            }
            Err(error) => Err(ServiceError::internal(error)),
        }
    }
}

/// The names of what was changed, and not what it is.
fn changed(edited: &Edited<(Instance, Webhook)>) -> Vec<String> {
    let ((before, webhook_before), (instance, webhook)) = (&edited.before, &edited.now);
    let of_webhook = (webhook != webhook_before).then(|| "webhook".to_owned());
    instance.changed(before).into_iter().chain(of_webhook).collect()
}
