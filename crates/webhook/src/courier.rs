//! One HTTP attempt: what leaves, what counts as delivered, what a failure is called.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use chrono::Utc;
use http::Method;
use http::header::{HeaderMap, HeaderValue, RETRY_AFTER};
use outbound::{Destination, HttpClient, HttpError, Refused};
use storage::Timestamp;
use thiserror::Error;
use tokio::time::timeout;

use crate::gate::Shown;
use crate::policy::{UNRESOLVED_FOR_GOOD, parse_retry_after};

/// From connecting to the end of the response head.
pub const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long one address of a receiver may take to accept a connection.
pub(crate) const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// A response body is read up to here, so that the connection can serve the next request; a longer one costs
/// the connection.
const MAX_RESPONSE: usize = 4 * 1024;
/// So much of a body is shown to whoever asks for a test.
const SHOWN_RESPONSE: usize = 1024;
/// Where the body says nothing that we need, nobody waits long for it.
const BODY_TIMEOUT: Duration = Duration::from_secs(1);
/// Where it is the receipt, it may take as long as a slow receiver needs.
const RECEIPT_TIMEOUT: Duration = Duration::from_secs(5);

/// Posts to users' addresses through the address guard. Connections are pooled.
#[derive(Clone, Debug)]
pub(crate) struct Courier {
    http: HttpClient,
}

/// A failed attempt. The display form is kept with the delivery and shown to its owner.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub(crate) enum Failure {
    #[error("the URL {0}")]
    Refused(#[from] Refused),
    #[error("no answer within {} s", ATTEMPT_TIMEOUT.as_secs())]
    TimedOut,
    #[error("could not connect: {0}")]
    Connect(String),
    /// Not an attempt: nobody could say where the receiver is.
    #[error("not tried: {0}")]
    Unresolved(String),
    /// Not an attempt: this machine could not make one.
    #[error("not tried: {0}")]
    Local(String),
    #[error("the connection failed: {0}")]
    Broken(String),
    #[error("the answer is not the receipt that the format asks for")]
    NoReceipt,
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

    /// Whether it counts against the receiver, of a delivery that fails since then. What is ours never does, and what may be
    /// anybody's doesn't at first.
    pub(crate) fn counts(&self, since: Timestamp, now: Timestamp) -> bool {
        match self {
            Self::Local(_) => false,
            Self::Unresolved(_) => now >= since.after(UNRESOLVED_FOR_GOOD),
            _ => true,
        }
    }

    /// Whether the receiver says that it won't have it, as far as that can be told from what is passing.
    pub(crate) fn is_refusal(&self) -> bool {
        matches!(self, Self::Status { status: 400..500, .. } if !matches!(self.status_code(), Some(408 | 425 | 429)))
    }

    /// What it shows of the destination.
    pub(crate) fn shows(&self) -> Shown {
        match self {
            Self::Status { .. } | Self::NoReceipt => Shown::Answer,
            // A name that nobody answers for is asked for as rarely as a host that doesn't answer.
            Self::TimedOut | Self::Connect(_) | Self::Broken(_) | Self::Unresolved(_) => Shown::Silence,
            Self::Refused(_) | Self::Local(_) => Shown::Nothing,
        }
    }

    pub(crate) fn status_code(&self) -> Option<u16> {
        match self {
            Self::Status { status, .. } => Some(*status),
            _ => None,
        }
    }
}

/// Whether the body of an answer says that the receiver has what was posted.
pub(crate) type IsReceipt<'a> = dyn Fn(&[u8]) -> bool + Send + Sync + 'a;

impl Courier {
    pub(crate) fn new(http: HttpClient) -> Self {
        Self { http }
    }

    /// Posts `body`. A 2xx is success, and answered, where `is_receipt`, if there is one, says so of its body; a redirect is
    /// not followed, it is a failure like any other status.
    pub(crate) async fn post(
        &self,
        destination: &Destination,
        headers: HeaderMap,
        body: Bytes,
        is_receipt: Option<&IsReceipt<'_>>,
    ) -> Result<u16, Failure> {
        let response = self.http.send(Method::POST, destination, headers, body, ATTEMPT_TIMEOUT).await?;
        let status = response.status();
        let retry_after = response.headers().get(RETRY_AFTER).and_then(read_retry_after);
        // Also where what the body holds doesn't matter, reading it frees the connection for the next event.
        let patience = if is_receipt.is_some() { RECEIPT_TIMEOUT } else { BODY_TIMEOUT };
        let answer = timeout(patience, response.bytes(MAX_RESPONSE)).await;
        if !status.is_success() {
            return Err(Failure::Status { status: status.as_u16(), retry_after });
        }
        let Some(is_receipt) = is_receipt else { return Ok(status.as_u16()) };
        match answer {
            Ok(Ok(answer)) if is_receipt(&answer) => Ok(status.as_u16()),
            _ => Err(Failure::NoReceipt),
        }
    }

    /// Posts `body` and answers whatever the receiver says, with the beginning of its body.
    pub(crate) async fn ask(
        &self,
        destination: &Destination,
        headers: HeaderMap,
        body: Bytes,
    ) -> Result<(u16, Bytes), Failure> {
        let mut response = self.http.send(Method::POST, destination, headers, body, ATTEMPT_TIMEOUT).await?;
        let status = response.status().as_u16();
        let mut beginning = BytesMut::new();
        let reading = async {
            while beginning.len() < SHOWN_RESPONSE
                && let Ok(Some(piece)) = response.next().await
            {
                beginning.extend_from_slice(&piece);
            }
        };
        let _ = timeout(BODY_TIMEOUT, reading).await;
        beginning.truncate(SHOWN_RESPONSE);
        Ok((status, beginning.freeze()))
    }
}

impl From<HttpError> for Failure {
    fn from(error: HttpError) -> Self {
        match error {
            HttpError::Refused(refused) => Self::Refused(refused),
            HttpError::TimedOut => Self::TimedOut,
            HttpError::Connect(reason) => Self::Connect(reason),
            HttpError::Unresolved(reason) => Self::Unresolved(reason),
            HttpError::Local(reason) => Self::Local(format!("this machine could not connect: {reason}")),
            other => Self::Broken(other.to_string()),
        }
    }
}

fn read_retry_after(value: &HeaderValue) -> Option<Duration> {
    parse_retry_after(value.to_str().ok()?, Utc::now())
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;
    use std::sync::Arc;

    use futures_util::FutureExt as _;
    use outbound::{AddressGuard, Authorities, Dialer, Range, Resolver};
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;

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
        let resolver = Resolver::new(Arc::new(|name| {
            assert_eq!(name, "rebound.example");
            Box::pin(async { Ok(vec![SocketAddr::from(([127, 0, 0, 1], 0))]) })
        }));
        let post = async |allow: &str| {
            let guard = AddressGuard::new(allow.parse().unwrap());
            let destination = guard.check(&format!("http://rebound.example:{port}/")).unwrap();
            let dialer = Dialer::new(guard.clone(), resolver.clone());
            let courier = Courier::new(HttpClient::new(dialer, &Authorities::none()).unwrap());
            courier.post(&destination, HeaderMap::new(), Bytes::from_static(b"{}"), None).await
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
        assert_eq!(posted, Ok(204), "the same name, where the address is allowed");
    }
}
