//! Rows that can't be opened, as a failing disk, another key or a newer release leave them: each is told as what it is, and
//! nothing else suffers.

use reqwest::Method;
use serde_json::{Value, json};
use test_support::until;
use trunkline_tests::WebhookReceiver;

use super::seeded::{Seeded, add_user, list, one_with};

const SECRET: &str = "the-rows-own-secret";
const OURS: &str = "15550000041";
const PEER: &str = "15550000042";

/// How a row of an instance is damaged, and which part of it is told as unreadable.
const DAMAGED: &[(&str, &str, &str)] = &[
    ("proxy", "proxy = x'0011'", "proxy"),
    ("status", "status = 'asleep'", "status"),
    ("cause", "status_cause = 'cosmic;rays'", "status"),
    ("icon", "device_icon = 'netscape'", "deviceIcon"),
];

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_instance_is_listed_changed_and_deleted_and_all_others_start() {
    let mut stage = Seeded::start().await;
    let sound = stage.create(json!({"name": "sound"})).await;
    for (name, ..) in DAMAGED {
        stage.create(json!({"name": name, "description": "kept"})).await;
    }
    for (name, damage, _) in DAMAGED {
        stage.sql(&format!("UPDATE instances SET {damage} WHERE name = '{name}'"));
    }
    assert_eq!(stage.send(Method::GET, "/health", None).await.status, 200);
    assert_eq!(list(&stage.get("/api/instances").await, "instances").len(), 5);
    let late = stage.create(json!({"name": "late"})).await;

    // What runs may have set its status anew meanwhile.
    stage
        .restart_after(async |stage, _| {
            for (name, damage, _) in DAMAGED {
                stage.sql(&format!("UPDATE instances SET {damage} WHERE name = '{name}'"));
            }
        })
        .await;
    assert_eq!(stage.send(Method::GET, "/health", None).await.expect(200)["instances"]["total"], 6);
    let listed = stage.get("/api/instances").await;
    let listed = list(&listed, "instances");
    for name in ["sound", "late"] {
        assert_eq!(one_with(listed, "name", name)["unreadable"], Value::Null);
    }
    for (name, _, part) in DAMAGED {
        let one = one_with(listed, "name", name);
        assert_eq!(one["unreadable"], json!([part]), "{one}");
        let connection = &one["connectionStatus"];
        assert_eq!(
            (&connection["status"], &connection["cause"]),
            (&json!("disconnected"), &json!("unreadable"))
        );
        let path = format!("/api/instances/{}", one["id"].as_str().unwrap());
        assert_eq!(stage.get(&path).await["description"], "kept");
        // What isn't named stays as it is, also where it can't be read.
        stage.put(&path, json!({"description": "changed"})).await;
        let changed = stage.get(&path).await;
        assert_eq!((&changed["description"], &changed["unreadable"]), (&json!("changed"), &json!([part])));
    }
    until_has_qr(&stage, &sound).await;
    until_has_qr(&stage, &late).await;

    // Naming the part repairs it; a status by connecting anew.
    let path =
        |name: &str| format!("/api/instances/{}", one_with(listed, "name", name)["id"].as_str().unwrap());
    let refused = stage.send(Method::POST, &format!("{}/reconnect", path("proxy")), None).await;
    assert_eq!(refused.expect(409)["error"]["cause"], "unreadable");
    stage.put(&path("proxy"), json!({"proxy": null})).await;
    stage.put(&path("icon"), json!({"deviceIcon": "edge"})).await;
    for name in ["status", "cause"] {
        stage.send(Method::POST, &format!("{}/reconnect", path(name)), None).await.expect(200);
    }
    for (name, ..) in DAMAGED {
        assert_eq!(stage.get(&path(name)).await["unreadable"], Value::Null, "{name}");
        until_has_qr(&stage, path(name).rsplit('/').next().unwrap()).await;
    }

    for (name, damage, _) in DAMAGED {
        stage.sql(&format!("UPDATE instances SET {damage} WHERE name = '{name}'"));
        stage.send(Method::DELETE, &path(name), None).await.expect(200);
    }
    assert_eq!(list(&stage.get("/api/instances").await, "instances").len(), 2);
}

