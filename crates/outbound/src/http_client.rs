//! The one HTTP client.

use std::error::Error;
use std::io;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::{TryStreamExt as _, stream};
use http::header::{HeaderMap, HeaderValue, USER_AGENT};
use http::{Method, Request, StatusCode};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full, Limited, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::time::timeout;

use crate::connector::Connector;
use crate::dialer::{DialError, Dialer};
use crate::guard::{Destination, Refused};
use crate::resolver::ResolveError;
use crate::tls::{Authorities, SetupError};

/// Sends requests over connections of a [`Dialer`], and keeps those for later requests to the same host. It follows no
/// redirects: where one leads is for the guard to judge.
#[derive(Clone, Debug)]
pub struct HttpClient {
    client: Client<Connector, Body>,
}

/// What is sent, at once or in pieces.
type Body = UnsyncBoxBody<Bytes, io::Error>;

/// The head of an answer; its body is read, up to a bound, or left.
#[derive(Debug)]
pub struct Response {
    head: http::response::Parts,
    body: Incoming,
}

/// Why there is no answer. The texts repeat neither the URL, which may hold a token, nor credentials.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum HttpError {
    /// The URL points where it may not.
    #[error("the URL {0}")]
    Refused(#[from] Refused),
    /// It took longer than it may.
    #[error("no answer in time")]
    TimedOut,
    /// No connection could be opened.
    #[error("could not connect: {0}")]
    Connect(String),
    /// Its name could not be looked up, which says nothing about it.
    #[error("{0}")]
    Unresolved(String),
    /// This machine could not even try, which says nothing about the destination.
    #[error("this machine could not connect: {0}")]
    Local(String),
    /// It ended in the middle of the request or of the answer.
    #[error("the connection failed: {0}")]
    Broken(String),
    /// The answer is longer than it may be.
    #[error("the answer is too long")]
    TooLong,
}

/// How long a connection is kept for a later request; it takes a place from others.
const IDLE_CONNECTION: Duration = Duration::from_secs(30);
/// Connections to one host that are kept for later requests; each holds a descriptor.
const IDLE_PER_HOST: usize = 64;
/// Bytes of a body in pieces that are in hand at a time.
const PIECE: usize = 64 << 10;
/// Longest head of an answer, in bytes: what a stranger can make us hold.
const MAX_HEAD: usize = 64 << 10;
const AGENT: HeaderValue = HeaderValue::from_static(concat!("Trunkline/", env!("CARGO_PKG_VERSION")));

impl HttpClient {
    /// A client that connects like this and believes these authorities.
    ///
    /// # Errors
    /// [`SetupError`] when TLS can't be set up.
    pub fn new(dialer: Dialer, authorities: &Authorities) -> Result<Self, SetupError> {
        let connector = Connector::new(dialer, authorities.client_config()?);
        let client = Client::builder(TokioExecutor::new())
            .pool_idle_timeout(IDLE_CONNECTION)
            .pool_max_idle_per_host(IDLE_PER_HOST)
            .http1_max_buf_size(MAX_HEAD)
            .pool_timer(TokioTimer::new())
            .build(connector);
        Ok(Self { client })
    }

    /// One request, from connecting to the end of the answer's head.
    ///
    /// # Errors
    /// [`HttpError`] when there is no answer; any status is one.
    pub async fn send(
        &self,
        method: Method,
        destination: &Destination,
        headers: HeaderMap,
        body: Bytes,
        within: Duration,
    ) -> Result<Response, HttpError> {
        let body = Full::new(body).map_err(|never| match never {}).boxed_unsync();
        self.request(method, destination, headers, body, within).await
    }

    /// The same with a body that is read as it is sent. How long it is says the header `content-length`.
    ///
    /// # Errors
    /// As [`Self::send`].
    pub async fn upload(
        &self,
        method: Method,
        destination: &Destination,
        headers: HeaderMap,
        body: impl AsyncRead + Send + 'static,
        within: Duration,
    ) -> Result<Response, HttpError> {
        let body = StreamBody::new(pieces(body).map_ok(Frame::data)).boxed_unsync();
        self.request(method, destination, headers, body, within).await
    }

