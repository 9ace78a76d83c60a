//! A webhook receiver on loopback that does what a test tells it.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper::{HeaderMap, Request, Response};
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;

pub(crate) use test_support::until;

/// One request, as it came.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Call {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("a JSON body")
    }

    /// The number of the message that it tells of.
    pub(crate) fn n(&self) -> i64 {
        self.json()["data"]["messageId"].as_str().and_then(|id| id.parse().ok()).expect("a number")
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().expect("ASCII"))
    }

    pub(crate) fn attempt(&self) -> u32 {
        self.header("x-webhook-attempt").parse().expect("a number")
    }
}

/// What the receiver answers.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Body,
}

#[derive(Clone, Debug)]
pub(crate) enum Body {
    Text(&'static str),
    /// 16 KiB after 16 KiB, for ever.
    Endless,
}

impl From<u16> for Answer {
    fn from(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Body::Text("ok") }
    }
}

type Script = Arc<dyn Fn(Call) -> BoxFuture<'static, Answer> + Send + Sync>;

/// Records every call before its script decides on the answer.
#[derive(Clone)]
pub(crate) struct Receiver {
    address: SocketAddr,
    calls: Arc<Mutex<Vec<Call>>>,
    script: Arc<Mutex<Script>>,
}

impl Receiver {
    pub(crate) async fn start() -> Self {
        Self::start_at(SocketAddr::from(([127, 0, 0, 1], 0))).await
    }

    pub(crate) async fn start_at(address: SocketAddr) -> Self {
        let listener = TcpListener::bind(address).await.expect("a free port");
        let receiver = Self::at(&listener);
        let serving = receiver.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serving.clone().serve(stream));
            }
        });
        receiver
    }

    pub(crate) async fn start_tls(config: Arc<rustls::ServerConfig>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let receiver = Self::at(&listener);
        let serving = receiver.clone();
        let acceptor = tokio_rustls::TlsAcceptor::from(config);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, serving) = (acceptor.clone(), serving.clone());
                tokio::spawn(async move {
                    if let Ok(stream) = acceptor.accept(stream).await {
                        serving.serve(stream).await;
                    }
                });
            }
        });
        receiver
    }

    fn at(listener: &TcpListener) -> Self {
        let script: Script = Arc::new(|_| Box::pin(async { Answer::from(200) }));
        Self {
            address: listener.local_addr().expect("bound"),
            calls: Arc::default(),
            script: Arc::new(Mutex::new(script)),
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/hook", self.address)
    }

    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }

    /// Answers as the function says, at once.
    pub(crate) fn answer(&self, answer: impl Fn(&Call) -> Answer + Send + Sync + 'static) {
        self.script(move |call| {
            let answer = answer(&call);
            Box::pin(async move { answer })
        });
    }

    /// Answers when the future says so.
    pub(crate) fn script(&self, script: impl Fn(Call) -> BoxFuture<'static, Answer> + Send + Sync + 'static) {
        *self.script.lock() = Arc::new(script);
    }

    pub(crate) fn calls(&self) -> Vec<Call> {
        self.calls.lock().clone()
    }

    /// The `n`s of all calls so far.
    pub(crate) fn ns(&self) -> Vec<i64> {
        self.calls().iter().map(Call::n).collect()
    }

    /// Waits until `count` calls have come, and returns them all.
    pub(crate) async fn wait_for(&self, count: usize) -> Vec<Call> {
        until("calls", || async { (self.calls().len() >= count).then_some(()) }).await;
        self.calls()
    }

    async fn serve(self, stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) {
        let service = service_fn(move |request| self.clone().receive(request));
        let _ =
            hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
    }

    async fn receive(
        self,
        request: Request<Incoming>,
    ) -> Result<Response<BoxBody<Bytes, Infallible>>, Infallible> {
        let (parts, body) = request.into_parts();
        let Ok(body) = body.collect().await else { return Ok(response(Answer::from(400))) };
        let call = Call { path: parts.uri.to_string(), headers: parts.headers, body: body.to_bytes() };
        self.calls.lock().push(call.clone());
        let answering = (self.script.lock().clone())(call);
        Ok(response(answering.await))
    }
}

fn response(answer: Answer) -> Response<BoxBody<Bytes, Infallible>> {
    let body = match answer.body {
        Body::Text(text) => Full::new(Bytes::from(text)).boxed(),
        Body::Endless => {
            let chunks =
                futures_util::stream::repeat_with(|| Ok(Frame::data(Bytes::from(vec![b'x'; 16 * 1024]))));
            BodyExt::boxed(StreamBody::new(chunks))
        }
    };
    let mut response = Response::builder().status(answer.status);
    for (name, value) in answer.headers {
        response = response.header(name, value);
    }
    response.body(body).expect("a response")
}
