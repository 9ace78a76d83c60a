use std::time::Duration;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tempfile::TempDir;
use trunkline_tests::{Simulator, Trunkline, call};

const ADMIN: (&str, &str) = ("admin@trunkline.test", "correct horse battery staple");
/// How long somebody who does nothing wrong may have to wait. A loaded machine is slow; an attack that works has no end.
pub(super) const SOON: Duration = Duration::from_secs(30);

/// A gateway whose webhooks may go to this machine, and its administrator.
pub(super) struct Stage {
    process: Trunkline,
    folder: TempDir,
    client: reqwest::Client,
    key: String,
}

impl Stage {
    /// Without a WhatsApp.
    pub(super) async fn start(environment: &[(&str, String)]) -> Self {
        Self::start_with(environment, &[("WHATSAPP_URL", "ws://127.0.0.1:9/ws/chat".to_owned())]).await
    }

    /// With the simulator for a WhatsApp.
    pub(super) async fn start_beside(simulator: &Simulator) -> Self {
        let info: Value = serde_json::from_str(simulator.process().announcement()).expect("JSON");
        let text = |name: &str| info[name].as_str().expect("a text").to_owned();
        let whatsapp = [("WHATSAPP_URL", text("wsUrl")), ("WHATSAPP_ROOT_KEY", text("rootKey"))];
        Self::start_with(&[], &whatsapp).await
    }

    async fn start_with(environment: &[(&str, String)], whatsapp: &[(&str, String)]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let process = Self::launch(&folder, &[environment, whatsapp].concat());
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(120));
        let client = client.build().expect("a client");
        let mut stage = Self { process, folder, client, key: String::new() };
        let login = json!({"email": ADMIN.0, "password": ADMIN.1});
        let login = stage.expect(Method::POST, "/api/auth/login", login, 200).await;
        stage.key = login["user"]["apiKey"].as_str().expect("a key").to_owned();
        stage
    }

    fn launch(folder: &TempDir, environment: &[(&str, String)]) -> Trunkline {
        let mut all = vec![
            ("LISTEN", "127.0.0.1:0".to_owned()),
            ("DATA_DIR", folder.path().display().to_string()),
            ("WHATSAPP_VERSION", "2.3000.1045649367".to_owned()),
            ("OUTBOUND_ALLOW", "127.0.0.0/8".to_owned()),
            ("ADMIN_EMAIL", ADMIN.0.to_owned()),
            ("ADMIN_PASSWORD", ADMIN.1.to_owned()),
        ];
        all.extend(environment.iter().cloned());
        Trunkline::start(&["serve"], &all)
    }

    /// Starts it again after its end.
    pub(super) fn start_again(&mut self) {
        let nowhere = [("WHATSAPP_URL", "ws://127.0.0.1:9/ws/chat".to_owned())];
        self.process = Self::launch(&self.folder, &nowhere);
    }

    pub(super) fn process(&mut self) -> &mut Trunkline {
        &mut self.process
    }

    pub(super) fn url(&self) -> &str {
        self.process.url()
    }

    pub(super) fn port(&self) -> u16 {
        self.url().rsplit(':').next().expect("a port").parse().expect("a port")
    }

    pub(super) fn threads(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/task", self.process.pid())).expect("/proc").count()
    }

    pub(super) fn resident_mb(&self) -> u64 {
        self.process.resident_kb() / 1024
    }

    pub(super) async fn call(&self, method: Method, path: &str, body: Value) -> (StatusCode, Value) {
        let body = Some(body).filter(|body| !body.is_null());
        call(&self.client, self.url(), &self.key, method, path, body, None).await.expect("an answer")
    }

    pub(super) async fn expect(&self, method: Method, path: &str, body: Value, status: u16) -> Value {
        let (found, answer) = self.call(method.clone(), path, body).await;
        assert_eq!(found.as_u16(), status, "{method} {path}: {answer}");
        answer
    }

    /// A new instance, by the path of its webhooks.
    pub(super) async fn instance(&self, name: &str) -> String {
        let created = self.expect(Method::POST, "/api/instances", json!({"name": name}), 201).await;
        format!("/api/instances/{}/webhooks", created["id"].as_str().expect("an id"))
    }

    /// Adds a webhook to an instance.
    pub(super) async fn webhook(&self, webhooks: &str, name: &str, url: &str, more: Value) {
        let mut body = json!({"name": name, "url": url, "events": ["webhook_updated"]});
        for (field, value) in more.as_object().into_iter().flatten() {
            body[field] = value.clone();
        }
        self.expect(Method::POST, webhooks, body, 201).await;
    }

    /// Lets something happen that the webhooks of an instance are told of.
    pub(super) async fn ring(&self, webhooks: &str, n: usize) {
        let change = json!({"maxRetries": n % 50});
        self.expect(Method::PUT, &format!("{webhooks}/default"), change, 200).await;
    }
}
