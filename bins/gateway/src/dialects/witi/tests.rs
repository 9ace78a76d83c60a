//! Every command of witi.me, over HTTP.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
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

/// A program written for witi.me.
struct Program {
    client: crate::client::Client,
    wid: String,
}

impl Program {
    async fn of(app: &TestApp, instance: &str) -> Self {
        let shown = app.client().get(&format!("/api/instances/{instance}/witi")).await.expect(200);
        assert_eq!(keys(&shown), ["url", "wid"]);
        let wid = shown["wid"].as_str().unwrap().to_owned();
        assert!(shown["url"].as_str().unwrap().ends_with(&format!("/status.aspx?wid={wid}")), "{shown}");
        Self { client: app.anonymous(), wid }
    }

    async fn get(&self, command: &str) -> Answer {
        self.client.get(&format!("/{command}.aspx?wid={}", self.wid)).await
    }

    async fn post(&self, command: &str, body: Value) -> Answer {
        self.client.post(&format!("/{command}.aspx?wid={}", self.wid), body).await
    }

    async fn code(&self) -> Value {
        until("the QR code", || async {
            let answer = self.post("generate_qrcode", json!({"user_agent": "Opera"})).await.expect(200);
            (answer["status"] == 1).then_some(answer)
        })
        .await
    }
}

/// Errors say by each mark of success that they are none.
#[track_caller]
fn refused(answer: &Answer, status: u16, code: &str) {
    assert_eq!((answer.status.as_u16(), &answer.body["code"]), (status, &json!(code)), "{}", answer.body);
    for (mark, value) in [("status", json!(0)), ("success", json!(false)), ("sucesso", json!(false))] {
        assert_eq!(answer.body[mark], value, "{}", answer.body);
    }
    assert!(answer.body["error"].is_string());
    for told in ["message", "mensagem"] {
        assert_eq!(answer.body.get(told), Some(&Value::Null), "{}", answer.body);
    }
}

/// An instance that a phone has linked by a code of this API.
async fn linked(app: &TestApp) -> (String, Program) {
    let id = app.create("witi").await;
    let program = Program::of(app, &id).await;
    app.link(&id, ALICE).await;
    app.phones().create(BOB).await;
    (id, program)
}

#[tokio::test]
async fn a_code_is_shown_until_the_phone_is_linked() {
    let app = TestApp::start().await;
    let id = app.create("witi").await;
    let program = Program::of(&app, &id).await;
    let code = program.code().await;
    assert_eq!(keys(&code), ["error", "qr", "status", "ttl"]);
    assert_eq!(code["error"], "");
    assert!(code["ttl"].as_u64().is_some_and(|ttl| ttl > 0), "{code}");
    let svg = code["qr"].as_str().unwrap().strip_prefix("data:image/svg+xml;base64,").unwrap();
    assert!(STANDARD.decode(svg).unwrap().starts_with(b"<svg "));
    let status = program.get("status").await.expect(200);
    assert_eq!((&status["status"], &status["statusString"]), (&json!(3), &json!("waitForQRAuthentication")));
    assert_eq!((&status["UserAgent"], &status["CanRestoreConnection"]), (&json!("Opera"), &json!(false)));

    app.link(&id, ALICE).await;
    let code = program.post("generate_qrcode", json!({})).await.expect(200);
    assert_eq!(code, json!({"status": 0, "error": "Connection already established", "ttl": 0}));
    let without_body = program.client.call(&format!("/generate_qrcode.aspx?WID={}", program.wid)).await;
    assert_eq!(without_body.expect(200)["status"], 0);
    let answer = program.post("generate_qrcode", json!({"agent": "x"})).await;
    refused(&answer, 400, "unknown_field");
    app.stop().await;
}

