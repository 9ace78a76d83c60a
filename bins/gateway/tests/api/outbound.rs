//! How the gateway reaches WhatsApp: through a proxy, and with the version that is current.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use crate::app::TestApp;
use crate::until::until;

const ALICE: &str = "15550100001";

/// An HTTP proxy for whoever knows its password.
struct Proxy {
    url: String,
    tunnels: Arc<AtomicUsize>,
    serving: JoinHandle<()>,
}

impl Proxy {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://gateway:secret@{}", listener.local_addr().unwrap());
        let tunnels = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&tunnels);
        let serving = tokio::spawn(async move {
            loop {
                let (client, _) = listener.accept().await.unwrap();
                tokio::spawn(tunnel(client, Arc::clone(&counter)));
            }
        });
        Self { url, tunnels, serving }
    }

    fn tunnels(&self) -> usize {
        self.tunnels.load(Ordering::SeqCst)
    }
}

async fn tunnel(mut client: TcpStream, counter: Arc<AtomicUsize>) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        if client.read_buf(&mut head).await.unwrap() == 0 {
            return;
        }
    }
    let head = String::from_utf8(head).unwrap();
    if !head.contains("Proxy-Authorization: Basic Z2F0ZXdheTpzZWNyZXQ=\r\n") {
        client.write_all(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n").await.unwrap();
        return;
    }
    let destination = head.strip_prefix("CONNECT ").unwrap().split(' ').next().unwrap();
    let mut server = TcpStream::connect(destination).await.unwrap();
    client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
    counter.fetch_add(1, Ordering::SeqCst);
    let _ = copy_bidirectional(&mut client, &mut server).await;
}

#[tokio::test]
async fn everything_to_whatsapp_goes_through_the_proxy_and_never_around_it() {
    let proxy = Proxy::start().await;
    let url = proxy.url.clone();
    let app = TestApp::configured(|config| config.whatsapp.proxy = Some(url.parse().unwrap())).await;
    let id = app.paired(ALICE).await;
    until("the version is looked up, too", || async { (proxy.tunnels() >= 3).then_some(()) }).await;
    proxy.serving.abort();
    let _ = proxy.serving.await;
    app.phones().fault(json!({"kind": "drop"})).await;
    let client = app.client();
    let path = format!("/api/instances/{id}/status");
    until("the proxy is named", || async {
        let status = client.get(&path).await.expect(200);
        (status["connectionDetails"]["cause"] == "proxy").then_some(())
    })
    .await;
    let simulator = app.phones().simulator();
    assert_eq!(simulator.phone(ALICE).unwrap().devices()[0].logins, 1);
    app.stop().await;
}

#[tokio::test]
async fn a_proxy_that_refuses_the_password_is_named() {
    let proxy = Proxy::start().await;
    let url = proxy.url.replace("secret", "wrong");
    let app = TestApp::configured(|config| config.whatsapp.proxy = Some(url.parse().unwrap())).await;
    let id = app.create("behind a proxy").await;
    let client = app.client();
    let path = format!("/api/instances/{id}/qr");
    until("the proxy is named", || async {
        let waiting = client.get(&path).await.expect(202);
        (waiting["cause"] == "proxy").then_some(())
    })
    .await;
    assert_eq!(proxy.tunnels(), 0);
    app.stop().await;
}

#[tokio::test]
async fn an_instance_may_have_a_proxy_of_its_own() {
    let (proxy, app) = (Proxy::start().await, TestApp::start().await);
    let client = app.client();
    let body = json!({"name": "behind a proxy", "proxy": proxy.url});
    let created = client.post("/api/instances", body).await.expect(201);
    let id = created["id"].as_str().unwrap().to_owned();
    app.link(&id, ALICE).await;
    // The version is looked up on the same way as the two connections.
    until_fetched(&app).await;
    let through = proxy.tunnels();
    assert!(through >= 3, "{through}");
    let path = format!("/api/instances/{id}");
    let shown = client.get(&path).await.expect(200);
    assert_eq!(shown["proxy"], proxy.url.replace("gateway:secret@", ""));

    // It outlives a restart, and with it the password.
    let app = app.restart().await;
    app.until_ready(&id).await;
    assert_eq!(proxy.tunnels(), through + 1);

    // A dead one is no reason to go around it.
    proxy.serving.abort();
    app.phones().fault(json!({"kind": "drop"})).await;
    let (client, status) = (app.client(), format!("{path}/status"));
    until("the proxy is named", || async {
        let status = client.get(&status).await.expect(200);
        (status["connectionDetails"]["cause"] == "proxy").then_some(())
    })
    .await;
    client.put(&path, json!({"proxy": null})).await.expect(200);
    app.until_ready(&id).await;
    assert!(client.get(&path).await.expect(200)["proxy"].is_null());
    app.stop().await;
}

