use serde_json::{Value, json};
use webhook::Signer;

use crate::answer::keys;
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

#[tokio::test]
async fn webhooks_are_added_changed_and_removed_by_name() {
    let app = TestApp::start().await;
    let client = app.client();
    let path = format!("/api/instances/{}/webhooks", app.create("named").await);
    let listed = client.get(&path).await.expect(200);
    assert_eq!(names(&listed), ["default"]);

    let body = json!({
        "name": "crm", "url": "http://127.0.0.1:9/crm", "format": "seed0", "events": ["message_received"],
        "notifySent": false, "maxRetries": 7, "retryInterval": 500, "secret": "twelve bytes at least", "headers": {"A": "1"},
    });
    let created = client.post(&path, body).await.expect(201);
    assert_eq!(
        keys(&created),
        [
            "createdAt",
            "enabled",
            "events",
            "failingSince",
            "format",
            "headers",
            "instanceId",
            "maxRetries",
            "name",
            "notifyDelivery",
            "notifyRead",
            "notifyReceived",
            "notifySent",
            "onGiveUp",
            "pausedAt",
            "receiver",
            "retryInterval",
            "secret",
            "updatedAt",
            "url",
        ]
    );
    assert_eq!((&created["enabled"], &created["format"]), (&json!(true), &json!("seed0")));
    assert_eq!((&created["events"], &created["maxRetries"]), (&json!(["message_received"]), &json!(7)));
    assert_eq!((&created["onGiveUp"], &created["pausedAt"]), (&json!("dead_letter"), &Value::Null));
    assert_eq!(client.get(&format!("{path}/crm")).await.expect(200), created);
    assert_eq!(names(&client.get(&path).await.expect(200)), ["crm", "default"]);

    let change = json!({"enabled": false, "events": null, "secret": null, "format": "seed1"});
    let changed = client.put(&format!("{path}/crm"), change).await.expect(200);
    assert_eq!((&changed["enabled"], &changed["events"]), (&json!(false), &Value::Null));
    assert_eq!((&changed["secret"], &changed["format"]), (&Value::Null, &json!("seed1")));
    assert_eq!((&changed["url"], &changed["headers"]), (&created["url"], &created["headers"]));

    assert_eq!(client.delete(&format!("{path}/crm")).await.expect(200), json!({"success": true}));
    client.get(&format!("{path}/crm")).await.expect_error(404, "not_found");
    client.delete(&format!("{path}/crm")).await.expect_error(404, "not_found");
    client.delete(&format!("{path}/default")).await.expect(200);
    assert_eq!(client.get(&format!("{path}/default")).await.expect(200)["url"], Value::Null);
    app.stop().await;
}

#[tokio::test]
async fn the_fields_of_an_instance_address_the_webhook_named_default() {
    let app = TestApp::start().await;
    let client = app.client();
    let instance = json!({"name": "flat", "webhookUrl": "http://127.0.0.1:9/flat", "maxRetries": 9});
    let created = client.post("/api/instances", instance).await.expect(201);
    let one = format!("/api/instances/{}", created["id"].as_str().unwrap());
    let default = client.get(&format!("{one}/webhooks/default")).await.expect(200);
    assert_eq!((&default["url"], &default["maxRetries"]), (&json!("http://127.0.0.1:9/flat"), &json!(9)));
    assert_eq!((&default["enabled"], &default["format"]), (&json!(true), &json!("seed1")));

    client.put(&format!("{one}/webhooks/default"), json!({"maxRetries": 2})).await.expect(200);
    assert_eq!(client.get(&one).await.expect(200)["webhookSettings"]["maxRetries"], 2);
    app.stop().await;
}

