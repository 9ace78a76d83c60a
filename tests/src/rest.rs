use std::path::Path;
use std::time::Duration;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tempfile::NamedTempFile;
use test_support::until_within;

use crate::Trunkline;

/// The e-mail and password of the administrator in every test.
const ADMIN: (&str, &str) = ("admin@trunkline.test", "correct horse battery staple");

/// A `trunkline simulate` process and its control API.
pub struct Simulator {
    process: Trunkline,
    client: reqwest::Client,
    info: Value,
    /// The certificate that a gateway must trust, when there is TLS.
    ca_file: Option<NamedTempFile>,
}

impl Simulator {
    /// Starts a simulator on a free port.
    pub async fn start() -> Self {
        Self::of(Trunkline::start(&["simulate", "--listen", "127.0.0.1:0"], &[]))
    }

    /// Starts a simulator on a free port that speaks TLS, as WhatsApp does.
    pub async fn start_with_tls() -> Self {
        Self::of(Trunkline::start(&["simulate", "--listen", "127.0.0.1:0", "--tls"], &[]))
    }

    /// Starts a simulator on a free port that does all at once what WhatsApp does after weeks.
    pub async fn start_hostile() -> Self {
        let args = ["simulate", "--listen", "127.0.0.1:0", "--profile", "hostile"];
        Self::of(Trunkline::start(&args, &[]))
    }

    fn of(process: Trunkline) -> Self {
        let info: Value = serde_json::from_str(process.announcement()).expect("JSON");
        let certificate = info["certificate"].as_str();
        let ca_file = certificate.map(|pem| {
            let file = NamedTempFile::new().expect("temporary file");
            std::fs::write(file.path(), pem).expect("temporary file");
            file
        });
        Self { client: client(certificate), process, info, ca_file }
    }

    /// The running process.
    pub fn process(&self) -> &Trunkline {
        &self.process
    }

    /// Creates (or finds) the account with this number.
    pub async fn phone(&self, number: &str) {
        self.post("/sim/phones", json!({ "number": number })).await;
    }

    /// Lets the phone scan a QR text.
    pub async fn scan(&self, number: &str, qr: &str) {
        self.post(&format!("/sim/phones/{number}/scan"), json!({ "qr": qr })).await;
    }

    /// Lets the phone send a text; returns the message id.
    pub async fn send(&self, from: &str, to: &str, text: &str) -> String {
        let sent = self.post(&format!("/sim/phones/{from}/send"), json!({ "to": to, "text": text })).await;
        sent["id"].as_str().expect("id").to_owned()
    }

    /// What the phone has received and could decrypt.
    pub async fn inbox(&self, number: &str) -> Vec<Value> {
        let url = format!("{}/sim/phones/{number}/inbox", self.process.url());
        let answer: Value = self.client.get(url).send().await.expect("inbox").json().await.expect("JSON");
        let entries = answer.as_array().or_else(|| answer["messages"].as_array());
        entries.expect("a list").clone()
    }

    /// Places a fault.
    pub async fn fault(&self, fault: Value) {
        self.post("/sim/faults", fault).await;
    }

    /// One deletion through the control API. What has ended by itself is no failure.
    pub async fn delete(&self, path: &str) {
        let url = format!("{}{path}", self.process.url());
        let status = self.client.delete(url).send().await.expect("simulator answers").status();
        assert!(status.is_success() || status == StatusCode::NOT_FOUND, "DELETE {path}: {status}");
    }

    /// One call of the control API that must succeed.
    pub async fn post(&self, path: &str, body: Value) -> Value {
        let url = format!("{}{path}", self.process.url());
        let response = self.client.post(url).json(&body).send().await.expect("simulator answers");
        let status = response.status();
        let answer = response.json().await.unwrap_or(Value::Null);
        assert!(status.is_success(), "POST {path}: {status} {answer}");
        answer
    }
}

