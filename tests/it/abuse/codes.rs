//! A QR code holds a secret of the pairing: whoever finds it in a file could link the account.

use reqwest::Method;
use serde_json::{Value, json};
use test_support::until;

use super::seeded::{Seeded, list};

const NUMBER: &str = "15550000061";

#[tokio::test(flavor = "multi_thread")]
async fn a_code_is_in_no_file_and_its_event_is_told_without_it_after_the_pairing() {
    let stage = Seeded::start().await;
    let (id, qr) = stage.gateway.shown(&stage.simulator, NUMBER, None).await;
    let log = format!("/api/instances/{id}/events?types=qr_received&since=2020-01-01T00:00:00Z");
    let codes = async || {
        let page = stage.send(Method::GET, &log, None).await.expect(200);
        list(&page, "events").iter().map(|event| event["data"]["qrCode"].clone()).collect::<Vec<_>>()
    };
    until("it is told", || async { codes().await.contains(&json!(qr)).then_some(()) }).await;
    assert_clear(&stage, &qr);

    stage.simulator.scan(NUMBER, &qr).await;
    stage.gateway.connected(&id).await;
    until("it is told without", || async {
        let told = codes().await;
        (!told.is_empty() && told.iter().all(Value::is_null)).then_some(())
    })
    .await;
    assert_clear(&stage, &qr);
}

/// No part of the code stands in any file of the folder.
#[track_caller]
fn assert_clear(stage: &Seeded, qr: &str) {
    let keys: Vec<_> = qr.split([',', '#']).filter(|part| part.len() >= 40).collect();
    assert!(keys.len() >= 3, "{qr}");
    for (name, content) in stage.files() {
        for key in &keys {
            let found = content.windows(key.len()).any(|window| window == key.as_bytes());
            assert!(!found, "{name} holds a part of the code");
        }
    }
}
