//! What every route can reach.

use std::sync::atomic::{AtomicBool, Ordering};

use actix_web::web::Bytes;
use ipnet::IpNet;
use reqwest::Url;
use services::{Caller, ServiceError, Services};
use storage::{ApiKey, InstanceId};
use storage_sql::WriteFailure;
use tokio_util::sync::CancellationToken;
use utoipa::openapi::OpenApi;

use crate::answers::Answers;
use crate::backend::Backend;
use crate::bodies::Bodies;
use crate::completion::Completion;
use crate::config::{Config, CorsOrigins, QrPageParents};
use crate::counts::{Counts, InstanceCounter};
use crate::http_times::HttpTimes;
use crate::in_flight::InFlight;
use crate::rates::Rates;
use crate::streams::Streams;
use crate::vitals::Failure;
use crate::watchdog::Watchdog;
use crate::workers::Workers;

/// Shared by all workers of one gateway.
pub(crate) struct AppState {
    pub(crate) services: Services,
    pub(crate) allowed_ips: Vec<IpNet>,
    pub(crate) trusted_proxies: Vec<IpNet>,
    /// Whether clients come over TLS, so that they may be told to come over nothing else.
    pub(crate) has_tls: bool,
    /// Pages of which origins may call.
    pub(crate) cors_origins: CorsOrigins,
    pub(crate) changes: Completion,
    /// How often credentials have called.
    pub(crate) rates: Rates,
    /// The large bodies on their way.
    pub(crate) bodies: Bodies,
    /// The large answers under way.
    pub(crate) answers: Answers,
    /// The answers that go on.
    pub(crate) streams: Streams,
    /// The description of the API, as it is served.
    pub(crate) document: Bytes,
    /// Which database it is, and how it does.
    pub(crate) backend: Backend,
    pub(crate) watchdog: Watchdog,
    /// The threads that answer.
    pub(crate) workers: Workers,
    /// The requests of clients behind proxies.
    pub(crate) in_flight: InFlight,
    /// The URL under which others reach the gateway, if it was told.
    pub(crate) public_url: Option<Url>,
    /// Paths of dialects whose bodies may hold a file.
    pub(crate) paths_with_files: Vec<&'static str>,
    /// Which pages may show the QR page.
    pub(crate) qr_page_parents: QrPageParents,
    /// Cancelled when the gateway begins to stop: whoever waits for something to happen is answered then.
    pub(crate) stopping: CancellationToken,
    /// How long requests take.
    pub(crate) http: HttpTimes,
    /// Hash of what opens `/metrics` without being a credential.
    pub(crate) metrics_token: Option<[u8; 32]>,
    counter: InstanceCounter,
    ready: AtomicBool,
}

impl AppState {
    /// With what bounds the answers that go on, and the requests of clients behind proxies.
    pub(crate) fn new(
        services: Services,
        backend: Backend,
        config: &Config,
        document: &OpenApi,
        paths_with_files: Vec<&'static str>,
        streams: Streams,
        in_flight: InFlight,
    ) -> Self {
        Self {
            allowed_ips: config.allowed_ips.clone(),
            trusted_proxies: config.trusted_proxies.clone(),
            has_tls: config.tls.is_some(),
            cors_origins: config.cors_origins.clone(),
            changes: Completion::new(),
            rates: Rates::new(config.rate_limit),
            bodies: Bodies::default(),
            answers: Answers::default(),
            streams,
            // It is ours, and has a JSON form.
            document: serde_json::to_vec(document).unwrap_or_default().into(),
            public_url: config.public_url.clone(),
            paths_with_files,
            qr_page_parents: config.qr_page_parents.clone(),
            stopping: CancellationToken::new(),
            http: HttpTimes::default(),
            metrics_token: config.metrics_token.as_ref().map(|token| ApiKey::new(token.expose()).hash()),
            counter: InstanceCounter::new(backend.storage()),
            backend,
            watchdog: Watchdog::new(),
            workers: Workers::default(),
            in_flight,
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

    /// Counts a call about an instance of the caller's that its path doesn't name: those that do are counted by the layer
    /// around them.
    ///
    /// # Errors
    /// `LimitExceeded` beyond what its owner allows.
    pub(crate) async fn count_call(&self, caller: &Caller, instance: InstanceId) -> Result<(), ServiceError> {
        if self.services.quotas.limits_calls(caller.user, instance) {
            self.services.quotas.check_call(instance).await?;
        }
        self.services.meter.api_call(instance);
        Ok(())
    }

    /// Instances by state; nothing if the database can't tell.
    pub(crate) async fn counts(&self) -> Option<Counts> {
        self.counter.count().await
    }
}