#[tokio::test]
async fn wrong_webhooks_are_refused_by_name() {
    let app = TestApp::start().await;
    let client = app.client();
    let path = format!("/api/instances/{}/webhooks", app.create("refused").await);
    let with = |field: &str, value: Value| {
        let mut body = json!({"name": "crm"});
        body[field] = value;
        body
    };
    for (field, value) in [
        ("name", json!("CRM")),
        ("name", json!("")),
        ("url", json!("ftp://example.org/")),
        ("url", json!("http://169.254.169.254/")),
        ("format", json!("seed7")),
        ("maxRetries", json!(1_000)),
        ("retryInterval", json!(1)),
        ("secret", json!("x".repeat(1_000))),
        ("secret", json!("x".repeat(11))),
        ("headers", json!({"Host": "mine"})),
        ("headers", json!({"X_Webhook_Id": "mine"})),
        ("headers", json!({"Proxy": "http://example.org/"})),
        ("headers", json!({"A": "é"})),
    ] {
        client.post(&path, with(field, value)).await.expect_error(400, "invalid_request").about(field);
    }
    let answer = client.post(&path, with("events", json!(["rumour"]))).await;
    answer.expect_error(400, "invalid_request").about("events.0");
    client.post(&path, json!({})).await.expect_error(400, "missing_field").about("name");
    client.post(&path, with("webhookUrl", json!(""))).await.expect_error(400, "unknown_field");
    client.post(&path, json!({"name": "default"})).await.expect_error(409, "conflict");
    assert_eq!(names(&client.get(&path).await.expect(200)), ["default"]);
    app.stop().await;
}

#[tokio::test]
async fn each_webhook_is_told_in_its_own_words_of_what_it_asks_for() {
    let (app, flat, crm) = (TestApp::start().await, Receiver::start(), Receiver::start());
    let client = app.client();
    let alice = alice_with_webhook(&app, &flat, json!({})).await;
    let path = format!("/api/instances/{alice}/webhooks");
    let body =
        json!({"name": "crm", "url": crm.url(), "format": "seed0", "events": ["connected", "message_sent"]});
    client.post(&path, body).await.expect(201);

    client.call(&format!("/api/instances/{alice}/reconnect")).await.expect(200);
    crm.wait_for("connection_opened", |data| data["instanceId"] == alice.as_str()).await;
    flat.wait_for("connected", |data| data["instanceId"] == alice.as_str()).await;
    app.until_ready(&alice).await;
    let id = app.phones().write(BOB, ALICE, "not for the crm").await;
    flat.wait_for("message_received", |data| data["messageId"] == id.as_str()).await;
    let sent = app.send(&alice, BOB, "for both").await.expect(200);
    for receiver in [&flat, &crm] {
        receiver.wait_for("message_sent", |data| data["messageId"] == sent["id"]).await;
    }
    assert_eq!(crm.count("message_received"), 0);
    app.stop().await;
}

#[tokio::test]
async fn dead_letters_are_kept_for_each_webhook() {
    let (app, receiver) = (TestApp::start().await, Receiver::start());
    let client = app.client();
    let id = app.create("dead").await;
    receiver.answer(500);
    let path = format!("/api/instances/{id}/webhooks");
    let body = json!({"name": "crm", "url": receiver.url(), "maxRetries": 0, "events": ["webhook_updated"]});
    client.post(&path, body).await.expect(201);
    // Told to every webhook of the instance.
    client.put(&format!("{path}/default"), json!({"maxRetries": 1})).await.expect(200);
    let letters = until("the dead letter", || async {
        let dead = client.get(&format!("{path}/crm/dead-letters")).await.expect(200);
        (dead["pagination"]["total"] != 0).then(|| dead["deadLetters"].clone())
    })
    .await;
    assert_eq!(letters[0]["event"], "webhook_updated");
    let default = client.get(&format!("/api/instances/{id}/webhook/dead-letters")).await.expect(200);
    assert_eq!(default["deadLetters"], json!([]));

    receiver.answer(200);
    let told = receiver.count("webhook_updated");
    let replayed = client.post(&format!("{path}/crm/dead-letters/replay"), json!({})).await.expect(202);
    assert!(replayed["replayed"].as_u64().unwrap() >= 1);
    until("it is delivered", || async { (receiver.count("webhook_updated") > told).then_some(()) }).await;
    app.stop().await;
}

