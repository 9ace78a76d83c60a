//! Events as streams.

use reqwest::Method;
use serde_json::{Value, json};

use crate::app::TestApp;
use crate::listener::Listener;

const ALICE: &str = "15550100001";
const BOB: &str = "15550100002";
const CAROL: &str = "15550100003";

#[tokio::test]
async fn a_stream_tells_what_the_log_has_and_goes_on_where_it_was() {
    let app = TestApp::start().await;
    let client = app.client();
    let alice = app.paired(ALICE).await;
    app.phones().create(BOB).await;
    let path = format!("/api/instances/{alice}/events/stream");
    let mut listener = Listener::open(&client, &format!("{path}?after=0"), None).await;
    let mut last = String::new();
    for n in 0..40 {
        last = app.phones().write(BOB, ALICE, &format!("text {n}")).await;
    }
    let mut told = until_message(&mut listener, &last).await;
    // Cut, while more happens.
    let last_id = listener.last_id.clone().unwrap();
    drop(listener);
    for n in 0..40 {
        last = app.phones().write(BOB, ALICE, &format!("more {n}")).await;
    }
    let mut listener = Listener::open(&client, &format!("{path}?after=0"), Some(&last_id)).await;
    told.extend(until_message(&mut listener, &last).await);

    let log = format!("/api/instances/{alice}/events?limit=1000&since=2020-01-01T00:00:00Z");
    let log = client.get(&log).await.expect(200)["events"].as_array().unwrap().clone();
    let at = log.iter().position(|event| event["data"]["messageId"] == last.as_str()).unwrap();
    // Codes are forgotten once they are void, whoever has heard of them.
    let without_code = |events: &[Value]| {
        let mut events = events.to_vec();
        events.iter_mut().filter(|event| event["type"] == "qr_received").for_each(|event| {
            event["data"]["qrCode"] = Value::Null;
        });
        events
    };
    assert_eq!(without_code(&told), without_code(&log[..=at]));
    app.stop().await;
    assert_eq!(listener.next().await.filter(|event| event["type"] != "disconnected"), None);
}

#[tokio::test]
async fn a_stream_tells_of_the_types_that_it_asks_for_and_begins_now() {
    let app = TestApp::start().await;
    let client = app.client();
    let alice = app.paired(ALICE).await;
    app.phones().create(BOB).await;
    app.event(&alice, "connected", |_| true).await;
    let path = format!("/api/instances/{alice}/events/stream?types=message_sent,webhook_updated");
    let mut listener = Listener::open(&client, &path, None).await;
    app.phones().write(BOB, ALICE, "not asked for").await;
    let sent = app.send(&alice, BOB, "asked for").await.expect(200);
    let told = listener.next().await.unwrap();
    assert_eq!((&told["type"], &told["data"]["messageId"]), (&Value::from("message_sent"), &sent["id"]));
    client
        .put(&format!("/api/instances/{alice}"), json!({"webhookSettings": {"maxRetries": 2}}))
        .await
        .expect(200);
    assert_eq!(listener.next().await.unwrap()["type"], "webhook_updated");

    // It ends with the instance.
    client.delete(&format!("/api/instances/{alice}")).await.expect(200);
    assert_eq!(listener.next().await, None);
    app.stop().await;
}

#[tokio::test]
async fn wrong_wishes_for_a_stream_are_refused() {
    let app = TestApp::start().await;
    let client = app.client();
    let path = format!("/api/instances/{}/events/stream", app.create("refused").await);
    for (query, field) in [("types=rumour", "types"), ("after=soon", "after")] {
        client.get(&format!("{path}?{query}")).await.expect_error(400, "invalid_request").about(field);
        client
            .get(&format!("/api/events/stream?{query}"))
            .await
            .expect_error(400, "invalid_request")
            .about(field);
    }
    for path in [path.as_str(), "/api/events/stream"] {
        let request = client.request(Method::GET, path).header("last-event-id", "yesterday");
        client.send(request).await.expect_error(400, "invalid_request").about("Last-Event-ID");
        app.anonymous().get(path).await.expect_error(401, "unauthorized");
        client.get(&format!("{path}?since=1")).await.expect_error(400, "unknown_field").about("since");
    }
    let other = "/api/instances/0190a0a0-0000-7000-8000-000000000000/events/stream";
    client.get(other).await.expect_error(404, "not_found");
    app.stop().await;
}