#[tokio::test]
async fn the_status_has_the_documented_fields() {
    let app = TestApp::start().await;
    let (_, program) = linked(&app).await;
    let sent = program.post("send_message_file", json!({"number": BOB, "base64": PNG})).await.expect(200);
    assert_eq!(sent["success"], true);
    let status = program.get("status").await.expect(200);
    assert_eq!(
        keys(&status),
        [
            "CanRestoreConnection",
            "ConnectionInfo",
            "UserAgent",
            "WebID",
            "Webhook",
            "connected",
            "stats",
            "status",
            "statusString",
            "storage"
        ]
    );
    assert_eq!((&status["status"], &status["statusString"]), (&json!(10), &json!("WhatsAppAuthenticated")));
    assert_eq!((&status["connected"], &status["WebID"]), (&json!(true), &json!(program.wid)));
    assert_eq!(status["CanRestoreConnection"], true);
    let info = &status["ConnectionInfo"];
    assert_eq!(
        keys(info),
        [
            "battery",
            "binVersion",
            "connected",
            "isResponse",
            "lc",
            "lg",
            "locales",
            "phone",
            "platform",
            "plugged",
            "protoVersion",
            "pushname",
            "tos",
            "wid"
        ]
    );
    assert_eq!(
        (&info["wid"], &info["isResponse"]),
        (&json!(format!("{ALICE}@s.whatsapp.net")), &json!("false"))
    );
    let phone =
        ["device_manufacturer", "device_model", "mcc", "mnc", "os_build_number", "os_version", "wa_version"];
    assert_eq!(keys(&info["phone"]), phone);
    assert_eq!(keys(&status["stats"]), ["Chats", "Contacts", "ReceveidBytes", "SentBytes"]);
    for counted in ["ReceveidBytes", "SentBytes"] {
        assert!(status["stats"][counted].as_u64().is_some_and(|bytes| bytes > 100), "{status}");
    }
    let storage = &status["storage"];
    assert_eq!(keys(storage), ["Bytes", "Files", "Name", "Subs"]);
    let png = STANDARD.decode(PNG).unwrap().len();
    assert_eq!((&storage["Name"], &storage["Files"]), (&json!(program.wid), &json!(1)));
    assert_eq!(storage["Bytes"], png);
    let subs: Vec<_> = storage["Subs"].as_array().unwrap().iter().map(|sub| sub["Name"].clone()).collect();
    assert_eq!(subs, ["media", "profile", "thumb"]);
    assert_eq!(storage["Subs"][0], json!({"Name": "media", "Bytes": png, "Files": 1, "Subs": null}));
    app.stop().await;
}

#[tokio::test]
async fn a_session_is_closed_restored_and_ended() {
    let app = TestApp::start().await;
    let (id, program) = linked(&app).await;
    assert_eq!(program.get("save_session").await.expect(200), json!({"sucesso": true}));
    let closed = program.get("close_session").await.expect(200);
    assert_eq!(keys(&closed), ["Status", "sucesso"]);
    let status: Value = serde_json::from_str(closed["Status"].as_str().expect("a text")).unwrap();
    assert_eq!((&status["status"], &status["statusString"]), (&json!(0), &json!("noConnection")));
    assert_eq!((&status["connected"], &status["CanRestoreConnection"]), (&json!(false), &json!(true)));
    assert_eq!(program.get("status").await.expect(200)["status"], 0);
    assert!(!app.phones().devices(ALICE).await.is_empty(), "it stays linked");

    let restored = program.get("restore_session").await.expect(200);
    let status: Value = serde_json::from_str(restored["Status"].as_str().expect("a text")).unwrap();
    assert_eq!((&restored["sucesso"], &status["status"]), (&json!(true), &json!(10)));
    app.until_ready(&id).await;

    let ended = program.get("disconnect").await.expect(200);
    assert_eq!((&ended["status"], &ended["statusString"]), (&json!(0), &json!("noConnection")));
    assert_eq!((&ended["connected"], &ended["CanRestoreConnection"]), (&json!(false), &json!(false)));
    assert!(app.phones().devices(ALICE).await.is_empty(), "it is unlinked");
    assert_eq!(program.get("save_session").await.expect(200), json!({"sucesso": false}));
    assert_eq!(program.get("restore_session").await.expect(200)["sucesso"], false);
    assert_eq!(program.code().await["status"], 1, "it can be linked again");
    app.stop().await;
}

