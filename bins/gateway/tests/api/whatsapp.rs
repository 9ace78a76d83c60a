use reqwest::Method;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;

use crate::answer::keys;
use crate::app::TestApp;
use crate::until::until;

const ALICE: &str = "15550100001";
const BOB: &str = "15550100002";

#[tokio::test]
async fn texts_go_both_ways() {
    let app = TestApp::start().await;
    let alice = app.paired(ALICE).await;
    let bob = app.paired(BOB).await;
    for (from, to, number) in [(&alice, &bob, BOB), (&bob, &alice, ALICE)] {
        let text = format!("to {number}: 你好");
        let sent = app.send(from, number, &text).await.expect(200);
        assert_eq!(keys(&sent), ["id"]);
        let id = sent["id"].as_str().unwrap();
        let inbox = app.phones().inbox(number).await;
        assert!(inbox.contains(&(id.to_owned(), text.clone())), "{inbox:?}");
        let event = app.event(to, "message_received", |data| data["messageId"] == id).await;
        assert_eq!(event["data"]["body"], text);
        assert_eq!(event["data"]["fromMe"], false);
    }
    app.stop().await;
}

#[tokio::test]
async fn a_phones_own_text_arrives() {
    let app = TestApp::start().await;
    let alice = app.paired(ALICE).await;
    app.phones().create(BOB).await;
    let id = app.phones().write(BOB, ALICE, "from a phone").await;
    let event = app.event(&alice, "message_received", |data| data["messageId"] == id.as_str()).await;
    assert_eq!(event["data"]["from"], format!("{BOB}@s.whatsapp.net"));
    assert_eq!(event["data"]["body"], "from a phone");
    assert_eq!(event["data"]["hasMedia"], false);
    app.stop().await;
}

#[tokio::test]
async fn an_idempotency_key_sends_once() {
    let app = TestApp::start().await;
    let alice = app.paired(ALICE).await;
    app.phones().create(BOB).await;
    let client = app.client();
    let path = format!("/api/whatsapp/{alice}/send");
    let send = |text: &str| {
        let request = client.request(Method::POST, &path).header("idempotency-key", "order-17");
        client.send(request.json(&json!({"phone": BOB, "message": text})))
    };
    let first = send("once").await.expect(200);
    for _ in 0..3 {
        assert_eq!(send("once").await.expect(200), first);
    }
    let texts = app.phones().inbox(BOB).await;
    assert_eq!(texts.iter().filter(|(_, text)| text == "once").count(), 1);
    // The same key for something else is a mistake of the caller's.
    send("twice").await.expect_error(409, "conflict");
    let long = client.request(Method::POST, &path).header("idempotency-key", "k".repeat(1000));
    let refused = client.send(long.json(&json!({"phone": BOB, "message": "x"}))).await;
    refused.expect_error(400, "invalid_request").about("Idempotency-Key");
    app.stop().await;
}

#[tokio::test]
async fn what_cannot_be_sent_is_refused_by_name() {
    let app = TestApp::start().await;
    let alice = app.paired(ALICE).await;
    for (body, code, field) in [
        (json!({"message": "x"}), "missing_field", "phone"),
        (json!({"phone": BOB}), "missing_field", "message"),
        (json!({"phone": "", "message": "x"}), "invalid_request", "phone"),
        (json!({"phone": "not a number", "message": "x"}), "invalid_request", "phone"),
        (json!({"phone": 15550100002_u64, "message": "x"}), "invalid_request", "phone"),
        (json!({"phone": BOB, "message": ""}), "invalid_request", "message"),
        (json!({"phone": BOB, "message": "x".repeat(70_000)}), "invalid_request", "message"),
        (json!({"phone": BOB, "message": "x", "quoted": true}), "unknown_field", "quoted"),
    ] {
        let answer = app.client().post(&format!("/api/whatsapp/{alice}/send"), body).await;
        answer.expect_error(400, code).about(field);
    }
    app.stop().await;
}

#[tokio::test]
async fn an_instance_that_is_not_connected_refuses_with_the_cause() {
    let app = TestApp::start().await;
    let id = app.create("never paired").await;
    let refused = app.send(&id, BOB, "x").await;
    refused.expect_error(409, "not_connected");
    assert!(refused.body["error"]["cause"].is_string(), "{}", refused.body);

    let alice = app.paired(ALICE).await;
    app.client().call(&format!("/api/instances/{alice}/logout")).await.expect(200);
    let refused = app.send(&alice, BOB, "x").await;
    refused.expect_error(409, "not_connected");
    assert_eq!(refused.body["error"]["cause"], "logged_out");
    app.stop().await;
}

#[tokio::test]
async fn a_number_without_whatsapp_is_refused() {
    let app = TestApp::start().await;
    let alice = app.paired(ALICE).await;
    let answer = app.send(&alice, "15550199999", "nobody there").await;
    assert!(answer.status.is_client_error(), "{} {}", answer.status, answer.body);
    app.stop().await;
}

