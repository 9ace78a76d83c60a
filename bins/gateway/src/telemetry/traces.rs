//! Sending spans to a collector: OTLP over HTTP, in protobuf.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use outbound::{
    AddressGuard, Authorities, Destination, Dialer, HttpClient, HttpError, Refused, Resolver, SetupError,
};
use prost::Message as _;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::{Method, StatusCode};
use thiserror::Error;
use tokio::sync::mpsc::{self, Receiver};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::sync::CancellationToken;

use super::layer::Spans;
use super::otlp::{ExportTraceServiceRequest, Span};
use crate::config::TracesConfig;

/// Spans that wait at most, as OpenTelemetry's own batch processor keeps them: what comes beyond is lost, and no request waits.
const MOST_WAITING: usize = 2_048;
/// Spans that are sent at once.
const MOST_AT_ONCE: usize = 512;
/// How long a span waits for others.
const GATHERING: Duration = Duration::from_secs(5);
/// How long a collector may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long the end of the process waits for the last ones: it is to come within 5 s, whatever hangs.
const FAREWELL: Duration = Duration::from_millis(250);

/// The sending of spans, which goes on in the background.
#[derive(Debug)]
pub(crate) struct Traces {
    stop: CancellationToken,
    sending: JoinHandle<()>,
}

/// Why spans can't be sent.
#[derive(Debug, Error)]
pub(crate) enum TracesError {
    /// The collector doesn't take them.
    #[error(transparent)]
    NotTaken(#[from] NotTaken),
    /// The address of the collector can't be called.
    #[error("OTEL_EXPORTER_OTLP_ENDPOINT {0}")]
    Endpoint(#[from] Refused),
    /// TLS can't be set up.
    #[error(transparent)]
    Tls(#[from] SetupError),
}

impl Traces {
    /// Begins to send. Spans come from the layer.
    ///
    /// # Errors
    /// [`TracesError`].
    pub(super) fn start(settings: &TracesConfig, resolver: Resolver) -> Result<(Spans, Self), TracesError> {
        let (queue, waiting) = mpsc::channel(MOST_WAITING);
        let (lost, stop) = (Arc::new(AtomicU64::new(0)), CancellationToken::new());
        let collector = Collector::new(settings, resolver)?;
        let sending = Sending { collector, lost: Arc::clone(&lost), has_failed: false };
        let sending = tokio::spawn(sending.run(waiting, stop.clone()));
        Ok((Spans::new(queue, settings.share, lost), Self { stop, sending }))
    }

    /// Sends what there is, and ends.
    pub(crate) async fn end(self) {
        self.stop.cancel();
        // Whoever doesn't take them in time doesn't get them.
        let _ = timeout(FAREWELL, self.sending).await;
    }
}

/// Whether the collector takes traces: it is handed none.
///
/// # Errors
/// [`TracesError`].
pub(crate) async fn probe(settings: &TracesConfig, resolver: Resolver) -> Result<(), TracesError> {
    Ok(Collector::new(settings, resolver)?.take(Vec::new()).await?)
}

/// The task that sends.
struct Sending {
    collector: Collector,
    lost: Arc<AtomicU64>,
    has_failed: bool,
}

impl Sending {
    async fn run(mut self, mut waiting: Receiver<Span>, stop: CancellationToken) {
        loop {
            let mut batch = Vec::new();
            let ends = tokio::select! {
                is_open = gather(&mut waiting, &mut batch) => !is_open,
                () = stop.cancelled() => true,
            };
            if ends {
                waiting.close();
                while let Ok(span) = waiting.try_recv() {
                    batch.push(span);
                }
            }
            if !batch.is_empty() {
                self.send(batch).await;
            }
            if ends {
                return;
            }
        }
    }

    /// What the collector doesn't take is lost: it is said once, until it takes something again.
    async fn send(&mut self, batch: Vec<Span>) {
        let count = batch.len();
        match self.collector.take(batch).await {
            Ok(()) => {
                let lost = self.lost.swap(0, Ordering::Relaxed);
                if lost > 0 {
                    tracing::warn!(lost, "spans were lost");
                }
                self.has_failed = false;
            }
            Err(error) => {
                self.lost.fetch_add(count as u64, Ordering::Relaxed);
                if !std::mem::replace(&mut self.has_failed, true) {
                    tracing::warn!(%error, "the collector of traces doesn't take them");
                }
            }
        }
    }
}

/// Fills a batch: with what comes within a while of the first, and no more than fits. Answers whether more may come.
async fn gather(waiting: &mut Receiver<Span>, batch: &mut Vec<Span>) -> bool {
    let Some(first) = waiting.recv().await else { return false };
    batch.push(first);
    let deadline = Instant::now() + GATHERING;
    while batch.len() < MOST_AT_ONCE {
        match timeout_at(deadline, waiting.recv()).await {
            Ok(Some(span)) => batch.push(span),
            Ok(None) => return false,
            Err(_) => return true,
        }
    }
    true
}

/// Where they go.
struct Collector {
    client: HttpClient,
    destination: Destination,
    headers: HeaderMap,
    service: Arc<str>,
}

/// Why a collector has not taken a batch.
#[derive(Debug, Error)]
pub(crate) enum NotTaken {
    /// There is no answer.
    #[error("it can't be reached: {0}")]
    Http(#[from] HttpError),
    /// It refuses.
    #[error("it answers with HTTP {0}")]
    Status(StatusCode),
}

impl Collector {
    fn new(settings: &TracesConfig, resolver: Resolver) -> Result<Self, TracesError> {
        // Whoever runs the gateway names it, so that it may be anywhere.
        let guard = AddressGuard::default().opening(&settings.endpoint);
        let path = format!("{}/v1/traces", settings.endpoint.as_str().trim_end_matches('/'));
        let destination = guard.check(&path)?;
        let mut headers = settings.headers.clone();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-protobuf"));
        Ok(Self {
            client: HttpClient::new(Dialer::new(guard, resolver), &Authorities::public())?,
            destination,
            headers,
            service: Arc::from(settings.service.as_str()),
        })
    }

    async fn take(&self, spans: Vec<Span>) -> Result<(), NotTaken> {
        let body = ExportTraceServiceRequest::new(&self.service, spans).encode_to_vec();
        let sent =
            self.client.send(Method::POST, &self.destination, self.headers.clone(), body.into(), PATIENCE);
        match sent.await?.status() {
            status if status.is_success() => Ok(()),
            status => Err(NotTaken::Status(status)),
        }
    }
}