#[tokio::test]
async fn a_key_opens_its_instance_until_it_is_rotated() {
    let app = TestApp::start().await;
    let id = app.create("witi").await;
    let program = Program::of(&app, &id).await;
    assert_eq!(program.wid.len(), 36);
    assert_eq!(program.wid, program.wid.to_uppercase());
    let lower = Program { client: app.anonymous(), wid: program.wid.to_lowercase() };
    assert_eq!(lower.get("status").await.expect(200)["WebID"], program.wid);
    let again = Program::of(&app, &id).await;
    assert_eq!(again.wid, program.wid, "it stays");

    let rotated = app.client().call(&format!("/api/instances/{id}/witi/rotate")).await.expect(200);
    assert_ne!(rotated["wid"], program.wid);
    refused(&program.get("status").await, 401, "unauthorized");
    let renewed = Program::of(&app, &id).await;
    assert_eq!(rotated["wid"], renewed.wid);
    assert_eq!(renewed.get("status").await.expect(200)["WebID"], renewed.wid);

    refused(&app.anonymous().get("/status.aspx").await, 401, "unauthorized");
    for path in [format!("/api/instances/{id}/witi"), format!("/api/instances/{id}/witi/rotate")] {
        let method = if path.ends_with("rotate") { reqwest::Method::POST } else { reqwest::Method::GET };
        let answer = app.anonymous().send(app.anonymous().request(method, &path)).await;
        answer.expect_error(401, "unauthorized");
    }
    let nobody = "/api/instances/0190a0a0-0000-7000-8000-000000000000/witi";
    app.client().get(nobody).await.expect_error(404, "not_found");
    app.client().delete(&format!("/api/instances/{id}")).await.expect(200);
    refused(&renewed.get("status").await, 401, "unauthorized");
    app.stop().await;
}

#[tokio::test]
async fn many_wrong_keys_have_to_wait_and_the_right_one_does_not() {
    let app = TestApp::start().await;
    let id = app.create("witi").await;
    let program = Program::of(&app, &id).await;
    let wrong = Program { client: app.anonymous(), wid: "6D6307C3-2973-4468-85FA-D047CB8E1F2E".to_owned() };
    let mut limited = None;
    for _ in 0..40 {
        let answer = wrong.get("status").await;
        if answer.status == 429 {
            limited = Some(answer);
            break;
        }
        refused(&answer, 401, "unauthorized");
    }
    let limited = limited.expect("it is enough");
    refused(&limited, 429, "rate_limited");
    assert!(limited.header("retry-after").parse::<u64>().is_ok());
    program.get("status").await.expect(200);
    app.stop().await;
}

#[tokio::test]
async fn messages_of_every_kind_reach_the_phone() {
    let app = TestApp::start().await;
    let (_, program) = linked(&app).await;
    let to = format!("{BOB}@s.whatsapp.net");
    let text = program.post("send_message", json!({"number": to, "message": "hello"})).await.expect(200);
    assert_eq!((keys(&text), keys(&text["message"])), (vec!["message", "success"], vec!["Id"]));
    let file = json!({"number": to, "caption": "look", "type": "image", "filename": "a.png",
        "mimetype": "image/png", "base64": PNG});
    let file = program.post("send_message_file", file).await.expect(200);
    assert_eq!(keys(&file["message"]), ["MessageID", "Url", "jpegThumbnail"]);
    for (kind, sent_as) in [("image/jpeg", "image"), ("file", "document"), ("application/pdf", "document")] {
        let file = json!({"number": to, "type": kind, "filename": "", "base64": PNG});
        let file = program.post("send_message_file", file).await.expect(200);
        let arrived = until("the phone has it", || async {
            let inbox = app.phones().entries(BOB).await;
            inbox.into_iter().find(|entry| entry["id"] == file["message"]["MessageID"])
        })
        .await;
        assert_eq!(arrived["kind"], sent_as, "{kind}");
    }
    let card = json!({"number": to, "name": "Carol", "contact": "+1 555 010 0003"});
    let card = program.post("send_contact", card).await.expect(200);
    let inbox = until("the phone has all", || async {
        let inbox = app.phones().entries(BOB).await;
        (inbox.len() == 6).then_some(inbox)
    })
    .await;
    let shown: Vec<_> = inbox.iter().map(|entry| (&entry["id"], &entry["text"])).collect();
    assert_eq!(shown[0], (&text["message"]["Id"], &json!("hello")));
    assert_eq!(shown[1], (&file["message"]["MessageID"], &json!("look")));
    assert_eq!(shown[5], (&card["message"]["Id"], &json!("Carol")));
    // The address of the file needs no credential.
    let url = file["message"]["Url"].as_str().unwrap();
    let bytes = crate::client::http().get(url).send().await.unwrap().bytes().await.unwrap();
    assert_eq!(bytes, STANDARD.decode(PNG).unwrap());

    for (command, body, field) in [
        ("send_message", json!({"number": "tea", "message": "hi"}), "number"),
        ("send_message", json!({"number": BOB, "message": ""}), "message"),
        ("send_message", json!({"number": BOB}), "message"),
        ("send_message_file", json!({"number": BOB}), "url"),
        ("send_message_file", json!({"number": BOB, "base64": "?"}), "base64"),
        ("send_message_file", json!({"number": BOB, "base64": PNG, "type": "tea"}), "type"),
        ("send_message_file", json!({"number": BOB, "url": "http://10.0.0.1/a"}), "url"),
        ("send_contact", json!({"number": BOB, "name": "C"}), "vcard"),
    ] {
        let answer = program.post(command, body.clone()).await;
        assert_eq!((answer.status.as_u16(), &answer.body["field"]), (400, &json!(field)), "{command} {body}");
    }
    program.get("close_session").await.expect(200);
    let answer = program.post("send_message", json!({"number": BOB, "message": "late"})).await;
    refused(&answer, 409, "not_connected");
    app.stop().await;
}

