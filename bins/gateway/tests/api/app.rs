use std::sync::Arc;

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use trunkline::application::{Application, RunError};
use trunkline::config::{Config, DatabaseConfig, Secret};
use wa_client::TrustRoot;
use wa_simulator::{Options, Simulator};

use crate::answer::Answer;
use crate::client::Client;
use crate::phones::Phones;
use crate::until::until;

pub const EMAIL: &str = "admin@example.org";
pub const PASSWORD: &str = "correct horse battery";

/// A gateway on a free port with a folder of its own, connected to a simulated WhatsApp.
pub struct TestApp {
    base: String,
    port: u16,
    api_key: String,
    phones: Arc<Phones>,
    folder: Arc<TempDir>,
    /// Another one than in the folder.
    server: Option<DatabaseConfig>,
    stop: CancellationToken,
    running: JoinHandle<Result<(), RunError>>,
}

impl TestApp {
    pub async fn start() -> Self {
        Self::configured(|_| ()).await
    }

    pub async fn configured(change: impl FnOnce(&mut Config)) -> Self {
        let options = Options { listen: Some(([127, 0, 0, 1], 0).into()), ..Options::default() };
        let phones = Phones::new(Simulator::start(options).await.expect("a simulator"));
        let folder = Arc::new(tempfile::tempdir().expect("a folder"));
        let mut config = config(&folder, &phones);
        change(&mut config);
        let server = Some(config.database.clone()).filter(|it| matches!(it, DatabaseConfig::Postgres { .. }));
        let application = Application::build(config).await.expect("a gateway");
        let key = application.first_start().expect("the first start").api_key.clone();
        Self { server, ..Self::running(application, key, phones.into(), folder) }
    }

    /// A gateway whose database is a server's, also after a restart.
    pub async fn on_server(url: &str) -> Self {
        let address = Box::new(url.parse().expect("an address"));
        Self::configured(|config| config.database = DatabaseConfig::Postgres { address }).await
    }

    /// A gateway on a folder with a database in it, whose first user has this API key, as `change` has it. Before it starts,
    /// WhatsApp is as `prepare` leaves it.
    pub async fn on_folder(
        folder: TempDir,
        api_key: &str,
        prepare: impl AsyncFnOnce(&Phones),
        change: impl FnOnce(&mut Config),
    ) -> Self {
        let options = Options { listen: Some(([127, 0, 0, 1], 0).into()), ..Options::default() };
        let phones = Phones::new(Simulator::start(options).await.expect("a simulator"));
        prepare(&phones).await;
        let mut config = config(&folder, &phones);
        change(&mut config);
        let application = Application::build(config).await.expect("a gateway");
        assert!(application.first_start().is_none(), "the database has a user");
        Self::running(application, api_key.to_owned(), phones.into(), folder.into())
    }

    fn running(application: Application, api_key: String, phones: Arc<Phones>, folder: Arc<TempDir>) -> Self {
        let (base, port) = (application.url(), application.port());
        let stop = CancellationToken::new();
        let running = tokio::spawn(application.run(stop.clone()));
        Self { base, port, api_key, phones, folder, server: None, stop, running }
    }

    /// Stops the gateway and starts another one on the same folder, against the same WhatsApp.
    pub async fn restart(self) -> Self {
        self.restart_after(async |_| ()).await.0
    }

    /// Stops the gateway, lets `meanwhile` happen, and starts it again.
    pub async fn restart_after<T>(self, meanwhile: impl AsyncFnOnce(&Phones) -> T) -> (Self, T) {
        let (api_key, phones, folder) = (self.api_key.clone(), self.phones.clone(), self.folder.clone());
        // Anything else that was configured at first is not again.
        let (config, server) = (self.config(), self.server.clone());
        self.stop().await;
        let outcome = meanwhile(&phones).await;
        let application = Application::build(config).await.expect("a gateway");
        assert!(application.first_start().is_none(), "credentials are shown once");
        (Self { server, ..Self::running(application, api_key, phones, folder) }, outcome)
    }

