//! The calls of Evolution API that move a bot, over HTTP.

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
    assert_eq!(keys(&answer.body), ["error", "response", "status"]);
    let told = (&answer.body["status"], &answer.body["response"]["code"]);
    assert_eq!(told, (&json!(status), &json!(code)), "{}", answer.body);
    assert!(answer.body["response"]["message"][0].is_string(), "{}", answer.body);
}

/// A program written for Evolution API: it shows its key as `apikey`.
struct Program<'a>(&'a TestApp);

impl Program<'_> {
    async fn send(&self, method: Method, path: &str, body: Option<Value>) -> Answer {
        let client = self.0.anonymous();
        let request = client.request(method, path).header("apikey", self.0.api_key());
        let request = match &body {
            Some(body) => request.json(body),
            None => request,
        };
        client.send(request).await
    }

    async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, None).await
    }

    async fn post(&self, path: &str, body: Value) -> Answer {
        self.send(Method::POST, path, Some(body)).await
    }

    async fn delete(&self, path: &str) -> Answer {
        self.send(Method::DELETE, path, None).await
    }

    async fn until_state(&self, wanted: &str) {
        until("the instance's state", || async {
            let state = self.get("/instance/connectionState/bot").await.expect(200);
            (state["instance"]["state"] == wanted).then_some(())
        })
        .await;
    }

    /// The instance `bot`, which Alice's phone has linked.
    async fn linked(&self, webhook: Option<Value>) -> String {
        let body = json!({"instanceName": "bot", "integration": "WHATSAPP-BAILEYS", "webhook": webhook});
        let made = self.post("/instance/create", body).await.expect(201);
        let id = made["instance"]["instanceId"].as_str().unwrap().to_owned();
        self.0.link(&id, ALICE).await;
        self.0.phones().create(BOB).await;
        id
    }
}

#[tokio::test]
async fn an_instance_goes_through_its_states() {
    let app = TestApp::start().await;
    let program = Program(&app);
    let body = json!({"instanceName": "bot", "integration": "WHATSAPP-BAILEYS", "qrcode": true, "token": ""});
    let made = program.post("/instance/create", body.clone()).await.expect(201);
    assert_eq!(keys(&made), ["hash", "instance", "qrcode", "settings", "webhook"]);
    assert_eq!(made["instance"]["instanceName"], "bot");
    let code = &made["qrcode"];
    assert_eq!((keys(code), &code["count"]), (vec!["base64", "code", "count", "pairingCode"], &json!(1)));
    let png = code["base64"].as_str().unwrap().strip_prefix("data:image/png;base64,").unwrap();
    assert!(STANDARD.decode(png).unwrap().starts_with(b"\x89PNG"));
    refused(&program.post("/instance/create", body).await, 403, "taken");

    let state = program.get("/instance/connectionState/bot").await.expect(200);
    assert_eq!(state, json!({"instance": {"instanceName": "bot", "state": "connecting"}}));
    let id = made["instance"]["instanceId"].as_str().unwrap();
    app.link(id, ALICE).await;
    program.until_state("open").await;
    let open = program.get("/instance/connect/bot").await.expect(200);
    assert_eq!(open["instance"]["state"], "open");
    let all = program.get("/instance/fetchInstances").await.expect(200);
    assert_eq!((&all[0]["name"], &all[0]["connectionStatus"]), (&json!("bot"), &json!("open")));
    assert_eq!(all[0]["ownerJid"], format!("{ALICE}@s.whatsapp.net"));
    assert_eq!(program.get("/instance/fetchInstances?instanceName=bot").await.expect(200), all);
    assert_eq!(program.get(&format!("/instance/fetchInstances?instanceId={id}")).await.expect(200), all);
    program.send(Method::PUT, "/instance/restart/bot", None).await.expect(200);
    program.until_state("open").await;
    let out = program.delete("/instance/logout/bot").await.expect(200);
    assert_eq!(out["response"]["message"], "Instance logged out");
    assert!(app.phones().devices(ALICE).await.is_empty());
    let code = until("another code", || async {
        let code = program.get("/instance/connect/bot").await.expect(200);
        (code["count"] == 1).then_some(code)
    })
    .await;
    assert!(code["code"].is_string());
    assert_eq!(program.delete("/instance/delete/bot").await.expect(200)["status"], "SUCCESS");
    for path in ["/instance/connectionState/bot", "/instance/connect/bot", "/webhook/find/bot"] {
        let gone = program.get(path).await;
        refused(&gone, 404, "not_found");
        assert_eq!(gone.body["response"]["message"], json!(["The \"bot\" instance does not exist"]));
    }
    refused(&app.anonymous().get("/instance/fetchInstances").await, 401, "unauthorized");
    app.stop().await;
}

