use std::time::Duration;

use reqwest::Method;
use serde_json::Value;
use tokio::time::timeout;

use crate::client::Client;

/// A client of a stream of server-sent events, as browsers have one.
pub struct Listener {
    response: reqwest::Response,
    text: String,
    /// What a browser would send when it connects again.
    pub last_id: Option<String>,
}

impl Listener {
    /// Opens a stream; with the `Last-Event-ID` of an earlier one, if there was one.
    pub async fn open(client: &Client, path: &str, last_id: Option<&str>) -> Self {
        let mut request = client.request(Method::GET, path);
        if let Some(id) = last_id {
            request = request.header("last-event-id", id);
        }
        let response = request.send().await.expect("an answer");
        assert_eq!(response.status(), 200, "{path}");
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Self { response, text: String::new(), last_id: last_id.map(str::to_owned) }
    }

    /// The next event's data; `None` at the end of the stream.
    pub async fn next(&mut self) -> Option<Value> {
        loop {
            while let Some((block, rest)) = self.text.split_once("\n\n") {
                let (block, rest) = (block.to_owned(), rest.to_owned());
                self.text = rest;
                if let Some(data) = self.take(&block) {
                    return Some(data);
                }
            }
            let chunk =
                timeout(Duration::from_secs(60), self.response.chunk()).await.expect("a sign of life");
            self.text.push_str(std::str::from_utf8(&chunk.ok()??).expect("text"));
        }
    }

    fn take(&mut self, block: &str) -> Option<Value> {
        let mut data = None;
        for line in block.lines() {
            match line.split_once(": ") {
                Some(("id", id)) => self.last_id = Some(id.to_owned()),
                Some(("data", text)) => data = Some(serde_json::from_str(text).expect("JSON")),
                Some(("retry", pause)) => assert!(pause.parse::<u32>().is_ok(), "{pause}"),
                _ => assert!(line.starts_with(':'), "{line}"),
            }
        }
        data
    }
}
