//! Every command of whatsgate, over HTTP.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::Method;
use serde_json::{Value, json};

use crate::answer::{Answer, keys};
use crate::app::TestApp;
use crate::receiver::Receiver;
use crate::until::until;

const ALICE: &str = "15550100001";
const BOB: &str = "15550100002";
/// The smallest PNG that there is: one pixel.
const PNG: &str =
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";

async fn call(app: &TestApp, command: &str, body: Value) -> Answer {
    app.client().post(&format!("/api/v1/{command}"), body).await
}

#[track_caller]
fn refused(answer: &Answer, status: u16, name: &str) {
    assert_eq!(answer.status.as_u16(), status, "{}", answer.body);
    assert_eq!(keys(&answer.body), ["code", "message", "name", "status"]);
    assert_eq!((&answer.body["name"], &answer.body["status"]), (&json!(name), &json!(status)));
    assert!(answer.body["message"].is_string() && answer.body["code"].is_number());
}

/// A session that Alice's phone has linked: its id here.
async fn linked(app: &TestApp, callback: Option<&str>) -> String {
    let created =
        call(app, "session-create", json!({"name": "Alice", "callback": callback})).await.expect(200);
    let session = created["data"]["unique_id"].as_str().unwrap().to_owned();
    app.link(&instance(app).await, ALICE).await;
    app.phones().create(BOB).await;
    session
}

/// The only instance that there is.
async fn instance(app: &TestApp) -> String {
    let all = app.client().get("/api/instances").await.expect(200);
    all["instances"][0]["id"].as_str().unwrap().to_owned()
}

async fn sessions(app: &TestApp, query: Value) -> Value {
    call(app, "sessions-get", query).await.expect(200)
}

#[tokio::test]
async fn a_session_is_created_shown_changed_and_deleted() {
    let url = "https://gateway.example";
    let app = TestApp::configured(|config| config.public_url = Some(url.parse().unwrap())).await;
    let body = json!({"name": "My WhatsApp", "callback": "http://127.0.0.1:9/script.handler"});
    let created = call(&app, "session-create", body).await.expect(200);
    let session = &created["data"];
    let fields = [
        "callback",
        "date_add",
        "id",
        "name",
        "pushname",
        "qr",
        "qr_link",
        "status",
        "status_name",
        "unique_id",
        "wid",
    ];
    assert_eq!((&created["result"], keys(session)), (&json!("OK"), fields.to_vec()));
    let id = session["unique_id"].as_str().unwrap();
    assert!(id.bytes().all(|byte| byte.is_ascii_digit()), "{id}");
    assert_eq!(session["qr_link"], format!("{url}/qr/{id}"));
    assert_eq!((&session["status"], &session["status_name"]), (&json!("PENDING"), &json!("Инициализация")));
    assert_eq!(session["callback"], "http://127.0.0.1:9/script.handler");
    assert!(session["qr"].is_null() && session["pushname"].is_null() && session["wid"].is_null());
    assert!(session["id"].as_u64().is_some_and(|id| id < 1 << 53));
    let date = session["date_add"].as_str().unwrap();
    assert_eq!((date.len(), &date[10..11]), (19, " "), "{date}");

    let waiting = until("the code", || async {
        let listed = sessions(&app, json!({"WhatsappID": id, "status": "AUTH"})).await;
        (listed["elements"] == 1).then_some(listed)
    })
    .await;
    assert_eq!((&waiting["pages"], &waiting["page"]), (&json!(1), &json!(1)));
    let request = app.client().request(Method::POST, "/api/v1/sessions-get").header("accept-language", "en");
    let english = app.client().send(request.json(&json!({}))).await.expect(200);
    assert_eq!(english["data"][0]["status_name"], "Waiting for authorisation");
    assert_eq!(english["data"][0]["id"], session["id"]);

    let done = json!({"result": "OK"});
    assert_eq!(call(&app, "set-name", json!({"WhatsappID": id, "name": "Other"})).await.expect(200), done);
    assert_eq!(call(&app, "set-hook", json!({"WhatsappID": id, "callback": ""})).await.expect(200), done);
    let listed = sessions(&app, json!({"name": "oth"})).await;
    assert_eq!((&listed["data"][0]["name"], &listed["data"][0]["callback"]), (&json!("Other"), &Value::Null));
    assert_eq!(sessions(&app, json!({"name": "none"})).await["elements"], 0);
    assert_eq!(sessions(&app, json!({"page": 2, "page_cnt": 1})).await["data"], json!([]));

    let deleted = call(&app, "session-delete", json!({"WhatsappID": id})).await.expect(200);
    assert_eq!(
        (&deleted["data"]["status"], &deleted["data"]["unique_id"]),
        (&json!("DESTROYING"), &json!(id))
    );
    assert_eq!(sessions(&app, json!({})).await["elements"], 0);
    refused(&call(&app, "session-delete", json!({"WhatsappID": id})).await, 404, "Not Found");
    app.stop().await;
}