async fn until_has_qr(stage: &Seeded, id: &str) {
    until("a QR code", || async {
        let answer = stage.send(Method::GET, &format!("/api/instances/{id}/qr"), None).await;
        (answer.status == 200).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_webhook_is_listed_calls_nobody_and_goes_on_when_it_is_repaired() {
    let mut stage = Seeded::start().await;
    let receiver = WebhookReceiver::listen(SECRET).await;
    let hook =
        |name: &str| json!({"name": name, "url": receiver.url(), "secret": SECRET, "headers": {"A": "1"}});
    let id = stage.create(json!({"name": "shop"})).await;
    let hooks = format!("/api/instances/{id}/webhooks");
    let damaged = [
        ("secret", "secret = x'0011'", json!({"secret": SECRET})),
        ("headers", "headers = x'0011'", json!({"headers": {"A": "2"}})),
        ("format", "format = 'seed9'", json!({"format": "seed1"})),
        ("events", "kinds = '[\"surprise\"]'", json!({"events": null})),
    ];
    for (name, ..) in &damaged {
        stage.send(Method::POST, &hooks, Some(hook(name))).await.expect(201);
    }
    stage
        .restart_after(async |stage, _| {
            for (name, damage, _) in &damaged {
                stage.sql(&format!("UPDATE webhooks SET {damage} WHERE name = '{name}'"));
            }
        })
        .await;
    let listed = stage.get(&hooks).await;
    for (name, ..) in &damaged {
        let one = one_with(list(&listed, "webhooks"), "name", name);
        assert_eq!((&one["unreadable"], &one["url"]), (&json!([name]), &json!(receiver.url())), "{one}");
        assert_eq!(stage.get(&format!("{hooks}/{name}")).await["unreadable"], json!([name]));
    }
    // The instance itself goes on.
    until_has_qr(&stage, &id).await;
    let before = receiver.count();
    for (name, _, repair) in &damaged {
        let repaired = stage.put(&format!("{hooks}/{name}"), repair.clone()).await;
        assert_eq!(repaired["unreadable"], Value::Null, "{repaired}");
        until("it is told what waited", || async { (receiver.count() > before).then_some(()) }).await;
    }
    assert_eq!(receiver.refused(), 0, "nobody was called without a signature");
    stage.sql("UPDATE webhooks SET secret = x'0011'");
    for (name, ..) in &damaged {
        stage.send(Method::DELETE, &format!("{hooks}/{name}"), None).await.expect(200);
    }
    stage.send(Method::DELETE, &format!("/api/instances/{id}"), None).await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn damaged_messages_and_events_are_told_as_such_and_stop_neither_pages_nor_webhooks() {
    let mut stage = Seeded::start().await;
    let receiver = WebhookReceiver::listen(SECRET).await;
    let id = stage.gateway.link(&stage.simulator, OURS, Some((&receiver.url(), SECRET))).await;
    stage.simulator.phone(PEER).await;
    for text in ["one", "two", "three", "four", "five"] {
        stage.simulator.send(PEER, OURS, text).await;
    }
    until("all are told", || async { (receiver.count_of("message_received") == 5).then_some(()) }).await;
    let events = format!("/api/instances/{id}/events?since=2020-01-01T00:00:00Z&limit=1000");
    let all = list(&stage.get(&events).await, "events").len();

    stage
        .restart_after(async |stage, _| {
            stage.sql(
                "UPDATE messages SET kind = 'hologram' WHERE text = 'one';
             UPDATE messages SET status = 'lost' WHERE text = 'two';
             UPDATE messages SET id = x'00' WHERE text = 'three';
             UPDATE events SET data = '{' WHERE data LIKE '%\"one\"%';
             UPDATE events SET kind = 'eclipse' WHERE data LIKE '%\"two\"%'; -- its data says what it is
             UPDATE events SET id = x'00' WHERE data LIKE '%\"three\"%';
             UPDATE events SET format = 99 WHERE data LIKE '%\"four\"%';
             UPDATE cursors SET seq = 0;",
            );
        })
        .await;
    let page = stage.get(&format!("/api/instances/{id}/chats/{PEER}/messages")).await;
    assert_eq!(page["pagination"]["total"], 5);
    let messages = list(&page, "messages");
    assert_eq!(messages.len(), 5);
    let unreadable = messages.iter().filter(|message| message["messageType"] == "unreadable").count();
    assert_eq!(unreadable, 1, "{page}");
    assert_eq!(messages.iter().filter(|message| message["status"] == "unreadable").count(), 1, "{page}");

    let page = stage.get(&events).await;
    let told = list(&page, "events");
    assert!(told.len() >= all, "{page}");
    let count = |kind: &str| told.iter().filter(|event| event["type"] == kind).count();
    assert_eq!((count("unreadable"), count("message_received")), (2, 3), "{page}");
    // The webhook reads the log from its start, past what is damaged, to its end.
    until("the webhook passes", || async {
        (receiver.count_of("unreadable") == 2 && receiver.count_of("message_received") == 5 + 3).then_some(())
    })
    .await;
    assert_eq!(receiver.refused(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delivery_in_no_known_state_is_a_dead_letter() {
    let mut stage = Seeded::start().await;
    let id =
        stage.create(json!({"name": "shop", "webhookUrl": "http://127.0.0.1:9/", "maxRetries": 0})).await;
    let path = format!("/api/instances/{id}/webhook/dead-letters");
    until("dead letters", || async {
        (stage.get(&path).await["pagination"]["total"].as_u64() >= Some(1)).then_some(())
    })
    .await;
    stage.put(&format!("/api/instances/{id}"), json!({"webhookEnabled": false})).await;
    stage.restart_after(async |stage, _| stage.sql("UPDATE deliveries SET state = 'limbo'")).await;
    let letters = stage.get(&path).await;
    let total = letters["pagination"]["total"].as_u64().unwrap();
    assert!(total >= 1, "{letters}");
    assert_eq!(list(&letters, "deadLetters").len() as u64, total);
    let replayed = stage.send(Method::POST, &format!("{path}/replay"), Some(json!({}))).await.expect(202);
    assert_eq!(replayed["replayed"], total);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_user_is_refused_alone() {
    let mut stage = Seeded::start().await;
    stage
        .restart_after(async |_, database| {
            for name in ["max", "eve", "ida"] {
                add_user(database, name, &format!("key-of-{name}")).await;
            }
        })
        .await;
    let call = async |stage: &Seeded, name: &str| {
        let key = format!("key-of-{name}");
        stage.send_as(&key, Method::GET, "/api/auth/me", None, None).await
    };
    assert_eq!(call(&stage, "max").await.expect(200)["firstName"], "max");
    stage
        .restart_after(async |stage, _| {
            stage.sql("UPDATE users SET api_key = x'0011' WHERE first_name = 'max'");
            stage.sql("UPDATE users SET role = 'emperor' WHERE first_name = 'eve'");
        })
        .await;
    for name in ["max", "eve"] {
        assert_eq!(call(&stage, name).await.expect(500)["error"]["code"], "unreadable");
    }
    assert_eq!(call(&stage, "ida").await.expect(200)["firstName"], "ida");
    let login = json!({"email": "max@trunkline.test", "password": "whatever it was"});
    let answer = stage.send(Method::POST, "/api/auth/login", Some(login)).await;
    assert_eq!(answer.expect(500)["error"]["code"], "unreadable");
    stage.get("/api/auth/me").await;
    // Nobody is there who can be read: that is no first start.
    stage.restart_after(async |stage, _| stage.sql("UPDATE users SET role = 'emperor'")).await;
    assert_eq!(call(&stage, "ida").await.status, 500);
}