#[tokio::test]
async fn what_is_pending_is_shown_and_can_be_made_due() {
    let (app, receiver) = (TestApp::start().await, Receiver::start());
    let client = app.client();
    let id = app.create("pending").await;
    receiver.answer(503);
    let path = format!("/api/instances/{id}/webhooks");
    let body = json!({
        "name": "crm", "url": receiver.url(), "retryInterval": 86_400_000, "events": ["webhook_updated"],
    });
    client.post(&path, body).await.expect(201);
    client.put(&format!("{path}/default"), json!({"maxRetries": 1})).await.expect(200);
    let pending = async || client.get(&format!("{path}/crm/pending?limit=10")).await.expect(200);
    let page = until("a pending delivery", || async {
        let page = pending().await;
        (page["pending"][0]["attempts"] == 1).then_some(page)
    })
    .await;
    let delivery = &page["pending"][0];
    assert_eq!((&delivery["event"], &delivery["lastStatus"]), (&json!("webhook_updated"), &json!(503)));
    assert_eq!((&delivery["lastError"], &delivery["chat"]), (&json!("HTTP 503"), &Value::Null));
    assert!(delivery["eventId"].is_string() && page["pagination"]["total"].as_u64() >= Some(1), "{page}");
    crate::answer::assert_time(&delivery["nextAttempt"]);
    let shown = client.get(&format!("{path}/crm")).await.expect(200);
    assert_eq!(shown["receiver"]["state"], "answering", "503 is an answer, too");

    receiver.answer(200);
    let due =
        client.post(&format!("{path}/crm/dead-letters/replay"), json!({"ids": [], "pending": true})).await;
    let due = due.expect(202);
    assert!(due["replayed"] == 0 && due["pending"].as_u64() >= Some(1), "{due}");
    until("nothing is pending", || async { (pending().await["pagination"]["total"] == 0).then_some(()) })
        .await;
    client.get(&format!("{path}/crm/pending?limit=0")).await.expect_error(400, "invalid_request");
    app.stop().await;
}

