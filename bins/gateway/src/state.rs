//! What every route can reach.

use std::sync::atomic::{AtomicBool, Ordering};

use ipnet::IpNet;
use services::Services;
use tokio_util::sync::CancellationToken;
use utoipa::openapi::OpenApi;

use crate::backend::Backend;
use crate::completion::Completion;
use crate::config::Config;
use crate::counts::{Counts, InstanceCounter};

/// Shared by all workers of one gateway.
pub(crate) struct AppState {
    pub(crate) services: Services,
    pub(crate) allowed_ips: Vec<IpNet>,
    pub(crate) trusted_proxies: Vec<IpNet>,
    pub(crate) changes: Completion,
    /// The description of the API.
    pub(crate) document: OpenApi,
    /// Which database it is.
    pub(crate) provider: &'static str,
    /// Cancelled when the gateway begins to stop: whoever waits for something to happen is answered then.
    pub(crate) stopping: CancellationToken,
    counter: InstanceCounter,
    ready: AtomicBool,
}

impl AppState {
    pub(crate) fn new(services: Services, backend: &Backend, config: &Config, document: OpenApi) -> Self {
        Self {
            allowed_ips: config.allowed_ips.clone(),
            trusted_proxies: config.trusted_proxies.clone(),
            changes: Completion::new(),
            document,
            provider: backend.provider(),
            stopping: CancellationToken::new(),
            counter: InstanceCounter::new(backend.storage()),
            ready: AtomicBool::new(false),
            services,
        }
    }

    /// Whether all instances have been taken up and none has been let go.
    pub(crate) fn is_ready(&self) -> bool {
        self.ready.load(Ordering::Acquire)
    }

    pub(crate) fn set_ready(&self, ready: bool) {
        self.ready.store(ready, Ordering::Release);
    }

    /// Instances by state; nothing if the database can't tell.
    pub(crate) async fn counts(&self) -> Option<Counts> {
        self.counter.count().await
    }
}
