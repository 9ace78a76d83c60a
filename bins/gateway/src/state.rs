//! What every route can reach.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use ipnet::IpNet;
use services::{ServiceError, Services};
use storage::Storage;
use tokio::runtime::Handle;
use tokio_util::task::TaskTracker;

use crate::ApiError;
use crate::census::{Census, Counts};

/// Shared by all workers of one gateway.
pub(crate) struct AppState {
    pub(crate) services: Services,
    pub(crate) allowed_ips: Vec<IpNet>,
    census: Census,
    ready: AtomicBool,
    runtime: Handle,
    work: TaskTracker,
}

impl AppState {
    /// The services' tasks run on the present runtime, not on the workers' own ones, which end with the server.
    pub(crate) fn new(services: Services, storage: Arc<dyn Storage>, allowed_ips: Vec<IpNet>) -> Self {
        let census = Census::new(storage, services.supervisor.clone());
        let ready = AtomicBool::new(false);
        Self { services, allowed_ips, census, ready, runtime: Handle::current(), work: TaskTracker::new() }
    }

    /// Whether all instances have been taken up and none has been let go.
    pub(crate) fn is_ready(&self) -> bool {
        self.ready.load(Ordering::Acquire)
    }

    pub(crate) fn set_ready(&self, ready: bool) {
        self.ready.store(ready, Ordering::Release);
    }

    /// Instances by state; nothing if the database can't tell.
    pub(crate) async fn census(&self) -> Option<Counts> {
        self.census.take().await
    }

    /// Does something that changes things, to its end: a client that hangs up meanwhile doesn't cut it in half.
    pub(crate) async fn complete<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, ServiceError>> + Send + 'static,
    ) -> Result<T, ApiError> {
        let outcome = self.work.spawn_on(work, &self.runtime).await;
        let outcome = outcome.map_err(|panicked| {
            tracing::error!(%panicked, "a service failed");
            ApiError::internal()
        })?;
        outcome.map_err(ApiError::from)
    }

    /// Resolves when nothing of [`Self::complete`] is left.
    pub(crate) async fn idle(&self) {
        self.work.close();
        self.work.wait().await;
    }
}
