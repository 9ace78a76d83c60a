use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::Value;

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
        let request = Request::post(path)
            .header("host", &self.host)
            .header("x-api-key", &self.api_key)
            .header("content-type", "application/json")
            .body(Full::new(Bytes::from(body.to_string())))
            .expect("a request");
        self.sender.ready().await.expect("connection stays open");
        let response = self.sender.send_request(request).await.expect("an answer");
        let status = response.status();
        (status, response.into_body().collect().await.expect("a body").to_bytes())
    }
}
