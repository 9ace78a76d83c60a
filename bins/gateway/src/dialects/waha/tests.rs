//! The calls of WAHA that move a bot, over HTTP.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::Method;
use serde_json::{Value, json};

use crate::answer::{Answer, keys};
use crate::app::TestApp;
use crate::receiver::{Call, Receiver};
use crate::until::until;

const ALICE: &str = "15550100001";
const BOB: &str = "15550100002";
/// The smallest PNG that there is: one pixel.
const PNG: &str =
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";

#[track_caller]
fn refused(answer: &Answer, status: u16, code: &str) {
    assert_eq!(answer.status.as_u16(), status, "{}", answer.body);
    let told = (&answer.body["statusCode"], &answer.body["code"]);
    assert_eq!(told, (&json!(status), &json!(code)), "{}", answer.body);
    assert!(answer.body["message"].is_string() && answer.body["error"].is_string(), "{}", answer.body);
}

/// The instance of a session.
async fn instance(app: &TestApp, session: &str) -> String {
    let all = app.client().get("/api/instances").await.expect(200);
    let is_it = |instance: &&Value| instance["name"] == session;
    let found = all["instances"].as_array().unwrap().iter().find(is_it);
    found.unwrap()["id"].as_str().unwrap().to_owned()
}

async fn status(app: &TestApp, session: &str) -> Value {
    app.client().get(&format!("/api/sessions/{session}")).await.expect(200)["status"].clone()
}

async fn until_status(app: &TestApp, session: &str, wanted: &str) {
    until("the session's status", || async { (status(app, session).await == wanted).then_some(()) }).await;
}

/// A session that Alice's phone has linked.
async fn linked(app: &TestApp, config: Value) {
    app.client().post("/api/sessions", json!({"name": "default", "config": config})).await.expect(201);
    app.link(&instance(app, "default").await, ALICE).await;
    app.phones().create(BOB).await;
}

async fn call(app: &TestApp, path: &str, body: Value) -> Answer {
    let mut body = body;
    body["session"] = json!("default");
    app.client().post(path, body).await
}

#[tokio::test]
async fn a_session_goes_through_its_states() {
    let app = TestApp::start().await;
    let client = app.client();
    let body = json!({"name": "default", "start": false, "config": {"metadata": {"user.id": "123"}}});
    let made = client.post("/api/sessions", body).await.expect(201);
    assert_eq!(keys(&made), ["config", "engine", "me", "name", "status"]);
    assert_eq!(
        (&made["name"], &made["status"], &made["me"]),
        (&json!("default"), &json!("STOPPED"), &Value::Null)
    );
    assert_eq!(made["config"]["metadata"], json!({"user.id": "123"}));
    assert_eq!(client.get("/api/sessions").await.expect(200), json!([]));
    let all = client.get("/api/sessions?all=true").await.expect(200);
    assert_eq!(all[0], made);
    let again = client.post("/api/sessions", json!({"name": "default"})).await;
    refused(&again, 422, "taken");
    let unnamed = client.call("/api/sessions").await.expect(201);
    assert!(unnamed["name"].as_str().unwrap().starts_with("session_"), "{unnamed}");

    let started = client.call("/api/sessions/default/start").await.expect(201);
    assert_eq!(started["name"], "default");
    until_status(&app, "default", "SCAN_QR_CODE").await;
    let raw = client.get("/api/default/auth/qr?format=raw").await.expect(200);
    assert!(raw["value"].as_str().unwrap().contains(','), "{raw}");
    let request = client.request(Method::GET, "/api/default/auth/qr").header("accept", "application/json");
    let image = client.send(request).await.expect(200);
    assert_eq!((keys(&image), &image["mimetype"]), (vec!["data", "mimetype"], &json!("image/png")));
    assert!(STANDARD.decode(image["data"].as_str().unwrap()).unwrap().starts_with(b"\x89PNG"));
    let picture = client.request(Method::GET, "/api/default/auth/qr").send().await.unwrap();
    assert_eq!(picture.headers()["content-type"], "image/png");
    assert!(picture.bytes().await.unwrap().starts_with(b"\x89PNG"));

    let id = instance(&app, "default").await;
    app.link(&id, ALICE).await;
    until_status(&app, "default", "WORKING").await;
    let me = client.get("/api/sessions/default/me").await.expect(200);
    assert_eq!((keys(&me), &me["id"]), (vec!["id", "pushName"], &json!(format!("{ALICE}@c.us"))));
    refused(&client.get("/api/default/auth/qr").await, 422, "conflict");
    assert_eq!(client.call("/api/sessions/default/stop").await.expect(201)["status"], "STOPPED");
    refused(&call(&app, "/api/sendText", json!({"chatId": BOB, "text": "x"})).await, 422, "not_connected");
    client.call("/api/sessions/default/start").await.expect(201);
    until_status(&app, "default", "WORKING").await;
    client.call("/api/sessions/default/restart").await.expect(201);
    until_status(&app, "default", "WORKING").await;
    let out = client.call("/api/sessions/default/logout").await.expect(201);
    assert_eq!(out["me"], Value::Null);
    until_status(&app, "default", "SCAN_QR_CODE").await;
    assert!(app.phones().devices(ALICE).await.is_empty());

    client.delete("/api/sessions/default").await.expect(200);
    client.delete("/api/sessions/default").await.expect(200);
    refused(&client.get("/api/sessions/default").await, 404, "not_found");
    app.stop().await;
}

