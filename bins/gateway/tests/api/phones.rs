use serde_json::{Value, json};
use wa_simulator::Simulator;

use crate::answer::Answer;
use crate::client::http;

/// The simulated WhatsApp: its phones are used through the control API, as any other program would.
pub struct Phones {
    simulator: Simulator,
    http: reqwest::Client,
}

impl Phones {
    pub fn new(simulator: Simulator) -> Self {
        let http = http();
        Self { simulator, http }
    }

    pub fn simulator(&self) -> &Simulator {
        &self.simulator
    }

    /// Creates the account with this number, or finds it.
    pub async fn create(&self, number: &str) {
        self.post("/sim/phones", json!({"number": number})).await;
    }

    pub async fn scan(&self, number: &str, qr: &str) {
        self.post(&format!("/sim/phones/{number}/scan"), json!({"qr": qr})).await;
    }

    /// Has the account be linked with a passkey only.
    pub async fn demand_passkey(&self, number: &str) {
        self.post("/sim/phones", json!({"number": number, "passkey": true})).await;
    }

    /// What the authenticator of the phone's owner answers to a request.
    pub async fn passkey(&self, number: &str, options: &Value) -> Value {
        self.post(&format!("/sim/phones/{number}/passkey"), json!({"options": options})).await
    }

    /// The code that the phone shows for comparison.
    pub async fn passkey_code(&self, number: &str) -> String {
        let shown = self.get(&format!("/sim/phones/{number}/passkey")).await;
        shown["code"].as_str().expect("a code").to_owned()
    }

    /// The phone enters the code that a companion shows.
    pub async fn enter_code(&self, number: &str, code: &str) {
        self.post(&format!("/sim/phones/{number}/link-code"), json!({"code": code})).await;
    }

    /// The phone itself writes a text; the answer is the message's id.
    pub async fn write(&self, from: &str, to: &str, text: &str) -> String {
        let sent = self.post(&format!("/sim/phones/{from}/send"), json!({"to": to, "text": text})).await;
        sent["id"].as_str().expect("an id").to_owned()
    }

    /// The phone shows a message that it has received, and tells its sender.
    pub async fn read(&self, number: &str, from: &str, id: &str) {
        self.post(&format!("/sim/phones/{number}/read"), json!({"ids": [id], "chat": from})).await;
    }

    /// The phone itself edits, takes back or reacts to a message, as `what` says; the answer is the change's own id.
    pub async fn change(&self, from: &str, to: &str, what: Value) -> String {
        let mut body = what;
        body["to"] = json!(to);
        let sent = self.post(&format!("/sim/phones/{from}/send"), body).await;
        sent["id"].as_str().expect("an id").to_owned()
    }

    /// The phone calls somebody; the answer is the call's id.
    pub async fn call(&self, from: &str, to: &str, video: bool) -> String {
        let call = self.post(&format!("/sim/phones/{from}/calls"), json!({"to": to, "video": video})).await;
        call["id"].as_str().expect("an id").to_owned()
    }

    /// The calls that a phone has made.
    pub async fn calls(&self, number: &str) -> Vec<Value> {
        self.get(&format!("/sim/phones/{number}/calls")).await.as_array().expect("a list").clone()
    }

    /// The texts that a phone has received, with their ids.
    pub async fn inbox(&self, number: &str) -> Vec<(String, String)> {
        let inbox = self.get(&format!("/sim/phones/{number}/inbox")).await;
        let text = |entry: &Value, name: &str| entry[name].as_str().expect("a text").to_owned();
        inbox
            .as_array()
            .expect("a list")
            .iter()
            .map(|entry| (text(entry, "id"), text(entry, "text")))
            .collect()
    }

    /// All that a phone shows.
    pub async fn entries(&self, number: &str) -> Vec<Value> {
        let inbox = self.get(&format!("/sim/phones/{number}/inbox")).await;
        inbox.as_array().expect("a list").clone()
    }

    /// What the phone does when it is asked for a file again.
    pub async fn answer_reuploads(&self, number: &str, answer: &str) {
        self.post(&format!("/sim/phones/{number}/reuploads"), json!({"answer": answer})).await;
    }

    /// The numbers of the linked companions.
    pub async fn devices(&self, number: &str) -> Vec<u64> {
        let devices = self.get(&format!("/sim/phones/{number}/devices")).await;
        let devices = devices.as_array().expect("a list").iter();
        devices.map(|device| device["id"].as_u64().expect("a number")).collect()
    }

    pub async fn unlink(&self, number: &str, device: u64) {
        let url = self.url(&format!("/sim/phones/{number}/devices/{device}"));
        let answer = Answer::of(self.http.delete(url).send().await.expect("an answer")).await;
        assert!(answer.status.is_success(), "{}", answer.body);
    }

    /// Limits whom the account may write to, or lifts that.
    pub async fn limit(&self, number: &str, limits: Value) {
        self.post(&format!("/sim/phones/{number}/limits"), limits).await;
    }

    pub async fn fault(&self, fault: Value) {
        self.post("/sim/faults", fault).await;
    }

    pub async fn clear_faults(&self) {
        let response = self.http.delete(self.url("/sim/faults")).send().await.expect("an answer");
        Answer::of(response).await.expect(200);
    }

    async fn get(&self, path: &str) -> Value {
        let response = self.http.get(self.url(path)).send().await.expect("an answer");
        Answer::of(response).await.expect(200)
    }

    async fn post(&self, path: &str, body: Value) -> Value {
        let response = self.http.post(self.url(path)).json(&body).send().await.expect("an answer");
        let answer = Answer::of(response).await;
        assert!(answer.status.is_success(), "POST {path} {body}: {} {}", answer.status, answer.body);
        answer.body
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.simulator.address().expect("it listens"))
    }
}
