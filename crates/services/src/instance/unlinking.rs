//! Unlinking an instance from its account, and deleting it.

use crate::auth::Caller;
use crate::clock::now;
use crate::error::ServiceError;
use crate::farewell::Buried;
use crate::running::RunningInstance;
use crate::status::ConnectionStatus;
use serde_json::Value;
use std::time::Duration;
use storage::{AuditAction, InstanceId, Part};
use tokio::time::timeout;
use wa_client::{LogoutError, RequestError, State};

use super::InstanceService;

/// How long WhatsApp may take to confirm a logout.
const LOGOUT_TIMEOUT: Duration = Duration::from_secs(20);

/// How long a deletion waits for that.
const FAREWELL_TIMEOUT: Duration = Duration::from_secs(5);

impl InstanceService {
    /// Removes the instance with everything that belongs to it, and unlinks it from the phone. Where that isn't possible at
    /// once, its credentials are kept, unseen, until WhatsApp has confirmed it, for at most two weeks.
    ///
    /// # Errors
    /// `NotFound`; `Unavailable` when another process carries the instance.
    pub async fn delete(&self, caller: &Caller, id: InstanceId) -> Result<(), ServiceError> {
        let instance = self.stored(caller, id).await?;
        let epoch = self.inner.supervisor.epoch(id).await?;
        if let Some(running) = self.inner.supervisor.find(caller.user, id)
            && running.state() == State::Online
            && let Err(error) = self.unlink(&running, FAREWELL_TIMEOUT).await
        {
            tracing::info!(instance = %id, %error, "deleted before it is unlinked");
        }
        self.inner.supervisor.end(id).await;
        // Only now: until its end a companion may be linked by a scan.
        if self.inner.supervisor.is_linked(id, epoch).await {
            let is_known = !instance.unreadable.contains(&Part::Proxy);
            let since = now();
            let epoch = self.storage().bury_instance(caller.user, id, since).await?;
            self.inner.supervisor.bury(Buried {
                instance: id,
                connection: is_known.then_some(instance.connection),
                epoch,
                since,
            });
        } else {
            self.storage().delete_instance(caller.user, id).await?;
            self.inner.supervisor.forget(id);
        }
        self.did(caller, AuditAction::InstanceDeleted, id, Value::Null).await;
        self.inner.feed.end(id);
        if let Err(error) = self.inner.objects.delete_all(id).await {
            tracing::warn!(instance = %id, %error, "the files of a deleted instance stay until the next look at them");
        }
        Ok(())
    }

    /// Unlinks the instance from the account. The credentials are deleted only when WhatsApp has confirmed.
    ///
    /// # Errors
    /// `NotFound`; `NotConnected` when WhatsApp can't be told; `Unavailable` when it doesn't confirm.
    pub async fn logout(&self, caller: &Caller, id: InstanceId) -> Result<(), ServiceError> {
        match self.inner.supervisor.find(caller.user, id) {
            Some(running) => self.unlink(&running, LOGOUT_TIMEOUT).await?,
            None => {
                let instance = self.stored(caller, id).await?;
                if instance.jid.is_some() {
                    return Err(self.not_connected(&instance));
                }
            }
        }
        self.did(caller, AuditAction::InstanceLoggedOut, id, Value::Null).await;
        Ok(())
    }

    async fn unlink(&self, running: &RunningInstance, limit: Duration) -> Result<(), ServiceError> {
        match timeout(limit, running.companion.logout()).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(LogoutError(RequestError::NotConnected { .. } | RequestError::Stopped))) => {
                Err(ServiceError::not_connected(&ConnectionStatus::of_state(&running.state())))
            }
            Ok(Err(error)) => {
                tracing::warn!(instance = %running.instance, %error, "logout failed");
                Err(ServiceError::Unavailable { message: "WhatsApp did not confirm the logout" })
            }
            Err(_) => {
                Err(ServiceError::Unavailable { message: "WhatsApp did not confirm the logout in time" })
            }
        }
    }
}
