//! WebSocket over TCP, with TLS for `wss`.

use std::sync::{Arc, LazyLock};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{SinkExt, StreamExt, future, stream};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::handshake::client::Request;
use tokio_tungstenite::tungstenite::http::{HeaderValue, Uri, header};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};
use tokio_tungstenite::tungstenite::{Error, Message};

use super::{ConnectRequest, Connection, Connector, TransportError};

/// WhatsApp's own address.
pub const WHATSAPP_URL: &str = "wss://web.whatsapp.com/ws/chat";

const ORIGIN: &str = "https://web.whatsapp.com";
/// Thousands of idle sockets share a process, so each gets little; larger messages still pass.
const READ_BUFFER: usize = 4 << 10;
/// Frames of one batch leave together once this much has gathered, or at the flush.
const WRITE_BUFFER: usize = 4 << 10;
/// Larger messages leave in fragments of this size, as browsers send them too: the buffer of the library never
/// shrinks, and the one large message of a companion's life is its first upload of keys.
const FRAGMENT: usize = 4 << 10;
/// A frame has a 3-byte length, so nothing legitimate is larger.
const MAX_MESSAGE: usize = (1 << 24) + 3;

/// One TLS configuration for all companions: it holds the parsed roots and the session tickets.
static TLS: LazyLock<Result<Arc<ClientConfig>, TransportError>> = LazyLock::new(|| tls_config([]));

/// Connects to a `ws` or `wss` URL with the headers that WhatsApp Web sends (PROTOCOL.md 1).
#[derive(Debug, Clone)]
pub struct WebSocket {
    url: String,
    user_agent: Option<String>,
    tls: Option<Arc<ClientConfig>>,
}

impl Default for WebSocket {
    fn default() -> Self {
        Self::new(WHATSAPP_URL)
    }
}

impl WebSocket {
    /// For this URL.
    pub fn new(url: impl Into<String>) -> Self {
        Self { url: url.into(), user_agent: None, tls: None }
    }

    /// Sends a `User-Agent` header; none is sent otherwise.
    #[must_use]
    pub fn user_agent(mut self, user_agent: impl Into<String>) -> Self {
        self.user_agent = Some(user_agent.into());
        self
    }

    /// Uses this TLS configuration instead of the one with the public root certificates.
    #[must_use]
    pub fn tls(mut self, config: Arc<ClientConfig>) -> Self {
        self.tls = Some(config);
        self
    }

    /// Trusts these authorities besides the public ones.
    ///
    /// # Errors
    /// [`TransportError::Configuration`] when one of them is no certificate of an authority.
    pub fn trusting(
        self,
        authorities: impl IntoIterator<Item = CertificateDer<'static>>,
    ) -> Result<Self, TransportError> {
        Ok(self.tls(tls_config(authorities)?))
    }

    fn request(&self) -> Result<Request, TransportError> {
        let mut request = self.url.as_str().into_client_request().map_err(configuration)?;
        let headers = request.headers_mut();
        headers.insert(header::ORIGIN, HeaderValue::from_static(ORIGIN));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        headers.insert(header::PRAGMA, HeaderValue::from_static("no-cache"));
        if let Some(user_agent) = &self.user_agent {
            headers.insert(header::USER_AGENT, HeaderValue::from_str(user_agent).map_err(configuration)?);
        }
        Ok(request)
    }

    fn tls_config(&self) -> Result<Arc<ClientConfig>, TransportError> {
        match &self.tls {
            Some(config) => Ok(config.clone()),
            None => TLS.clone(),
        }
    }
}

#[async_trait]
impl Connector for WebSocket {
    async fn connect(&self, _request: ConnectRequest) -> Result<Connection, TransportError> {
        let request = self.request()?;
        let target = Target::of(request.uri())?;
        let tcp = TcpStream::connect((target.host.as_str(), target.port)).await.map_err(io)?;
        tcp.set_nodelay(true).map_err(io)?;
        if !target.tls {
            return upgrade(request, tcp).await;
        }
        let name = ServerName::try_from(target.host).map_err(configuration)?;
        let tls = TlsConnector::from(self.tls_config()?).connect(name, tcp).await.map_err(io)?;
        upgrade(request, tls).await
    }
}