#[tokio::test]
async fn every_attempt_is_listed_and_can_be_made_again() {
    let (app, receiver) = (TestApp::start().await, Receiver::start());
    let client = app.client();
    let id = app.create("deliveries").await;
    receiver.answer(500);
    let path = format!("/api/instances/{id}/webhooks");
    let body = json!({"name": "crm", "url": receiver.url(), "maxRetries": 0, "events": ["webhook_updated"]});
    client.post(&path, body).await.expect(201);
    client.put(&format!("{path}/default"), json!({"maxRetries": 1})).await.expect(200);
    let one = format!("{path}/crm/deliveries");
    let page = until("two attempts", || async {
        let page = client.get(&one).await.expect(200);
        (page["pagination"]["total"] == 2).then_some(page)
    })
    .await;
    let tried = &page["deliveries"][0];
    assert_eq!(
        keys(tried),
        ["at", "attempt", "durationMs", "error", "event", "eventId", "id", "replayed", "state", "status"]
    );
    assert_eq!((&tried["state"], &tried["status"]), (&json!("given_up"), &json!(500)));
    assert_eq!((&tried["attempt"], &tried["error"]), (&json!(1), &json!("HTTP 500")));
    let first = client.get(&format!("{one}?limit=1&state=given_up")).await.expect(200);
    assert_eq!(&first["deliveries"], &json!([tried]));
    let next = first["pagination"]["next"].as_str().unwrap();
    let second = client.get(&format!("{one}?limit=1&before={next}")).await.expect(200);
    assert_eq!(
        (&second["deliveries"][0], &second["pagination"]["hasMore"]),
        (&page["deliveries"][1], &json!(false))
    );

    receiver.answer(200);
    for name in [&tried["id"], &second["deliveries"][0]["eventId"]] {
        let again = format!("{one}/{}/redeliver", name.as_str().unwrap());
        assert_eq!(client.call(&again).await.expect(202), json!({"success": true}));
    }
    let delivered = until("both are delivered", || async {
        let page = client.get(&format!("{one}?state=delivered")).await.expect(200);
        (page["pagination"]["total"] == 2).then_some(page)
    })
    .await;
    assert_eq!(
        (&delivered["deliveries"][0]["replayed"], &delivered["deliveries"][0]["status"]),
        (&json!(true), &json!(200))
    );
    let replayed = client.post(&format!("{path}/crm/replay"), json!({"from": 0})).await.expect(202);
    assert_eq!(replayed, json!({"success": true, "replayed": 2}));
    until("all are delivered", || async { (receiver.count("webhook_updated") == 6).then_some(()) }).await;
    let now = tried["at"].clone();
    let long_ago = json!({"from": "2020-01-01T00:00:00Z", "to": "2020-01-02T00:00:00Z"});
    let none = client.post(&format!("{path}/crm/replay"), long_ago).await.expect(202);
    assert_eq!(none["replayed"], 0);

    for (query, field) in [("limit=0", "limit"), ("state=lost", "state"), ("before=x", "before")] {
        client.get(&format!("{one}?{query}")).await.expect_error(400, "invalid_request").about(field);
    }
    for missing in ["999999", "0190a0a0-0000-7000-8000-000000000000", "nothing"] {
        client.call(&format!("{one}/{missing}/redeliver")).await.expect_error(404, "not_found");
    }
    client.call(&format!("{path}/none/deliveries/1/redeliver")).await.expect_error(404, "not_found");
    client.get(&format!("{path}/none/deliveries")).await.expect_error(404, "not_found");
    let backwards = client.post(&format!("{path}/crm/replay"), json!({"from": 9, "to": 3})).await;
    backwards.expect_error(400, "invalid_request").about("to");
    client
        .post(&format!("{path}/crm/replay"), json!({"from": "soon"}))
        .await
        .expect_error(400, "invalid_request")
        .about("from");
    client
        .post(&format!("{path}/crm/replay"), json!({"to": now}))
        .await
        .expect_error(400, "missing_field")
        .about("from");
    let other = "/api/instances/0190a0a0-0000-7000-8000-000000000000/webhooks/default";
    client.get(&format!("{other}/deliveries")).await.expect_error(404, "not_found");
    client.post(&format!("{other}/replay"), json!({"from": 1})).await.expect_error(404, "not_found");
    app.stop().await;
}

#[tokio::test]
async fn a_test_call_tells_what_the_receiver_says() {
    let (app, receiver) = (TestApp::start().await, Receiver::start());
    let client = app.client();
    let path = format!("/api/instances/{}/webhooks", app.create("tested").await);
    client.call(&format!("{path}/default/test")).await.expect_error(409, "conflict");
    let body = json!({"name": "crm", "url": receiver.url(), "secret": SECRET, "enabled": false});
    client.post(&path, body).await.expect(201);
    receiver.answer(503);
    let tested = client.call(&format!("{path}/crm/test")).await.expect(200);
    assert_eq!(keys(&tested), ["body", "delivered", "durationMs", "error", "status"]);
    assert_eq!((&tested["delivered"], &tested["status"]), (&json!(false), &json!(503)));
    receiver.answer(200);
    let tested = client.call(&format!("{path}/crm/test")).await.expect(200);
    assert_eq!(
        (&tested["delivered"], &tested["status"], &tested["error"]),
        (&json!(true), &json!(200), &Value::Null)
    );
    let call = receiver.wait_for("webhook_test", |data| data["webhook"] == "crm").await;
    assert!(Signer::new(SECRET).verify(&call.raw, call.header("x-webhook-signature").expect("signed")));
    client.call(&format!("{path}/none/test")).await.expect_error(404, "not_found");
    app.stop().await;
}

