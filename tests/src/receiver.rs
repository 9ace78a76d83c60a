use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use http_body_util::{BodyExt, Empty};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use ring::hmac;
use serde_json::Value;

/// One webhook call whose signature was right.
#[derive(Debug, Clone)]
pub struct Hook {
    /// The event's stable id, from the body.
    pub id: String,
    /// The event's name.
    pub event: String,
    /// The event's `data`.
    pub data: Value,
    /// When it was received.
    pub at: Instant,
}

/// Ids of the events of this kind, by the id of the message that they are about.
pub fn events_by_message(hooks: &[Hook], kind: &str) -> BTreeMap<String, BTreeSet<String>> {
    let mut events: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for hook in hooks.iter().filter(|hook| hook.event == kind) {
        events.entry(message_id(&hook.data)).or_default().insert(hook.id.clone());
    }
    events
}

/// WhatsApp's id of a message, as the API and webhooks tell of it.
pub fn message_id(message: &Value) -> String {
    message["messageId"].as_str().expect("messageId").to_owned()
}

/// A webhook receiver on loopback that checks the signature of every call.
pub struct WebhookReceiver {
    address: SocketAddr,
    seen: Arc<Mutex<Seen>>,
}

#[derive(Default)]
struct Seen {
    hooks: Vec<Hook>,
    counts: HashMap<String, usize>,
    refused: usize,
}

impl WebhookReceiver {
    /// Listens on a free port; calls must be signed with `secret`.
    pub async fn listen(secret: &str) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("bound");
        let seen = Arc::new(Mutex::new(Seen::default()));
        let key = Arc::new(hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()));
        tokio::spawn(serve(listener, key, Arc::clone(&seen)));
        Self { address, seen }
    }

    /// The URL to configure.
    pub fn url(&self) -> String {
        format!("http://{}/hook", self.address)
    }

    /// Everything received so far, repeats included.
    pub fn hooks(&self) -> Vec<Hook> {
        self.seen.lock().hooks.clone()
    }

    /// How many calls were received so far, repeats included.
    pub fn count(&self) -> usize {
        self.seen.lock().hooks.len()
    }

    /// How many calls told of an event of this kind so far, repeats included.
    pub fn count_of(&self, event: &str) -> usize {
        self.seen.lock().counts.get(event).copied().unwrap_or(0)
    }

    /// How many calls had a wrong signature.
    pub fn refused(&self) -> usize {
        self.seen.lock().refused
    }
}

async fn serve(listener: tokio::net::TcpListener, key: Arc<hmac::Key>, seen: Arc<Mutex<Seen>>) {
    while let Ok((stream, _)) = listener.accept().await {
        let _ = stream.set_nodelay(true);
        let (key, seen) = (Arc::clone(&key), Arc::clone(&seen));
        tokio::spawn(async move {
            let service = service_fn(move |request| receive(request, Arc::clone(&key), Arc::clone(&seen)));
            let _ = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}

async fn receive(
    request: Request<Incoming>,
    key: Arc<hmac::Key>,
    seen: Arc<Mutex<Seen>>,
) -> Result<Response<Empty<Bytes>>, Infallible> {
    let signature = request.headers().get("x-webhook-signature").and_then(|v| hex::decode(v.as_bytes()).ok());
    let Ok(body) = request.into_body().collect().await else { return Ok(answer(StatusCode::BAD_REQUEST)) };
    let body = body.to_bytes();
    let valid = signature.is_some_and(|signature| hmac::verify(&key, &body, &signature).is_ok());
    let parsed = serde_json::from_slice::<Value>(&body).ok().filter(|_| valid).and_then(hook);
    let mut seen = seen.lock();
    let Some(hook) = parsed else {
        seen.refused += 1;
        return Ok(answer(StatusCode::UNAUTHORIZED));
    };
    match seen.counts.get_mut(&hook.event) {
        Some(count) => *count += 1,
        None => drop(seen.counts.insert(hook.event.clone(), 1)),
    }
    seen.hooks.push(hook);
    Ok(answer(StatusCode::OK))
}

fn hook(mut body: Value) -> Option<Hook> {
    Some(Hook {
        id: body["id"].as_str()?.to_owned(),
        event: body["event"].as_str()?.to_owned(),
        data: body["data"].take(),
        at: Instant::now(),
    })
}

fn answer(status: StatusCode) -> Response<Empty<Bytes>> {
    let mut response = Response::new(Empty::new());
    *response.status_mut() = status;
    response
}
