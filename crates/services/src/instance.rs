//! Instances: create, change, connect, tell how they are.

mod settings;
mod status;

use std::sync::Arc;
use std::time::Duration;

use storage::{Instance, InstanceId, InstanceStatus, Storage, Timestamp, WebhookSettings};
use tokio::time::timeout;
use wa_client::{Cause, LogoutError, RequestError, State};
use webhook::{AddressGuard, Dispatcher};

pub use settings::{
    ChangeWebhook, CreateInstance, MAX_DESCRIPTION, MAX_NAME, MAX_RETRIES, MAX_SECRET, RETRY_INTERVAL,
    UpdateInstance,
};
pub use status::{ConnectionStatus, Status};
pub(crate) use status::{resumes, stored_status};

use crate::clock::now;
use crate::supervisor::{Line, Supervisor};
use crate::{Caller, ServiceError};

/// Most instances of one user.
pub const MAX_INSTANCES: usize = 10_000;
/// How long WhatsApp may take to confirm a logout.
const LOGOUT_TIMEOUT: Duration = Duration::from_secs(20);
/// How long a deletion waits for that.
const FAREWELL_TIMEOUT: Duration = Duration::from_secs(5);

/// An instance and its connection.
#[derive(Clone, Debug)]
pub struct InstanceView {
    /// What is stored.
    pub instance: Instance,
    /// Where its connection stands now.
    pub connection: ConnectionStatus,
}

/// The answer to a wish for a QR code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Qr {
    /// Scan this.
    Code {
        /// What WhatsApp Web shows today: an https link that carries the code.
        text: String,
        /// The code alone, as older clients show it.
        bare: String,
        /// When the next code replaces it.
        expires_at: Timestamp,
    },
    /// There will be one in a few seconds.
    Generating,
}

/// Use cases about instances. Clones are the same service.
#[derive(Clone, Debug)]
pub struct InstanceService {
    inner: Arc<Inner>,
}

struct Inner {
    storage: Arc<dyn Storage>,
    supervisor: Supervisor,
    dispatcher: Dispatcher,
    guard: AddressGuard,
}

impl InstanceService {
    /// A service over these parts.
    pub fn new(
        storage: Arc<dyn Storage>,
        supervisor: Supervisor,
        dispatcher: Dispatcher,
        guard: AddressGuard,
    ) -> Self {
        Self { inner: Arc::new(Inner { storage, supervisor, dispatcher, guard }) }
    }

    /// Creates an instance and starts to connect it.
    ///
    /// # Errors
    /// `Invalid` names the first field that can't be accepted; `Conflict` when the user has
    /// [`MAX_INSTANCES`].
    pub async fn create(
        &self,
        caller: &Caller,
        create: CreateInstance,
    ) -> Result<InstanceView, ServiceError> {
        let (name, description, webhook) = create.check(&self.inner.guard)?;
        if self.inner.storage.instances(caller.user).await?.len() >= MAX_INSTANCES {
            let message = format!("a user can have at most {MAX_INSTANCES} instances");
            return Err(ServiceError::Conflict { cause: "too_many_instances", message });
        }
        let now = now();
        let instance = Instance {
            id: InstanceId::generate(),
            owner: caller.user,
            name,
            description,
            webhook,
            status: InstanceStatus::Connecting,
            status_cause: None,
            jid: None,
            lid: None,
            phone: None,
            push_name: None,
            last_activity: None,
            created_at: now,
            updated_at: now,
        };
        self.inner.storage.create_instance(instance.clone()).await?;
        self.inner.supervisor.start(&instance).await?;
        Ok(self.view(instance))
    }

    /// All instances of the caller, oldest first.
    ///
    /// # Errors
    /// Only the store's.
    pub async fn list(&self, caller: &Caller) -> Result<Vec<InstanceView>, ServiceError> {
        let instances = self.inner.storage.instances(caller.user).await?;
        Ok(instances.into_iter().map(|instance| self.view(instance)).collect())
    }