#[tokio::test]
async fn what_is_wrong_is_told_in_its_words() {
    let app = TestApp::start().await;
    let nobody = app.anonymous().post("/api/v1/sessions-get", json!({})).await;
    refused(&nobody, 401, "Unauthorized");
    let wrong = app.anonymous().with_key("tl_wrong").post("/api/v1/sessions-get", json!({})).await;
    refused(&wrong, 401, "Unauthorized");
    for (command, body) in [
        ("session-create", json!({})),
        ("session-create", json!({"name": ""})),
        ("session-create", json!({"name": "a", "callback": "ftp://x"})),
        ("session-create", json!({"name": "a", "auth_type": "CODE"})),
        ("session-create", json!({"name": "a", "auth_type": "CODE", "number": "tea"})),
        ("session-create", json!({"name": "a", "auth_type": "SMS"})),
        ("sessions-get", json!({"status": "OPEN"})),
        ("sessions-get", json!({"page_cnt": 101})),
        ("sessions-get", json!({"page": 0})),
        ("sessions-get", json!({"pages": 1})),
        ("events-get", json!({"page": "x"})),
    ] {
        refused(&call(&app, command, body).await, 400, "Bad Request");
    }
    assert_eq!(sessions(&app, json!({})).await["elements"], 0, "what was refused is not there");
    for command in [
        "session-delete",
        "set-name",
        "set-hook",
        "send",
        "seen",
        "typing",
        "get-chats",
        "get-media",
        "get-messagemedia",
        "check",
        "events-get",
    ] {
        let mut body = json!({"WhatsappID": "634545454545"});
        let more = match command {
            "set-name" => json!({"name": "x"}),
            "send" => json!({"recipient": {"id": BOB}, "message": {"body": "x"}}),
            "seen" | "typing" => json!({"recipient": {"id": BOB}}),
            "get-media" => json!({"mediaKey": "x"}),
            "get-messagemedia" => json!({"MessageID": "x"}),
            "check" => json!({"number": BOB}),
            _ => json!({}),
        };
        more.as_object().unwrap().iter().for_each(|(name, value)| body[name] = value.clone());
        refused(&call(&app, command, body).await, 404, "Not Found");
    }
    app.stop().await;
}

#[tokio::test]
async fn a_phone_links_by_the_code_of_the_session() {
    let app = TestApp::start().await;
    app.phones().create(ALICE).await;
    let body = json!({"name": "by code", "auth_type": "CODE", "number": ALICE});
    let created = call(&app, "session-create", body).await.expect(200);
    let session = &created["data"];
    let code = session["code"].as_str().expect("a code");
    assert_eq!((code.len(), code.find('-')), (9, Some(4)));
    let page = format!("/qr/{}/state", session["unique_id"].as_str().unwrap());
    let shown = app.anonymous().get(&page).await.expect(200);
    assert_eq!((&shown["state"], &shown["code"]), (&json!("code"), &json!(code)));
    app.phones().enter_code(ALICE, code).await;
    let ready = until("the session is ready", || async {
        let listed = sessions(&app, json!({"status": "READY"})).await;
        (listed["elements"] == 1).then_some(listed)
    })
    .await;
    assert_eq!(ready["data"][0]["wid"], format!("{ALICE}@c.us"));
    assert_eq!(app.anonymous().get(&page).await.expect(200)["state"], "success");
    app.stop().await;
}