#[tokio::test]
async fn chats_contacts_and_people_are_shown() {
    let app = TestApp::start().await;
    let (id, program) = linked(&app).await;
    let written = app.phones().write(BOB, ALICE, "hi").await;
    app.event(&id, "message_received", |data| data["messageId"] == written.as_str()).await;
    let jid = format!("{BOB}@s.whatsapp.net");
    let chats = until("the chat", || async {
        let chats = program.get("chats").await.expect(200);
        (!chats.as_array().unwrap().is_empty()).then_some(chats)
    })
    .await;
    let fields =
        ["Lastupdate", "archive", "count", "jid", "modify_tag", "mute", "name", "picture", "spam", "t"];
    assert_eq!((keys(&chats[0]), &chats[0]["jid"]), (fields.to_vec(), &json!(jid)));
    assert_eq!((&chats[0]["count"], &chats[0]["mute"]), (&json!(1), &json!("")));
    assert_eq!(program.get("status").await.expect(200)["stats"]["Chats"], 1);
    let contacts = program.get("contacts").await.expect(200);
    let bob = contacts.as_array().unwrap().iter().find(|contact| contact["jid"] == jid).unwrap();
    let of_a_contact = [
        "Archive",
        "Count",
        "LastMessageTime",
        "Lastupdate",
        "Mute",
        "Spam",
        "biz",
        "isGroup",
        "jid",
        "name",
        "notify",
        "picture",
        "short",
        "status",
        "tag",
        "verify",
        "vname",
    ];
    assert_eq!(keys(bob), of_a_contact);
    let picture = bob["picture"].as_str().unwrap();
    assert!(picture.ends_with(&format!("/get_picture.aspx?WID={}&jid={jid}", program.wid)), "{picture}");
    let answer = program.client.get(&format!("/contacts.aspx?wid={}&limit=0", program.wid)).await;
    refused(&answer, 400, "invalid_request");

    for command in ["get_profile", "query_profile"] {
        let seen = program.post(command, json!({"number": jid})).await.expect(200);
        assert_eq!((&seen["sucesso"], &seen["mensagem"]["jid"]), (&json!(true), &json!(jid)));
        assert_eq!(keys(&seen["mensagem"]), of_a_contact);
        for field in ["notify", "short", "name", "picture"] {
            assert!(seen["mensagem"][field].is_string(), "{seen}");
        }
        refused(&program.post(command, json!({"number": "15550100099"})).await, 400, "invalid_request");
    }
    let picture = program.client.get(&format!("/get_picture.aspx?WID={}&jid={jid}", program.wid)).await;
    assert_eq!(picture.expect(200)["jid"], jid);
    refused(&program.get("get_picture").await, 400, "invalid_request");
    let path = format!("/get_picture.aspx?wid={}&jid={jid}", program.wid);
    let request = program.client.request(reqwest::Method::GET, &path).header("accept", "image/*");
    refused(&program.client.send(request).await, 404, "not_found");

    let done = json!({"success": true});
    assert_eq!(program.post("subscribe", json!({"number": jid})).await.expect(200), done);
    let shown = [json!({"presence": "available"}), json!({"presence": "composing", "number": jid})];
    for body in shown {
        assert_eq!(program.post("send_presence", body).await.expect(200), done);
    }
    refused(&program.post("send_presence", json!({"presence": "composing"})).await, 400, "invalid_request");
    let read = json!({"number": jid, "messages": [written]});
    assert_eq!(program.post("mark_read", read).await.expect(200), done);
    let unknown = json!({"number": jid, "messages": ["3EB0"]});
    refused(&program.post("mark_read", unknown).await, 404, "not_found");

    assert_eq!(program.get("clear").await.expect(200), json!({"status": true, "message": "clear ok"}));
    assert_eq!(program.get("contacts").await.expect(200), json!([]));
    assert_eq!(program.get("status").await.expect(200)["status"], 10, "it stays connected");
    app.stop().await;
}

