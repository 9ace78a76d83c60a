//! WebSocket over TCP, with TLS for `wss`.

mod socket;

use std::sync::{Arc, LazyLock};

use async_trait::async_trait;
use futures_util::{SinkExt, StreamExt, future};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::handshake::client::Request;
use tokio_tungstenite::tungstenite::http::{HeaderValue, Uri, header};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error, Message};

use super::{ConnectRequest, Connection, Connector, TransportError};
use socket::{Below, Socket};

/// WhatsApp's own address.
pub const WHATSAPP_URL: &str = "wss://web.whatsapp.com/ws/chat";

const ORIGIN: &str = "https://web.whatsapp.com";
/// Thousands of idle sockets share a process, so each gets little; larger messages still pass.
const READ_BUFFER: usize = 4 << 10;
/// Frames of one batch leave together once this much has gathered, or at the flush.
const WRITE_BUFFER: usize = 4 << 10;
/// A frame has a 3-byte length, so nothing legitimate is larger.
const MAX_MESSAGE: usize = (1 << 24) + 3;

/// One TLS configuration for all companions: it holds the parsed roots and the session tickets.
static TLS: LazyLock<Result<Arc<ClientConfig>, TransportError>> = LazyLock::new(|| tls_config([]));

/// Opens the TCP connections below WebSockets: through a proxy, or with another resolver.
#[async_trait]
pub trait Dial: Send + Sync + 'static {
    /// A connection to this host, a name or an address without brackets.
    async fn dial(&self, host: &str, port: u16) -> Result<TcpStream, TransportError>;
}

/// Asks the system for the name's addresses, and connects directly.
pub(crate) struct Direct;

#[async_trait]
impl Dial for Direct {
    async fn dial(&self, host: &str, port: u16) -> Result<TcpStream, TransportError> {
        let stream = TcpStream::connect((host, port)).await.map_err(io)?;
        stream.set_nodelay(true).map_err(io)?;
        Ok(stream)
    }
}

/// Connects to a `ws` or `wss` URL with the headers that WhatsApp Web sends (PROTOCOL.md 1).
#[derive(Clone)]
pub struct WebSocket {
    url: String,
    user_agent: Option<String>,
    tls: Option<Arc<ClientConfig>>,
    dial: Arc<dyn Dial>,
}

impl Default for WebSocket {
    fn default() -> Self {
        Self::new(WHATSAPP_URL)
    }
}

impl WebSocket {
    /// A connector to this URL, `wss://` or `ws://`, that believes the public authorities.
    pub fn new(url: impl Into<String>) -> Self {
        Self { url: url.into(), user_agent: None, tls: None, dial: Arc::new(Direct) }
    }

    /// Sends a `User-Agent` header; none is sent otherwise.
    #[must_use]
    pub fn user_agent(mut self, user_agent: impl Into<String>) -> Self {
        self.user_agent = Some(user_agent.into());
        self
    }

    /// Opens TCP connections in another way than directly.
    #[must_use]
    pub fn dialling(mut self, dial: Arc<dyn Dial>) -> Self {
        self.dial = dial;
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
            None => public_tls(),
        }
    }
}

/// The public authorities, parsed once.
pub(crate) fn public_tls() -> Result<Arc<ClientConfig>, TransportError> {
    TLS.clone()
}

#[async_trait]
impl Connector for WebSocket {
    async fn connect(&self, _request: ConnectRequest) -> Result<Connection, TransportError> {
        let request = self.request()?;
        let target = Target::of(request.uri())?;
        let tcp = self.dial.dial(&target.host, target.port).await?;
        if !target.tls {
            return upgrade(request, tcp).await;
        }
        let name = ServerName::try_from(target.host).map_err(configuration)?;
        let tls = TlsConnector::from(self.tls_config()?).connect(name, tcp).await.map_err(tls)?;
        upgrade(request, tls).await
    }
}

impl std::fmt::Debug for WebSocket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WebSocket").field("url", &self.url).finish_non_exhaustive()
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
    let (socket, _) = tokio_tungstenite::client_async_with_config(request, Below::new(stream), Some(config))
        .await
        .map_err(websocket)?;
    let (sink, stream) = Socket::new(socket).split();
    let outgoing = sink.sink_map_err(websocket);
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

/// A failed handshake. What failed below it, such as a connection that was cut, is no failure of TLS.
#[allow(clippy::needless_pass_by_value)] // The shape that `map_err` wants.
fn tls(error: std::io::Error) -> TransportError {
    let is_tls = error.get_ref().is_some_and(|inner| inner.is::<rustls::Error>());
    if is_tls { TransportError::Tls(error.to_string()) } else { io(error) }
}

fn configuration(error: impl std::fmt::Display) -> TransportError {
    TransportError::Configuration(error.to_string())
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

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

    /// What a server sees of a message, however large: one final binary frame.
    #[tokio::test]
    async fn a_message_leaves_in_one_frame() {
        let (ours, mut theirs) = tokio::io::duplex(1 << 20);
        let request = WebSocket::new("ws://127.0.0.1:1/ws/chat").request().unwrap();
        let answering = async {
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                theirs.read_buf(&mut head).await.unwrap();
            }
            let head = String::from_utf8(head).unwrap();
            let (_, key) = head.lines().find_map(|line| line.split_once("Sec-WebSocket-Key: ")).unwrap();
            let accept = derive_accept_key(key.as_bytes());
            let answer = format!(
                "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                 Sec-WebSocket-Accept: {accept}\r\n\r\n"
            );
            theirs.write_all(answer.as_bytes()).await.unwrap();
            theirs
        };
        let (connection, mut theirs) = tokio::join!(upgrade(request, ours), answering);
        connection.unwrap().outgoing.send(Bytes::from(vec![7; 100_000])).await.unwrap();
        let mut header = [0; 14];
        theirs.read_exact(&mut header).await.unwrap();
        // Final and binary; masked, with a length of 8 bytes.
        assert_eq!(header[..2], [0x82, 0xff]);
        assert_eq!(u64::from_be_bytes(header[2..10].try_into().unwrap()), 100_000);
        let mut body = vec![0; 100_000];
        theirs.read_exact(&mut body).await.unwrap();
    }
}
