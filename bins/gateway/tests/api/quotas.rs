//! The limits that an owner sets.

use base64::Engine as _;
use serde_json::{Value, json};

use crate::answer::{Answer, assert_time};
use crate::app::TestApp;
use crate::receiver::Receiver;

const ALICE: &str = "15550100001";
const BOB: &str = "15550100002";

async fn limit(app: &TestApp, id: &str, limits: Value) {
    app.client().put(&format!("/api/instances/{id}"), json!({"limits": limits})).await.expect(200);
}

fn assert_exceeded(answer: &Answer, limit: &str, usage: &Value) {
    answer.expect_error(429, "limit_exceeded");
    let error = &answer.body["error"];
    assert_eq!((&error["exceededLimits"], &error["usage"]), (&json!([limit]), usage), "{error}");
    assert_time(&error["retryAt"]);
}

/// The events that tell of this limit.
async fn told(app: &TestApp, id: &str, limit: &str) -> Vec<Value> {
    app.event(id, "limit_exceeded", |data| data["exceededLimits"] == json!([limit])).await;
    let path = format!("/api/instances/{id}/events?types=limit_exceeded&limit=1000");
    let page = app.client().get(&path).await.expect(200);
    let of_limit = |event: &&Value| event["data"]["exceededLimits"] == json!([limit]);
    page["events"].as_array().unwrap().iter().filter(of_limit).cloned().collect()
}

#[tokio::test]
async fn what_is_sent_is_limited_and_told_once() {
    let app = TestApp::start().await;
    let alice = app.paired(ALICE).await;
    app.phones().create(BOB).await;
    limit(&app, &alice, json!({"maxMessagesSent": 2, "period": "day"})).await;
    let first = app.send(&alice, BOB, "one").await.expect(200);
    app.send(&alice, BOB, "two").await.expect(200);
    for text in ["three", "four"] {
        assert_exceeded(&app.send(&alice, BOB, text).await, "maxMessagesSent", &json!({"messagesSent": 2}));
    }
    // What is only about a message doesn't count.
    let react = json!({"phone": BOB, "messageId": first["id"], "emoji": "👍"});
    app.client().post(&format!("/api/whatsapp/{alice}/react"), react).await.expect(200);

    let app = app.restart().await;
    app.until_ready(&alice).await;
    assert_exceeded(&app.send(&alice, BOB, "five").await, "maxMessagesSent", &json!({"messagesSent": 2}));
    let told = told(&app, &alice, "maxMessagesSent").await;
    assert_eq!(told.len(), 1, "once in a period, over restarts: {told:?}");
    assert_eq!(told[0]["data"]["usage"], json!({"messagesSent": 2}));
    let path = format!("/api/instances/{alice}/activity?actions=limit_exceeded");
    assert_eq!(app.client().get(&path).await.expect(200)["pagination"]["total"], 1);

    limit(&app, &alice, Value::Null).await;
    app.send(&alice, BOB, "six").await.expect(200);
    app.stop().await;
}

#[tokio::test]
async fn many_at_once_do_not_pass_a_limit() {
    let app = TestApp::start().await;
    let alice = app.paired(ALICE).await;
    app.phones().create(BOB).await;
    limit(&app, &alice, json!({"maxMessagesSent": 3})).await;
    let sending = (0..8).map(|n| {
        let (app, alice) = (&app, &alice);
        async move { app.send(alice, BOB, &format!("text {n}")).await.status.as_u16() }
    });
    let mut answers = futures_util::future::join_all(sending).await;
    answers.sort_unstable();
    assert_eq!(answers, [200, 200, 200, 429, 429, 429, 429, 429]);
    app.stop().await;
}

#[tokio::test]
async fn what_is_received_is_told_and_never_lost() {
    let app = TestApp::start().await;
    let alice = app.paired(ALICE).await;
    app.phones().create(BOB).await;
    limit(&app, &alice, json!({"maxMessagesReceived": 1})).await;
    for text in ["one", "two", "three"] {
        let id = app.phones().write(BOB, ALICE, text).await;
        app.event(&alice, "message_received", |data| data["messageId"] == id.as_str()).await;
    }
    let told = told(&app, &alice, "maxMessagesReceived").await;
    assert_eq!((told.len(), &told[0]["data"]["limits"]), (1, &json!({"maxMessagesReceived": 1})));
    app.stop().await;
}

#[tokio::test]
async fn files_are_limited_by_their_size() {
    let app = TestApp::start().await;
    let alice = app.paired(ALICE).await;
    app.phones().create(BOB).await;
    limit(&app, &alice, json!({"maxMediaSize": 10})).await;
    let send = format!("/api/whatsapp/{alice}/send-media");
    let file = |bytes: &[u8]| {
        let base64 = base64::engine::general_purpose::STANDARD.encode(bytes);
        json!({"phone": BOB, "base64": base64, "filename": "a.txt", "type": "document"})
    };
    let refused = app.client().post(&send, file(b"more than ten bytes")).await;
    assert_exceeded(&refused, "maxMediaSize", &json!({"mediaSize": 0}));
    app.client().post(&send, file(b"nine byte")).await.expect(200);
    app.send(&alice, BOB, "a text has no file").await.expect(200);
    app.stop().await;
}

