//! The gateway on PostgreSQL: for its clients all is as on SQLite, and for its operator nothing of it tells the password.

use serde_json::{Value, json};
use tempfile::TempDir;
use test_support::postgres::{self, Scratch};

use crate::app::{PASSWORD, TestApp};
use crate::client::Client;
use crate::process::{Process, output, text};
use crate::until::until;

const ALICE: &str = "15550100001";
const BOB: &str = "15550100002";
/// Servers that let everybody in ask for none.
const SECRET: &str = "battery";

/// Skips a test loudly where there is no server.
macro_rules! scratch {
    () => {
        match Scratch::find().await {
            Some(scratch) => scratch,
            None => return postgres::skip(),
        }
    };
}

/// Its URL with a password.
fn url(scratch: &Scratch) -> String {
    scratch.url().replacen('@', &format!(":{SECRET}@"), 1)
}

#[tokio::test]
async fn all_that_a_client_does_works() {
    let scratch = scratch!();
    let app = TestApp::on_server(&url(&scratch)).await;
    let alice = app.paired(ALICE).await;
    app.phones().create(BOB).await;
    app.send(&alice, BOB, "a first word").await.expect(200);
    let written = app.phones().write(BOB, ALICE, "and an answer").await;
    app.event(&alice, "message_received", |data| data["messageId"] == written.as_str()).await;

    let (app, missed) =
        app.restart_after(async |phones| phones.write(BOB, ALICE, "while you were away").await).await;
    app.until_ready(&alice).await;
    app.event(&alice, "message_received", |data| data["messageId"] == missed.as_str()).await;
    app.send(&alice, BOB, "a last word").await.expect(200);
    let (client, one) = (app.client(), format!("/api/instances/{alice}"));
    let chat = client.get(&format!("{one}/chats/{BOB}@s.whatsapp.net/messages")).await.expect(200);
    assert_eq!(chat["pagination"]["total"], 4, "{chat}");
    let found = until("it is found by its words", || async {
        let found = client.get(&format!("{one}/messages/search?q=answer")).await.expect(200);
        found["messages"].as_array().expect("a list").first().cloned()
    })
    .await;
    assert_eq!(found["messageId"], written.as_str());
    client.put(&one, json!({"tags": ["served"]})).await.expect(200);
    let listed = client.get("/api/instances?tag=served").await.expect(200);
    assert_eq!(listed["instances"][0]["id"], alice.as_str());
    let user = app.another_user("zoe@example.org").await;
    user.get(&one).await.expect_error(404, "not_found");
    app.anonymous()
        .post("/api/auth/login", json!({"email": "zoe@example.org", "password": PASSWORD}))
        .await
        .expect(200);
    client.delete(&one).await.expect(200);
    client.get(&one).await.expect_error(404, "not_found");
    app.stop().await;
}

#[tokio::test]
async fn the_server_is_told_without_credentials() {
    let scratch = scratch!();
    let app = TestApp::on_server(&url(&scratch)).await;
    let client = app.client();
    let status = client.get("/api/db/status").await.expect(200);
    assert_eq!(status["provider"], "postgres");
    let shown = status["url"].as_str().expect("a URL");
    assert!(shown.starts_with("postgres://127.0.0.1:") && shown.ends_with("/postgres"), "{shown}");
    until("it is ready", || async { (client.get("/readyz").await.status == 200).then_some(()) }).await;
    let health = client.get("/health").await.expect(200);
    assert_eq!(health["database"], json!({"provider": "postgres", "status": "ok"}));
    let same = client.post("/api/db/switch", json!({"provider": "postgres"})).await.expect(200);
    assert_eq!(same["provider"], "postgres");
    let other = client.post("/api/db/switch", json!({"provider": "sqlite"})).await;
    other.expect_error(501, "not_implemented").about("provider");
    app.stop().await;
}

/// The environment of a process with a folder of its own.
fn environment<'a>(folder: &'a TempDir, url: &'a str) -> Vec<(&'a str, &'a str)> {
    let folder = folder.path().to_str().expect("UTF-8");
    vec![("LISTEN", "127.0.0.1:0"), ("DATA_DIR", folder), ("DATABASE_URL", url), ("LOG", "info")]
}

fn is_told(log: &str) -> bool {
    log.contains(SECRET)
}