#[tokio::test]
async fn events_are_posted_back_raw_and_in_bulk() {
    let app = TestApp::start().await;
    let (_, program) = linked(&app).await;
    let received = |call: &crate::receiver::Call, text: &str| call.raw.starts_with(text.as_bytes());
    for (config, prefix) in [
        (json!({"APIVersionCanBulk": false}), "{"),
        (json!({"APIVersionCanBulk": true, "APIVersion": "1.0"}), "BULK,["),
        (json!({"APIVersionCanBulk": true, "APIVersion": "1.1"}), "BULKGZ,"),
    ] {
        let receiver = Receiver::start();
        let mut config = config;
        config["webhook"] = json!(receiver.url());
        config["user_agent"] = json!("Opera");
        let status = program.post("set_config", config).await.expect(200);
        assert_eq!((&status["Webhook"], &status["UserAgent"]), (&json!(receiver.url()), &json!("Opera")));
        app.phones().write(BOB, ALICE, "post this back").await;
        receiver.wait_for_call(|call| received(call, prefix)).await;
    }
    let off = program.post("set_config", json!({"webhook": ""})).await.expect(200);
    assert_eq!(off["Webhook"], "");
    for (body, field) in [
        (json!({"APIVersion": "2.0"}), "APIVersion"),
        (json!({"webhook": "ftp://x"}), "webhook"),
        (json!({"hook": "x"}), "hook"),
    ] {
        let answer = program.post("set_config", body).await;
        assert_eq!((answer.status.as_u16(), &answer.body["field"]), (400, &json!(field)), "{}", answer.body);
    }
    app.stop().await;
}

#[tokio::test]
async fn a_group_is_the_keys_that_are_named_together() {
    let app = TestApp::start().await;
    let (_, program) = linked(&app).await;
    let other = Program::of(&app, &app.create("other").await).await;
    let gid = format!("{},{}", program.wid, other.wid);
    let group = |command: &str| format!("/witime/group/{command}.aspx?gid={gid}");
    let client = app.anonymous();
    let shown = client.get(&group("getstatus")).await.expect(200);
    let outcome = &shown["Resultado"];
    let fields = ["Chave", "Cobrado", "CodigoResultado", "ElapsedTimeMS", "Mensagem", "ValorCobrado"];
    assert_eq!((keys(outcome), &outcome["CodigoResultado"]), (fields.to_vec(), &json!(0)));
    assert_eq!(outcome["Mensagem"], "2 instances. Connected=1, canRestore=0, disconnected=1");
    let info = &shown["Info"];
    assert_eq!(keys(info), ["APIURL", "GID", "Status", "WIDs", "instancias"]);
    assert_eq!((&info["Status"], &info["WIDs"]), (&json!(1), &json!([program.wid, other.wid])));
    for number in [json!(BOB), json!([BOB, "15550100099", ALICE])] {
        let seen = client.post(&group("query_profile"), json!({"number": number})).await.expect(200);
        assert_eq!(keys(&seen["Resultado"]), fields);
        assert_eq!(
            (&seen["profiles"][0]["number"], &seen["profiles"][0]["sucesso"]),
            (&json!(BOB), &json!(true))
        );
        assert_eq!(seen["profiles"][0]["mensagem"]["jid"], format!("{BOB}@s.whatsapp.net"));
        if number.is_array() {
            assert_eq!(seen["Resultado"]["Mensagem"], r#"3 profiles queried. {"200":2,"404":1}"#);
            assert_eq!(seen["profiles"][1]["mensagem"], Value::Null);
        }
    }
    refused(&client.post(&group("query_profile"), json!({"number": []})).await, 400, "invalid_request");
    let ended = client.get(&group("End")).await.expect(200);
    assert_eq!((keys(&ended), &ended["CodigoResultado"]), (fields.to_vec(), &json!(0)));
    assert_eq!(client.get(&group("getstatus")).await.expect(200)["Info"]["Status"], 0);
    let started = client.get(&group("Start")).await.expect(200);
    assert_eq!(started["Mensagem"], format!("GID {gid} started successfully. 2 wids"));
    until("the group is active again", || async {
        let shown = client.get(&group("getstatus")).await.expect(200);
        (shown["Info"]["Status"] == 1).then_some(())
    })
    .await;
    refused(&client.get("/witime/group/getstatus.aspx?gid=x").await, 401, "unauthorized");
    refused(&client.get("/witime/group/getstatus.aspx").await, 401, "unauthorized");
    app.stop().await;
}
