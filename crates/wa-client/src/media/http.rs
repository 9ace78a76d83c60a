use std::io;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};
use http::header::{HOST, HeaderValue};
use http::{Request, Response, Uri};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;

use super::{MediaHost, Pieces, RequestBody};
use crate::transport::TransportError;
use crate::transport::websocket::{Dial, Direct, public_tls};

/// Most of an answer's head and of what is read ahead of its body, in bytes: thousands of transfers may share a process.
const READ_BUFFER: usize = 64 << 10;

/// Media hosts over HTTP/1.1 and TLS, a connection for each request: files are large, and hosts are many.
#[derive(Clone)]
pub struct MediaHttp {
    tls: Option<Arc<ClientConfig>>,
    dial: Arc<dyn Dial>,
    is_plain: bool,
}

impl Default for MediaHttp {
    fn default() -> Self {
        Self { tls: None, dial: Arc::new(Direct), is_plain: false }
    }
}

impl MediaHttp {
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

    /// Speaks without TLS, whatever the URL says: to simulators alone.
    #[must_use]
    pub fn plain(mut self) -> Self {
        self.is_plain = true;
        self
    }
}

#[async_trait]
impl MediaHost for MediaHttp {
    async fn send(&self, request: Request<RequestBody>) -> Result<Response<Pieces>, TransportError> {
        let (host, port) = target(request.uri(), self.is_plain)?;
        let tcp = self.dial.dial(&host, port).await?;
        if self.is_plain {
            return exchange(tcp, request).await;
        }
        let config = match &self.tls {
            Some(config) => Arc::clone(config),
            None => public_tls()?,
        };
        let name = ServerName::try_from(host).map_err(configuration)?;
        let failed = |error: io::Error| TransportError::Tls(error.to_string());
        let tls = TlsConnector::from(config).connect(name, tcp).await.map_err(failed)?;
        exchange(tls, request).await
    }
}

impl std::fmt::Debug for MediaHttp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MediaHttp").field("is_plain", &self.is_plain).finish_non_exhaustive()
    }
}

/// Makes one request over an open connection, which is used up by it: for who connects in a way of their own.
pub async fn exchange<S>(stream: S, request: Request<RequestBody>) -> Result<Response<Pieces>, TransportError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (mut parts, body) = request.into_parts();
    let authority = parts.uri.authority().ok_or_else(no_host)?;
    parts.headers.insert(HOST, HeaderValue::from_str(authority.as_str()).map_err(configuration)?);
    let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
    parts.uri = path.parse().map_err(configuration)?;
    let pieces = body.0.unwrap_or_else(|| stream::empty().boxed());
    let request = Request::from_parts(parts, StreamBody::new(pieces.map_ok(Frame::data).boxed()));

    let mut builder = http1::Builder::new();
    builder.max_buf_size(READ_BUFFER);
    let (mut sender, connection) = builder.handshake(TokioIo::new(stream)).await.map_err(broken)?;
    tokio::spawn(async move {
        // Whoever waits for the answer or its body hears of the failure there.
        let _ = connection.await;
    });
    let response = sender.send_request(request).await.map_err(broken)?;
    Ok(response.map(|body| {
        let pieces = body.into_data_stream().map_err(io::Error::other);
        Box::pin(pieces.map_ok(Bytes::from)) as Pieces
    }))
}

fn target(uri: &Uri, is_plain: bool) -> Result<(String, u16), TransportError> {
    let host = uri.host().ok_or_else(no_host)?;
    let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
    Ok((host, uri.port_u16().unwrap_or(if is_plain { 80 } else { 443 })))
}

fn no_host() -> TransportError {
    TransportError::Configuration("the URL has no host".into())
}

/// Without the URL, which may hold a secret.
#[allow(clippy::needless_pass_by_value)] // The shape that `map_err` wants.
fn broken(error: hyper::Error) -> TransportError {
    TransportError::Io(error.to_string())
}

fn configuration(error: impl std::fmt::Display) -> TransportError {
    TransportError::Configuration(error.to_string())
}