#[tokio::test]
async fn a_token_opens_one_instance_alone() {
    let app = TestApp::start().await;
    let program = Program(&app);
    let token = "a-token-that-nobody-guesses";
    let make = |name: &str, token: &str| json!({"instanceName": name, "token": token});
    let made = program.post("/instance/create", make("bot", token)).await.expect(201);
    assert_eq!(made["hash"], token);
    let other = program.post("/instance/create", make("other", "")).await.expect(201);
    assert_eq!(other["hash"].as_str().unwrap().len(), 36);

    let client = app.anonymous();
    let call = |method: Method, path: &str, token: &Value| {
        let token = token.as_str().unwrap();
        client.send(client.request(method, path).header("apikey", token).json(&make("third", "")))
    };
    let state = call(Method::GET, "/instance/connectionState/bot", &made["hash"]).await.expect(200);
    assert_eq!(state["instance"]["instanceName"], "bot");
    let own = call(Method::GET, "/instance/fetchInstances", &made["hash"]).await.expect(200);
    assert_eq!((own.as_array().unwrap().len(), &own[0]["name"]), (1, &json!("bot")));
    let others = ["/instance/connectionState/other", "/instance/fetchInstances?instanceName=other"];
    for path in others {
        refused(&call(Method::GET, path, &made["hash"]).await, 404, "not_found");
        call(Method::GET, path, &other["hash"]).await.expect(200);
    }
    refused(&call(Method::DELETE, "/instance/delete/other", &made["hash"]).await, 404, "not_found");
    refused(&call(Method::POST, "/instance/create", &made["hash"]).await, 403, "forbidden");
    // It is a key of this API alone.
    let elsewhere = client.request(Method::GET, "/api/instances").header("x-api-key", token);
    assert_eq!(client.send(elsewhere).await.status, 401);

    refused(&program.post("/instance/create", make("third", token)).await, 400, "conflict");
    let weak = program.post("/instance/create", make("third", "1234")).await;
    refused(&weak, 400, "invalid_request");
    assert_eq!(weak.body["response"]["field"], "token");
    refused(&program.get("/instance/connectionState/third").await, 404, "not_found");
    call(Method::DELETE, "/instance/delete/bot", &made["hash"]).await.expect(200);
    refused(&call(Method::GET, "/instance/fetchInstances", &made["hash"]).await, 401, "unauthorized");
    app.stop().await;
}

#[tokio::test]
async fn a_phone_links_by_a_code() {
    let app = TestApp::start().await;
    let program = Program(&app);
    app.phones().create(ALICE).await;
    program.post("/instance/create", json!({"instanceName": "bot"})).await.expect(201);
    let code = program.get(&format!("/instance/connect/bot?number={ALICE}")).await.expect(200);
    let code = code["pairingCode"].as_str().expect("a code");
    assert_eq!(code.len(), 8);
    app.phones().enter_code(ALICE, code).await;
    program.until_state("open").await;
    app.stop().await;
}

