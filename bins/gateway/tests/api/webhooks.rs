use serde_json::{Value, json};
use webhook::Signer;

use crate::app::TestApp;
use crate::receiver::Receiver;
use crate::until::until;

const ALICE: &str = "15550100001";
const BOB: &str = "15550100002";
const SECRET: &str = "a webhook secret";

async fn alice_with_webhook(app: &TestApp, receiver: &Receiver, more: Value) -> String {
    let mut body = json!({
        "name": "alice", "webhookUrl": receiver.url(), "webhookEnabled": true, "webhookSecret": SECRET,
        "notifyReceived": true, "notifySent": true,
    });
    for (name, value) in more.as_object().unwrap() {
        body[name] = value.clone();
    }
    let created = app.client().post("/api/instances", body).await.expect(201);
    let id = created["id"].as_str().unwrap().to_owned();
    app.link(&id, ALICE).await;
    app.phones().create(BOB).await;
    id
}

#[tokio::test]
async fn webhooks_are_signed_and_carry_the_callers_headers() {
    let (app, receiver) = (TestApp::start().await, Receiver::start());
    let alice =
        alice_with_webhook(&app, &receiver, json!({"headers": {"Custom-Header": "custom-value"}})).await;

    let id = app.phones().write(BOB, ALICE, "hello").await;
    let call = receiver.wait_for("message_received", |data| data["messageId"] == id.as_str()).await;
    let signature = call.header("x-webhook-signature").expect("signed");
    assert!(Signer::new(SECRET).verify(&call.raw, signature));
    assert_eq!(call.header("custom-header"), Some("custom-value"));
    assert_eq!(call.header("content-type"), Some("application/json"));
    let data = &call.body["data"];
    assert_eq!(data["instanceId"], alice);
    assert_eq!(data["from"], format!("{BOB}@s.whatsapp.net"));
    assert_eq!((&data["body"], &data["hasMedia"]), (&json!("hello"), &json!(false)));
    assert!(data["timestamp"].is_u64());

    let sent = app.send(&alice, BOB, "hello back").await.expect(200);
    let call = receiver.wait_for("message_sent", |data| data["messageId"] == sent["id"]).await;
    assert_eq!(call.body["data"]["to"], format!("{BOB}@s.whatsapp.net"));
    assert_eq!(call.body["data"]["type"], "text");
    for event in ["qr_received", "connected"] {
        receiver.wait_for(event, |data| data["instanceId"] == alice.as_str()).await;
    }
    app.stop().await;
}

#[tokio::test]
async fn what_is_not_wanted_is_not_delivered() {
    let (app, receiver) = (TestApp::start().await, Receiver::start());
    let alice = alice_with_webhook(&app, &receiver, json!({"notifySent": false})).await;
    app.send(&alice, BOB, "quietly").await.expect(200);
    let id = app.phones().write(BOB, ALICE, "loudly").await;
    receiver.wait_for("message_received", |data| data["messageId"] == id.as_str()).await;
    assert_eq!(receiver.count("message_sent"), 0);
    assert_eq!(receiver.count("message_status"), 0);
    app.stop().await;
}

#[tokio::test]
async fn a_dead_letter_is_kept_and_replayed() {
    let (app, receiver) = (TestApp::start().await, Receiver::start());
    let client = app.client();
    let alice = alice_with_webhook(&app, &receiver, json!({"maxRetries": 0})).await;
    receiver.answer(500);
    let id = app.phones().write(BOB, ALICE, "nobody listens").await;
    let path = format!("/api/instances/{alice}/webhook/dead-letters");
    let letter = until("the dead letter", || async {
        let dead = client.get(&path).await.expect(200);
        let letters = dead["deadLetters"].as_array().expect("a list").clone();
        letters.into_iter().find(|letter| letter["data"]["messageId"] == id.as_str())
    })
    .await;
    assert_eq!(letter["event"], "message_received");
    assert_eq!(letter["attempts"], 1);
    assert_eq!(letter["lastStatus"], 500);
    crate::answer::assert_time(&letter["failedAt"]);

    receiver.answer(200);
    let delivered = receiver.count("message_received");
    let replayed = client.post(&format!("{path}/replay"), json!({"ids": [letter["id"]]})).await.expect(202);
    assert_eq!(replayed, json!({"success": true, "replayed": 1}));
    until("it is delivered", || async { (receiver.count("message_received") > delivered).then_some(()) })
        .await;
    until("it is gone", || async {
        let dead = client.get(&path).await.expect(200);
        let letters = dead["deadLetters"].as_array().expect("a list").clone();
        (!letters.iter().any(|other| other["id"] == letter["id"])).then_some(())
    })
    .await;
    app.stop().await;
}