/// What is known of the version, once it was looked up.
async fn until_fetched(app: &TestApp) -> serde_json::Value {
    let client = app.client();
    until("the version is looked up", || async {
        let whatsapp = client.get("/health").await.expect(200)["whatsapp"].clone();
        (whatsapp["origin"] == "fetched").then_some(whatsapp)
    })
    .await
}

#[tokio::test]
async fn a_proxy_that_may_not_be_reached_is_refused_without_repeating_it() {
    let app = TestApp::start().await;
    for proxy in ["socks5://user:battery@10.0.0.1:1080", "https://user:battery@proxy.example", "horse"] {
        let answer = app.client().post("/api/instances", json!({"name": "x", "proxy": proxy})).await;
        let text = answer.body.to_string();
        answer.expect_error(400, "invalid_request");
        assert!(text.contains("proxy") && !text.contains("battery") && !text.contains("horse"), "{text}");
    }
    app.stop().await;
}

#[tokio::test]
async fn senders_see_that_their_messages_were_delivered_unless_the_instance_hides_it() {
    const BOB: &str = "15550100002";
    let app = TestApp::start().await;
    let id = app.paired(ALICE).await;
    app.phones().create(BOB).await;
    let bob = app.phones().simulator().phone(BOB).unwrap();
    let kinds = async |id: String| {
        let entries = bob
            .wait_for_outbox(|entries| {
                let sent = entries.iter().find(|entry| entry.id == id);
                sent.is_some_and(|entry| entry.receipts.iter().any(|receipt| receipt.device > 0))
            })
            .await;
        let sent = entries.into_iter().find(|entry| entry.id == id).unwrap();
        let companion = sent.receipts.into_iter().find(|receipt| receipt.device > 0).unwrap();
        serde_json::to_value(companion).unwrap()["type"].clone()
    };
    let shown = kinds(app.phones().write(BOB, ALICE, "one").await).await;
    let path = format!("/api/instances/{id}");
    app.client().put(&path, json!({"showDelivery": false})).await.expect(200);
    app.until_ready(&id).await;
    let hidden = kinds(app.phones().write(BOB, ALICE, "two").await).await;
    assert_eq!(hidden, "inactive");
    assert_ne!(shown, hidden);
    app.stop().await;
}

#[tokio::test]
async fn the_newest_version_is_announced_and_kept() {
    let app = TestApp::start().await;
    let id = app.paired(ALICE).await;
    let newest = "2.3000.1050000000";
    let fetched = until_fetched(&app).await;
    assert_eq!(fetched["version"], newest, "{fetched}");
    // Every older one is refused from now on, and nobody answers who knows a newer one.
    app.phones().simulator().require_version([2, 3000, 1_050_000_000]);
    let app = app.restart().await;
    app.until_ready(&id).await;
    assert_eq!(app.client().get("/health").await.expect(200)["whatsapp"]["version"], newest);
    app.stop().await;
}

#[tokio::test]
async fn a_refused_version_is_looked_up_and_replaced() {
    let app = TestApp::start().await;
    let id = app.paired(ALICE).await;
    let newer = [2, 3000, 1_060_000_000];
    app.phones().simulator().publish_version(newer);
    app.phones().simulator().require_version(newer);
    app.phones().fault(json!({"kind": "drop"})).await;
    let client = app.client();
    until("the newer version", || async {
        let whatsapp = client.get("/health").await.expect(200)["whatsapp"].clone();
        (whatsapp["version"] == "2.3000.1060000000").then_some(())
    })
    .await;
    app.until_ready(&id).await;
    app.stop().await;
}

#[tokio::test]
async fn whoever_asks_for_a_connection_has_the_version_looked_up_again() {
    let app = TestApp::start().await;
    let id = app.paired(ALICE).await;
    let newer = [2, 3000, 1_060_000_000];
    app.phones().simulator().require_version(newer);
    app.phones().fault(json!({"kind": "drop"})).await;
    app.event(&id, "disconnected", |data| data["cause"] == "outdated").await;
    app.phones().simulator().publish_version(newer);
    app.client().call(&format!("/api/instances/{id}/reconnect")).await.expect(200);
    app.until_ready(&id).await;
    app.stop().await;
}

#[tokio::test]
async fn a_configured_version_is_announced_and_its_refusal_final() {
    let version = "2.3000.1040000000".parse().unwrap();
    let app = TestApp::configured(|config| config.whatsapp.version = Some(version)).await;
    let id = app.paired(ALICE).await;
    let whatsapp = app.client().get("/health").await.expect(200)["whatsapp"].clone();
    assert_eq!(whatsapp, json!({"version": "2.3000.1040000000", "origin": "configured"}));
    app.phones().simulator().require_version([2, 3000, 1_050_000_000]);
    app.phones().fault(json!({"kind": "drop"})).await;
    app.event(&id, "disconnected", |data| data["cause"] == "outdated" && data["willReconnect"] == false)
        .await;
    app.stop().await;
}
