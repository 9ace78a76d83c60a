//! How messages are sent, whatever they say: under keys, with a wait, and again after a restart.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use actix_web::{App, HttpResponse, HttpServer, web};
use reqwest::Method;
use serde_json::{Value, json};

use crate::answer::{Answer, keys};
use crate::app::TestApp;
use crate::until::until;

const ALICE: &str = "15550100001";
const BOB: &str = "15550100002";

async fn cast() -> (TestApp, String) {
    let app = TestApp::start().await;
    let alice = app.paired(ALICE).await;
    app.phones().create(BOB).await;
    (app, alice)
}

async fn send(app: &TestApp, instance: &str, what: &str, body: Value) -> Answer {
    app.client().post(&format!("/api/whatsapp/{instance}/{what}"), to_bob(body)).await
}

async fn send_keyed(app: &TestApp, instance: &str, what: &str, key: &str, body: Value) -> Answer {
    let client = app.client();
    let request = client.request(Method::POST, &format!("/api/whatsapp/{instance}/{what}"));
    client.send(request.header("idempotency-key", key).json(&to_bob(body))).await
}

fn to_bob(mut body: Value) -> Value {
    body["phone"] = json!(BOB);
    body
}

fn id(answer: &Value) -> String {
    answer["id"].as_str().expect("an id").to_owned()
}

/// The entries of Bob's inbox.
async fn shown(app: &TestApp) -> usize {
    app.phones().entries(BOB).await.len()
}

#[tokio::test]
async fn every_kind_of_message_is_sent_once_under_its_key() {
    let (app, alice) = cast().await;
    let theirs = app.phones().write(BOB, ALICE, "theirs").await;
    app.event(&alice, "message_received", |data| data["messageId"] == theirs.as_str()).await;
    let [ours, gone] = ["ours", "gone"].map(|text| app.send(&alice, BOB, text));
    let (ours, gone) = (id(&ours.await.expect(200)), id(&gone.await.expect(200)));
    let poll = json!({"question": "Tea?", "options": ["green", "black"]});
    let event = json!({"name": "Tea time", "startsAt": "2030-01-01T17:00:00Z"});
    let (poll, event) = (send(&app, &alice, "send-poll", poll), send(&app, &alice, "send-event", event));
    let (poll, event) = (id(&poll.await.expect(200)), id(&event.await.expect(200)));
    for (what, body, other) in [
        ("send", json!({"message": "a"}), json!({"message": "b"})),
        ("send-location", json!({"latitude": 1, "longitude": 2}), json!({"latitude": 2, "longitude": 2})),
        (
            "send-contacts",
            json!({"contacts": [{"name": "C", "number": "+1 555 010 0003"}]}),
            json!({"contacts": [{"name": "D", "number": "+1 555 010 0003"}]}),
        ),
        (
            "send-poll",
            json!({"question": "?", "options": ["a", "b"]}),
            json!({"question": "?", "options": ["a", "c"]}),
        ),
        (
            "send-event",
            json!({"name": "x", "startsAt": "2030-01-01T17:00:00Z"}),
            json!({"name": "x", "startsAt": "2030-01-01T18:00:00Z"}),
        ),
        ("react", json!({"messageId": theirs, "emoji": "👍"}), json!({"messageId": theirs, "emoji": ""})),
        ("edit", json!({"messageId": ours, "message": "x"}), json!({"messageId": ours, "message": "y"})),
        ("revoke", json!({"messageId": gone}), json!({"messageId": ours})),
        (
            "vote",
            json!({"messageId": poll, "options": ["green"]}),
            json!({"messageId": poll, "options": ["black"]}),
        ),
        (
            "answer",
            json!({"messageId": event, "answer": "going"}),
            json!({"messageId": event, "answer": "maybe"}),
        ),
        ("pin", json!({"messageId": theirs, "seconds": 86_400}), json!({"messageId": theirs, "seconds": 0})),
        ("keep", json!({"messageId": theirs, "keep": true}), json!({"messageId": theirs, "keep": false})),
        ("timer", json!({"seconds": 86_400}), json!({"seconds": 0})),
        ("send-media", json!({"base64": "aGVsbG8="}), json!({"base64": "aGVsbG8h"})),
    ] {
        let first = send_keyed(&app, &alice, what, what, body.clone()).await.expect(200);
        let before = shown(&app).await;
        assert_eq!(send_keyed(&app, &alice, what, what, body).await.expect(200), first, "{what}");
        let reused = send_keyed(&app, &alice, what, what, other).await;
        reused.expect_error(409, "conflict");
        assert_eq!(reused.body["error"]["cause"], "idempotency_key_reused", "{what}");
        assert_eq!(shown(&app).await, before, "{what}");
    }
    app.stop().await;
}