#[tokio::test]
async fn a_secret_is_changed_while_both_sign() {
    const NEXT: &str = "another webhook secret";
    let (app, receiver) = (TestApp::start().await, Receiver::start());
    let client = app.client();
    let path = format!("/api/instances/{}/webhooks", app.create("rotated").await);
    let body = json!({"name": "crm", "url": receiver.url(), "secret": SECRET});
    client.post(&path, body).await.expect(201);
    let rotate = format!("{path}/crm/secret/rotate");
    let rotated = client.post(&rotate, json!({"secret": NEXT, "overlap": 3_600})).await.expect(200);
    assert_eq!((&rotated["secret"], &rotated["nextSecret"]["secret"]), (&json!(SECRET), &json!(NEXT)));
    crate::answer::assert_time(&rotated["nextSecret"]["from"]);
    client.call(&format!("{path}/crm/test")).await.expect(200);
    let call = receiver.wait_for("webhook_test", |_| true).await;
    let verifies = |secret: &str, header: &str| {
        Signer::new(secret).verify(&call.raw, call.header(header).expect("signed"))
    };
    assert!(verifies(SECRET, "x-webhook-signature"), "who knows the old one verifies as before");
    assert!(verifies(NEXT, "x-webhook-signature-next"));
    assert!(call.header("x-webhook-signature-v2").expect("signed").contains(",next="));

    // Without an overlap, and without a secret of the caller's own.
    let rotated = client.post(&rotate, json!({"overlap": 0})).await.expect(200);
    let generated = rotated["secret"].as_str().unwrap();
    assert!(generated.len() >= 32 && rotated.get("nextSecret").is_none(), "{rotated}");
    client
        .post(&rotate, json!({"secret": "short"}))
        .await
        .expect_error(400, "invalid_request")
        .about("secret");
    client
        .post(&rotate, json!({"overlap": 9_999_999}))
        .await
        .expect_error(400, "invalid_request")
        .about("overlap");
    client.post(&format!("{path}/none/secret/rotate"), json!({})).await.expect_error(404, "not_found");
    app.stop().await;
}

#[tokio::test]
async fn who_does_not_say_how_often_gives_nothing_up() {
    let (app, receiver) = (TestApp::start().await, Receiver::start());
    let client = app.client();
    let path = format!("/api/instances/{}/webhooks", app.create("waits").await);
    receiver.answer(500);
    let body = json!({"name": "crm", "url": receiver.url(), "events": ["webhook_updated"]});
    let created = client.post(&path, body).await.expect(201);
    assert_eq!((&created["onGiveUp"], &created["retryInterval"]), (&json!("wait"), &json!(1_000)));
    assert_eq!(client.get(&format!("{path}/default")).await.expect(200)["onGiveUp"], "dead_letter");
    until("a second attempt", || async { (receiver.count("webhook_updated") >= 2).then_some(()) }).await;
    let dead = client.get(&format!("{path}/crm/dead-letters")).await.expect(200);
    assert_eq!(dead["pagination"]["total"], 0);
    receiver.answer(200);
    until("nothing is pending", || async {
        let pending = client.get(&format!("{path}/crm/pending")).await.expect(200);
        (pending["pagination"]["total"] == 0).then_some(())
    })
    .await;
    let changed = client.put(&format!("{path}/crm"), json!({"onGiveUp": "dead_letter"})).await.expect(200);
    assert_eq!(changed["onGiveUp"], "dead_letter");
    assert_eq!(client.call(&format!("{path}/crm/resume")).await.expect(200)["pausedAt"], Value::Null);
    client.call(&format!("{path}/none/resume")).await.expect_error(404, "not_found");
    let wrong = client.put(&format!("{path}/crm"), json!({"onGiveUp": "forget"})).await;
    wrong.expect_error(400, "invalid_request").about("onGiveUp");
    app.stop().await;
}

/// The names of the listed webhooks.
fn names(listed: &Value) -> Vec<&str> {
    let webhooks = listed["webhooks"].as_array().expect("a list").iter();
    webhooks.map(|webhook| webhook["name"].as_str().expect("a name")).collect()
}