/// The public authorities and these, verified with ring.
fn tls_config(
    authorities: impl IntoIterator<Item = CertificateDer<'static>>,
) -> Result<Arc<ClientConfig>, TransportError> {
    let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    for authority in authorities {
        roots.add(authority).map_err(configuration)?;
    }
    let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(configuration)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

struct Target {
    host: String,
    port: u16,
    tls: bool,
}

impl Target {
    fn of(uri: &Uri) -> Result<Self, TransportError> {
        let tls = match uri.scheme_str() {
            Some("wss") => true,
            Some("ws") => false,
            _ => return Err(TransportError::Configuration("the URL must start with ws:// or wss://".into())),
        };
        let host = uri.host().ok_or_else(|| TransportError::Configuration("the URL has no host".into()))?;
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        Ok(Self { host, port: uri.port_u16().unwrap_or(if tls { 443 } else { 80 }), tls })
    }
}

async fn upgrade<S>(request: Request, stream: S) -> Result<Connection, TransportError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let config = WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER)
        .write_buffer_size(WRITE_BUFFER)
        .max_write_buffer_size(MAX_MESSAGE * 2)
        .max_message_size(Some(MAX_MESSAGE))
        .max_frame_size(Some(MAX_MESSAGE));
    let (socket, _) = tokio_tungstenite::client_async_with_config(request, stream, Some(config))
        .await
        .map_err(websocket)?;
    let (sink, stream) = socket.split();
    let outgoing =
        sink.with_flat_map(|message: Bytes| stream::iter(fragments(message)).map(Ok)).sink_map_err(websocket);
    // Text messages carry nothing in this protocol, and tungstenite itself answers pings.
    let incoming = stream.filter_map(|item| {
        future::ready(match item {
            Ok(Message::Binary(data)) => Some(Ok(data)),
            Ok(Message::Close(_)) => Some(Err(TransportError::Closed)),
            Ok(_) => None,
            Err(error) => Some(Err(websocket(error))),
        })
    });
    Ok(Connection { outgoing: Box::pin(outgoing), incoming: Box::pin(incoming) })
}

/// One message in as many frames as it takes.
fn fragments(mut message: Bytes) -> impl Iterator<Item = Message> {
    let mut code = Data::Binary;
    std::iter::from_fn(move || {
        if code == Data::Continue && message.is_empty() {
            return None;
        }
        if code == Data::Binary && message.len() <= FRAGMENT {
            code = Data::Continue;
            return Some(Message::Binary(std::mem::take(&mut message)));
        }
        let part = message.split_to(message.len().min(FRAGMENT));
        let opcode = std::mem::replace(&mut code, Data::Continue);
        Some(Message::Frame(Frame::message(part, OpCode::Data(opcode), message.is_empty())))
    })
}

fn websocket(error: Error) -> TransportError {
    match error {
        Error::Http(response) => TransportError::Refused(response.status().as_u16()),
        Error::ConnectionClosed | Error::AlreadyClosed => TransportError::Closed,
        other => TransportError::Io(other.to_string()),
    }
}

#[allow(clippy::needless_pass_by_value)] // The shape that `map_err` wants.
fn io(error: std::io::Error) -> TransportError {
    TransportError::Io(error.to_string())
}

fn configuration(error: impl std::fmt::Display) -> TransportError {
    TransportError::Configuration(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_looks_like_that_of_whatsapp_web() {
        let request = WebSocket::default().user_agent("Mozilla/5.0").request().unwrap();
        assert_eq!(request.uri(), WHATSAPP_URL);
        let header = |name: &str| request.headers().get(name).map(|value| value.to_str().unwrap());
        assert_eq!(header("origin"), Some("https://web.whatsapp.com"));
        assert_eq!(header("cache-control"), Some("no-cache"));
        assert_eq!(header("pragma"), Some("no-cache"));
        assert_eq!(header("user-agent"), Some("Mozilla/5.0"));
        assert!(WebSocket::default().request().unwrap().headers().get("user-agent").is_none());
    }

    #[test]
    fn host_port_and_tls_follow_from_the_url() {
        let target = |url: &str| Target::of(&url.parse().unwrap());
        let found = target("wss://web.whatsapp.com/ws/chat").unwrap();
        assert_eq!((found.host.as_str(), found.port, found.tls), ("web.whatsapp.com", 443, true));
        let found = target("ws://[::1]:4000/ws/chat").unwrap();
        assert_eq!((found.host.as_str(), found.port, found.tls), ("::1", 4000, false));
        assert!(matches!(target("http://localhost/"), Err(TransportError::Configuration(_))));
    }

    #[test]
    fn a_large_message_leaves_in_fragments_that_make_it_up() {
        for size in [0, 1, FRAGMENT, FRAGMENT + 1, 3 * FRAGMENT, 36_000] {
            let message = Bytes::from(vec![7; size]);
            let frames: Vec<_> = fragments(message.clone()).collect();
            assert_eq!(frames.len(), size.div_ceil(FRAGMENT).max(1));
            let joined: Vec<u8> = frames.iter().flat_map(|frame| frame.clone().into_data()).collect();
            assert_eq!(joined, message);
            for (index, frame) in frames.iter().enumerate() {
                let Message::Frame(frame) = frame else { continue };
                assert_eq!(frame.header().is_final, index + 1 == frames.len());
                let code = if index == 0 { Data::Binary } else { Data::Continue };
                assert_eq!(frame.header().opcode, OpCode::Data(code));
            }
        }
    }
}