#[tokio::test]
async fn a_file_is_fetched_once_under_its_key() {
    let (app, alice) = cast().await;
    let fetched = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&fetched);
    let host = HttpServer::new(move || {
        let counted = Arc::clone(&counted);
        let file = move || {
            counted.fetch_add(1, Ordering::SeqCst);
            async { HttpResponse::Ok().body("a file") }
        };
        App::new().route("/a.txt", web::to(file))
    });
    let host = host.workers(1).disable_signals().bind(("127.0.0.1", 0)).expect("a free port");
    let url = format!("http://{}/a.txt", host.addrs()[0]);
    tokio::spawn(host.run());

    let first = send_keyed(&app, &alice, "send-media", "k", json!({"url": url})).await.expect(200);
    for _ in 0..3 {
        assert_eq!(send_keyed(&app, &alice, "send-media", "k", json!({"url": url})).await.expect(200), first);
    }
    let other = json!({"url": url, "caption": "another"});
    send_keyed(&app, &alice, "send-media", "k", other).await.expect_error(409, "conflict");
    assert_eq!(fetched.load(Ordering::SeqCst), 1);
    // Whoever isn't there need not be asked for anything.
    let gone = json!({"url": "http://127.0.0.1:1/gone"});
    send_keyed(&app, &alice, "send-media", "k", gone).await.expect_error(409, "conflict");
    app.stop().await;
}

#[tokio::test]
async fn an_upload_that_comes_again_is_compared_and_not_kept() {
    let (app, alice) = cast().await;
    let client = app.client();
    let upload = |file: &str| {
        let part = |head: &str, text: &str| {
            format!("--b\r\ncontent-disposition: form-data; {head}\r\n\r\n{text}\r\n")
        };
        let body =
            part("name=\"phone\"", BOB) + &part("name=\"file\"; filename=\"a.bin\"", file) + "--b--\r\n";
        let request = client.request(Method::POST, &format!("/api/whatsapp/{alice}/send-file"));
        let request = request.header("content-type", "multipart/form-data; boundary=b");
        client.send(request.header("idempotency-key", "upload-1").body(body))
    };
    let first = upload("a file").await.expect(200);
    assert_eq!(upload("a file").await.expect(200), first);
    upload("another file").await.expect_error(409, "conflict");
    assert_eq!(shown(&app).await, 1);
    app.stop().await;
}

#[tokio::test]
async fn a_call_waits_until_its_message_has_come_so_far() {
    let (app, alice) = cast().await;
    let sent = send(&app, &alice, "send", json!({"message": "a", "wait": "server"})).await.expect(200);
    assert_eq!(keys(&sent), ["devices", "id", "status"]);
    // Bob's phone, and Alice's.
    assert_eq!(sent["devices"], json!({"reached": 2, "failed": 0}));
    let delivered =
        send(&app, &alice, "send", json!({"message": "b", "wait": "delivered"})).await.expect(200);
    assert_eq!(delivered["status"], "delivered");

    let waiting = json!({"message": "c", "wait": "read", "waitSeconds": 60});
    let reading = async {
        let message = until("the phone shows it", || async {
            app.phones().inbox(BOB).await.into_iter().find(|(_, text)| text == "c")
        });
        app.phones().read(BOB, ALICE, &message.await.0).await;
    };
    let (read, ()) = tokio::join!(send(&app, &alice, "send", waiting), reading);
    assert_eq!(read.expect(200)["status"], "read");

    // Nobody reads this one.
    let unread = json!({"message": "d", "wait": "read", "waitSeconds": 1});
    let unread = send(&app, &alice, "send", unread).await.expect(202);
    assert!(["sent", "delivered"].contains(&unread["status"].as_str().unwrap()), "{unread}");
    // A repeat under a key waits, too; it has not seen the message leave.
    let body = json!({"message": "e", "wait": "delivered"});
    let first = send_keyed(&app, &alice, "send", "k", body.clone()).await.expect(200);
    let again = send_keyed(&app, &alice, "send", "k", body).await.expect(200);
    assert_eq!((&again["id"], &again["status"]), (&first["id"], &json!("delivered")));
    app.stop().await;
}