    /// One instance, with its connection.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn find(&self, caller: &Caller, id: InstanceId) -> Result<InstanceView, ServiceError> {
        Ok(self.view(self.stored(caller, id).await?))
    }

    /// Where the connection stands. Cheaper than [`Self::find`] for an instance that runs.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn status(&self, caller: &Caller, id: InstanceId) -> Result<ConnectionStatus, ServiceError> {
        match self.inner.supervisor.line(caller.user, id) {
            Some(line) => Ok(ConnectionStatus::of_state(&line.state())),
            None => Ok(self.find(caller, id).await?.connection),
        }
    }

    /// Changes an instance. What happened while its webhook was off isn't delivered when it is switched on.
    ///
    /// # Errors
    /// `NotFound`; `Invalid` names the first field that can't be accepted.
    pub async fn update(
        &self,
        caller: &Caller,
        id: InstanceId,
        update: UpdateInstance,
    ) -> Result<InstanceView, ServiceError> {
        let present = self.stored(caller, id).await?.webhook;
        let patch = update.check(&present, &self.inner.guard)?;
        let webhook = patch.webhook.clone();
        if webhook.as_ref().is_some_and(|new| is_on(new) && !is_on(&present)) {
            self.inner.dispatcher.skip_to_newest(caller.user, id).await?;
        }
        let instance = self.inner.storage.update_instance(caller.user, id, patch, now()).await?;
        if webhook.is_some() {
            self.inner.dispatcher.reload(id);
        }
        Ok(self.view(instance))
    }

    /// Unlinks the instance from the phone if that is possible at once, and removes it with everything that
    /// belongs to it.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn delete(&self, caller: &Caller, id: InstanceId) -> Result<(), ServiceError> {
        self.stored(caller, id).await?;
        if let Some(line) = self.inner.supervisor.line(caller.user, id)
            && line.state() == State::Online
        {
            // Otherwise a dead companion would stay in the phone's list. It is no reason not to delete.
            if let Err(error) = self.unlink(&line, FAREWELL_TIMEOUT).await {
                tracing::info!(instance = %id, %error, "deleted without being unlinked");
            }
        }
        self.inner.supervisor.end(id).await;
        self.inner.storage.delete_instance(caller.user, id).await?;
        self.inner.dispatcher.reload(id);
        Ok(())
    }

    /// Connects now, whatever the instance was doing.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn reconnect(&self, caller: &Caller, id: InstanceId) -> Result<(), ServiceError> {
        if let Some(line) = self.inner.supervisor.line(caller.user, id) {
            line.companion.reconnect().await;
            return Ok(());
        }
        let instance = self.stored(caller, id).await?;
        self.inner.supervisor.start(&instance).await?;
        Ok(())
    }

    /// Unlinks the instance from the account. The credentials are deleted only when WhatsApp has confirmed.
    ///
    /// # Errors
    /// `NotFound`; `NotConnected` when WhatsApp can't be told; `Unavailable` when it doesn't confirm.
    pub async fn logout(&self, caller: &Caller, id: InstanceId) -> Result<(), ServiceError> {
        let Some(line) = self.inner.supervisor.line(caller.user, id) else {
            let view = self.find(caller, id).await?;
            let unlinked = view.instance.jid.is_none();
            return if unlinked { Ok(()) } else { Err(not_connected(view.connection)) };
        };
        self.unlink(&line, LOGOUT_TIMEOUT).await
    }

    /// The QR code to scan. An instance that gave up waiting for a scan, or was unlinked, starts anew.
    ///
    /// # Errors
    /// `NotFound`; `Conflict` when an account is linked already; `NotConnected` when no code can come, with
    /// the cause.
    pub async fn qr(&self, caller: &Caller, id: InstanceId) -> Result<Qr, ServiceError> {
        if let Some(line) = self.inner.supervisor.line(caller.user, id) {
            return qr_of(&line);
        }
        let view = self.find(caller, id).await?;
        if view.instance.jid.is_some() {
            return Err(not_connected(view.connection));
        }
        let cause = view.connection.cause.as_deref();
        let needs_more =
            [Cause::Outdated, Cause::BadUserAgent, Cause::PasskeyRequired].map(|cause| cause.name());
        if cause.is_some_and(|cause| needs_more.contains(&cause)) {
            return Err(not_connected(view.connection));
        }
        self.inner.supervisor.start(&view.instance).await?;
        Ok(Qr::Generating)
    }

    async fn stored(&self, caller: &Caller, id: InstanceId) -> Result<Instance, ServiceError> {
        let found = self.inner.storage.instance(caller.user, id).await?;
        found.ok_or(ServiceError::NotFound { what: "instance" })
    }

    fn view(&self, instance: Instance) -> InstanceView {
        let connection = self.inner.supervisor.status(&instance);
        InstanceView { instance, connection }
    }

    async fn unlink(&self, line: &Line, limit: Duration) -> Result<(), ServiceError> {
        match timeout(limit, line.companion.logout()).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(LogoutError(RequestError::NotConnected { .. } | RequestError::Stopped))) => {
                Err(not_connected(ConnectionStatus::of_state(&line.state())))
            }
            Ok(Err(error)) => {
                tracing::warn!(instance = %line.instance, %error, "logout failed");
                Err(ServiceError::Unavailable { message: "WhatsApp did not confirm the logout" })
            }
            Err(_) => {
                Err(ServiceError::Unavailable { message: "WhatsApp did not confirm the logout in time" })
            }
        }
    }
}

impl std::fmt::Debug for Inner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("InstanceService").finish_non_exhaustive()
    }
}

fn qr_of(line: &Line) -> Result<Qr, ServiceError> {
    match line.state() {
        State::Pairing { qr: Some(code) } => Ok(Qr::Code {
            text: code.text,
            bare: code.bare,
            expires_at: Timestamp::from_millis(code.expires_at),
        }),
        State::Online => Err(linked()),
        _ if line.recorder.is_paired() => Err(linked()),
        State::Stopped(cause) => Err(not_connected(ConnectionStatus::of_cause(&cause))),
        _ => Ok(Qr::Generating),
    }
}

fn linked() -> ServiceError {
    let message = "an account is linked already; log out to link another one".to_owned();
    ServiceError::Conflict { cause: "already_linked", message }
}

pub(crate) fn not_connected(connection: ConnectionStatus) -> ServiceError {
    ServiceError::NotConnected { status: connection.status, cause: connection.cause }
}

fn is_on(webhook: &WebhookSettings) -> bool {
    webhook.enabled && webhook.url.is_some()
}

#[cfg(test)]
mod tests;
