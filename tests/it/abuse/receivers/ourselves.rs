use reqwest::Method;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use trunkline_tests::Simulator;

use super::stage::Stage;

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_reaches_neither_the_gateway_nor_its_whatsapp() {
    let simulator = Simulator::start().await;
    let stage = Stage::start_beside(&simulator).await;
    let webhooks = stage.instance("inside").await;
    let port = stage.port();
    let sim = simulator.process().url().to_owned();
    let urls = [
        format!("http://127.0.0.1:{port}/api/instances"),
        format!("http://127.0.0.2:{port}/"),
        format!("http://localhost:{port}/"),
        format!("http://[::ffff:127.0.0.1]:{port}/"),
        format!("http://2130706433:{port}/"),
        format!("{sim}/sim/reset"),
    ];
    for url in urls {
        let body = json!({"name": "hook", "url": url});
        let refused = stage.expect(Method::POST, &webhooks, body, 400).await;
        assert_eq!(refused["error"]["field"], "url", "{url}: {refused}");
    }
    // Another port of this machine is somebody else's, and allowed.
    stage.webhook(&webhooks, "neighbour", "http://127.0.0.1:9/", json!({})).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_gateway_is_opened_by_its_very_address_and_port() {
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let environment = [("LISTEN", free.to_string()), ("OUTBOUND_ALLOW", free.to_string())];
    let stage = Stage::start(&environment).await;
    let webhooks = stage.instance("inside").await;
    stage.webhook(&webhooks, "named", &format!("http://{free}/livez"), json!({})).await;
    let other = json!({"name": "other", "url": format!("http://localhost:{}/", free.port())});
    stage.expect(Method::POST, &webhooks, other, 400).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn headers_and_secrets_that_do_harm_are_refused_by_name() {
    let stage = Stage::start(&[]).await;
    let webhooks = stage.instance("headers").await;
    let refuse = async |field: &str, value: Value| {
        let mut body = json!({"name": "hook", "url": "http://127.0.0.1:10/"});
        body[field] = value;
        let refused = stage.expect(Method::POST, &webhooks, body, 400).await;
        assert_eq!(refused["error"]["field"], field, "{refused}");
    };
    for name in [
        "X_Webhook_Signature",
        "X-Webhook_Signature",
        "x-webhook-signature-v2",
        "content_length",
        "Proxy",
        "HTTP2-Settings",
        "Transfer_Encoding",
        "TE",
        "Proxy-Connection",
    ] {
        refuse("headers", json!({ name: "1" })).await;
    }
    for value in ["é", "a\tb", "a\u{7f}b", "a\r\nb: c"] {
        refuse("headers", json!({ "A": value })).await;
    }
    for secret in ["x".to_owned(), "x".repeat(11), "x".repeat(257)] {
        refuse("secret", json!(secret)).await;
    }
}