    async fn request(
        &self,
        method: Method,
        destination: &Destination,
        mut headers: HeaderMap,
        body: Body,
        within: Duration,
    ) -> Result<Response, HttpError> {
        headers.entry(USER_AGENT).or_insert(AGENT);
        let mut request = Request::new(body);
        *request.method_mut() = method;
        // Every URL that the guard let through is a URI.
        let uri = destination.as_str().parse();
        *request.uri_mut() = uri.map_err(|_| HttpError::Refused(Refused::Malformed))?;
        *request.headers_mut() = headers;
        let answer = timeout(within, self.client.request(request)).await.map_err(|_| HttpError::TimedOut)?;
        let (head, body) = answer.map_err(|error| failure(&error, error.is_connect()))?.into_parts();
        Ok(Response { head, body })
    }

    /// Asks for what is at a destination, to the end of the answer's head: for bodies that are taken [piece by
    /// piece](Response::next).
    ///
    /// # Errors
    /// [`HttpError`] when there is no answer; any status is one.
    pub async fn open(&self, destination: &Destination, within: Duration) -> Result<Response, HttpError> {
        self.send(Method::GET, destination, HeaderMap::new(), Bytes::new(), within).await
    }

    /// The body of a successful answer to GET.
    ///
    /// # Errors
    /// [`HttpError`]; a status other than 2xx is `Broken`.
    pub async fn get(
        &self,
        destination: &Destination,
        headers: HeaderMap,
        most: usize,
        within: Duration,
    ) -> Result<Bytes, HttpError> {
        let getting = async {
            let response = self.send(Method::GET, destination, headers, Bytes::new(), within).await?;
            match response.status() {
                status if status.is_success() => response.bytes(most).await,
                status => Err(HttpError::Broken(format!("HTTP {}", status.as_u16()))),
            }
        };
        timeout(within, getting).await.map_err(|_| HttpError::TimedOut)?
    }
}

impl Response {
    /// The status that the receiver answered with.
    pub fn status(&self) -> StatusCode {
        self.head.status
    }

    /// The headers of the answer, as they came.
    pub fn headers(&self) -> &HeaderMap {
        &self.head.headers
    }

    /// The next piece of its body; `None` at the end. How many are taken is the caller's to bound.
    ///
    /// # Errors
    /// `Broken` when it ends before its end.
    pub async fn next(&mut self) -> Result<Option<Bytes>, HttpError> {
        loop {
            match self.body.frame().await {
                None => return Ok(None),
                Some(Err(error)) => return Err(HttpError::Broken(innermost(&error))),
                // Trailers say nothing here.
                Some(Ok(frame)) => {
                    if let Ok(piece) = frame.into_data() {
                        return Ok(Some(piece));
                    }
                }
            }
        }
    }

    /// Its whole body.
    ///
    /// # Errors
    /// `TooLong` when it has more than `most` bytes; the connection is given up then.
    pub async fn bytes(self, most: usize) -> Result<Bytes, HttpError> {
        match Limited::new(self.body, most).collect().await {
            Ok(body) => Ok(body.to_bytes()),
            Err(error) if error.is::<http_body_util::LengthLimitError>() => Err(HttpError::TooLong),
            Err(error) => Err(HttpError::Broken(innermost(&*error))),
        }
    }
}

/// What a reader has, a piece at a time.
fn pieces(reader: impl AsyncRead + Send + 'static) -> impl stream::Stream<Item = io::Result<Bytes>> + Send {
    stream::try_unfold(Box::pin(reader), |mut reader| async move {
        let mut piece = BytesMut::with_capacity(PIECE);
        let read = reader.read_buf(&mut piece).await?;
        Ok((read > 0).then(|| (piece.freeze(), reader)))
    })
}

fn failure(error: &(dyn Error + 'static), is_connect: bool) -> HttpError {
    let mut source = Some(error);
    while let Some(cause) = source {
        match cause.downcast_ref::<DialError>() {
            Some(DialError::Refused(refused)) => return HttpError::Refused(refused.clone()),
            Some(DialError::Name(error @ ResolveError::Failed(_))) => {
                return HttpError::Unresolved(error.to_string());
            }
            Some(error) if error.is_ours() => return HttpError::Local(error.to_string()),
            _ => {}
        }
        source = cause.source();
    }
    if is_connect { HttpError::Connect(innermost(error)) } else { HttpError::Broken(innermost(error)) }
}

fn innermost(error: &(dyn Error + 'static)) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}