    /// Ends the gateway as a signal does; it has to end well.
    pub async fn stop(self) {
        self.stop.cancel();
        self.running.await.expect("no panic").expect("a graceful end");
    }

    /// The same; the phones and the folder go on.
    pub async fn leave(self) -> (Arc<Phones>, Arc<TempDir>) {
        let left = (Arc::clone(&self.phones), Arc::clone(&self.folder));
        self.stop().await;
        left
    }

    pub fn config(&self) -> Config {
        let mut config = config(&self.folder, &self.phones);
        config.database = self.server.clone().unwrap_or(config.database);
        config
    }

    pub fn phones(&self) -> &Phones {
        &self.phones
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn api_key(&self) -> &str {
        &self.api_key
    }

    pub fn anonymous(&self) -> Client {
        Client::anonymous(&self.base)
    }

    pub fn client(&self) -> Client {
        self.anonymous().with_key(&self.api_key)
    }

    /// Creates an ordinary user; the answer has their API key.
    pub async fn another_user(&self, email: &str) -> Client {
        let created =
            self.client().post("/api/users", json!({"email": email, "password": PASSWORD})).await.expect(201);
        self.anonymous().with_key(created["apiKey"].as_str().expect("a key"))
    }

    pub async fn login(&self) -> String {
        let body = json!({"email": EMAIL, "password": PASSWORD});
        let login = self.anonymous().post("/api/auth/login", body).await.expect(200);
        login["token"].as_str().expect("a token").to_owned()
    }

    /// Creates an instance; the answer is its id.
    pub async fn create(&self, name: &str) -> String {
        let created = self.client().post("/api/instances", json!({"name": name})).await.expect(201);
        created["id"].as_str().expect("an id").to_owned()
    }

    /// Creates an instance and pairs it with the phone of this number.
    pub async fn paired(&self, number: &str) -> String {
        let id = self.create(number).await;
        self.link(&id, number).await;
        id
    }

    /// Lets the phone scan the instance's QR code, and waits until it can send.
    pub async fn link(&self, id: &str, number: &str) {
        self.phones.create(number).await;
        let client = self.client();
        let qr = until("the QR code", || async {
            let answer = client.get(&format!("/api/instances/{id}/qr")).await;
            (answer.status == 200).then(|| answer.body["qrCode"].as_str().expect("a text").to_owned())
        })
        .await;
        self.phones.scan(number, &qr).await;
        self.until_ready(id).await;
    }

    pub async fn until_ready(&self, id: &str) {
        let client = self.client();
        until("the instance is ready", || async {
            let status = client.get(&format!("/api/whatsapp/{id}/status")).await.expect(200);
            (status["ready"] == true).then_some(())
        })
        .await;
    }

    pub async fn send(&self, id: &str, phone: &str, text: &str) -> Answer {
        let body = json!({"phone": phone, "message": text});
        self.client().post(&format!("/api/whatsapp/{id}/send"), body).await
    }

    /// The first event of this type whose data `wanted` recognises, now or later.
    pub async fn event(&self, id: &str, kind: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let client = self.client();
        let path = format!("/api/instances/{id}/events?types={kind}&limit=1000&since=2020-01-01T00:00:00Z");
        until(kind, || async {
            let page = client.get(&path).await.expect(200);
            let events = page["events"].as_array().expect("a list").clone();
            events.into_iter().find(|event| wanted(&event["data"]))
        })
        .await
    }
}

fn config(folder: &TempDir, phones: &Phones) -> Config {
    let info = phones.simulator().info();
    let trust = TrustRoot::from_hex(&info.root_key).expect("a key");
    let mut config = Config::in_folder(folder.path());
    config.whatsapp.url = Some(info.ws_url.expect("it listens").parse().expect("a URL"));
    config.whatsapp.trust = Some(trust);
    // The cheapest that bcrypt has: these tests are about everything else.
    config.bcrypt_cost = 4;
    config.outbound_allow = "127.0.0.1".parse().expect("a list");
    config.admin.email = EMAIL.to_owned();
    config.admin.password = Some(Secret::new(PASSWORD));
    config
}