/// What a gateway under test is started with.
pub struct GatewayOptions<'a> {
    /// The binary; the one under test if none.
    pub binary: Option<&'a Path>,
    /// Where its database and keys live.
    pub folder: &'a Path,
    /// `LISTEN`; port 0 picks one.
    pub listen: String,
    /// Further variables.
    pub environment: Vec<(&'static str, String)>,
}

impl<'a> GatewayOptions<'a> {
    /// The binary under test, on this folder and a free port.
    pub fn of(folder: &'a Path) -> Self {
        Self { binary: None, folder, listen: "127.0.0.1:0".to_owned(), environment: Vec::new() }
    }

    fn serve(&self, simulator: &Simulator) -> Trunkline {
        let text = |name: &str| simulator.info[name].as_str().expect("text").to_owned();
        let mut environment = vec![
            ("LISTEN", self.listen.clone()),
            ("DATA_DIR", self.folder.display().to_string()),
            ("WHATSAPP_URL", text("wsUrl")),
            ("WHATSAPP_ROOT_KEY", text("rootKey")),
            ("OUTBOUND_ALLOW", "127.0.0.0/8".to_owned()),
            ("ADMIN_EMAIL", ADMIN.0.to_owned()),
            ("ADMIN_PASSWORD", ADMIN.1.to_owned()),
        ];
        let ca_file = simulator.ca_file.as_ref();
        environment.extend(ca_file.map(|file| ("WHATSAPP_CA_FILE", file.path().display().to_string())));
        environment.extend(self.environment.iter().cloned());
        match self.binary {
            Some(binary) => Trunkline::start_binary(binary, &["serve"], &environment),
            None => Trunkline::start(&["serve"], &environment),
        }
    }
}

/// A `trunkline serve` process, signed in as its administrator.
pub struct Gateway {
    process: Trunkline,
    client: reqwest::Client,
    api_key: String,
}

impl Gateway {
    /// Starts a gateway that talks to this simulator, and signs in.
    pub async fn start(simulator: &Simulator, options: &GatewayOptions<'_>) -> Self {
        let process = options.serve(simulator);
        let mut gateway = Self { process, client: client(None), api_key: String::new() };
        let (status, login) = gateway.log_in().await.expect("login");
        assert_eq!(status, StatusCode::OK, "login: {login}");
        gateway.api_key = login["user"]["apiKey"].as_str().expect("apiKey").to_owned();
        gateway
    }

    /// Logs in as the administrator.
    pub async fn log_in(&self) -> Option<(StatusCode, Value)> {
        let body = json!({ "email": ADMIN.0, "password": ADMIN.1 });
        self.call(Method::POST, "/api/auth/login", Some(body)).await
    }

    /// Starts the process again, after it was killed or stopped. The API key is still good.
    pub fn start_again(&mut self, simulator: &Simulator, options: &GatewayOptions<'_>) {
        self.process = options.serve(simulator);
    }

    /// The running process.
    pub fn process(&mut self) -> &mut Trunkline {
        &mut self.process
    }

    /// The base URL, without a slash at its end.
    pub fn url(&self) -> &str {
        self.process.url()
    }

    /// Resident memory of the process, in kilobytes; 0 elsewhere than on Linux.
    pub fn resident_kb(&self) -> u64 {
        self.process.resident_kb()
    }

    /// User and system time of the process so far; 0 elsewhere than on Linux.
    pub fn cpu(&self) -> Duration {
        self.process.cpu()
    }

    /// The administrator's API key.
    pub fn api_key(&self) -> &str {
        &self.api_key
    }

    /// Creates an instance, lets the phone scan its QR and waits until it is connected; returns its id.
    pub async fn link(&self, simulator: &Simulator, number: &str, webhook: Option<(&str, &str)>) -> String {
        let (id, qr) = self.shown(simulator, number, webhook).await;
        simulator.scan(number, &qr).await;
        self.connected(&id).await;
        id
    }