#[tokio::test]
async fn calls_are_limited_and_the_limit_can_always_be_changed() {
    let app = TestApp::start().await;
    let client = app.client();
    let id = app.create("busy").await;
    let instance = format!("/api/instances/{id}");
    client.get(&format!("{instance}/status")).await.expect(200);
    limit(&app, &id, json!({"maxApiCalls": 3})).await;
    client.get(&format!("{instance}/status")).await.expect(200);
    let refused = client.get(&format!("{instance}/status")).await;
    assert_exceeded(&refused, "maxApiCalls", &json!({"apiCalls": 3}));
    app.anonymous().get(&format!("{instance}/status")).await.expect_error(401, "unauthorized");
    let shown = client.get(&instance).await.expect(200);
    assert_eq!(shown["limits"], json!({"maxApiCalls": 3, "period": "month"}));
    client.get(&format!("/api/stats/instances/{id}")).await.expect(200);
    limit(&app, &id, json!({"maxApiCalls": null})).await;
    let told = told(&app, &id, "maxApiCalls").await;
    assert_eq!((told.len(), &told[0]["data"]["usage"]), (1, &json!({"apiCalls": 3})));
    app.stop().await;
}

#[tokio::test]
async fn calls_in_the_words_of_others_are_calls() {
    let app = TestApp::start().await;
    let (client, anonymous) = (app.client(), app.anonymous());
    let id = app.create("busy").await;
    let wid = client.get(&format!("/api/instances/{id}/witi")).await.expect(200)["wid"].clone();
    let status = format!("/status.aspx?wid={}", wid.as_str().unwrap());
    let sessions = client.post("/api/v1/sessions-get", json!({})).await.expect(200);
    let session = sessions["data"][0]["unique_id"].clone();
    limit(&app, &id, json!({"maxApiCalls": 5})).await;
    for _ in 0..2 {
        anonymous.get(&status).await.expect(200);
    }
    let chats = async || client.post("/api/v1/get-chats", json!({"WhatsappID": session})).await;
    assert_ne!(chats().await.status, 429);
    assert_eq!(chats().await.status, 429);
    let refused = anonymous.get(&status).await;
    assert_eq!((refused.status.as_u16(), &refused.body["code"]), (429, &json!("limit_exceeded")));
    client.post("/api/v1/sessions-get", json!({})).await.expect(200);
    let usage = client.get(&format!("/api/stats/instances/{id}")).await.expect(200);
    assert_eq!(usage["usage"]["apiCalls"], 5, "{usage}");
    app.stop().await;
}

#[tokio::test]
async fn webhooks_wait_for_the_next_period() {
    let (app, receiver) = (TestApp::start().await, Receiver::start());
    let alice = app.paired(ALICE).await;
    app.phones().create(BOB).await;
    let hook = json!({"name": "hook", "url": receiver.url(), "events": ["message_received"]});
    app.client().post(&format!("/api/instances/{alice}/webhooks"), hook).await.expect(201);
    limit(&app, &alice, json!({"maxWebhooks": 1})).await;
    let mut sent = Vec::new();
    for text in ["one", "two", "three"] {
        sent.push(app.phones().write(BOB, ALICE, text).await);
    }
    receiver.wait_for("message_received", |data| data["messageId"] == sent[0].as_str()).await;
    let told = told(&app, &alice, "maxWebhooks").await;
    assert_eq!((told.len(), receiver.count("message_received")), (1, 1));

    limit(&app, &alice, json!({"maxWebhooks": 100})).await;
    for id in &sent[1..] {
        receiver.wait_for("message_received", |data| data["messageId"] == id.as_str()).await;
    }
    assert_eq!(receiver.count("message_received"), 3, "nothing is skipped, and nothing told twice");
    app.stop().await;
}

#[tokio::test]
async fn limits_are_shown_merged_and_removed() {
    let app = TestApp::start().await;
    let client = app.client();
    let body =
        json!({"name": "limited", "limits": {"maxMessagesSent": 5, "maxWebhooks": 7, "period": "day"}});
    let created = client.post("/api/instances", body).await;
    let (before, created) = (created.header("etag").to_owned(), created.expect(201));
    let instance = format!("/api/instances/{}", created["id"].as_str().unwrap());
    let shown = async || client.get(&instance).await.expect(200)["limits"].clone();
    assert_eq!(shown().await, json!({"maxMessagesSent": 5, "maxWebhooks": 7, "period": "day"}));
    let change = json!({"limits": {"maxMessagesSent": null, "maxMediaSize": 9}});
    let changed = client.put(&instance, change).await;
    assert_ne!(changed.header("etag"), before);
    assert_eq!(shown().await, json!({"maxMediaSize": 9, "maxWebhooks": 7, "period": "day"}));
    let path = format!("{instance}/activity?actions=updated");
    assert_eq!(client.get(&path).await.expect(200)["logs"][0]["details"], json!({"fields": ["limits"]}));
    client.put(&instance, json!({"limits": null})).await.expect(200);
    assert_eq!(shown().await, json!({}));

    for (limits, code, field) in [
        (json!({"maxMessagesSent": -1}), "invalid_request", "limits.maxMessagesSent"),
        (json!({"maxMessagesSent": "5"}), "invalid_request", "limits.maxMessagesSent"),
        (json!({"maxApiCalls": 9_007_199_254_740_992_u64}), "invalid_request", "limits"),
        (json!({"period": "week"}), "invalid_request", "limits.period"),
        (json!({"maxFun": 1}), "unknown_field", "limits.maxFun"),
    ] {
        client.put(&instance, json!({"limits": limits})).await.expect_error(400, code).about(field);
        let new = json!({"name": "x", "limits": limits});
        client.post("/api/instances", new).await.expect_error(400, code).about(field);
    }
    app.stop().await;
}