#[tokio::test]
async fn messages_of_every_type_are_sent() {
    let app = TestApp::start().await;
    let session = linked(&app, None).await;
    let send = async |message: Value| {
        let recipient = json!({"id": format!("{BOB}@c.us")});
        let body = json!({"WhatsappID": session, "recipient": recipient, "message": message});
        call(&app, "send", body).await.expect(200)["result"].clone()
    };
    let text = send(json!({"type": "text", "body": "hello"})).await;
    let fields = [
        "_id",
        "ack",
        "body",
        "from",
        "from_name",
        "hasMedia",
        "id",
        "isForwarded",
        "mediaKey",
        "timestamp",
        "to",
        "type",
    ];
    assert_eq!(keys(&text), fields);
    let id = text["_id"].as_str().unwrap();
    assert_eq!(text["id"], format!("true_{BOB}@c.us_{id}"));
    assert_eq!((&text["type"], &text["body"], &text["ack"]), (&json!("chat"), &json!("hello"), &json!(1)));
    assert_eq!(
        (&text["from"], &text["to"]),
        (&json!(format!("{ALICE}@c.us")), &json!(format!("{BOB}@c.us")))
    );

    let media = |name: &str| json!({"mimetype": "image/png", "data": PNG, "filename": name});
    let image =
        send(json!({"type": "image", "body": "look", "media": media("a.png"), "quote": text["id"]})).await;
    assert_eq!((&image["type"], &image["hasMedia"]), (&json!("image"), &json!(true)));
    send(json!({"type": "doc", "media": media("b.png")})).await;
    send(json!({"body": "an answer", "quote": text["id"]})).await;
    let body = json!({"WhatsappID": session, "async": true, "recipient": {"number": BOB, "type": "contact"},
        "message": {"type": "text", "body": "later"}});
    assert_eq!(call(&app, "send", body).await.expect(200), json!({"result": "OK"}));
    let inbox = until("the phone has all", || async {
        let inbox = app.phones().entries(BOB).await;
        (inbox.len() == 5).then_some(inbox)
    })
    .await;
    let kinds: Vec<_> = inbox.iter().map(|entry| entry["kind"].clone()).collect();
    assert_eq!(kinds, ["text", "image", "document", "text", "text"]);
    assert_eq!(inbox[1]["text"], "look");
    let told =
        app.event(&instance(&app).await, "message_sent", |data| data["messageId"] == image["_id"]).await;
    assert_eq!(told["data"]["quotedMessageId"], id);
    assert_eq!((&inbox[3]["quoted"], &inbox[4]["text"]), (&json!(id), &json!("later")));

    for message in [
        json!({"type": "text", "body": ""}),
        json!({"type": "image", "body": "no file"}),
        json!({"type": "image", "media": {"data": "?"}}),
        json!({"type": "voice", "media": media("a.ogg")}),
        json!({"type": "video", "body": "x"}),
    ] {
        let body = json!({"WhatsappID": session, "recipient": {"id": BOB}, "message": message});
        refused(&call(&app, "send", body).await, 400, "Bad Request");
    }
    let nobody = json!({"WhatsappID": session, "recipient": {}, "message": {"body": "x"}});
    refused(&call(&app, "send", nobody).await, 400, "Bad Request");
    let unknown =
        json!({"WhatsappID": session, "recipient": {"id": BOB}, "message": {"body": "x", "quote": "3EB0"}});
    refused(&call(&app, "send", unknown).await, 404, "Not Found");

    // The file comes back as it was, by either name.
    for (command, name, key) in
        [("get-messagemedia", "MessageID", &image["id"]), ("get-media", "mediaKey", &image["mediaKey"])]
    {
        let mut body = json!({"WhatsappID": session});
        body[name] = key.clone();
        let file = call(&app, command, body).await.expect(200);
        assert_eq!((&file["result"], &file["media"]["data"]), (&json!("OK"), &json!(PNG)));
        assert_eq!(
            (&file["media"]["mimetype"], &file["media"]["filename"]),
            (&json!("image/png"), &json!("a.png"))
        );
    }
    app.stop().await;
}