#[tokio::test]
async fn one_stream_tells_of_all_instances_and_misses_nothing() {
    let app = TestApp::start().await;
    let client = app.client();
    let (alice, carol) = (app.paired(ALICE).await, app.paired(CAROL).await);
    app.phones().create(BOB).await;
    let path = "/api/events/stream?types=message_received";
    let mut listener = Listener::open(&client, path, None).await;
    let first = app.phones().write(BOB, ALICE, "to alice").await;
    let told = listener.next().await.unwrap();
    assert_eq!(told["data"]["messageId"], first.as_str());
    assert_eq!(told["data"]["instanceId"], alice.as_str());
    let last_id = listener.last_id.clone().unwrap();
    drop(listener);

    let missed = app.phones().write(BOB, CAROL, "to carol").await;
    let seen = app.event(&carol, "message_received", |data| data["messageId"] == missed.as_str()).await;
    let mut listener = Listener::open(&client, path, Some(&last_id)).await;
    until_message(&mut listener, &missed).await;
    // What came shortly before the cut comes again, with the id that it had.
    let again = Listener::open(&client, "/api/events/stream?after=2020-01-01T00:00:00Z", None).await;
    let again = until_message(&mut { again }, &missed).await;
    assert!(again.contains(&seen));
    let live = app.phones().write(BOB, CAROL, "live").await;
    until_message(&mut listener, &live).await;
    app.stop().await;
    assert_eq!(listener.next().await, None);
}

/// All that a stream tells up to this message.
async fn until_message(listener: &mut Listener, id: &str) -> Vec<Value> {
    let mut told = Vec::new();
    loop {
        let event = listener.next().await.expect("the stream goes on");
        let is_it = event["data"]["messageId"] == id;
        told.push(event);
        if is_it {
            return told;
        }
    }
}

#[tokio::test]
async fn linking_is_one_stream_from_the_code_to_ready() {
    let app = TestApp::start().await;
    let client = app.client();
    let id = app.create("by scan").await;
    let path = format!("/api/instances/{id}/link");
    app.phones().create(ALICE).await;
    let mut listener = Listener::open(&client, &path, None).await;
    let qr = step(&mut listener, "qr").await;
    crate::answer::assert_time(&qr["expiresAt"]);
    app.phones().scan(ALICE, qr["qrCode"].as_str().unwrap()).await;
    let ready = step(&mut listener, "ready").await;
    assert_eq!(ready["jid"], format!("{ALICE}@s.whatsapp.net"));
    assert_eq!((listener.next().await, listener.last_id.as_deref()), (None, Some("end")));

    // Whoever asks again is told at once, and a browser that comes back by itself is told to stop.
    let mut again = Listener::open(&client, &path, None).await;
    assert_eq!(again.next().await.unwrap()["step"], "ready");
    let request = client.request(Method::GET, &path).header("last-event-id", "end");
    assert_eq!(client.send(request).await.status, 204);

    client.call(&format!("/api/instances/{id}/pause")).await.expect(200);
    let mut paused = Listener::open(&client, &path, None).await;
    let failed = paused.next().await.unwrap();
    assert_eq!((&failed["step"], &failed["error"]["cause"]), (&json!("failed"), &json!("paused")));
    assert_eq!(paused.next().await, None);
    app.stop().await;
}

#[tokio::test]
async fn linking_by_a_code_that_is_entered_is_a_stream_too() {
    let app = TestApp::start().await;
    let client = app.client();
    let id = app.create("by code").await;
    app.phones().create(ALICE).await;
    let path = format!("/api/instances/{id}/link?phone=%2B1%20555%20010%200001");
    let mut listener = Listener::open(&client, &path, None).await;
    let code = step(&mut listener, "code").await;
    app.phones().enter_code(ALICE, code["code"].as_str().unwrap()).await;
    step(&mut listener, "ready").await;

    let nobody = app.create("nobody").await;
    let path = format!("/api/instances/{nobody}/link");
    let mut listener = Listener::open(&client, &format!("{path}?phone=15550109999"), None).await;
    let failed = step(&mut listener, "failed").await;
    assert_eq!(failed["error"]["code"], "refused");
    client.get(&format!("{path}?phone=letters")).await.expect_error(400, "invalid_request").about("phone");
    let other = "/api/instances/0190a0a0-0000-7000-8000-000000000000/link";
    client.get(other).await.expect_error(404, "not_found");
    // Nobody waits for one that is gone.
    let mut listener = Listener::open(&client, &path, None).await;
    step(&mut listener, "qr").await;
    client.delete(&format!("/api/instances/{nobody}")).await.expect(200);
    assert_eq!(step(&mut listener, "failed").await["error"]["code"], "not_found");
    app.stop().await;
}

/// The first step of this name.
async fn step(listener: &mut Listener, name: &str) -> Value {
    loop {
        let told = listener.next().await.expect("the stream goes on");
        if told["step"] == name {
            return told;
        }
        assert!(told["step"] != "failed" && told["step"] != "ready", "{told}");
    }
}