#[tokio::test]
async fn commands_work_on_it_and_none_tells_the_password() {
    let scratch = scratch!();
    let (folder, url) = (tempfile::tempdir().unwrap(), url(&scratch));
    let environment = environment(&folder, &url);
    let mut said = String::new();
    let mut run = |args: &[&str], code: i32| {
        let output = output(args, &environment);
        let shown = text(&output.stdout) + &text(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{args:?}: {shown}");
        said += &shown;
        shown
    };
    // Nothing is there yet.
    assert!(
        run(&["user", "reset-password", "admin@localhost"], 1)
            .contains("there is no database at postgres://")
    );
    assert!(run(&["rotate-key"], 1).contains("there is no database at postgres://"));
    assert!(run(&["migrate"], 0).contains("is up to date"));

    let mut process = Process::start(&["serve"], &environment);
    let line = process.line_with("http://127.0.0.1:");
    let client = Client::anonymous(line[line.find("http://").unwrap()..].trim());
    until("it is ready", || async { (client.get("/readyz").await.status == 200).then_some(()) }).await;
    run(&["user", "reset-password", "admin@localhost"], 0);
    let kept = std::fs::read_to_string(folder.path().join("new-password.txt")).unwrap();
    let password = kept.lines().find(|line| line.starts_with("password")).unwrap();
    let password = password.split_whitespace().last().unwrap();
    let login = json!({"email": "admin@localhost", "password": password});
    client.post("/api/auth/login", login).await.expect(200);
    // WhatsApp isn't there; the database is.
    let looked = output(&["doctor"], &environment);
    let looked = text(&looked.stdout);
    assert!(looked.lines().any(|line| line.starts_with("ok") && line.contains("can be reached")), "{looked}");
    process.signal("-TERM");
    assert_eq!(process.exit_code(), Some(0));
    assert!(run(&["rotate-key"], 0).contains("sealed with the new key"));
    let log = process.errors();
    assert!(!is_told(&log) && !is_told(&said) && !is_told(&looked), "{log}{said}{looked}");
}

#[tokio::test]
async fn what_keeps_it_from_starting_is_said() {
    let scratch = scratch!();
    let (first, second) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let url = url(&scratch);
    let refused = |folder: &TempDir, url: &str, more: &[(&str, &str)]| {
        let environment: Vec<_> = environment(folder, url).into_iter().chain(more.iter().copied()).collect();
        let output = output(&["serve"], &environment);
        let shown = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{shown}");
        assert!(!is_told(&shown), "{shown}");
        shown.lines().find(|line| line.starts_with("trunkline: ")).expect("a sentence").to_owned()
    };
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let nowhere = format!("postgres://zoe:{SECRET}@127.0.0.1:{closed}/gateway");
    let said = refused(&first, &nowhere, &[]);
    assert!(said.contains(&format!("postgres://zoe@127.0.0.1:{closed}/gateway")), "{said}");
    assert!(said.contains("refused"), "{said}");

    assert_eq!(output(&["migrate"], &environment(&first, &url)).status.code(), Some(0));
    let said = refused(&second, &url, &[]);
    assert!(said.contains("MASTER_KEY isn't set") && said.contains("was sealed with a key"), "{said}");
    let said = refused(&second, &url, &[("MASTER_KEY", &"ab".repeat(32))]);
    assert!(said.contains("another master key"), "{said}");
    // A key that has sealed another database.
    let elsewhere = Scratch::find().await.expect("there was one a moment ago");
    let said = refused(&first, &self::url(&elsewhere), &[]);
    assert!(said.contains("DATABASE_URL names") && said.contains("--init"), "{said}");
    let newer = "INSERT INTO __diesel_schema_migrations (version) VALUES ('99999999999999')";
    scratch.connect().await.batch_execute(newer).await.unwrap();
    let said = refused(&first, &url, &[]);
    assert!(said.contains("99999999999999 of a newer release"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_gateway_with_the_same_key_says_who_carries_the_instances() {
    let scratch = scratch!();
    let app = TestApp::on_server(&url(&scratch)).await;
    app.paired(ALICE).await;
    let key = std::fs::read_to_string(app.config().data_dir.join("master.key")).unwrap();
    let (folder, url) = (tempfile::tempdir().unwrap(), url(&scratch));
    let mut environment = environment(&folder, &url);
    environment.extend([("MASTER_KEY", key.trim())]);
    let mut process = Process::start(&["serve"], &environment);
    let line = process.line_with("http://127.0.0.1:");
    let client = Client::anonymous(line[line.find("http://").unwrap()..].trim()).with_key(app.api_key());
    until("it is ready", || async { (client.get("/readyz").await.status == 200).then_some(()) }).await;
    let instances: Value = client.get("/api/instances").await.expect(200);
    assert_eq!(instances["instances"].as_array().map(Vec::len), Some(1));
    process.signal("-TERM");
    assert_eq!(process.exit_code(), Some(0));
    let log = process.errors();
    assert!(log.contains("another process on this database carries instances"), "{log}");
    assert!(!is_told(&log), "{log}");
    app.stop().await;
}
