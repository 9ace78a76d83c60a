//! All services, wired together.

use std::sync::Arc;
use std::time::Duration;

use storage::{Storage, StorageError};
use tokio::time::Instant;
use webhook::{Dispatcher, Options, SetupError};

use crate::auth::{AuthConfig, AuthService};
use crate::companion::Companions;
use crate::event::EventService;
use crate::housekeeping;
use crate::instance::InstanceService;
use crate::messaging::MessagingService;
use crate::supervisor::Supervisor;

/// What the services are built from.
pub struct Dependencies {
    /// Where everything is stored.
    pub storage: Arc<dyn Storage>,
    /// How companions are started: [`crate::WhatsApp`].
    pub companions: Arc<dyn Companions>,
    /// Tokens and passwords.
    pub auth: AuthConfig,
    /// Webhook deliveries, with the address guard.
    pub webhooks: Options,
}

/// Everything a gateway can do. Clones are the same services.
#[derive(Clone)]
pub struct Services {
    /// Who is calling.
    pub auth: AuthService,
    /// Instances.
    pub instances: InstanceService,
    /// Sending.
    pub messages: MessagingService,
    /// What has happened.
    pub events: EventService,
    /// Running instances.
    pub supervisor: Supervisor,
    /// Webhook deliveries.
    pub webhooks: Dispatcher,
    storage: Arc<dyn Storage>,
}

impl Services {
    /// Wires the services. Nothing runs before [`Self::resume`].
    ///
    /// # Errors
    /// [`SetupError`] if the HTTP client for webhooks can't be built.
    pub fn new(dependencies: Dependencies) -> Result<Self, SetupError> {
        let Dependencies { storage, companions, auth, webhooks } = dependencies;
        let guard = webhooks.guard.clone();
        let dispatcher = Dispatcher::new(Arc::clone(&storage), webhooks)?;
        let supervisor = Supervisor::new(Arc::clone(&storage), companions, dispatcher.clone());
        Ok(Self {
            auth: AuthService::new(Arc::clone(&storage), &auth),
            instances: InstanceService::new(
                Arc::clone(&storage),
                supervisor.clone(),
                dispatcher.clone(),
                guard,
            ),
            messages: MessagingService::new(Arc::clone(&storage), supervisor.clone()),
            events: EventService::new(Arc::clone(&storage), supervisor.clone(), dispatcher.clone()),
            supervisor,
            webhooks: dispatcher,
            storage,
        })
    }

    /// Takes up deliveries and instances where the last process left them; instances start staggered, in the
    /// background.
    ///
    /// # Errors
    /// [`StorageError`] if the store can't tell what there is to do.
    pub async fn resume(&self) -> Result<(), StorageError> {
        self.webhooks.resume().await?;
        self.supervisor.accompany(housekeeping::keep(Arc::clone(&self.storage)));
        self.supervisor.resume().await
    }

    /// Stops: first the instances, so that what they tell last is recorded; then the deliveries. For at most
    /// `grace`; returns whether that was enough. The store may be closed afterwards.
    pub async fn stop(&self, grace: Duration) -> bool {
        let deadline = Instant::now() + grace;
        let instances = self.supervisor.stop(grace).await;
        let deliveries = self.webhooks.stop(deadline.saturating_duration_since(Instant::now())).await;
        instances && deliveries
    }
}

impl std::fmt::Debug for Dependencies {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Dependencies").finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Services {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Services")
            .field("supervisor", &self.supervisor)
            .field("webhooks", &self.webhooks)
            .finish_non_exhaustive()
    }
}
