//! What every route can reach.

use std::sync::atomic::{AtomicBool, Ordering};

use ipnet::IpNet;
use services::Services;
use storage_sqlite::WriteFailure;
use tokio_util::sync::CancellationToken;
use utoipa::openapi::OpenApi;

use crate::answers::Answers;
use crate::backend::Backend;
use crate::completion::Completion;
use crate::config::Config;
use crate::counts::{Counts, InstanceCounter};
use crate::vitals::Failure;
use crate::watchdog::Watchdog;

/// Shared by all workers of one gateway.
pub(crate) struct AppState {
    pub(crate) services: Services,
    pub(crate) allowed_ips: Vec<IpNet>,
    pub(crate) trusted_proxies: Vec<IpNet>,
    pub(crate) changes: Completion,
    /// The large answers under way.
    pub(crate) answers: Answers,
    /// The description of the API.
    pub(crate) document: OpenApi,
    /// Which database it is, and how it does.
    pub(crate) backend: Backend,
    pub(crate) watchdog: Watchdog,
    /// Cancelled when the gateway begins to stop: whoever waits for something to happen is answered then.
    pub(crate) stopping: CancellationToken,
    counter: InstanceCounter,
    ready: AtomicBool,
}

impl AppState {
    pub(crate) fn new(services: Services, backend: Backend, config: &Config, document: OpenApi) -> Self {
        Self {
            allowed_ips: config.allowed_ips.clone(),
            trusted_proxies: config.trusted_proxies.clone(),
            changes: Completion::new(),
            answers: Answers::default(),
            document,
            stopping: CancellationToken::new(),
            counter: InstanceCounter::new(backend.storage()),
            backend,
            watchdog: Watchdog::new(),
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

    /// What is wrong with the database, if anything: nothing can be written, or it could not be used when the watchdog looked.
    pub(crate) fn failure(&self) -> Option<Failure> {
        if let Some(WriteFailure { since, error }) = self.backend.write_failure() {
            return Some(Failure { since: Some(since), error });
        }
        let hangs = || self.watchdog.hangs().map(|what| format!("{what} hangs"));
        self.watchdog.trouble().or_else(hangs).map(|error| Failure { since: None, error })
    }

    /// Instances by state; nothing if the database can't tell.
    pub(crate) async fn counts(&self) -> Option<Counts> {
        self.counter.count().await
    }
}
