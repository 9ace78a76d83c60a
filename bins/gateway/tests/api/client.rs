use reqwest::{Method, RequestBuilder};
use serde_json::Value;

use crate::answer::Answer;

/// A plain HTTP client.
pub fn http() -> reqwest::Client {
    // An error says that another test was first.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder().no_proxy().build().expect("a client")
}

/// A client of the API with one credential, or none.
#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    base: String,
    credential: Credential,
}

#[derive(Clone)]
enum Credential {
    None,
    ApiKey(String),
    Token(String),
}

impl Client {
    pub fn anonymous(base: &str) -> Self {
        let http = http();
        Self { http, base: base.to_owned(), credential: Credential::None }
    }

    pub fn with_key(&self, key: &str) -> Self {
        Self { credential: Credential::ApiKey(key.to_owned()), ..self.clone() }
    }

    pub fn with_token(&self, token: &str) -> Self {
        Self { credential: Credential::Token(token.to_owned()), ..self.clone() }
    }

    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.http.request(method, format!("{}{path}", self.base));
        match &self.credential {
            Credential::None => request,
            Credential::ApiKey(key) => request.header("x-api-key", key),
            Credential::Token(token) => request.bearer_auth(token),
        }
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.send(self.request(Method::GET, path)).await
    }

    pub async fn post(&self, path: &str, body: Value) -> Answer {
        self.send(self.request(Method::POST, path).json(&body)).await
    }

    /// A POST without a body, as `reconnect` and `logout` take it.
    pub async fn call(&self, path: &str) -> Answer {
        self.send(self.request(Method::POST, path)).await
    }

    pub async fn put(&self, path: &str, body: Value) -> Answer {
        self.send(self.request(Method::PUT, path).json(&body)).await
    }

    pub async fn delete(&self, path: &str) -> Answer {
        self.send(self.request(Method::DELETE, path)).await
    }

    pub async fn send(&self, request: RequestBuilder) -> Answer {
        Answer::of(request.send().await.expect("an answer")).await
    }
}