#[tokio::test]
async fn a_send_without_an_ack_is_answered_as_pending_and_goes_on() {
    let app = TestApp::start().await;
    let alice = app.paired(ALICE).await;
    app.phones().create(BOB).await;
    // Neither the ack nor the receipt that would prove the same comes back.
    app.phones().fault(json!({"kind": "no_ack", "number": ALICE})).await;
    app.phones().fault(json!({"kind": "backlog", "number": ALICE})).await;
    let pending = app.send(&alice, BOB, "no ack").await.expect(202);
    assert_eq!(keys(&pending), ["id", "status"]);
    assert_eq!(pending["status"], "pending");
    let path = format!("/api/instances/{alice}/chats/{BOB}/messages");
    let message = app.client().get(&path).await.expect(200)["messages"][0].clone();
    assert_eq!((&message["messageId"], &message["status"]), (&pending["id"], &json!("pending")));

    app.phones().clear_faults().await;
    until("the message is delivered", || async {
        let message = app.client().get(&path).await.expect(200)["messages"][0].clone();
        (message["status"] == "delivered").then_some(())
    })
    .await;
    assert_eq!(app.phones().inbox(BOB).await.len(), 1);
    app.stop().await;
}

#[tokio::test]
async fn a_caller_who_hangs_up_does_not_cut_a_send_in_half() {
    let app = TestApp::start().await;
    let alice = app.paired(ALICE).await;
    app.phones().create(BOB).await;
    let body = json!({"phone": BOB, "message": "goodbye"}).to_string();
    let request = format!(
        "POST /api/whatsapp/{alice}/send HTTP/1.1\r\nhost: x\r\nx-api-key: {}\r\ncontent-type: application/json\r\n\
         content-length: {}\r\n\r\n{body}",
        app.api_key(),
        body.len()
    );
    let mut socket = tokio::net::TcpStream::connect(("127.0.0.1", app.port())).await.unwrap();
    socket.write_all(request.as_bytes()).await.unwrap();
    drop(socket);
    // Whether the request was read at all before the end is open; if so, it is done to its end.
    until("the text arrives, or was never taken", || async {
        let path = format!("/api/instances/{alice}/chats/{BOB}/messages");
        let stored = app.client().get(&path).await.expect(200)["messages"][0].clone();
        (stored.is_null() || stored["status"] == "delivered").then_some(())
    })
    .await;
    app.stop().await;
}

#[tokio::test]
async fn a_send_that_whatsapp_refuses_tells_the_cause() {
    let app = TestApp::start().await;
    let alice = app.paired(ALICE).await;
    app.phones().create(BOB).await;
    app.phones().fault(json!({"kind": "refuse_send", "error": 479, "number": ALICE, "count": 1})).await;
    let refused = app.send(&alice, BOB, "unwanted").await;
    refused.expect_error(422, "refused");
    assert!(refused.body["error"]["cause"].is_string(), "{}", refused.body);
    let messages =
        app.client().get(&format!("/api/instances/{alice}/chats/{BOB}/messages")).await.expect(200);
    assert_eq!(messages["messages"][0]["status"], "failed");
    app.send(&alice, BOB, "wanted").await.expect(200);
    app.stop().await;
}

#[tokio::test]
async fn receipts_become_status_events() {
    let app = TestApp::start().await;
    let alice = app.paired(ALICE).await;
    app.phones().create(BOB).await;
    let sent = app.send(&alice, BOB, "did you get this?").await.expect(200);
    let id = sent["id"].as_str().unwrap();
    let is_it = |data: &Value| data["messageId"] == id && data["status"] == "delivered";
    let event = app.event(&alice, "message_status", is_it).await;
    assert_eq!(event["data"]["fromMe"], true);
    let messages =
        app.client().get(&format!("/api/instances/{alice}/chats/{BOB}/messages")).await.expect(200);
    assert_eq!(messages["messages"][0]["status"], "delivered");
    app.stop().await;
}

#[tokio::test]
async fn many_callers_may_send_at_once() {
    let app = TestApp::start().await;
    let alice = app.paired(ALICE).await;
    app.phones().create(BOB).await;
    let sends = (0..50).map(|n| {
        let (app, alice) = (&app, &alice);
        async move { app.send(alice, BOB, &format!("text {n}")).await.expect(200)["id"].clone() }
    });
    let mut ids = futures_util::future::join_all(sends).await;
    ids.sort_by_key(Value::to_string);
    ids.dedup();
    assert_eq!(ids.len(), 50);
    let inbox = until("all are there", || async {
        let inbox = app.phones().inbox(BOB).await;
        (inbox.len() >= 50).then_some(inbox)
    })
    .await;
    assert_eq!(inbox.len(), 50);
    app.stop().await;
}