#[tokio::test]
async fn a_session_is_found_by_the_name_that_it_has_now() {
    let app = TestApp::start().await;
    let client = app.client();
    // Whichever API has made it.
    let id = app.create("shop").await;
    assert_eq!(client.get("/api/sessions/shop").await.expect(200)["name"], "shop");
    client.put(&format!("/api/instances/{id}"), json!({"name": "store"})).await.expect(200);
    refused(&client.get("/api/sessions/shop").await, 404, "not_found");
    assert_eq!(client.get("/api/sessions/store").await.expect(200)["name"], "store");
    let other = app.create("shop").await;
    assert_ne!(id, other);
    assert_eq!(client.get("/api/sessions/shop").await.expect(200)["name"], "shop");
    let stranger = app.another_user("stranger@example.com").await;
    refused(&stranger.get("/api/sessions/shop").await, 404, "not_found");
    refused(&app.anonymous().get("/api/sessions/shop").await, 401, "unauthorized");
    app.stop().await;
}

#[tokio::test]
async fn a_phone_links_by_a_code() {
    let app = TestApp::start().await;
    app.phones().create(ALICE).await;
    app.client().post("/api/sessions", json!({"name": "default"})).await.expect(201);
    let path = "/api/default/auth/request-code";
    refused(&app.client().post(path, json!({"phoneNumber": "tea"})).await, 400, "invalid_request");
    let code = app.client().post(path, json!({"phoneNumber": ALICE})).await.expect(201);
    assert_eq!(keys(&code), ["code"]);
    app.phones().enter_code(ALICE, code["code"].as_str().unwrap()).await;
    until_status(&app, "default", "WORKING").await;
    app.stop().await;
}

#[tokio::test]
async fn messages_of_every_kind_reach_the_phone() {
    let app = TestApp::start().await;
    linked(&app, json!({})).await;
    let chat = format!("{BOB}@c.us");
    let text = call(&app, "/api/sendText", json!({"chatId": chat, "text": "hello"})).await.expect(201);
    let fields =
        ["_data", "ack", "ackName", "body", "from", "fromMe", "hasMedia", "id", "source", "timestamp", "to"];
    assert_eq!(keys(&text), fields);
    let id = text["_data"]["key"]["id"].as_str().unwrap();
    assert_eq!((&text["id"], &text["to"]), (&json!(format!("true_{chat}_{id}")), &json!(chat)));
    assert_eq!(
        (&text["ack"], &text["ackName"], &text["fromMe"]),
        (&json!(1), &json!("SERVER"), &json!(true))
    );
    let answer = json!({"chatId": chat, "text": "again", "reply_to": text["id"]});
    call(&app, "/api/sendText", answer).await.expect(201);
    let file = json!({"mimetype": "image/png", "filename": "a.png", "data": PNG});
    let image = json!({"chatId": chat, "file": file, "caption": "look"});
    let image = call(&app, "/api/sendImage", image).await.expect(201);
    assert_eq!((&image["hasMedia"], &image["body"]), (&json!(true), &json!("look")));
    call(&app, "/api/sendFile", json!({"chatId": chat, "file": file})).await.expect(201);
    let place =
        json!({"chatId": chat, "latitude": 38.8937255, "longitude": -77.0969763, "title": "Our office"});
    call(&app, "/api/sendLocation", place).await.expect(201);
    let card = json!({"fullName": "Carol", "phoneNumber": "+1 555 010 0003"});
    call(&app, "/api/sendContactVcard", json!({"chatId": chat, "contacts": [card]})).await.expect(201);
    let poll = json!({"name": "Tea?", "options": ["Yes", "No"], "multipleAnswers": false});
    call(&app, "/api/sendPoll", json!({"chatId": chat, "poll": poll})).await.expect(201);
    let inbox = until("the phone has all", || async {
        let inbox = app.phones().entries(BOB).await;
        (inbox.len() == 7).then_some(inbox)
    })
    .await;
    let kinds: Vec<_> = inbox.iter().map(|entry| entry["kind"].clone()).collect();
    assert_eq!(kinds, ["text", "text", "image", "document", "location", "contact", "poll"]);
    assert_eq!((&inbox[1]["quoted"], &inbox[2]["text"]), (&json!(id), &json!("look")));

    for (path, body, field) in [
        ("/api/sendText", json!({"chatId": "tea", "text": "x"}), "chatId"),
        ("/api/sendText", json!({"chatId": chat, "text": ""}), "text"),
        ("/api/sendText", json!({"chatId": chat}), "text"),
        ("/api/sendImage", json!({"chatId": chat, "file": {}}), "file"),
        ("/api/sendImage", json!({"chatId": chat, "file": {"data": "?"}}), "file.data"),
        ("/api/sendContactVcard", json!({"chatId": chat, "contacts": [{}]}), "contacts"),
    ] {
        let answer = call(&app, path, body).await;
        refused(&answer, 400, answer.body["code"].as_str().unwrap_or_default());
        assert_eq!(answer.body["field"], field, "{path}: {}", answer.body);
    }
    let unknown = json!({"session": "none", "chatId": chat, "text": "x"});
    refused(&app.client().post("/api/sendText", unknown).await, 404, "not_found");
    app.stop().await;
}

