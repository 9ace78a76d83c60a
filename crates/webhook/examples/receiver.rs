//! Takes webhooks, and nothing that somebody else has made or has recorded.
//!
//! ```console
//! $ WEBHOOK_SECRET=… cargo run -p webhook --example receiver -- 8080
//! ```
#![allow(clippy::print_stdout, clippy::disallowed_methods, reason = "it tells what comes, by the real clock")]

use std::collections::HashSet;
use std::convert::Infallible;
use std::error::Error;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use ring::hmac;
use serde_json::Value;
use tokio::net::TcpListener;

/// How old a call may be, in seconds: what was recorded can't be played again later.
const OLDEST: u64 = 300;
/// The largest body that is read.
const LARGEST: usize = 1 << 20;

/// Ids of what was worked on: a call may come again. A real receiver keeps them where its work is kept.
type Done = Mutex<HashSet<String>>;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let secret = std::env::var("WEBHOOK_SECRET")?;
    let port: u16 = std::env::args().nth(1).ok_or("which port?")?.parse()?;
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    println!("listening http://{}/", listener.local_addr()?);
    let key = Arc::new(hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()));
    let done = Arc::new(Done::default());
    loop {
        let (stream, _) = listener.accept().await?;
        let (key, done) = (Arc::clone(&key), Arc::clone(&done));
        tokio::spawn(async move {
            let answer = service_fn(|request| answer(request, &key, &done));
            hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), answer).await
        });
    }
}

async fn answer(
    request: Request<Incoming>,
    key: &hmac::Key,
    done: &Done,
) -> Result<Response<Empty<Bytes>>, Infallible> {
    let header = request.headers().get("x-webhook-signature-v2").and_then(|value| value.to_str().ok());
    let header = header.unwrap_or_default().to_owned();
    let body = Limited::new(request.into_body(), LARGEST).collect().await;
    let body = body.map(|body| body.to_bytes()).unwrap_or_default();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs());
    let mut response = Response::new(Empty::new());
    match serde_json::from_slice::<Value>(&body) {
        Ok(event) if is_genuine(&header, &body, key, now) => work_on(&event, done),
        _ => *response.status_mut() = StatusCode::UNAUTHORIZED,
    }
    // Only now: what isn't answered with 2xx comes again.
    Ok(response)
}

/// Whether `X-Webhook-Signature-V2` (`t=<Unix seconds>,v1=<hex>`) is that of the body's exact bytes.
fn is_genuine(header: &str, body: &[u8], key: &hmac::Key, now: u64) -> bool {
    let part = |name: &str| {
        header
            .split(',')
            .find_map(|part| part.split_once('=').filter(|(known, _)| *known == name))
            .map(|(_, value)| value)
    };
    let Some(at) = part("t").filter(|at| at.parse::<u64>().is_ok_and(|at| now.abs_diff(at) <= OLDEST)) else {
        return false;
    };
    let signed = [at.as_bytes(), b".", body].concat();
    // While the secret is changed, the new one stands beside it: either will do. Each takes the same time wherever it differs.
    let is_right =
        |given: &str| hex::decode(given).is_ok_and(|given| hmac::verify(key, &signed, &given).is_ok());
    ["v1", "next"].into_iter().filter_map(part).any(is_right)
}

fn work_on(event: &Value, done: &Done) {
    let text = |name: &str| event[name].as_str().unwrap_or_default().to_owned();
    let is_new = done.lock().insert(text("id"));
    if is_new {
        println!("event {} {}", text("event"), text("id"));
    }
}