#[tokio::test]
async fn messages_of_every_kind_reach_the_phone() {
    let app = TestApp::start().await;
    let program = Program(&app);
    program.linked(None).await;
    let text =
        program.post("/message/sendText/bot", json!({"number": BOB, "text": "hello"})).await.expect(201);
    let fields = ["instanceId", "key", "message", "messageTimestamp", "messageType", "source", "status"];
    assert_eq!((keys(&text), keys(&text["key"])), (fields.to_vec(), vec!["fromMe", "id", "remoteJid"]));
    assert_eq!(text["key"]["remoteJid"], format!("{BOB}@s.whatsapp.net"));
    assert_eq!((&text["message"]["conversation"], &text["status"]), (&json!("hello"), &json!("SERVER_ACK")));
    let quoted = json!({"key": {"id": text["key"]["id"]}, "message": {"conversation": "hello"}});
    let answer = json!({"number": BOB, "text": "again", "quoted": quoted, "delay": 1});
    program.post("/message/sendText/bot", answer).await.expect(201);
    let image = json!({"number": BOB, "mediatype": "image", "mimetype": "image/png", "caption": "look",
        "media": PNG, "fileName": "a.png"});
    let image = program.post("/message/sendMedia/bot", image).await.expect(201);
    assert_eq!(image["messageType"], "imageMessage");
    let place =
        json!({"number": BOB, "name": "Office", "address": "Street 1", "latitude": 38.9, "longitude": -77.1});
    program.post("/message/sendLocation/bot", place).await.expect(201);
    let card = json!([{"fullName": "Carol", "wuid": "15550100003", "phoneNumber": "+1 555 010 0003"}]);
    program.post("/message/sendContact/bot", json!({"number": BOB, "contact": card})).await.expect(201);
    let poll = json!({"number": BOB, "name": "Tea?", "selectableCount": 1, "values": ["Yes", "No"]});
    program.post("/message/sendPoll/bot", poll).await.expect(201);
    let emoji = json!({"key": text["key"], "reaction": "👍"});
    program.post("/message/sendReaction/bot", emoji).await.expect(201);
    let back = Some(text["key"].clone());
    program.send(Method::DELETE, "/chat/deleteMessageForEveryone/bot", back).await.expect(201);
    let inbox = until("the phone has all", || async {
        let inbox = app.phones().entries(BOB).await;
        (inbox.len() == 8).then_some(inbox)
    })
    .await;
    let kinds: Vec<_> = inbox.iter().map(|entry| entry["kind"].clone()).collect();
    assert_eq!(kinds, ["text", "text", "image", "location", "contact", "poll", "reaction", "revoke"]);
    assert_eq!((&inbox[1]["quoted"], &inbox[2]["text"]), (&text["key"]["id"], &json!("look")));

    for (path, body, field) in [
        ("sendText", json!({"number": "tea", "text": "x"}), "number"),
        ("sendText", json!({"number": BOB, "text": ""}), "text"),
        ("sendText", json!({"number": BOB}), "text"),
        ("sendMedia", json!({"number": BOB, "mediatype": "image", "media": "?"}), "media"),
        ("sendWhatsAppAudio", json!({"number": BOB, "audio": "?"}), "audio"),
        ("sendSticker", json!({"number": BOB, "sticker": "?"}), "sticker"),
        ("sendReaction", json!({"key": {"remoteJid": "tea", "id": "x"}, "reaction": "👍"}), "key.remoteJid"),
    ] {
        let answer = program.post(&format!("/message/{path}/bot"), body).await;
        assert_eq!(answer.status, 400, "{path}: {}", answer.body);
        assert_eq!(answer.body["response"]["field"], field, "{path}: {}", answer.body);
    }
    let unknown = program.post("/message/sendText/none", json!({"number": BOB, "text": "x"})).await;
    refused(&unknown, 404, "not_found");
    app.stop().await;
}

#[tokio::test]
async fn people_are_asked_about_and_shown_something() {
    let app = TestApp::start().await;
    let program = Program(&app);
    let id = program.linked(None).await;
    let asked = json!({"numbers": [BOB, "15550100099"]});
    let found = program.post("/chat/whatsappNumbers/bot", asked).await.expect(200);
    assert_eq!(
        found,
        json!([
            {"exists": true, "jid": format!("{BOB}@s.whatsapp.net"), "number": BOB},
            {"exists": false, "jid": "15550100099@s.whatsapp.net", "number": "15550100099"},
        ])
    );
    let wrong = program.post("/chat/whatsappNumbers/bot", json!({"numbers": ["tea"]})).await;
    refused(&wrong, 400, "invalid_request");
    let picture = program.post("/chat/fetchProfilePictureUrl/bot", json!({"number": BOB})).await.expect(200);
    assert_eq!(picture, json!({"wuid": format!("{BOB}@s.whatsapp.net"), "profilePictureUrl": null}));
    for shown in [
        json!({"number": BOB, "presence": "composing", "delay": 1}),
        json!({"number": BOB, "options": {"presence": "recording", "delay": 1, "number": BOB}}),
    ] {
        program.post("/chat/sendPresence/bot", shown).await.expect(201);
    }
    refused(&program.post("/chat/sendPresence/bot", json!({"number": BOB})).await, 400, "invalid_request");
    program.post("/instance/setPresence/bot", json!({"presence": "available"})).await.expect(201);
    let written = app.phones().write(BOB, ALICE, "hi").await;
    app.event(&id, "message_received", |data| data["messageId"] == written.as_str()).await;
    let key = json!({"remoteJid": format!("{BOB}@s.whatsapp.net"), "fromMe": false, "id": written});
    let read = program.post("/chat/markMessageAsRead/bot", json!({"readMessages": [key]})).await.expect(201);
    assert_eq!(read, json!({"message": "Read messages", "read": "success"}));
    app.event(&id, "message_status", |data| data["status"] == "read" && data["fromMe"] == false).await;
    app.stop().await;
}