#[tokio::test]
async fn messages_are_reacted_to_edited_and_taken_back() {
    let app = TestApp::start().await;
    linked(&app, json!({})).await;
    let (id, chat) = (instance(&app, "default").await, format!("{BOB}@c.us"));
    let written = app.phones().write(BOB, ALICE, "hi").await;
    app.event(&id, "message_received", |data| data["messageId"] == written.as_str()).await;
    let reaction =
        json!({"session": "default", "messageId": format!("false_{chat}_{written}"), "reaction": "👍"});
    app.client().put("/api/reaction", reaction).await.expect(200);
    let wrong = json!({"session": "default", "messageId": "3EB0", "reaction": "👍"});
    refused(&app.client().put("/api/reaction", wrong).await, 400, "invalid_request");
    let sent = call(&app, "/api/sendText", json!({"chatId": chat, "text": "hello"})).await.expect(201);
    let path = format!("/api/default/chats/{chat}/messages/{}", sent["id"].as_str().unwrap());
    let edited = app.client().put(&path, json!({"text": "hello there"})).await.expect(200);
    assert_eq!(edited["body"], "hello there");
    app.client().delete(&path).await.expect(200);
    until("the phone has all", || async {
        let inbox = app.phones().entries(BOB).await;
        let kinds: Vec<_> = inbox.iter().map(|entry| entry["kind"].clone()).collect();
        (kinds == ["reaction", "text", "edit", "revoke"]).then_some(())
    })
    .await;
    app.stop().await;
}

#[tokio::test]
async fn people_are_asked_about_and_shown_something() {
    let app = TestApp::start().await;
    linked(&app, json!({})).await;
    let (client, chat) = (app.client(), format!("{BOB}@c.us"));
    let check = |number: &str| format!("/api/contacts/check-exists?session=default&phone={number}");
    let found = client.get(&check(BOB)).await.expect(200);
    assert_eq!(found, json!({"numberExists": true, "chatId": chat}));
    assert_eq!(client.get(&check("15550100099")).await.expect(200), json!({"numberExists": false}));
    refused(&client.get(&check("tea")).await, 400, "invalid_request");
    refused(&client.get("/api/contacts/check-exists?session=default").await, 400, "invalid_request");
    let of = |what: &str| format!("/api/contacts/{what}?session=default&contactId={chat}");
    assert_eq!(keys(&client.get(&of("about")).await.expect(200)), ["about"]);
    assert_eq!(keys(&client.get(&of("profile-picture")).await.expect(200)), ["profilePictureURL"]);
    let done = json!({"success": true});
    for path in ["/api/startTyping", "/api/stopTyping", "/api/sendSeen"] {
        assert_eq!(call(&app, path, json!({"chatId": chat})).await.expect(201), done, "{path}");
    }
    let shown = json!({"presence": "typing", "chatId": chat});
    assert_eq!(client.post("/api/default/presence", shown).await.expect(201), done);
    refused(
        &client.post("/api/default/presence", json!({"presence": "typing"})).await,
        400,
        "invalid_request",
    );
    let written = app.phones().write(BOB, ALICE, "hi").await;
    let id = instance(&app, "default").await;
    app.event(&id, "message_received", |data| data["messageId"] == written.as_str()).await;
    let seen = json!({"chatId": chat, "messageIds": [format!("false_{chat}_{written}")]});
    assert_eq!(call(&app, "/api/sendSeen", seen).await.expect(201), done);
    app.event(&id, "message_status", |data| data["status"] == "read" && data["fromMe"] == false).await;
    app.stop().await;
}

