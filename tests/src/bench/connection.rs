use std::time::Duration;

use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::http::request::Builder;
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::Value;

/// Time between two looks at an instance that is awaited: short beside what is measured, long beside a look.
const PACE: Duration = Duration::from_millis(1);

/// One keep-alive connection to the gateway, with as little work of our own per call as HTTP allows.
pub(super) struct Connection {
    sender: SendRequest<Full<Bytes>>,
    host: String,
    api_key: String,
}

impl Connection {
    pub(super) async fn open(url: &str, api_key: &str) -> Self {
        let host = url.trim_start_matches("http://").to_owned();
        let stream = tokio::net::TcpStream::connect(&host).await.expect("gateway accepts");
        stream.set_nodelay(true).expect("TCP_NODELAY");
        let (sender, connection) = handshake(TokioIo::new(stream)).await.expect("HTTP/1.1");
        tokio::spawn(connection);
        Self { sender, host, api_key: api_key.to_owned() }
    }

    pub(super) async fn post(&mut self, path: &str, body: &Value) -> (StatusCode, Bytes) {
        self.call(Request::post(path).header("content-type", "application/json"), body.to_string()).await
    }

    pub(super) async fn get(&mut self, path: &str) -> (StatusCode, Bytes) {
        self.call(Request::get(path), String::new()).await
    }

    /// Returns as soon as the instance can send.
    pub(super) async fn ready(&mut self, instance: &str) {
        loop {
            let path = format!("/api/whatsapp/{instance}/status");
            let (_, body) = self.get(&path).await;
            let status: Value = serde_json::from_slice(&body).expect("JSON");
            if status["ready"] == true {
                return;
            }
            tokio::time::sleep(PACE).await;
        }
    }

    async fn call(&mut self, request: Builder, body: String) -> (StatusCode, Bytes) {
        let request = request
            .header("host", &self.host)
            .header("x-api-key", &self.api_key)
            .body(Full::new(Bytes::from(body)))
            .expect("a request");
        self.sender.ready().await.expect("connection stays open");
        let response = self.sender.send_request(request).await.expect("an answer");
        let status = response.status();
        (status, response.into_body().collect().await.expect("a body").to_bytes())
    }
}
