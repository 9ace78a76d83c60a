//! One HTTP attempt: what leaves, what counts as delivered, what a failure is called.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use chrono::Utc;
use reqwest::header::{HeaderMap, HeaderValue, RETRY_AFTER};
use reqwest::{Client, Method, Request, Response};
use rustls::{ClientConfig, RootCertStore};
use thiserror::Error;
use tokio::time::timeout;

use crate::guard::{AddressGuard, Destination, GuardedResolver, Lookup, Reach, Refused, system_lookup};
use crate::headers::HeaderError;
use crate::policy::parse_retry_after;

/// From connecting to the end of the response head.
pub const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(10);
/// A response body is read up to here, so that the connection can serve the next request; a longer one costs
/// the connection.
const MAX_RESPONSE: usize = 64 * 1024;
/// The body says nothing that we need, so nobody waits long for it.
const BODY_TIMEOUT: Duration = Duration::from_secs(1);
const IDLE_CONNECTION: Duration = Duration::from_secs(60);

const USER_AGENT: &str = concat!("Trunkline/", env!("CARGO_PKG_VERSION"));

/// Sends requests to users' addresses through the address guard. Connections are pooled.
#[derive(Clone, Debug)]
pub(crate) struct Courier {
    guarded: Client,
    trusted: Client,
}

/// Why the HTTP client could not be set up.
#[derive(Debug, Error)]
#[error("the HTTP client could not be set up: {0}")]
pub struct SetupError(#[source] Box<dyn Error + Send + Sync>);

/// A failed attempt. The display form is kept with the delivery and shown to its owner.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub(crate) enum Failure {
    #[error("the URL {0}")]
    Refused(#[from] Refused),
    #[error("custom headers: {0}")]
    Headers(#[from] HeaderError),
    #[error("no answer within {} s", ATTEMPT_TIMEOUT.as_secs())]
    TimedOut,
    #[error("could not connect: {0}")]
    Connect(String),
    #[error("the connection failed: {0}")]
    Broken(String),
    #[error("HTTP {status}")]
    Status { status: u16, retry_after: Option<Duration> },
}

impl Failure {
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Status { retry_after, .. } => *retry_after,
            _ => None,
        }
    }

    pub(crate) fn status_code(&self) -> Option<u16> {
        match self {
            Self::Status { status, .. } => Some(*status),
            _ => None,
        }
    }
}

impl Courier {
    pub(crate) fn new(guard: &AddressGuard, roots: &RootCertStore) -> Result<Self, SetupError> {
        Self::with_lookup(guard, roots, system_lookup())
    }

    fn with_lookup(
        guard: &AddressGuard,
        roots: &RootCertStore,
        lookup: Arc<Lookup>,
    ) -> Result<Self, SetupError> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| SetupError(error.into()))?
            .with_root_certificates(roots.clone())
            .with_no_client_auth();
        let client = |tls: ClientConfig| {
            Client::builder()
                .tls_backend_preconfigured(tls)
                .no_proxy()
                .redirect(reqwest::redirect::Policy::none())
                .referer(false)
                .timeout(ATTEMPT_TIMEOUT)
                .pool_idle_timeout(IDLE_CONNECTION)
                .user_agent(USER_AGENT)
        };
        let guarded = client(tls.clone()).dns_resolver(GuardedResolver::new(guard.clone(), lookup)).build();
        let trusted = client(tls).build();
        Ok(Self {
            guarded: guarded.map_err(|error| SetupError(error.into()))?,
            trusted: trusted.map_err(|error| SetupError(error.into()))?,
        })
    }

    /// Posts `body`. Any 2xx is success; a redirect is not followed, it is a failure like any other status.
    pub(crate) async fn post(
        &self,
        destination: &Destination,
        headers: HeaderMap,
        body: Bytes,
    ) -> Result<(), Failure> {
        let client = match destination.reach {
            Reach::Guarded => &self.guarded,
            Reach::Trusted => &self.trusted,
        };
        let mut request = Request::new(Method::POST, destination.url.clone());
        *request.headers_mut() = headers;
        *request.body_mut() = Some(body.into());
        let response = client.execute(request).await.map_err(|error| failure(&error))?;
        let status = response.status();
        let retry_after = response.headers().get(RETRY_AFTER).and_then(read_retry_after);
        // What the body holds doesn't matter, but reading it frees the connection for the next event.
        let _ = timeout(BODY_TIMEOUT, drain(response)).await;
        if status.is_success() {
            return Ok(());
        }
        Err(Failure::Status { status: status.as_u16(), retry_after })
    }
}

/// Reads the body and forgets it. One longer than the cap is abandoned, and with it the connection.
async fn drain(mut response: Response) {
    let mut read = 0;
    while let Ok(Some(chunk)) = response.chunk().await {
        read += chunk.len();
        if read > MAX_RESPONSE {
            break;
        }
    }
}

fn read_retry_after(value: &HeaderValue) -> Option<Duration> {
    parse_retry_after(value.to_str().ok()?, Utc::now())
}

/// Names the failure without repeating the URL, which may hold a token.
fn failure(error: &reqwest::Error) -> Failure {
    let mut source = error.source();
    let mut innermost = String::new();
    while let Some(cause) = source {
        if let Some(refused) = cause.downcast_ref::<Refused>() {
            return Failure::Refused(refused.clone());
        }
        innermost = cause.to_string();
        source = cause.source();
    }
    if error.is_timeout() {
        Failure::TimedOut
    } else if error.is_connect() {
        Failure::Connect(innermost)
    } else {
        Failure::Broken(innermost)
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use futures_util::FutureExt as _;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;
    use crate::guard::Range;

    #[test]
    fn failures_read_as_sentences() {
        assert_eq!(Failure::Status { status: 503, retry_after: None }.to_string(), "HTTP 503");
        assert_eq!(Failure::TimedOut.to_string(), "no answer within 10 s");
        assert_eq!(
            Failure::Refused(Refused::Scheme).to_string(),
            "the URL must start with http:// or https://"
        );
    }

    /// A name whose address was public when the URL was saved, and is another one when we connect.
    #[tokio::test]
    async fn a_rebound_name_is_refused_before_anything_is_sent() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let lookup: Arc<Lookup> = Arc::new(|name| {
            assert_eq!(name, "rebound.example");
            Box::pin(async { Ok(vec![SocketAddr::from(([127, 0, 0, 1], 0))]) })
        });
        let post = async |allow: &str| {
            let guard = AddressGuard::new(allow.parse().unwrap());
            let destination = guard.check(&format!("http://rebound.example:{port}/")).unwrap();
            let courier = Courier::with_lookup(&guard, &RootCertStore::empty(), Arc::clone(&lookup)).unwrap();
            courier.post(&destination, HeaderMap::new(), Bytes::from_static(b"{}")).await
        };
        let refused = Failure::Refused(Refused::Address { range: Range::Loopback });
        assert_eq!(post("").await, Err(refused));
        assert!(listener.accept().now_or_never().is_none(), "nobody came");

        let answering = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = Vec::new();
            while !request.ends_with(b"{}") {
                stream.read_buf(&mut request).await.unwrap();
            }
            stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.unwrap();
            stream
        };
        let (posted, _stream) = tokio::join!(post("127.0.0.1"), answering);
        assert_eq!(posted, Ok(()), "the same name, where the address is allowed");
    }
}
