//! Why an instance isn't connected, and when that changes.

use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use trunkline::application::Application;
use trunkline::config::Config;

use crate::app::TestApp;
use crate::client::Client;
use crate::until::until;

const ALICE: &str = "15550100001";

/// Where the instance stands, once it isn't connected for this cause.
async fn stopped_by(app: &TestApp, id: &str, cause: &str) -> Value {
    let (client, path) = (app.client(), format!("/api/instances/{id}/status"));
    until(cause, || async {
        let status = client.get(&path).await.expect(200)["connectionDetails"].clone();
        (status["cause"] == cause && status["retryAt"].is_string()).then_some(status)
    })
    .await
}

async fn logins(app: &TestApp) -> Value {
    let simulator = app.phones().simulator();
    json!(simulator.phone(ALICE).expect("a phone").devices()[0].logins)
}

#[tokio::test]
async fn a_ban_is_kept_over_a_restart_and_ends_by_itself() {
    let app = TestApp::start().await;
    let id = app.paired(ALICE).await;
    app.phones().fault(json!({"kind": "ban", "code": 101, "seconds": 4, "growth": 3600})).await;
    app.phones().fault(json!({"kind": "drop"})).await;
    let before = stopped_by(&app, &id, "banned").await;
    let (until_before, retry_at) = (before["bannedUntil"].as_str(), before["retryAt"].as_str());
    assert!(retry_at > until_before, "{before}");
    let told = app.event(&id, "disconnected", |data| data["cause"] == "banned").await;
    assert_eq!(
        (&told["data"]["until"], &told["data"]["willReconnect"]),
        (&before["bannedUntil"], &json!(true))
    );
    assert!(told["data"]["raw"].as_str().expect("the stanza").contains("expire=\"4\""), "{told}");

    // A login before its end would make it an hour longer.
    let app = app.restart().await;
    app.until_ready(&id).await;
    assert_eq!(logins(&app).await, 2);
    app.stop().await;
}

#[tokio::test]
async fn an_unknown_failure_is_tried_again_and_says_when() {
    let app = TestApp::start().await;
    let id = app.paired(ALICE).await;
    app.phones().fault(json!({"kind": "failure", "reason": 501})).await;
    app.phones().fault(json!({"kind": "drop"})).await;
    stopped_by(&app, &id, "failure").await;
    // Nobody has to wait for it.
    app.client().call(&format!("/api/instances/{id}/reconnect")).await.expect(200);
    app.until_ready(&id).await;
    app.stop().await;
}

#[tokio::test]
async fn waiting_for_a_code_says_for_what() {
    let folder = tempfile::tempdir().expect("a folder");
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").expect("a socket");
    let url = format!("ws://{}/ws/chat", nobody.local_addr().expect("an address"));
    drop(nobody);
    let mut config = Config::in_folder(folder.path());
    config.bcrypt_cost = 4;
    config.whatsapp.url = Some(url.parse().expect("a URL"));
    let gateway = Application::build(config).await.expect("a gateway");
    let client = Client::anonymous(&gateway.url()).with_key(&gateway.first_start().expect("new").api_key);
    let stop = CancellationToken::new();
    let running = tokio::spawn(gateway.run(stop.clone()));
    let created = client.post("/api/instances", json!({"name": "nowhere"})).await.expect(201);
    let path = format!("/api/instances/{}/qr", created["id"].as_str().expect("an id"));
    let waiting = until("a cause", || async {
        let answer = client.get(&path).await.expect(202);
        answer["retryAt"].is_string().then_some(answer)
    })
    .await;
    assert_eq!((&waiting["cause"], &waiting["status"]), (&json!("network"), &json!("generating")));
    let health = client.get("/health").await.expect(200);
    assert_eq!(health["waiting"]["network"]["instances"], 1, "{health}");
    stop.cancel();
    running.await.expect("no panic").expect("a graceful end");
}
