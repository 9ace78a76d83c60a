//! Files of any length through a gateway, and what they take of its memory.

use std::pin::pin;
use std::time::Duration;

use reqwest::{Method, StatusCode};
use serde_json::json;
use test_support::until_within;

use crate::{Gateway, Simulator};

/// How long a large file may take on a loaded machine.
const SOON: Duration = Duration::from_secs(120);
/// How often is looked at the memory.
const LOOK: Duration = Duration::from_millis(20);

/// An instance of a gateway that sends files to a phone, and gets files from it.
pub struct FileTraffic<'a> {
    /// WhatsApp.
    pub simulator: &'a Simulator,
    /// The gateway.
    pub gateway: &'a Gateway,
    /// The instance.
    pub instance: &'a str,
    /// Its number.
    pub number: &'a str,
    /// The number of the phone.
    pub peer: &'a str,
}

impl FileTraffic<'_> {
    /// Sends a file of so many bytes. `None` where the gateway has no such call.
    pub async fn up(&self, size: usize) -> Option<()> {
        let mut body = Vec::with_capacity(size + 1_000);
        body.extend_from_slice(b"--b\r\ncontent-disposition: form-data; name=\"phone\"\r\n\r\n");
        body.extend_from_slice(self.peer.as_bytes());
        body.extend_from_slice(
            b"\r\n--b\r\ncontent-disposition: form-data; name=\"file\"; filename=\"a.bin\"\r\n\r\n",
        );
        body.extend((0..size).map(|place| (place % 251) as u8));
        body.extend_from_slice(b"\r\n--b--\r\n");
        let url = format!("{}/api/whatsapp/{}/send-file", self.gateway.url(), self.instance);
        let request = reqwest::Client::new().post(url).header("x-api-key", self.gateway.api_key());
        let request = request.header("content-type", "multipart/form-data; boundary=b");
        let answer = request.body(body).send().await.expect("an answer");
        match answer.status() {
            StatusCode::NOT_FOUND => None,
            StatusCode::OK | StatusCode::ACCEPTED => Some(()),
            status => panic!("send-file: {status} {}", answer.text().await.unwrap_or_default()),
        }
    }

    /// Lets the phone send a file of so many bytes, and waits until the gateway has it; returns the message's id.
    pub async fn down(&self, size: usize) -> String {
        let media = json!({"type": "document", "size": size, "fileName": "b.bin"});
        let said = json!({"to": self.number, "media": media});
        let sent = self.simulator.post(&format!("/sim/phones/{}/send", self.peer), said).await;
        let id = sent["id"].as_str().expect("id").to_owned();
        let path = format!("/api/instances/{}/messages/{id}", self.instance);
        until_within("the file is there", SOON, || async {
            let (status, message) = self.gateway.call(Method::GET, &path, None).await?;
            (status == StatusCode::OK && message["media"]["state"] == "ready").then_some(())
        })
        .await;
        id
    }

    /// Reads the file of a message; returns how long it is.
    pub async fn read(&self, id: &str) -> usize {
        let url = format!("{}/api/instances/{}/messages/{id}/media", self.gateway.url(), self.instance);
        let request = reqwest::Client::new().get(url).header("x-api-key", self.gateway.api_key());
        let mut response = request.send().await.expect("an answer");
        assert_eq!(response.status(), StatusCode::OK, "media");
        let mut length = 0;
        while let Some(piece) = response.chunk().await.expect("the file") {
            length += piece.len();
        }
        length
    }

    /// What the process has resident at most while something is done, beyond what it had before, in kilobytes.
    pub async fn grown<T>(&self, doing: impl Future<Output = T>) -> (T, u64) {
        let before = self.gateway.resident_kb();
        let (mut doing, mut most) = (pin!(doing), before);
        loop {
            tokio::select! {
                outcome = &mut doing => {
                    let most = most.max(self.gateway.resident_kb());
                    return (outcome, most.saturating_sub(before));
                }
                () = tokio::time::sleep(LOOK) => most = most.max(self.gateway.resident_kb()),
            }
        }
    }
}