#[tokio::test]
async fn events_are_told_in_its_words() {
    let (app, receiver) = (TestApp::start().await, Receiver::start());
    let program = Program(&app);
    let hook = json!({"url": receiver.url(), "byEvents": false, "base64": false, "headers": {"X-Mine": "yes"},
        "events": ["MESSAGES_UPSERT", "SEND_MESSAGE", "MESSAGES_UPDATE", "CONNECTION_UPDATE", "QRCODE_UPDATED"]});
    let id = program.linked(Some(hook.clone())).await;
    let event = |name: &'static str| move |call: &Call| call.body["event"] == name;
    let open = receiver
        .wait_for_call(|call| event("connection.update")(call) && call.body["data"]["state"] == "open")
        .await;
    let fields = ["apikey", "data", "date_time", "destination", "event", "instance", "sender", "server_url"];
    assert_eq!((keys(&open.body), &open.body["instance"]), (fields.to_vec(), &json!("bot")));
    assert_eq!((&open.body["destination"], open.header("x-mine")), (&json!(receiver.url()), Some("yes")));
    // The code of one that nobody scans: told late, another one would be told of nothing any more.
    let waiting = json!({"instanceName": "waiting", "integration": "WHATSAPP-BAILEYS", "qrcode": true, "webhook": hook});
    program.post("/instance/create", waiting).await.expect(201);
    let of_waiting = |call: &Call| event("qrcode.updated")(call) && call.body["instance"] == "waiting";
    let code = receiver.wait_for_call(of_waiting).await.body;
    assert!(code["data"]["qrcode"]["code"].is_string(), "{code}");

    let written = app.phones().write(BOB, ALICE, "hi").await;
    let told = receiver.wait_for_call(event("messages.upsert")).await.body;
    let jid = format!("{BOB}@s.whatsapp.net");
    assert_eq!(told["data"]["key"], json!({"remoteJid": jid, "fromMe": false, "id": written}));
    assert_eq!(
        (&told["data"]["message"]["conversation"], &told["data"]["messageType"]),
        (&json!("hi"), &json!("conversation"))
    );
    assert_eq!(
        (&told["data"]["instanceId"], &told["sender"]),
        (&json!(id), &json!(format!("{ALICE}@s.whatsapp.net")))
    );
    let sent = program.post("/message/sendText/bot", json!({"number": BOB, "text": "yo"})).await.expect(201);
    let told = receiver.wait_for_call(event("send.message")).await.body;
    assert_eq!(told["data"]["key"], sent["key"]);
    let update = receiver.wait_for_call(event("messages.update")).await.body;
    assert_eq!((&update["data"]["keyId"], &update["data"]["fromMe"]), (&sent["key"]["id"], &json!(true)));

    let found = program.get("/webhook/find/bot").await.expect(200);
    assert_eq!((&found["enabled"], &found["url"]), (&json!(true), &json!(receiver.url())));
    let body = json!({"enabled": true, "url": "http://127.0.0.1:9/other", "webhookByEvents": false,
        "webhookBase64": false, "events": ["MESSAGES_UPSERT"]});
    let set = program.post("/webhook/set/bot", body).await.expect(201);
    assert_eq!(set["webhook"]["webhook"]["url"], "http://127.0.0.1:9/other");
    let set =
        program.post("/webhook/set/bot", json!({"webhook": {"enabled": false, "url": ""}})).await.expect(201);
    assert_eq!(set["webhook"]["webhook"]["enabled"], false);
    for (hook, field) in [
        (json!({"url": "ftp://x"}), "url"),
        (json!({"url": receiver.url(), "byEvents": true}), "byEvents"),
        (json!({"url": receiver.url(), "base64": true}), "base64"),
    ] {
        let answer = program.post("/webhook/set/bot", json!({"webhook": hook})).await;
        assert_eq!(
            (answer.status.as_u16(), &answer.body["response"]["field"]),
            (400, &json!(field)),
            "{}",
            answer.body
        );
    }
    app.stop().await;
}
