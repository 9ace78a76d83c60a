use std::time::Duration;

use reqwest::{Client, RequestBuilder, StatusCode};
use serde::de::DeserializeOwned;
use serde_json::Value;
use storage::StoredMessageId;

use super::DemoError;

/// A plain HTTP client: everything the demonstration does goes over a real socket.
#[derive(Clone)]
pub(super) struct Http {
    client: Client,
    api_key: Option<String>,
}

/// An answer, with what it answers.
#[derive(Debug)]
pub(super) struct Seen {
    call: String,
    pub(super) status: StatusCode,
    pub(super) body: Value,
}

impl Http {
    pub(super) fn new() -> Result<Self, DemoError> {
        let client = Client::builder()
            .timeout(Duration::from_secs(15))
            .no_proxy()
            .build()
            .map_err(|error| DemoError::new(format!("no HTTP client: {error}")))?;
        Ok(Self { client, api_key: None })
    }

    pub(super) fn with_api_key(&self, key: &str) -> Self {
        Self { client: self.client.clone(), api_key: Some(key.to_owned()) }
    }

    pub(super) async fn get(&self, url: &str) -> Result<Seen, DemoError> {
        self.call(format!("GET {url}"), self.client.get(url)).await
    }

    pub(super) async fn post(&self, url: &str, body: &Value) -> Result<Seen, DemoError> {
        self.call(format!("POST {url}"), self.client.post(url).json(body)).await
    }

    /// The same under a key of its own, as everybody should send.
    pub(super) async fn post_once(&self, url: &str, body: &Value) -> Result<Seen, DemoError> {
        let key = StoredMessageId::generate().to_string();
        let request = self.client.post(url).header("idempotency-key", key).json(body);
        self.call(format!("POST {url}"), request).await
    }

    async fn call(&self, call: String, mut request: RequestBuilder) -> Result<Seen, DemoError> {
        if let Some(key) = &self.api_key {
            request = request.header("x-api-key", key);
        }
        let failed = |error: reqwest::Error| DemoError::new(format!("{call} failed: {error}"));
        let response = request.send().await.map_err(failed)?;
        let status = response.status();
        let text = response.text().await.map_err(failed)?;
        let body = serde_json::from_str(&text).unwrap_or(Value::String(text));
        Ok(Seen { call, status, body })
    }
}

impl Seen {
    /// The answer, if it is a success.
    pub(super) fn success(self) -> Result<Self, DemoError> {
        if self.status.is_success() {
            return Ok(self);
        }
        Err(DemoError::new(format!("{} answered {}: {}", self.call, self.status, self.body)))
    }

    /// The body of a success as a type.
    pub(super) fn read<T: DeserializeOwned>(self) -> Result<T, DemoError> {
        let Self { call, body, .. } = self.success()?;
        serde_json::from_value(body)
            .map_err(|error| DemoError::new(format!("{call} answered something else: {error}")))
    }
}
