use serde::Deserialize;
use serde_json::json;

use super::DemoError;
use super::http::{Http, Seen};

/// The simulator's phones, through its control API.
pub(super) struct Phones {
    http: Http,
    base: String,
}

/// An account with its primary device.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Phone {
    pub(super) number: String,
}

/// A text that a phone received and could decrypt.
#[derive(Debug, Deserialize)]
pub(super) struct Received {
    pub(super) text: String,
}

impl Phones {
    pub(super) fn new(http: Http, base: String) -> Self {
        Self { http, base }
    }

    pub(super) async fn create(&self, number: &str, name: &str) -> Result<Phone, DemoError> {
        let url = format!("{}/sim/phones", self.base);
        self.http.post(&url, &json!({"number": number, "name": name})).await?.read()
    }

    pub(super) async fn scan(&self, phone: &Phone, qr: &str) -> Result<Seen, DemoError> {
        let url = format!("{}/sim/phones/{}/scan", self.base, phone.number);
        self.http.post(&url, &json!({"qr": qr})).await?.success()
    }

    pub(super) async fn inbox(&self, phone: &Phone) -> Result<Vec<Received>, DemoError> {
        let url = format!("{}/sim/phones/{}/inbox", self.base, phone.number);
        self.http.get(&url).await?.read()
    }
}
