//! Instances: create, change, connect, tell how they are.

mod changing;
mod linking;
mod passkey;
mod settings;
mod unlinking;

use std::sync::Arc;

use outbound::AddressGuard;
use storage::{
    Instance, InstanceId, InstanceStatus, Journal, Missing, Page, Storage, StorageError, Version, Webhook,
};
use wa_client::Limits;

pub use linking::Qr;
pub use passkey::ShownPasskey;
pub use settings::{
    CreateInstance, MAX_DESCRIPTION, MAX_DEVICE_NAME, MAX_NAME, RETENTION_DAYS, UpdateInstance,
};
use settings::{check_connection, check_description, check_look, check_name, check_retention};

use crate::auth::Caller;
use crate::clock::now;
use crate::error::{ConflictCause, ServiceError};
use crate::node::Node;
use crate::page::check_limit;
use crate::status::ConnectionStatus;
use crate::supervisor::Supervisor;
use crate::webhooks::{WebhookService, check_new};

/// Most instances of one user.
pub const MAX_INSTANCES: u64 = 10_000;

/// An instance, its default webhook and its connection.
#[derive(Clone, Debug)]
pub struct InstanceView {
    /// The instance as it is stored.
    pub instance: Instance,
    /// The webhook named [`Webhook::DEFAULT`].
    pub webhook: Webhook,
    /// Where its connection stands now.
    pub connection: ConnectionStatus,
    /// Whom WhatsApp lets its account write to, as far as it said and the instance runs here.
    pub limits: Limits,
}

impl InstanceView {
    /// The state of its settings.
    pub fn version(&self) -> Version {
        self.instance.version(&self.webhook)
    }
}

/// Use cases about instances. Clones are the same service.
#[derive(Clone, Debug)]
pub struct InstanceService {
    inner: Arc<Inner>,
}

struct Inner {
    journal: Journal,
    node: Node,
    supervisor: Supervisor,
    webhooks: WebhookService,
    guard: AddressGuard,
}

impl InstanceService {
    /// A service over these parts.
    pub(crate) fn new(
        journal: Journal,
        node: Node,
        supervisor: Supervisor,
        webhooks: WebhookService,
        guard: AddressGuard,
    ) -> Self {
        Self { inner: Arc::new(Inner { journal, node, supervisor, webhooks, guard }) }
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
        let now = now();
        let instance = Instance {
            id: InstanceId::generate(),
            owner: caller.user,
            name: check_name(&create.name)?,
            description: check_description(create.description)?,
            retention: check_retention(create.retention)?,
            connection: check_connection(create.connection, &self.inner.guard)?,
            look: check_look(create.look)?,
            status: InstanceStatus::Connecting,
            status_cause: None,
            jid: None,
            lid: None,
            phone: None,
            push_name: None,
            last_activity: None,
            created_at: now,
            updated_at: now,
            unreadable: Vec::new(),
        };
        let webhook = Webhook::new(instance.id, Webhook::DEFAULT, now);
        let webhook = check_new(create.webhook, webhook, &self.inner.guard)?;
        let (node, webhooks) = (self.inner.node.id(), vec![webhook.clone()]);
        let creating = self.storage().create_instance(instance.clone(), webhooks, node, MAX_INSTANCES);
        let epoch = creating.await.map_err(|error| match error {
            StorageError::LimitReached { .. } => ServiceError::Conflict {
                cause: ConflictCause::TooManyInstances,
                message: format!("a user can have at most {MAX_INSTANCES} instances"),
            },
            error => error.into(),
        })?;
        self.inner.supervisor.take_in(&instance, epoch)?;
        Ok(self.view(instance, webhook))
    }

    /// A page of the caller's instances, oldest first; as many as a page may hold bytes.
    ///
    /// # Errors
    /// `Invalid` for a limit of 0 or above [`MAX_INSTANCES`].
    pub async fn list(
        &self,
        caller: &Caller,
        limit: u64,
        skip: u64,
    ) -> Result<Page<InstanceView>, ServiceError> {
        check_limit(limit, MAX_INSTANCES)?;
        let page = self.storage().instances(caller.user, limit, skip).await?;
        Ok(page.map(|(instance, webhook)| self.view(instance, webhook)))
    }

    /// One instance, with its connection.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn find(&self, caller: &Caller, id: InstanceId) -> Result<InstanceView, ServiceError> {
        let instance = self.stored(caller, id).await?;
        let webhook = self.inner.webhooks.find(caller, id, Webhook::DEFAULT).await?;
        Ok(self.view(instance, webhook))
    }

    /// Where the connection stands. Cheaper than [`Self::find`].
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn status(&self, caller: &Caller, id: InstanceId) -> Result<ConnectionStatus, ServiceError> {
        match self.inner.supervisor.find(caller.user, id) {
            Some(running) => Ok(ConnectionStatus::of_state(&running.state())),
            None => Ok(self.inner.supervisor.status(&self.stored(caller, id).await?)),
        }
    }

    /// Connects now, whatever the instance was doing.
    ///
    /// # Errors
    /// `NotFound`; `Unavailable` when another process carries the instance.
    pub async fn reconnect(&self, caller: &Caller, id: InstanceId) -> Result<(), ServiceError> {
        match self.inner.supervisor.find(caller.user, id) {
            Some(running) => running.companion.reconnect().await,
            None => self.inner.supervisor.start(&self.stored(caller, id).await?).await?,
        }
        Ok(())
    }

    async fn stored(&self, caller: &Caller, id: InstanceId) -> Result<Instance, ServiceError> {
        let found = self.storage().instance(caller.user, id).await?;
        found.ok_or(ServiceError::NotFound { what: Missing::Instance })
    }

    fn view(&self, instance: Instance, webhook: Webhook) -> InstanceView {
        let connection = self.inner.supervisor.status(&instance);
        let running = self.inner.supervisor.find(instance.owner, instance.id);
        let limits = running.map(|running| running.companion.limits()).unwrap_or_default();
        InstanceView { instance, webhook, connection, limits }
    }

    fn not_connected(&self, instance: &Instance) -> ServiceError {
        ServiceError::not_connected(&self.inner.supervisor.status(instance))
    }

    fn storage(&self) -> &Arc<dyn Storage> {
        self.inner.journal.storage()
    }
}

impl std::fmt::Debug for Inner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("InstanceService").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
