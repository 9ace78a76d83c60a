use std::time::Duration;

use reqwest::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::DemoError;
use super::http::Http;

/// How often a state is asked for while waiting for it.
const POLL: Duration = Duration::from_millis(20);

/// The gateway as a client of its REST API sees it.
pub(super) struct Gateway {
    http: Http,
    base: String,
}

/// An instance that was created.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct CreatedInstance {
    pub(super) id: String,
}

impl Gateway {
    pub(super) fn new(http: Http, base: String) -> Self {
        Self { http, base }
    }

    pub(super) async fn create(
        &self,
        name: &str,
        webhook: &str,
        secret: &str,
    ) -> Result<CreatedInstance, DemoError> {
        let body = json!({
            "name": name,
            "webhookUrl": webhook,
            "webhookEnabled": true,
            "notifyReceived": true,
            "notifySent": true,
            "webhookSecret": secret,
        });
        self.http.post(&format!("{}/api/instances", self.base), &body).await?.read()
    }

    /// The QR text, once there is one.
    pub(super) async fn qr(&self, instance: &CreatedInstance) -> Result<String, DemoError> {
        let url = format!("{}/api/instances/{}/qr", self.base, instance.id);
        loop {
            let seen = self.http.get(&url).await?.success()?;
            if let Some(qr) = seen.body["qrCode"].as_str() {
                return Ok(qr.to_owned());
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// Returns when the instance can send.
    pub(super) async fn until_ready(&self, instance: &CreatedInstance) -> Result<(), DemoError> {
        let url = format!("{}/api/instances/{}/status", self.base, instance.id);
        while self.http.get(&url).await?.success()?.body["ready"] != Value::Bool(true) {
            tokio::time::sleep(POLL).await;
        }
        Ok(())
    }

    /// Sends a text; the answer is the message's id, given after WhatsApp has acknowledged it.
    pub(super) async fn send(
        &self,
        instance: &CreatedInstance,
        phone: &str,
        text: &str,
    ) -> Result<String, DemoError> {
        let url = format!("{}/api/whatsapp/{}/send", self.base, instance.id);
        let seen = self.http.post_once(&url, &json!({"phone": phone, "message": text})).await?;
        match (seen.status, seen.body["id"].as_str()) {
            (StatusCode::OK, Some(id)) => Ok(id.to_owned()),
            _ => Err(DemoError::new(format!("{url} answered {}: {}", seen.status, seen.body))),
        }
    }
}
