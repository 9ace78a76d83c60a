use serde_json::json;

use crate::answer::{assert_time, keys};
use crate::app::TestApp;

const ALICE: &str = "15550100001";
const BOB: &str = "15550100002";

#[tokio::test]
async fn the_log_polled_as_the_documented_client_polls_it_skips_and_repeats_nothing() {
    let app = TestApp::start().await;
    let client = app.client();
    let alice = app.paired(ALICE).await;
    app.phones().create(BOB).await;
    let mut sent = Vec::new();
    for n in 0..25 {
        sent.push(app.phones().write(BOB, ALICE, &format!("text {n}")).await);
    }
    let last = sent.last().unwrap().clone();
    app.event(&alice, "message_received", |data| data["messageId"] == last.as_str()).await;

    let mut seen = Vec::new();
    let mut since = "2020-01-01T00:00:00.000Z".to_owned();
    loop {
        let page =
            client.get(&format!("/api/instances/{alice}/events?limit=10&since={since}")).await.expect(200);
        assert_eq!(keys(&page), ["count", "events", "hasMore", "latestTimestamp"]);
        let events = page["events"].as_array().unwrap();
        assert_eq!(page["count"], events.len());
        for event in events {
            assert_time(&event["timestamp"]);
            if event["type"] == "message_received" {
                seen.push(event["data"]["messageId"].as_str().unwrap().to_owned());
            }
        }
        if events.is_empty() {
            assert_eq!(page["hasMore"], false);
            break;
        }
        since = page["latestTimestamp"].as_str().unwrap().to_owned();
    }
    assert_eq!(seen, sent);
    app.stop().await;
}

#[tokio::test]
async fn types_filter_and_limits_bound() {
    let app = TestApp::start().await;
    let client = app.client();
    let alice = app.paired(ALICE).await;
    app.event(&alice, "connected", |_| true).await;
    let path = format!("/api/instances/{alice}/events");
    let page = client.get(&format!("{path}?types=connected,disconnected")).await.expect(200);
    let events = page["events"].as_array().unwrap();
    assert!(!events.is_empty());
    assert!(events.iter().all(|event| event["type"] == "connected" || event["type"] == "disconnected"));
    let one = client.get(&format!("{path}?limit=1&since=2020-01-01T00:00:00Z")).await.expect(200);
    assert_eq!(one["count"], 1);
    assert_eq!(one["hasMore"], true);
    let none = client.get(&format!("{path}?types=limit_exceeded")).await.expect(200);
    assert_eq!((&none["events"], &none["count"], &none["hasMore"]), (&json!([]), &json!(0), &json!(false)));
    app.stop().await;
}
