use std::time::{Duration, Instant};

use serde_json::{Value, json};

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

#[tokio::test]
async fn an_entry_says_what_the_api_documents() {
    let app = TestApp::start().await;
    let alice = app.paired(ALICE).await;
    app.phones().create(BOB).await;
    let id = app.phones().write(BOB, ALICE, "hello").await;
    let event = app.event(&alice, "message_received", |data| data["messageId"] == id.as_str()).await;
    assert_eq!(keys(&event), ["data", "id", "timestamp", "type"]);
    let data = &event["data"];
    let documented = json!({
        "instanceId": alice, "messageId": id, "remoteJid": format!("{BOB}@s.whatsapp.net"), "fromMe": false,
        "body": "hello", "hasMedia": false, "status": "received",
    });
    for (name, value) in documented.as_object().unwrap() {
        assert_eq!(&data[name], value, "{name}");
    }
    assert!(data["metadata"]["timestamp"].is_u64(), "{data}");
    app.stop().await;
}

#[tokio::test]
async fn a_question_waits_for_its_answer() {
    let app = TestApp::start().await;
    let client = app.client();
    let alice = app.paired(ALICE).await;
    app.phones().create(BOB).await;
    app.event(&alice, "connected", |_| true).await;
    let path = format!("/api/instances/{alice}/events?types=message_received&wait=60");
    let waiting = tokio::spawn({
        let (client, path) = (client.clone(), path.clone());
        async move { client.get(&path).await.expect(200) }
    });
    let id = app.phones().write(BOB, ALICE, "worth waiting for").await;
    let began = Instant::now();
    let page = waiting.await.unwrap();
    assert_eq!((&page["count"], &page["events"][0]["data"]["messageId"]), (&json!(1), &json!(id)));
    assert!(began.elapsed() < Duration::from_secs(30), "{:?}", began.elapsed());

    // What is there already is answered at once; what never comes, when the time is over.
    assert_eq!(client.get(&path).await.expect(200)["count"], 1);
    let none = format!("/api/instances/{alice}/events?types=limit_exceeded&wait=1");
    assert_eq!(client.get(&none).await.expect(200)["events"], json!([]));
    for wait in ["61", "-1", "1.5", "long"] {
        let answer = client.get(&format!("/api/instances/{alice}/events?wait={wait}")).await;
        answer.expect_error(400, "invalid_request").about("wait");
    }
    app.stop().await;
}

#[tokio::test]
async fn a_gateway_that_stops_answers_those_who_wait() {
    let app = TestApp::start().await;
    let id = app.create("waiting").await;
    let client = app.client();
    let waiting: Vec<_> = (0..8)
        .map(|_| {
            let (client, path) =
                (client.clone(), format!("/api/instances/{id}/events?types=connected&wait=60"));
            tokio::spawn(async move { client.get(&path).await })
        })
        .collect();
    client.get("/api/auth/me").await.expect(200);
    let began = Instant::now();
    app.stop().await;
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    for waiting in waiting {
        // A connection that the stopping gateway no longer took is no answer.
        if let Ok(answer) = waiting.await {
            assert_eq!(answer.expect(200)["events"], Value::Array(Vec::new()));
        }
    }
}
