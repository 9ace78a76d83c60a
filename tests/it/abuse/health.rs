//! Health says what the promise rests on: that something can be written.

use std::time::Duration;

use reqwest::Method;
use rustix::process::{Pid, Resource, Rlimit, prlimit};
use serde_json::{Value, json};
use test_support::until_within;
use trunkline_tests::{Gateway, GatewayOptions, Simulator};

use super::launch::{PATIENCE, script, until_status};

/// Lets the process write files up to this size from now on: the next byte beyond it fails as on a full disk.
fn limit_files(gateway: &mut Gateway, bytes: Option<u64>) {
    let pid = Pid::from_raw(i32::try_from(gateway.process().pid()).unwrap());
    prlimit(pid, Resource::Fsize, Rlimit { current: bytes, maximum: None }).unwrap();
}

async fn health(gateway: &Gateway, key: Option<&str>) -> (u16, Value) {
    let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(30)).build().unwrap();
    let mut request = client.get(format!("{}/health", gateway.url()));
    if let Some(key) = key {
        request = request.header("x-api-key", key);
    }
    let answer = request.send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn while_nothing_can_be_written_health_says_so_and_nobody_has_to_call_for_it_to_end() {
    let simulator = Simulator::start().await;
    let (folder, bin) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    // Without the signal, a write beyond the limit is an error like any other.
    let binary = script(bin.path(), "trap '' XFSZ\nexec 2>/dev/null");
    let options = GatewayOptions { binary: Some(&binary), ..GatewayOptions::of(folder.path()) };
    let mut gateway = Gateway::start(&simulator, &options).await;
    until_status(gateway.url(), "/readyz", 200).await;

    limit_files(&mut gateway, Some(0));
    let body = json!({"name": "too much"});
    let (status, answer) = gateway.call(Method::POST, "/api/instances", Some(body)).await.unwrap();
    assert!(status.is_server_error(), "{status} {answer}");
    until_status(gateway.url(), "/readyz", 503).await;
    // Starting again would help nobody.
    until_status(gateway.url(), "/livez", 200).await;
    let (status, told) = health(&gateway, Some(gateway.api_key())).await;
    assert_eq!((status, &told["status"]), (503, &json!("failing")), "{told}");
    let database = &told["database"];
    assert_eq!(database["status"], "failing", "{told}");
    assert!(database["since"].is_string() && database["error"].is_string(), "{told}");
    assert_eq!(health(&gateway, None).await, (503, json!({"status": "failing"})));

    limit_files(&mut gateway, None);
    until_status(gateway.url(), "/readyz", 200).await;
    let (_, told) = health(&gateway, Some(gateway.api_key())).await;
    assert_eq!(told["database"]["status"], "ok", "{told}");
    let (status, answer) =
        gateway.call(Method::POST, "/api/instances", Some(json!({"name": "enough"}))).await.unwrap();
    assert_eq!(status.as_u16(), 201, "{answer}");
    assert!(gateway.process().stop());
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_learn_nothing_from_health_but_how_it_is() {
    let simulator = Simulator::start().await;
    let folder = tempfile::tempdir().unwrap();
    let options = GatewayOptions::of(folder.path());
    let gateway = Gateway::start(&simulator, &options).await;
    until_status(gateway.url(), "/readyz", 200).await;
    for key in [None, Some("wrong")] {
        assert_eq!(health(&gateway, key).await, (200, json!({"status": "ok"})));
    }
    let told = until_within("it counts", PATIENCE, || async {
        let (status, told) = health(&gateway, Some(gateway.api_key())).await;
        (status == 200).then_some(told)
    })
    .await;
    assert!(told["version"].is_string() && told["instances"]["total"] == 0, "{told}");
}
