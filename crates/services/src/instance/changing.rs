//! Changing an instance and its default webhook.

use super::settings::{check_connection, check_description, check_look, check_name, check_retention};
use crate::auth::Caller;
use crate::clock::now;
use crate::error::ServiceError;
use crate::field::Field;
use crate::status::ConnectionStatus;
use crate::text::unfit_for_a_name;
use crate::webhooks::{check_change, patched};
use storage::{ConnectionSettings, DeviceLook, Instance, InstanceId, InstancePatch, Retention, SecretText};
use wa_client::RequestError;

use super::settings::UpdateInstance;
use super::{InstanceService, InstanceView};

impl InstanceService {
    /// Changes an instance and its default webhook. What happened while that was off isn't delivered when it is
    /// switched on.
    ///
    /// # Errors
    /// `NotFound`; `Invalid` names the first field that can't be accepted; `NotConnected` for a push name, which is
    /// announced at once; `Unavailable` when another process carries the instance.
    pub async fn update(
        &self,
        caller: &Caller,
        id: InstanceId,
        update: UpdateInstance,
    ) -> Result<InstanceView, ServiceError> {
        let InstanceView { instance, webhook: present, .. } = self.find(caller, id).await?;
        let retention = Retention {
            event_days: update.event_days.unwrap_or(instance.retention.event_days),
            message_days: update.message_days.unwrap_or(instance.retention.message_days),
        };
        let before = instance.connection.clone();
        let connection = ConnectionSettings {
            proxy: update.proxy.map_or(before.proxy.clone(), |proxy| proxy.map(SecretText::new)),
            shows_delivery: update.shows_delivery.unwrap_or(before.shows_delivery),
        };
        let changes_connection = connection != before;
        let look = DeviceLook {
            name: update.device_name.unwrap_or(instance.look.name.clone()),
            icon: update.device_icon.unwrap_or(instance.look.icon),
        };
        let webhook = check_change(update.webhook, &present, &self.inner.guard)?;
        let changes_webhook = patched(&present, &webhook) != present;
        let patch = InstancePatch {
            name: update.name.as_deref().map(check_name).transpose()?,
            description: update.description.map(check_description).transpose()?,
            retention: Some(check_retention(retention)?),
            connection: Some(check_connection(connection, &self.inner.guard)?),
            look: Some(check_look(look)?),
            webhook: if changes_webhook { webhook } else { Default::default() },
        };
        if let Some(name) = &update.push_name {
            self.set_push_name(&instance, name.as_deref()).await?;
        }
        if changes_connection {
            self.inner.supervisor.epoch(id)?;
        }
        if changes_webhook {
            self.inner.supervisor.epoch(id)?;
            self.inner.webhooks.before_change(caller.user, &present, &patch.webhook).await?;
        }
        let (instance, webhook) = self.storage().update_instance(caller.user, id, patch, now()).await?;
        if changes_webhook {
            self.inner.webhooks.tell(&webhook, false).await?;
        }
        if changes_connection {
            self.inner.supervisor.renew(&instance).await;
        }
        Ok(self.view(instance, webhook))
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