#[tokio::test]
async fn a_large_file_comes_in_one_piece() {
    let app = TestApp::start().await;
    let session = linked(&app, None).await;
    let bytes: Vec<u8> = (0..200_001_u32).map(|n| (n % 251) as u8).collect();
    let media = json!({"data": STANDARD.encode(&bytes), "filename": "large.bin"});
    let body =
        json!({"WhatsappID": session, "recipient": {"id": BOB}, "message": {"type": "doc", "media": media}});
    let sent = call(&app, "send", body).await.expect(200);
    let body = json!({"WhatsappID": session, "MessageID": sent["result"]["id"]});
    let file = call(&app, "get-messagemedia", body).await.expect(200);
    assert_eq!(STANDARD.decode(file["media"]["data"].as_str().unwrap()).unwrap(), bytes);
    app.stop().await;
}

#[tokio::test]
async fn chats_are_shown_and_numbers_checked() {
    let app = TestApp::start().await;
    let session = linked(&app, None).await;
    let id = instance(&app).await;
    let written = app.phones().write(BOB, ALICE, "hi").await;
    app.event(&id, "message_received", |data| data["messageId"] == written.as_str()).await;
    let done = json!({"result": "OK"});
    let chat = json!({"WhatsappID": session, "recipient": {"id": format!("{BOB}@c.us")}});
    assert_eq!(call(&app, "typing", chat.clone()).await.expect(200), done);
    assert_eq!(call(&app, "seen", chat.clone()).await.expect(200), done);
    app.event(&id, "message_status", |data| {
        data["messageId"] == written.as_str() && data["status"] == "read" && data["fromMe"] == false
    })
    .await;
    assert_eq!(call(&app, "seen", chat).await.expect(200), done, "there is nothing left to read");
    for (number, has) in [(BOB, true), ("15550100099", false)] {
        let body = json!({"WhatsappID": session, "number": number});
        assert_eq!(call(&app, "check", body).await.expect(200), json!({"result": "OK", "data": has}));
    }
    refused(&call(&app, "check", json!({"WhatsappID": session, "number": "tea"})).await, 400, "Bad Request");
    let chats = until("the chat", || async {
        let chats = call(&app, "get-chats", json!({"WhatsappID": session})).await.expect(200);
        (chats["elements"].as_u64() > Some(0)).then_some(chats)
    })
    .await;
    let found = chats["data"].as_array().unwrap().iter().find(|chat| chat["id"] == format!("{BOB}@c.us"));
    let found = found.expect("Bob");
    assert!(found["timestamp"].is_i64(), "{chats}");
    let fields = [
        "archived",
        "id",
        "isGroup",
        "isMuted",
        "isReadOnly",
        "muteExpiration",
        "name",
        "pinned",
        "timestamp",
        "unreadCount",
    ];
    assert_eq!((keys(found), &found["unreadCount"]), (fields.to_vec(), &json!(0)));
    groups_are_described(&app, &session).await;
    app.stop().await;
}

async fn groups_are_described(app: &TestApp, session: &str) {
    let id = instance(app).await;
    let body = json!({"name": "Test group", "participants": [BOB]});
    let made = app.client().post(&format!("/api/whatsapp/{id}/groups"), body).await.expect(200);
    app.client().call(&format!("/api/instances/{id}/contacts/import")).await.expect(200);
    let jid = made["id"].as_str().expect("an id");
    let chats = call(app, "get-chats", json!({"WhatsappID": session})).await.expect(200);
    let group = chats["data"].as_array().unwrap().iter().find(|chat| chat["id"] == jid);
    let described = &group.expect("the group")["groupMetadata"];
    assert_eq!(keys(described), ["creation", "id", "owner", "participants", "size"]);
    assert_eq!((&described["id"], &described["size"]), (&json!(jid), &json!(2)));
    let members = described["participants"].as_array().unwrap();
    assert!(members.iter().all(|member| keys(member) == ["id", "isAdmin", "isSuperAdmin"]), "{described}");
    assert_eq!(members.iter().filter(|member| member["isSuperAdmin"] == true).count(), 1);
}

