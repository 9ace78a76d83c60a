//! Instances: create, change, connect, tell how they are.

mod changing;
mod clearing;
mod link;
mod linking;
mod moving;
mod passkey;
mod pausing;
mod settings;
mod unlinking;

use std::sync::Arc;

use outbound::AddressGuard;
use serde_json::Value;
use storage::{
    AuditAction, CauseKind, Epoch, Instance, InstanceAction, InstanceId, InstanceStatus, Journal, Missing,
    Page, Record, Storage, StorageError, Version, Webhook,
};
use wa_client::{Limits, Traffic};

pub use link::{LinkStep, Linking};
pub use linking::Qr;
pub use moving::import_offline;
pub use passkey::{MAX_PASSKEY_PART, ShownPasskey};
pub use settings::{
    CreateInstance, MAX_DESCRIPTION, MAX_DEVICE_NAME, MAX_LIMIT, MAX_NAME, MAX_TAG, MAX_TAGS, RETENTION_DAYS,
    UpdateInstance,
};
use settings::{
    check_connection, check_description, check_limits, check_look, check_name, check_retention, check_tags,
};

use crate::audit::AuditService;
use crate::auth::Caller;
use crate::clock::now;
use crate::error::{ConflictCause, ServiceError};
use crate::feed::Feed;
use crate::media::MediaObjects;
use crate::node::Node;
use crate::page::check_limit;
use crate::quota::Quotas;
use crate::status::ConnectionStatus;
use crate::supervisor::Supervisor;
use crate::versions::VersionKeeper;
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
    inner: Arc<Parts>,
}

/// What it works with.
pub(crate) struct Parts {
    pub(crate) journal: Journal,
    pub(crate) audit: AuditService,
    pub(crate) node: Node,
    pub(crate) supervisor: Supervisor,
    pub(crate) webhooks: WebhookService,
    pub(crate) guard: AddressGuard,
    pub(crate) objects: Arc<dyn MediaObjects>,
    pub(crate) quotas: Quotas,
    pub(crate) feed: Feed,
    pub(crate) versions: VersionKeeper,
}

impl InstanceService {
    /// A service over these parts.
    pub(crate) fn new(parts: Parts) -> Self {
        Self { inner: Arc::new(parts) }
    }

    /// Creates an instance and starts to connect it.
    ///
    /// # Errors
    /// `Invalid` names the first field that can't be accepted; `Conflict` when the user has
    /// [`MAX_INSTANCES`]; `Unavailable` when this process has just started and doesn't get ready in time.
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
            tags: check_tags(&create.tags)?,
            retention: check_retention(create.retention)?,
            media_download: create.media_download,
            connection: check_connection(create.connection, &self.inner.guard)?,
            look: check_look(create.look)?,
            limits: check_limits(create.limits)?,
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
        self.inner.supervisor.until_acquired().await?;
        let (node, webhooks) = (self.inner.node.id(), vec![webhook.clone()]);
        let creating = self.storage().create_instance(instance.clone(), webhooks, node, MAX_INSTANCES);
        let epoch = creating.await.map_err(too_many)?;
        self.inner.supervisor.take_in(&instance, epoch)?;
        self.did(caller, AuditAction::InstanceCreated, instance.id, Value::Null).await;
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

    /// The same of those that have this tag.
    ///
    /// # Errors
    /// As [`Self::list`].
    pub async fn list_tagged(
        &self,
        caller: &Caller,
        tag: &str,
        limit: u64,
        skip: u64,
    ) -> Result<Page<InstanceView>, ServiceError> {
        check_limit(limit, MAX_INSTANCES)?;
        let page = self.storage().instances_tagged(caller.user, tag, limit, skip).await?;
        Ok(page.map(|(instance, webhook)| self.view(instance, webhook)))
    }

    /// The same of these alone, as far as they are the caller's, and have this tag if there is one.
    ///
    /// # Errors
    /// As [`Self::list`].
    pub async fn list_among(
        &self,
        caller: &Caller,
        (among, tag): (&[InstanceId], Option<&str>),
        limit: u64,
        skip: u64,
    ) -> Result<Page<InstanceView>, ServiceError> {
        check_limit(limit, MAX_INSTANCES)?;
        let mut found = Vec::new();
        for id in among {
            found.extend(self.storage().instance(caller.user, *id).await?);
        }
        found.retain(|instance| tag.is_none_or(|tag| instance.tags.iter().any(|other| other == tag)));
        found.sort_by_key(|instance| (instance.created_at, instance.id));
        let (total, shown) = (found.len() as u64, skip.saturating_add(limit));
        let mut items = Vec::new();
        for (_, instance) in (0..shown).zip(found).filter(|(place, _)| *place >= skip) {
            let webhook = self.inner.webhooks.find(caller, instance.id, Webhook::DEFAULT).await?;
            items.push(self.view(instance, webhook));
        }
        Ok(Page { items, total, has_more: shown < total, next: None })
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

    /// Connects now, whatever the instance was doing, unless its owner has paused it: that holds until they resume it.
    ///
    /// # Errors
    /// `NotFound`; `NotConnected` when it is paused; `Unavailable` when another process carries the instance.
    pub async fn reconnect(&self, caller: &Caller, id: InstanceId) -> Result<(), ServiceError> {
        let Some(running) = self.inner.supervisor.find(caller.user, id) else {
            let instance = self.stored(caller, id).await?;
            self.refuse_if_paused(&instance)?;
            let cause = self.inner.supervisor.status(&instance).cause;
            if cause.is_some_and(|cause| cause.kind == CauseKind::Outdated) {
                self.inner.versions.look_again().await;
            }
            self.inner.supervisor.start(&instance).await?;
            self.did(caller, AuditAction::InstanceReconnected, id, Value::Null).await;
            return Ok(());
        };
        self.tell(id, running.recorder.epoch(), InstanceAction::Reconnect).await?;
        running.companion.reconnect().await;
        self.did(caller, AuditAction::InstanceReconnected, id, Value::Null).await;
        Ok(())
    }

    fn refuse_if_paused(&self, instance: &Instance) -> Result<(), ServiceError> {
        match instance.status {
            InstanceStatus::Paused => Err(self.not_connected(instance)),
            _ => Ok(()),
        }
    }

    /// Records something that was done to an instance and changes nothing that is stored.
    async fn tell(&self, id: InstanceId, epoch: Epoch, action: InstanceAction) -> Result<(), ServiceError> {
        self.inner.journal.record(Record::new(id, epoch).event(action.told())).await?;
        Ok(())
    }

    /// Keeps in the audit log what was done.
    async fn did(&self, caller: &Caller, action: AuditAction, id: InstanceId, details: Value) {
        self.inner.audit.did(caller.actor, action, id, details).await;
    }

    /// What the instance has exchanged with WhatsApp since it runs here; nothing where it doesn't.
    pub fn traffic(&self, caller: &Caller, id: InstanceId) -> Traffic {
        let running = self.inner.supervisor.find(caller.user, id);
        running.map(|running| running.companion.traffic()).unwrap_or_default()
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

/// Why an instance could not be made.
fn too_many(error: StorageError) -> ServiceError {
    match error {
        StorageError::LimitReached { .. } => ServiceError::Conflict {
            cause: ConflictCause::TooManyInstances,
            message: format!("a user can have at most {MAX_INSTANCES} instances"),
        },
        error => error.into(),
    }
}

impl std::fmt::Debug for Parts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("InstanceService").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