    /// Creates an instance and waits for its QR; returns its id and the QR's text.
    pub async fn shown(
        &self,
        simulator: &Simulator,
        number: &str,
        webhook: Option<(&str, &str)>,
    ) -> (String, String) {
        simulator.phone(number).await;
        let (url, secret) = webhook.unzip();
        let body = json!({
            "name": number, "webhookUrl": url, "webhookEnabled": url.is_some(), "webhookSecret": secret,
            "notifyReceived": true, "notifySent": true, "notifyDelivery": false, "notifyRead": false,
            "maxRetries": 10, "retryInterval": 500,
        });
        let (status, created) = self.call(Method::POST, "/api/instances", Some(body)).await.expect("create");
        assert_eq!(status, StatusCode::CREATED, "create: {created}");
        let id = created["id"].as_str().expect("id").to_owned();
        let qr = until_within("the instance's QR", Duration::from_secs(30), || async {
            let (status, body) = self.call(Method::GET, &format!("/api/instances/{id}/qr"), None).await?;
            (status == StatusCode::OK).then(|| body["qrCode"].as_str().expect("qrCode").to_owned())
        })
        .await;
        (id, qr)
    }

    /// Waits until the instance is ready to send.
    pub async fn connected(&self, id: &str) {
        until_within("the instance is connected", Duration::from_secs(60), || async {
            let (_, body) = self.call(Method::GET, &format!("/api/whatsapp/{id}/status"), None).await?;
            (body["ready"] == true).then_some(())
        })
        .await;
    }

    /// All stored messages of the chat with this number, newest first; `None` when the gateway did not answer.
    pub async fn messages(&self, id: &str, number: &str) -> Option<Vec<Value>> {
        let mut all = Vec::new();
        loop {
            let chat = format!("/api/instances/{id}/chats/{number}@s.whatsapp.net");
            let path = format!("{chat}/messages?limit=100&skip={}", all.len());
            let (status, page) = self.call(Method::GET, &path, None).await?;
            assert!(status.is_success(), "messages: {status} {page}");
            all.extend(page["messages"].as_array().expect("messages").iter().cloned());
            if page["pagination"]["hasMore"] == false {
                return Some(all);
            }
        }
    }

    /// One call; `None` when the gateway did not answer (it may be dead, that is what some tests are about).
    pub async fn call(&self, method: Method, path: &str, body: Option<Value>) -> Option<(StatusCode, Value)> {
        call(&self.client, self.process.url(), &self.api_key, method, path, body, None).await
    }
}

/// One call of a gateway's API by URL and key, with an optional `Idempotency-Key`.
pub async fn call(
    client: &reqwest::Client,
    url: &str,
    api_key: &str,
    method: Method,
    path: &str,
    body: Option<Value>,
    idempotency_key: Option<&str>,
) -> Option<(StatusCode, Value)> {
    let mut request = client.request(method, format!("{url}{path}")).header("x-api-key", api_key);
    if let Some(body) = body {
        request = request.json(&body);
    }
    if let Some(key) = idempotency_key {
        request = request.header("idempotency-key", key);
    }
    let response = request.send().await.ok()?;
    let status = response.status();
    let text = response.text().await.ok()?;
    Some((status, serde_json::from_str(&text).unwrap_or(Value::String(text))))
}

/// How long a connection is kept for the next call: less than the 30 s after which the simulator closes it, perhaps just as
/// that call is on its way.
const IDLE: Duration = Duration::from_secs(10);

/// A client that trusts this certificate (PEM) only, or needs none.
fn client(certificate: Option<&str>) -> reqwest::Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let trusted = certificate.map(|pem| reqwest::Certificate::from_pem(pem.as_bytes()).expect("PEM"));
    let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(30));
    let client = client.pool_idle_timeout(IDLE);
    client.tls_certs_only(trusted).build().expect("HTTP client")
}
