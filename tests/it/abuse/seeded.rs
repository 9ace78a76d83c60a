use std::time::Duration;

use diesel::connection::SimpleConnection;
use diesel::{Connection, SqliteConnection};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use storage::{Epoch, Instance, LeaseStore, NodeId, SecretText, User, UserId, UserStore};
use storage_sqlite::{MasterKey, SqliteDatabase};
use tempfile::TempDir;
use test_support::until;
use trunkline_tests::{Gateway, GatewayOptions, Simulator};

/// A gateway on a folder whose database a test can reach into.
pub(crate) struct Seeded {
    pub(crate) simulator: Simulator,
    pub(crate) gateway: Gateway,
    client: reqwest::Client,
    folder: TempDir,
    environment: Vec<(&'static str, String)>,
}

/// An answer with its headers.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) etag: Option<String>,
    pub(crate) body: Value,
}

impl Seeded {
    pub(crate) async fn start() -> Self {
        Self::start_with(&[]).await
    }

    pub(crate) async fn start_with(environment: &[(&'static str, String)]) -> Self {
        let simulator = Simulator::start().await;
        let folder = tempfile::tempdir().expect("a folder");
        let environment = environment.to_vec();
        let options =
            GatewayOptions { environment: environment.clone(), ..GatewayOptions::of(folder.path()) };
        let gateway = Gateway::start(&simulator, &options).await;
        let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(120));
        Self { simulator, gateway, client: client.build().expect("a client"), folder, environment }
    }

    /// Runs SQL on the database, as a failing disk or an administrator's tool would.
    pub(crate) fn sql(&self, statements: &str) {
        let path = self.folder.path().join("trunkline.db");
        let mut connection = SqliteConnection::establish(path.to_str().expect("UTF-8")).expect("it opens");
        connection.batch_execute("PRAGMA busy_timeout = 30000").expect("a pragma");
        connection.batch_execute(statements).expect("SQL");
    }

    /// Stops the gateway, lets `meanwhile` happen to its database, and starts it again.
    pub(crate) async fn restart_after(&mut self, meanwhile: impl AsyncFnOnce(&Self, &SqliteDatabase)) {
        assert!(self.gateway.process().stop(), "it ends well");
        let key = MasterKey::from_file(self.folder.path().join("master.key")).expect("the key");
        let path = self.folder.path().join("trunkline.db");
        let database = SqliteDatabase::open(path.to_str().expect("UTF-8"), key).expect("it opens");
        meanwhile(self, &database).await;
        database.close().await;
        let environment = self.environment.clone();
        let options = GatewayOptions { environment, ..GatewayOptions::of(self.folder.path()) };
        self.gateway.start_again(&self.simulator, &options);
        until("it is ready", || async {
            (self.send(Method::GET, "/readyz", None).await.status == 200).then_some(())
        })
        .await;
    }

    /// The files of its folder, by name.
    pub(crate) fn files(&self) -> Vec<(String, Vec<u8>)> {
        let entries = std::fs::read_dir(self.folder.path()).expect("a folder").filter_map(Result::ok);
        let files = entries.filter(|entry| entry.path().is_file());
        let named = |entry: std::fs::DirEntry| {
            (entry.file_name().display().to_string(), std::fs::read(entry.path()).expect("a file"))
        };
        files.map(named).collect()
    }

    pub(crate) async fn send(&self, method: Method, path: &str, body: Option<Value>) -> Answer {
        self.send_as(self.gateway.api_key(), method, path, body, None).await
    }

    /// A call with somebody's key, under a condition.
    pub(crate) async fn send_as(
        &self,
        key: &str,
        method: Method,
        path: &str,
        body: Option<Value>,
        if_match: Option<&str>,
    ) -> Answer {
        let mut request = self.client.request(method, format!("{}{path}", self.gateway.url()));
        request = request.header("x-api-key", key);
        if let Some(body) = body {
            request = request.json(&body);
        }
        if let Some(tag) = if_match {
            request = request.header("if-match", tag);
        }
        let response = request.send().await.expect("an answer");
        let status = response.status();
        let etag = response.headers().get("etag").map(|tag| tag.to_str().expect("text").to_owned());
        let text = response.text().await.expect("a body");
        Answer { status, etag, body: serde_json::from_str(&text).unwrap_or(Value::String(text)) }
    }

    pub(crate) async fn get(&self, path: &str) -> Value {
        self.send(Method::GET, path, None).await.expect(200)
    }

    pub(crate) async fn put(&self, path: &str, body: Value) -> Value {
        self.send(Method::PUT, path, Some(body)).await.expect(200)
    }

    pub(crate) async fn create(&self, body: Value) -> String {
        let created = self.send(Method::POST, "/api/instances", Some(body)).await.expect(201);
        created["id"].as_str().expect("an id").to_owned()
    }
}

impl Answer {
    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.body);
        self.body
    }
}

/// Holds an instance of the database as a node of its own would, and lets the administrator's gateway have it afterwards.
pub(crate) async fn lease(database: &SqliteDatabase, id: &str) -> (Instance, Epoch) {
    let node = NodeId::generate();
    let leased = database.acquire(node, true, u64::MAX >> 1, Duration::from_secs(1)).await.expect("a lease");
    let found = leased.into_iter().find(|leased| leased.instance.id.to_string() == id).expect("it is free");
    (found.instance, found.epoch)
}

/// Lets go of everything, so that the next start takes it.
pub(crate) fn release_all(stage: &Seeded) {
    stage.sql("UPDATE instances SET node = NULL, lost_by = NULL");
}

/// Another user, with this API key.
pub(crate) async fn add_user(database: &SqliteDatabase, name: &str, key: &str) -> UserId {
    let now = storage::Timestamp::from_millis(1_700_000_000_000);
    let user = User {
        id: UserId::generate(),
        email: format!("{name}@trunkline.test"),
        password_hash: SecretText::new("$2b$04$no.such.password"),
        first_name: name.to_owned(),
        last_name: String::new(),
        role: storage::Role::User,
        api_key: storage::ApiKey::new(key),
        disabled_at: None,
        credentials_version: 0,
        allowed_ips: Vec::new(),
        created_at: now,
        updated_at: now,
    };
    let id = user.id;
    database.create_user(user).await.expect("a user");
    id
}

/// The list under this name.
#[track_caller]
pub(crate) fn list<'a>(page: &'a Value, name: &str) -> &'a Vec<Value> {
    page[name].as_array().unwrap_or_else(|| panic!("no list {name}: {page}"))
}

/// The only entry with this value.
#[track_caller]
pub(crate) fn one_with<'a>(entries: &'a [Value], field: &str, value: &str) -> &'a Value {
    let mut found = entries.iter().filter(|entry| entry[field] == json!(value));
    let first = found.next().unwrap_or_else(|| panic!("none with {field} {value}: {entries:?}"));
    assert!(found.next().is_none(), "one with {field} {value}");
    first
}