#[tokio::test]
async fn a_wait_without_an_ack_answers_how_far_the_message_is() {
    let (app, alice) = cast().await;
    app.phones().fault(json!({"kind": "no_ack", "number": ALICE})).await;
    app.phones().fault(json!({"kind": "backlog", "number": ALICE})).await;
    let body = json!({"message": "x", "wait": "server", "waitSeconds": 1});
    let pending = send(&app, &alice, "send", body).await.expect(202);
    assert_eq!(pending["status"], "pending");
    assert!(pending.get("devices").is_none(), "{pending}");
    app.stop().await;
}

#[tokio::test]
async fn wrong_waits_are_refused_by_name() {
    let (app, alice) = cast().await;
    for (body, field) in [
        (json!({"wait": "seen"}), "wait"),
        (json!({"wait": "server", "waitSeconds": 0}), "waitSeconds"),
        (json!({"wait": "server", "waitSeconds": 61}), "waitSeconds"),
        (json!({"wait": "server", "waitSeconds": "long"}), "waitSeconds"),
        (json!({"waitSeconds": 5}), "waitSeconds"),
        (json!({"allowDuplicate": "yes"}), "allowDuplicate"),
    ] {
        let mut body = body;
        body["message"] = json!("x");
        let refused = send(&app, &alice, "send", body.clone()).await;
        assert_eq!(
            (refused.status.as_u16(), &refused.body["error"]["field"]),
            (400, &json!(field)),
            "{body}"
        );
    }
    assert_eq!(shown(&app).await, 0);
    app.stop().await;
}

#[tokio::test]
async fn a_call_that_comes_again_after_a_restart_is_answered_about_its_first_message() {
    let (app, alice) = cast().await;
    app.phones().fault(json!({"kind": "no_ack", "number": ALICE})).await;
    app.phones().fault(json!({"kind": "backlog", "number": ALICE})).await;
    let body = |text: &str| json!({"message": text, "wait": "server", "waitSeconds": 1});
    let first = id(&send(&app, &alice, "send", body("once")).await.expect(202));
    let (app, ()) = app.restart_after(async |phones| phones.clear_faults().await).await;
    app.until_ready(&alice).await;
    // Be it on its way or acknowledged by now.
    for _ in 0..2 {
        assert_eq!(id(&send(&app, &alice, "send", json!({"message": "once"})).await.expect(200)), first);
    }
    let other = id(&send(&app, &alice, "send", json!({"message": "another"})).await.expect(200));
    let meant = json!({"message": "once", "allowDuplicate": true});
    let meant = id(&send(&app, &alice, "send", meant).await.expect(200));
    let keyed = id(&send_keyed(&app, &alice, "send", "k", json!({"message": "once"})).await.expect(200));
    assert!([&other, &meant, &keyed].into_iter().all(|id| *id != first));
    let texts = app.phones().inbox(BOB).await;
    assert_eq!(texts.iter().filter(|(_, text)| text == "once").count(), 3, "{texts:?}");
    app.stop().await;
}

#[tokio::test]
async fn a_number_is_understood_in_every_form() {
    let (app, alice) = cast().await;
    for (n, phone) in [
        "+1 555 010 0002",
        "\u{202a}+15550100002\u{202c}",
        "+1\u{2013}555\u{2013}0100002",
        "١٥٥٥٠١٠٠٠٠٢",
        "tel:+1-555-010-0002;ext=7",
        "https://wa.me/15550100002?text=hi",
        "https://api.whatsapp.com/send?phone=15550100002&text=hi",
        "whatsapp://send?phone=15550100002",
        "15550100002@c.us",
        "15550100002:12@s.whatsapp.net",
    ]
    .into_iter()
    .enumerate()
    {
        app.send(&alice, phone, &n.to_string()).await.expect(200);
    }
    for (phone, part) in [
        ("123@broadcast", "a broadcast list"),
        ("https://chat.whatsapp.com/AbCdEf", "an invitation to a group"),
        ("https://whatsapp.com/channel/AbC", "a channel"),
    ] {
        let refused = app.send(&alice, phone, "x").await;
        refused.expect_error(400, "invalid_request").about("phone");
        let message = refused.body["error"]["message"].as_str().unwrap();
        assert!(message.contains(part), "{phone}: {message}");
    }
    let card = json!({"contacts": [{"name": "x", "number": "call me"}]});
    send(&app, &alice, "send-contacts", card).await.expect_error(400, "invalid_request").about("contacts");
    app.stop().await;
}
