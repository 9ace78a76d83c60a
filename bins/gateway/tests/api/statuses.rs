//! Posts to the status: made, taken back, received.

use serde_json::{Value, json};
use wa_simulator::{Phone, Say};

use crate::app::TestApp;
use crate::receiver::Receiver;
use crate::until::until;

const ALICE: &str = "15550100001";
const BOB: &str = "15550100002";
const STATUS: &str = "status@broadcast";
/// The smallest PNG that there is: one pixel.
const PNG: &str =
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";

/// Alice's instance, with Bob in her address book.
async fn with_friend(app: &TestApp) -> (String, Phone) {
    let alice = app.paired(ALICE).await;
    app.phones().create(BOB).await;
    let bob = json!({"phone": BOB, "name": "Bob"});
    app.client().post(&format!("/api/whatsapp/{alice}/contacts/add"), bob).await.expect(200);
    let phone = app.phones().simulator().phone(BOB).unwrap();
    (alice, phone)
}

async fn post(app: &TestApp, instance: &str, what: &str, body: Value) -> String {
    let answer = app.client().post(&format!("/api/whatsapp/{instance}/{what}"), body).await.expect(200);
    answer["id"].as_str().expect("an id").to_owned()
}

/// What Bob's phone shows of a post.
async fn shown(app: &TestApp, id: &str) -> Value {
    until("the phone shows it", || async {
        let inbox = app.phones().entries(BOB).await;
        inbox.into_iter().find(|entry| entry["id"] == id)
    })
    .await
}

async fn stored(app: &TestApp, instance: &str, id: &str) -> Value {
    let path = format!("/api/instances/{instance}/messages/{id}");
    app.client().get(&path).await.expect(200)
}

#[tokio::test]
async fn texts_and_files_are_posted_and_taken_back() {
    let app = TestApp::start().await;
    let (alice, bob) = with_friend(&app).await;
    let text = json!({"message": "out for tea", "backgroundColor": "#123abc"});
    let id = post(&app, &alice, "send-status", text).await;
    let entry = shown(&app, &id).await;
    assert_eq!((&entry["chat"], &entry["text"]), (&json!(STATUS), &json!("out for tea")));
    let told = app.event(&alice, "message_sent", |data| data["messageId"] == id.as_str()).await;
    assert_eq!((&told["data"]["remoteJid"], &told["data"]["body"]), (&json!(STATUS), &json!("out for tea")));
    let picture = json!({"base64": PNG, "caption": "tea"});
    let picture = post(&app, &alice, "send-status-media", picture).await;
    let entry = shown(&app, &picture).await;
    assert_eq!(
        (&entry["chat"], &entry["kind"], &entry["text"]),
        (&json!(STATUS), &json!("image"), &json!("tea"))
    );
    bob.read(None, std::slice::from_ref(&id)).await.unwrap();
    until("who has seen it is known", || async {
        let receipts = stored(&app, &alice, &id).await["receipts"].clone();
        (!receipts[0]["readAt"].is_null()).then_some(())
    })
    .await;
    let revoked = post(&app, &alice, "revoke-status", json!({"messageId": id})).await;
    assert_eq!(shown(&app, &revoked).await["target"], json!(id));
    until("it is taken back here, too", || async {
        (!stored(&app, &alice, &id).await["revokedAt"].is_null()).then_some(())
    })
    .await;
    app.stop().await;
}

#[tokio::test]
async fn what_can_not_be_posted_is_refused() {
    let app = TestApp::start().await;
    let (alice, _) = with_friend(&app).await;
    let client = app.client();
    let of = |what: &str| format!("/api/whatsapp/{alice}/{what}");
    for color in ["123abc", "#123", "#12345g", "#+12345"] {
        let body = json!({"message": "x", "backgroundColor": color});
        let refused = client.post(&of("send-status"), body).await;
        refused.expect_error(400, "invalid_request").about("backgroundColor");
    }
    let empty = json!({"message": " "});
    client.post(&of("send-status"), empty).await.expect_error(400, "invalid_request").about("message");
    let poll = json!({"phone": STATUS, "question": "Tea?", "options": ["yes", "no"]});
    client.post(&of("send-poll"), poll).await.expect_error(400, "invalid_request").about("phone");
    let document = json!({"phone": STATUS, "base64": "aGVsbG8=", "type": "document"});
    client.post(&of("send-media"), document).await.expect_error(400, "invalid_request").about("phone");
    let nothing = json!({"messageId": "3EB0"});
    client.post(&of("revoke-status"), nothing).await.expect_error(404, "not_found");
    let fault = json!({"kind": "refuse_send", "error": 479, "number": ALICE});
    app.phones().fault(fault).await;
    let body = json!({"message": "never"});
    let refused = client.post(&of("send-status"), body).await;
    refused.expect_error(422, "refused");
    assert!(refused.body.to_string().contains("479"), "{}", refused.body);
    app.stop().await;
}

#[tokio::test]
async fn what_others_post_is_stored_and_told_to_who_asks_for_it() {
    let (app, receiver) = (TestApp::start().await, Receiver::start());
    let (alice, bob) = with_friend(&app).await;
    let client = app.client();
    let webhooks = format!("/api/instances/{alice}/webhooks");
    client.post(&webhooks, json!({"name": "all", "url": receiver.url()})).await.expect(201);
    let asks = json!({"name": "asks", "url": receiver.url(), "events": ["post_received"]});
    client.post(&webhooks, asks).await.expect(201);
    let id = bob.post(&[ALICE], Say::Text("tea is ready".into())).await.unwrap();
    let told = receiver.wait_for("post_received", |data| data["messageId"] == id.as_str()).await;
    let data = &told.body["data"];
    let bobs = format!("{BOB}@s.whatsapp.net");
    assert_eq!((&data["remoteJid"], &data["participant"]), (&json!(STATUS), &json!(bobs)), "{data}");
    assert_eq!((&data["body"], &data["fromMe"]), (&json!("tea is ready"), &json!(false)));
    let written = app.phones().write(BOB, ALICE, "come").await;
    receiver.wait_for("message_received", |data| data["messageId"] == written.as_str()).await;
    assert_eq!(receiver.count("post_received"), 1);
    let page = client.get(&format!("/api/instances/{alice}/chats/{STATUS}/messages")).await.expect(200);
    let messages = page["messages"].as_array().expect("a list").clone();
    let posted = messages.iter().find(|message| message["messageId"] == id).expect("it is stored");
    assert_eq!((&posted["participant"], &posted["content"]), (&json!(bobs), &json!("tea is ready")));
    let seen = json!({"phone": STATUS, "messageIds": [id]});
    client.post(&format!("/api/whatsapp/{alice}/read"), seen).await.expect(200);
    let is_seen = |entry: &wa_simulator::OutboxEntry| entry.receipts.iter().any(|it| it.kind == "read");
    bob.wait_for_outbox(|entries| entries.iter().any(|entry| entry.id == id && is_seen(entry))).await;
    app.stop().await;
}