#[tokio::test]
async fn events_are_told_in_its_words_and_signed_in_its_way() {
    let (app, receiver) = (TestApp::start().await, Receiver::start());
    let secret = "a secret of some length";
    let hook = json!({
        "url": receiver.url(), "events": ["message", "message.any", "message.ack", "session.status"],
        "hmac": {"key": secret}, "retries": {"policy": "constant", "delaySeconds": 1, "attempts": 3},
        "customHeaders": [{"name": "X-Mine", "value": "yes"}],
    });
    linked(&app, json!({"webhooks": [hook]})).await;
    let event = |name: &'static str| move |call: &Call| call.body["event"] == name;
    let working = receiver
        .wait_for_call(|call| event("session.status")(call) && call.body["payload"]["status"] == "WORKING")
        .await;
    let envelope = ["engine", "environment", "event", "id", "me", "payload", "session", "timestamp"];
    assert_eq!((keys(&working.body), &working.body["session"]), (envelope.to_vec(), &json!("default")));
    assert_eq!(working.header("x-mine"), Some("yes"));
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA512, secret.as_bytes());
    let tag = ring::hmac::sign(&key, &working.raw);
    let hmac: String = tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(
        (working.header("x-webhook-hmac"), working.header("x-webhook-hmac-algorithm")),
        (Some(&*hmac), Some("sha512"))
    );
    assert!(working.header("x-webhook-timestamp").unwrap().parse::<i64>().unwrap() > 1_600_000_000_000);
    assert!(working.header("x-webhook-request-id").is_some());

    let chat = format!("{BOB}@c.us");
    let written = app.phones().write(BOB, ALICE, "hi").await;
    for name in ["message", "message.any"] {
        let message = receiver.wait_for_call(event(name)).await.body;
        let told = &message["payload"];
        assert_eq!(told["id"], format!("false_{chat}_{written}"));
        assert_eq!(
            (&told["body"], &told["from"], &told["fromMe"]),
            (&json!("hi"), &json!(chat), &json!(false))
        );
        assert_eq!((&told["to"], &told["hasMedia"]), (&json!(format!("{ALICE}@c.us")), &json!(false)));
        assert_eq!(message["me"]["id"], format!("{ALICE}@c.us"));
    }
    let sent = call(&app, "/api/sendText", json!({"chatId": chat, "text": "yo"})).await.expect(201);
    let of_ours = |call: &Call| call.body["payload"]["id"] == sent["id"];
    let told = receiver.wait_for_call(|call| event("message.any")(call) && of_ours(call)).await.body;
    assert_eq!((&told["payload"]["source"], &told["payload"]["to"]), (&json!("api"), &json!(chat)));
    let ack = receiver.wait_for_call(|call| event("message.ack")(call) && of_ours(call)).await.body;
    assert!(ack["payload"]["ackName"].is_string());

    let shown = app.client().get("/api/sessions/default").await.expect(200)["config"]["webhooks"].clone();
    assert_eq!((&shown[0]["url"], &shown[0]["events"]), (&json!(receiver.url()), &hook["events"]));
    assert!(!shown.to_string().contains(secret), "{shown}");
    let none = json!({"name": "default", "config": {"webhooks": []}});
    app.client().put("/api/sessions/default", none).await.expect(200);
    let id = instance(&app, "default").await;
    let left = app.client().get(&format!("/api/instances/{id}/webhooks")).await.expect(200);
    assert_eq!(left["webhooks"].as_array().unwrap().len(), 1, "{left}");
    let wrong = json!({"config": {"webhooks": [{"url": "ftp://x", "events": ["message"]}]}});
    let answer = app.client().put("/api/sessions/default", wrong).await;
    refused(&answer, 400, "invalid_request");
    assert_eq!(answer.body["field"], "config.webhooks.url");
    app.stop().await;
}