#[tokio::test]
async fn events_of_all_sessions_are_told_together() {
    let app = TestApp::start().await;
    let alice = linked(&app, None).await;
    let created = call(&app, "session-create", json!({"name": "Carol"})).await.expect(200);
    let carol = created["data"]["unique_id"].as_str().unwrap().to_owned();
    let listed = app.client().get("/api/instances").await.expect(200);
    let is_hers = |instance: &&Value| instance["name"] == "Carol";
    let id = listed["instances"].as_array().unwrap().iter().find(is_hers).unwrap()["id"].clone();
    app.link(id.as_str().unwrap(), "15550100003").await;
    let ready = until("both are ready", || async {
        let all = call(&app, "events-get", json!({"action": "ready"})).await.expect(200);
        (all["elements"] == 2).then_some(all)
    })
    .await;
    let told: Vec<_> = ready["data"].as_array().unwrap().iter().map(|event| &event["whatsapp_id"]).collect();
    assert_eq!(told, [&json!(alice), &json!(carol)]);
    let one = call(&app, "events-get", json!({"action": "ready", "WhatsappID": carol})).await.expect(200);
    assert_eq!((&one["elements"], &one["data"][0]), (&json!(1), &ready["data"][1]));
    app.stop().await;
}

#[tokio::test]
async fn events_are_called_back_until_their_receipt_comes() {
    let (app, receiver) = (TestApp::start().await, Receiver::start());
    receiver.give_receipts();
    let session = linked(&app, Some(receiver.url())).await;
    let action = |call: &crate::receiver::Call, action: &str| call.body["event_action"] == action;
    let ready = receiver.wait_for_call(|call| action(call, "ready")).await;
    let fields = ["event_action", "event_data", "event_date", "id", "status_code", "whatsapp_id"];
    assert_eq!((keys(&ready.body), &ready.body["whatsapp_id"]), (fields.to_vec(), &json!(session)));
    assert_eq!(ready.body["event_data"]["number"], ALICE);
    let written = app.phones().write(BOB, ALICE, "hi").await;
    let message = receiver.wait_for_call(|call| action(call, "message")).await;
    let told = &message.body["event_data"]["message"];
    assert_eq!(told["id"], format!("false_{BOB}@c.us_{written}"));
    assert_eq!(
        (&told["body"], &told["type"], &told["hasMedia"]),
        (&json!("hi"), &json!("chat"), &json!(false))
    );
    let body =
        json!({"WhatsappID": session, "async": true, "recipient": {"id": BOB}, "message": {"body": "yo"}});
    let taken = call(&app, "send", body).await.expect(200);
    assert_eq!(taken, json!({"result": "OK"}));
    let sent = receiver.wait_for_call(|call| action(call, "sent")).await;
    assert_eq!(sent.body["event_data"]["message"]["body"], "yo");
    receiver.wait_for_call(|call| action(call, "ack")).await;
    // What was answered at once is not told so.
    let body = json!({"WhatsappID": session, "recipient": {"id": BOB}, "message": {"body": "now"}});
    let now = call(&app, "send", body).await.expect(200);
    let of_now =
        |call: &crate::receiver::Call| call.body["event_data"]["message"]["id"] == now["result"]["id"];
    let made = receiver.wait_for_call(|call| of_now(call) && !action(call, "ack")).await;
    assert_eq!(made.body["event_action"], "create");

    let page =
        call(&app, "events-get", json!({"WhatsappID": session, "action": "message"})).await.expect(200);
    assert_eq!((&page["elements"], &page["data"][0]), (&json!(1), &message.body));
    assert_eq!((&page["pages"], &page["page"]), (&json!(1), &json!(1)));
    let all = call(&app, "events-get", json!({"page_cnt": "2", "page": "1"})).await.expect(200);
    assert_eq!(all["data"].as_array().unwrap().len(), 2);
    let elements = all["elements"].as_u64().unwrap();
    assert!(elements > 2 && all["pages"] == elements.div_ceil(2), "{all}");
    // Whoever goes on from the date of an event gets that second and what is later.
    let date = message.body["event_date"].clone();
    let later = call(&app, "events-get", json!({"date": date, "page_cnt": 100})).await.expect(200);
    let told = later["data"].as_array().unwrap();
    assert!(
        told.contains(&message.body)
            && told.iter().all(|event| event["event_date"].as_str() >= date.as_str())
    );
    let second = call(&app, "events-get", json!({"page_cnt": 1, "page": 2})).await.expect(200);
    assert_eq!(second["data"][0], all["data"][1]);
    assert_eq!(message.body["event_data"]["message"]["to"], format!("{ALICE}@c.us"));
    assert_eq!(message.body["status_code"], Value::Null);
    let past = call(&app, "events-get", json!({"date": "2099-01-01"})).await.expect(200);
    assert_eq!(past["elements"], 0);
    for body in [json!({"date": "soon"}), json!({"page_cnt": 101}), json!({"page": 101})] {
        refused(&call(&app, "events-get", body).await, 400, "Bad Request");
    }
    app.stop().await;
}

