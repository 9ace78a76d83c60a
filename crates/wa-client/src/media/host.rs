use std::io;
use std::pin::Pin;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::Stream;
use http::{Request, Response};

use crate::transport::TransportError;

/// Carries requests to WhatsApp's media hosts. [`MediaHttp`](super::MediaHttp) is one.
#[async_trait]
pub trait MediaHost: Send + Sync + 'static {
    /// One try, up to the end of the answer's head; any status is an answer, redirects too. The request has an absolute URL
    /// of scheme `https` and every header but `Host`. Its URL may hold a secret and belongs into no log. Time-outs are the
    /// caller's.
    async fn send(&self, request: Request<RequestBody>) -> Result<Response<Pieces>, TransportError>;
}

/// A body, piece by piece.
pub type Pieces = Pin<Box<dyn Stream<Item = io::Result<Bytes>> + Send>>;

/// What a request brings along: nothing, or an upload whose length is in its `Content-Length`.
#[derive(Default)]
pub struct RequestBody(pub Option<Pieces>);

impl std::fmt::Debug for RequestBody {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.0.is_some() { "RequestBody(…)" } else { "RequestBody" })
    }
}
