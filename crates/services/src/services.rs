//! All services, wired together.

use std::sync::Arc;
use std::time::Duration;

use outbound::SetupError;
use storage::{Clock, Journal, Listener, NodeId, Storage, StorageError};
use tokio::time::Instant;
use webhook::{Dispatcher, Options};

use crate::auth::{AuthConfig, AuthService};
use crate::bell::Bell;
use crate::companion::Companions;
use crate::event::EventService;
use crate::housekeeping::{self, KeepFor};
use crate::instance::InstanceService;
use crate::messaging::MessagingService;
use crate::node::Node;
use crate::supervisor::Supervisor;
use crate::versions::VersionKeeper;
use crate::webhooks::WebhookService;

/// What the services are built from.
pub struct Dependencies {
    /// Where everything is stored.
    pub storage: Arc<dyn Storage>,
    /// How companions are started: [`crate::WhatsApp`].
    pub companions: Arc<dyn Companions>,
    /// This process. Another one that runs at the same time on the same database must be another node; the same one,
    /// come back after a crash, must be the same node.
    pub node: NodeId,
    /// How login tokens are signed and passwords hashed.
    pub auth: AuthConfig,
    /// Webhook deliveries, with the address guard.
    pub webhooks: Options,
    /// Which version of WhatsApp Web the companions announce.
    pub versions: VersionKeeper,
    /// How long events and messages are kept.
    pub keep_for: KeepFor,
}

/// Everything a gateway can do. Clones are the same services.
#[derive(Clone)]
pub struct Services {
    /// Logs users in, and tells whom a token or an API key belongs to.
    pub auth: AuthService,
    /// Creates, shows, changes, pairs and deletes instances.
    pub instances: InstanceService,
    /// Creates, shows, changes and deletes the webhooks of an instance.
    pub webhooks: WebhookService,
    /// Sends messages through an instance.
    pub messages: MessagingService,
    /// Reads an instance's messages and its event log, and waits for more.
    pub events: EventService,
    /// Runs the instances that this node carries, and tells where each stands.
    pub supervisor: Supervisor,
    /// Delivers events to the webhooks of the instances that this node carries.
    pub deliveries: Dispatcher,
    /// Knows which version of WhatsApp Web the companions announce.
    pub versions: VersionKeeper,
    storage: Arc<dyn Storage>,
    keep_for: KeepFor,
}

impl Services {
    /// Wires the services. Nothing runs before [`Self::resume`].
    ///
    /// # Errors
    /// [`SetupError`] if the HTTP client for webhooks can't be built.
    pub fn new(dependencies: Dependencies) -> Result<Self, SetupError> {
        let Dependencies { storage, companions, node, auth, webhooks, versions, keep_for } = dependencies;
        let guard = webhooks.guard.clone();
        let deliveries = Dispatcher::new(Arc::clone(&storage), webhooks)?;
        let bell = Bell::default();
        let listeners: [Arc<dyn Listener>; 2] = [Arc::new(deliveries.clone()), Arc::new(bell.clone())];
        let journal = Journal::new(Arc::clone(&storage), listeners);
        let node = Node::new(node, Arc::clone(&storage));
        let supervisor = Supervisor::new(companions, journal.clone(), node.clone(), deliveries.clone());
        let webhooks =
            WebhookService::new(journal.clone(), supervisor.clone(), deliveries.clone(), guard.clone());
        Ok(Self {
            auth: AuthService::new(Arc::clone(&storage), &auth),
            instances: InstanceService::new(journal, node, supervisor.clone(), webhooks.clone(), guard),
            webhooks,
            messages: MessagingService::new(Arc::clone(&storage), supervisor.clone()),
            events: EventService::new(Arc::clone(&storage), supervisor.clone(), deliveries.clone(), bell),
            supervisor,
            deliveries,
            versions,
            storage,
            keep_for,
        })
    }

    /// Takes up deliveries and instances where the last process left them; instances start staggered, in the
    /// background. What another process on the same database carries stays with it, which is said in the log.
    ///
    /// # Errors
    /// [`StorageError`] if the store can't tell what there is to do.
    pub async fn resume(&self) -> Result<(), StorageError> {
        self.supervisor.accompany(housekeeping::keep(
            Arc::clone(&self.storage),
            self.keep_for,
            Clock::system(),
        ));
        self.versions.load().await?;
        self.supervisor.accompany(self.versions.clone().keep());
        let (supervisor, versions) = (self.supervisor.clone(), self.versions.watch());
        self.supervisor.accompany(async move { supervisor.revive_outdated(versions).await });
        self.supervisor.resume().await
    }

    /// Stops: first the instances, so that what they tell last is recorded; then the deliveries; then others may have
    /// the instances. For at most `grace`, half of it for the instances; returns whether that was enough. The store may be
    /// closed afterwards.
    pub async fn stop(&self, grace: Duration) -> bool {
        let deadline = Instant::now() + grace;
        let instances = self.supervisor.stop(grace / 2).await;
        let deliveries = self.deliveries.stop(deadline.saturating_duration_since(Instant::now())).await;
        self.supervisor.release().await;
        instances && deliveries
    }
}

impl std::fmt::Debug for Dependencies {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Dependencies").field("node", &self.node).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Services {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Services")
            .field("supervisor", &self.supervisor)
            .field("deliveries", &self.deliveries)
            .finish_non_exhaustive()
    }
}