/// A page is held in memory until it is read: so it has a size, and what doesn't fit is asked for in smaller ones.
#[tokio::test]
async fn a_page_of_long_events_is_asked_for_in_smaller_ones() {
    let app = TestApp::start().await;
    linked(&app, None).await;
    // Of 200 KB each, as long as a text may be.
    let long = "😀".repeat(50_000);
    let mut last = String::new();
    for n in 0..24 {
        last = app.phones().write(BOB, ALICE, &format!("{n} {long}")).await;
    }
    let newest = format!("/api/instances/{}/events?types=message_received&limit=1", instance(&app).await);
    until("all are stored", || async {
        let page = app.client().get(&newest).await.expect(200);
        (page["events"][0]["data"]["messageId"] == last.as_str()).then_some(())
    })
    .await;
    let ask = |count: u64, page: u64| json!({"action": "message", "page_cnt": count, "page": page});
    let answer = call(&app, "events-get", ask(100, 1)).await;
    refused(&answer, 400, "Bad Request");
    assert!(answer.body["message"].as_str().unwrap().contains("page_cnt"), "{answer:?}");
    let mut seen = 0;
    for page in 1..=3 {
        seen += call(&app, "events-get", ask(8, page)).await.expect(200)["data"].as_array().unwrap().len();
    }
    assert_eq!(seen, 24);
    app.stop().await;
}

#[tokio::test]
async fn a_plain_200_is_no_receipt() {
    let (app, receiver) = (TestApp::start().await, Receiver::start());
    let session = linked(&app, Some(receiver.url())).await;
    let (id, hook) = (instance(&app).await, format!("whatsgate-{session}"));
    let client = app.client();
    let shown = client.get(&format!("/api/instances/{id}/webhooks/{hook}")).await.expect(200);
    assert_eq!((&shown["maxRetries"], &shown["retryInterval"]), (&json!(3), &json!(20_000)));
    assert_eq!(shown["format"], "whatsgate");
    let path = format!("/api/instances/{id}/webhooks/{hook}/pending");
    let pending = until("a call that waits", || async {
        let page = client.get(&path).await.expect(200);
        page["pending"].as_array().unwrap().iter().find(|call| !call["lastError"].is_null()).cloned()
    })
    .await;
    let error = pending["lastError"].as_str().unwrap();
    assert!(error.contains("receipt"), "{pending}");
    app.stop().await;
}
