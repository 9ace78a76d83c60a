//! One item of a connection is one binary WebSocket message.

use std::pin::Pin;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{Sink, Stream};

pub mod memory;
mod traffic;
pub mod websocket;

pub(crate) use traffic::Meter;
pub use traffic::Traffic;

/// Opens connections to WhatsApp, or to something that behaves like it.
#[async_trait]
pub trait Connector: Send + Sync + 'static {
    /// One try. Time-outs are the caller's.
    async fn connect(&self, request: ConnectRequest) -> Result<Connection, TransportError>;
}

/// What a connector may want to know.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct ConnectRequest {
    /// How many tries went before this one since the last success.
    pub attempt: u32,
}

/// Where frames go, one by one.
pub type Outbound = Pin<Box<dyn Sink<Bytes, Error = TransportError> + Send>>;
/// Where frames come from; `None` is an orderly end.
pub type Inbound = Pin<Box<dyn Stream<Item = Result<Bytes, TransportError>> + Send>>;

/// An open connection, as a connector hands it over: both directions, and nothing sent yet.
pub struct Connection {
    /// Each item leaves as one binary WebSocket message.
    pub outgoing: Outbound,
    /// Each item came as one binary WebSocket message.
    pub incoming: Inbound,
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Connection")
    }
}

/// Why a connection could not be opened or went away.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum TransportError {
    /// The server answered the WebSocket upgrade with this HTTP status.
    #[error("the server refused the WebSocket upgrade with status {0}")]
    Refused(u16),
    /// The URL or the TLS configuration can't be used.
    #[error("configuration: {0}")]
    Configuration(String),
    /// The peer closed the connection.
    #[error("closed by the peer")]
    Closed,
    /// TLS failed: no common version, or a certificate that can't be trusted.
    #[error("TLS: {0}")]
    Tls(String),
    /// The proxy can't be reached or refuses. It holds no credentials.
    #[error("the proxy: {0}")]
    Proxy(String),
    /// Anything else: DNS, TCP, WebSocket framing.
    #[error("{0}")]
    Io(String),
}
