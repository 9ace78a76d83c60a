use serde_json::{Value, json};

use crate::answer::{assert_time, keys};
use crate::app::TestApp;
use crate::until::until;

const CREATED: [&str; 9] = [
    "createdAt",
    "description",
    "id",
    "name",
    "status",
    "updatedAt",
    "userId",
    "webhookEnabled",
    "webhookUrl",
];

#[tokio::test]
async fn an_instance_lives_from_creation_to_deletion() {
    let app = TestApp::start().await;
    let client = app.client();
    let body = json!({
        "name": "主要 WhatsApp",
        "description": "企业账户",
        "webhookUrl": "http://127.0.0.1:9/webhook",
        "webhookEnabled": true,
        "notifyReceived": true,
        "notifySent": true,
        "notifyDelivery": false,
        "notifyRead": false,
        "maxRetries": 3,
        "retryInterval": 60000,
        "webhookSecret": "optional-secret-key",
        "headers": {"Custom-Header": "custom-value"},
    });
    let created = client.post("/api/instances", body).await.expect(201);
    assert_eq!(keys(&created), CREATED);
    assert_eq!(created["name"], "主要 WhatsApp");
    assert_eq!(created["userId"], client.get("/api/auth/me").await.expect(200)["id"]);
    assert_eq!(created["status"], "connecting");
    assert_time(&created["createdAt"]);
    let id = created["id"].as_str().unwrap();

    let listed = client.get("/api/instances").await.expect(200);
    let entry = &listed["instances"][0];
    assert_eq!(entry["id"], id);
    assert_eq!(entry["webhookUrl"], "http://127.0.0.1:9/webhook");
    assert_connection(&entry["connectionStatus"]);

    let one = client.get(&format!("/api/instances/{id}")).await.expect(200);
    assert_connection(&one["connectionStatus"]);
    let settings = json!({
        "instanceId": id,
        "notifyReceived": true,
        "notifySent": true,
        "notifyDelivery": false,
        "notifyRead": false,
        "maxRetries": 3,
        "retryInterval": 60000,
        "secret": "optional-secret-key",
        "headers": {"Custom-Header": "custom-value"},
    });
    assert_eq!(one["webhookSettings"], settings);

    let deleted = client.delete(&format!("/api/instances/{id}")).await.expect(200);
    assert_eq!(deleted, json!({"success": true, "message": format!("Instance {id} deleted successfully")}));
    client.get(&format!("/api/instances/{id}")).await.expect_error(404, "not_found");
    assert_eq!(client.get("/api/instances").await.expect(200)["instances"], json!([]));
    app.stop().await;
}

#[tokio::test]
async fn instances_are_listed_in_pages_and_all_at_once_by_default() {
    let app = TestApp::start().await;
    let client = app.client();
    let mut ids = Vec::new();
    for n in 0..5 {
        ids.push(app.create(&format!("instance {n}")).await);
    }
    let listed = async |query: &str| {
        let page = client.get(&format!("/api/instances{query}")).await.expect(200);
        let instances = page["instances"].as_array().expect("a list").iter();
        let listed: Vec<String> =
            instances.map(|one| one["id"].as_str().expect("an id").to_owned()).collect();
        (listed, page["pagination"].clone())
    };
    let (all, pagination) = listed("").await;
    assert_eq!(all, ids);
    assert_eq!(pagination, json!({"total": 5, "limit": 10_000, "skip": 0, "hasMore": false}));
    let (page, pagination) = listed("?limit=2&skip=1").await;
    assert_eq!(page, ids[1..3]);
    assert_eq!(pagination, json!({"total": 5, "limit": 2, "skip": 1, "hasMore": true}));
    for query in ["limit=0", "limit=10001", "limit=x"] {
        client
            .get(&format!("/api/instances?{query}"))
            .await
            .expect_error(400, "invalid_request")
            .about("limit");
    }
    app.stop().await;
}

#[tokio::test]
async fn instances_are_sorted_by_tags() {
    let app = TestApp::start().await;
    let client = app.client();
    let create = async |name: &str, tags: Value| {
        let created = client.post("/api/instances", json!({"name": name, "tags": tags})).await.expect(201);
        created["id"].as_str().expect("an id").to_owned()
    };
    let (sales, both) =
        (create("a", json!(["sales"])).await, create("b", json!([" sales ", "北京", "sales"])).await);
    app.create("c").await;
    let tagged = async |tag: &str| {
        let page = client.get(&format!("/api/instances?tag={tag}")).await.expect(200);
        let instances = page["instances"].as_array().expect("a list").iter();
        let ids: Vec<String> = instances.map(|one| one["id"].as_str().expect("an id").to_owned()).collect();
        assert_eq!(page["pagination"]["total"], ids.len());
        ids
    };
    assert_eq!(tagged("sales").await, [sales.clone(), both.clone()]);
    assert_eq!(tagged("%E5%8C%97%E4%BA%AC").await, std::slice::from_ref(&both));
    assert!(tagged("sal").await.is_empty());
    let path = format!("/api/instances/{both}");
    assert_eq!(client.get(&path).await.expect(200)["tags"], json!(["sales", "北京"]));
    client.put(&path, json!({"tags": ["support"]})).await.expect(200);
    assert_eq!(tagged("sales").await, [sales]);
    client.put(&path, json!({"name": "d"})).await.expect(200);
    assert_eq!(tagged("support").await, [both]);
    for tags in
        [json!(["x".repeat(51)]), json!([""]), json!((0..21).map(|n| n.to_string()).collect::<Vec<_>>())]
    {
        client.put(&path, json!({"tags": tags})).await.expect_error(400, "invalid_request").about("tags");
    }
    app.stop().await;
}

#[tokio::test]
async fn an_instance_may_keep_its_events_and_messages_as_long_as_it_likes() {
    let app = TestApp::start().await;
    let client = app.client();
    let body = json!({"name": "kept", "eventRetentionDays": 7, "messageRetentionDays": 90});
    let created = client.post("/api/instances", body).await.expect(201);
    let path = format!("/api/instances/{}", created["id"].as_str().unwrap());
    let kept = async || {
        let one = client.get(&path).await.expect(200);
        ["eventRetentionDays", "messageRetentionDays", "mediaRetentionDays"].map(|name| one[name].clone())
    };
    assert_eq!(kept().await, [json!(7), json!(90), Value::Null]);
    client.put(&path, json!({"eventRetentionDays": null, "mediaRetentionDays": 30})).await.expect(200);
    assert_eq!(kept().await, [Value::Null, json!(90), json!(30)]);
    for name in ["messageRetentionDays", "mediaRetentionDays"] {
        let answer = client.put(&path, json!({name: 0})).await;
        answer.expect_error(400, "invalid_request").about(name);
    }
    app.stop().await;
}

#[tokio::test]
async fn the_defaults_are_the_documented_ones() {
    let app = TestApp::start().await;
    let body = json!({"name": "plain", "description": null, "webhookUrl": null, "webhookSecret": null});
    let created = app.client().post("/api/instances", body).await.expect(201);
    assert_eq!(created["description"], Value::Null);
    assert_eq!(created["webhookUrl"], Value::Null);
    assert_eq!(created["webhookEnabled"], false);
    let id = created["id"].as_str().unwrap();
    let one = app.client().get(&format!("/api/instances/{id}")).await.expect(200);
    let settings = &one["webhookSettings"];
    assert_eq!(settings["maxRetries"], 3);
    assert_eq!(settings["retryInterval"], 60_000);
    assert_eq!(settings["secret"], Value::Null);
    assert_eq!(settings["headers"], json!({}));
    app.stop().await;
}

#[tokio::test]
async fn an_update_changes_what_it_names_and_merges_the_rest() {
    let app = TestApp::start().await;
    let client = app.client();
    let body = json!({
        "name": "before",
        "description": "to be removed",
        "webhookUrl": "http://127.0.0.1:9/before",
        "webhookEnabled": true,
        "webhookSecret": "kept as it was before",
        "headers": {"A": "1", "B": "2"},
    });
    let created = client.post("/api/instances", body).await.expect(201);
    let path = format!("/api/instances/{}", created["id"].as_str().unwrap());

    let change = json!({
        "name": "after",
        "description": null,
        "webhookSettings": {"notifySent": false, "notifyRead": true, "maxRetries": 5, "headers": {"C": "3"}},
    });
    let updated = client.put(&path, change).await.expect(200);
    assert_eq!(keys(&updated), ["description", "id", "name", "updatedAt", "webhookEnabled", "webhookUrl"]);
    assert_eq!((&updated["name"], &updated["description"]), (&json!("after"), &Value::Null));
    assert_eq!(updated["webhookUrl"], "http://127.0.0.1:9/before");
    assert_time(&updated["updatedAt"]);

    let settings = client.get(&path).await.expect(200)["webhookSettings"].clone();
    assert_eq!(settings["notifySent"], false);
    assert_eq!(settings["notifyReceived"], true);
    assert_eq!(settings["notifyRead"], true);
    assert_eq!(settings["maxRetries"], 5);
    assert_eq!(settings["secret"], "kept as it was before");
    assert_eq!(settings["headers"]["C"], "3");
    app.stop().await;
}

#[tokio::test]
async fn wrong_settings_are_refused_by_name() {
    let app = TestApp::start().await;
    let client = app.client();
    let id = app.create("settings").await;
    let with = |name: &str, value: Value| {
        let mut body = json!({"name": "x"});
        body[name] = value;
        body
    };
    for (field, value) in [
        ("name", json!("")),
        ("name", json!("x".repeat(1000))),
        ("webhookUrl", json!("not a url")),
        ("webhookUrl", json!("ftp://example.org/")),
        ("webhookUrl", json!("http://169.254.169.254/latest/meta-data")),
        ("webhookUrl", json!("http://10.0.0.1/")),
        ("maxRetries", json!(100_000)),
        ("maxRetries", json!(-1)),
        ("retryInterval", json!(0)),
        ("webhookEnabled", json!("yes")),
        ("headers", json!({"X-Webhook-Signature": "mine"})),
    ] {
        let answer = client.post("/api/instances", with(field, value)).await;
        answer.expect_error(400, "invalid_request");
        let named = answer.body["error"]["field"].as_str().unwrap();
        assert!(named.starts_with(field), "{field}: {}", answer.body);
    }
    client.post("/api/instances", json!({})).await.expect_error(400, "missing_field").about("name");
    let unknown = json!({"name": "x", "webhookURL": "http://127.0.0.1:9/"});
    client.post("/api/instances", unknown).await.expect_error(400, "unknown_field").about("webhookURL");
    let nested = json!({"webhookSettings": {"retries": 1}});
    let answer = client.put(&format!("/api/instances/{id}"), nested).await;
    answer.expect_error(400, "unknown_field").about("webhookSettings.retries");
    for (field, settings) in [
        ("maxRetries", json!({"maxRetries": 1_000})),
        ("retryInterval", json!({"retryInterval": 1})),
        ("secret", json!({"secret": "x".repeat(1_000)})),
        ("headers", json!({"headers": {"Host": "mine"}})),
    ] {
        let body = json!({"webhookSettings": settings});
        let answer = client.put(&format!("/api/instances/{id}"), body).await;
        answer.expect_error(400, "invalid_request").about(&format!("webhookSettings.{field}"));
    }
    assert_eq!(client.get("/api/instances").await.expect(200)["instances"].as_array().unwrap().len(), 1);
    app.stop().await;
}

#[tokio::test]
async fn the_qr_code_is_generated_shown_and_scanned() {
    let app = TestApp::start().await;
    let client = app.client();
    let id = app.create("qr").await;
    let paths = [format!("/api/instances/{id}/qr"), format!("/api/whatsapp/{id}/qr")];
    for path in &paths {
        let qr = until("the QR code", || async {
            let answer = client.get(path).await;
            if answer.status == 202 {
                assert_eq!(keys(&answer.body), ["message", "status"]);
                assert_eq!(answer.body["status"], "generating");
                return None;
            }
            let body = answer.expect(200);
            assert_eq!(keys(&body), ["qrCode"]);
            Some(body["qrCode"].as_str().unwrap().to_owned())
        })
        .await;
        assert!(!qr.is_empty());
    }
    let status = client.get(&format!("/api/instances/{id}/status")).await.expect(200);
    assert_eq!((&status["hasQr"], &status["ready"]), (&json!(true), &json!(false)));

    app.link(&id, "15550100001").await;
    for path in &paths {
        client.get(path).await.expect_error(409, "conflict");
    }
    app.stop().await;
}

#[tokio::test]
async fn the_status_follows_the_connection() {
    let app = TestApp::start().await;
    let client = app.client();
    let id = app.paired("15550100001").await;
    let status = client.get(&format!("/api/instances/{id}/status")).await.expect(200);
    assert_eq!(
        keys(&status),
        ["connectionDetails", "hasQr", "instanceId", "lastActivity", "limits", "ready", "status"]
    );
    assert_eq!(status["instanceId"], id);
    assert_eq!(status["status"], "connected");
    assert_time(&status["lastActivity"]);
    let short = json!({"ready": true, "status": "connected", "hasQr": false});
    assert_eq!(status["connectionDetails"], short);
    assert_eq!(client.get(&format!("/api/whatsapp/{id}/status")).await.expect(200), short);
    app.stop().await;
}

#[tokio::test]
async fn a_reconnect_brings_a_paired_instance_back() {
    let app = TestApp::start().await;
    let id = app.paired("15550100001").await;
    let answer = app.client().call(&format!("/api/instances/{id}/reconnect")).await.expect(200);
    assert_eq!(answer, json!({"success": true, "message": format!("Instance {id} reconnected")}));
    app.until_ready(&id).await;
    app.stop().await;
}

#[tokio::test]
async fn a_logout_unlinks_the_phone_and_both_doors_do_it() {
    let app = TestApp::start().await;
    let client = app.client();
    let first = app.paired("15550100001").await;
    let second = app.paired("15550100002").await;
    let answer = client.call(&format!("/api/instances/{first}/logout")).await.expect(200);
    assert_eq!(answer, json!({"success": true, "message": format!("Instance {first} logged out")}));
    let answer = client.call(&format!("/api/whatsapp/{second}/logout")).await.expect(200);
    assert_eq!(answer, json!({"success": true}));
    for (id, number) in [(first, "15550100001"), (second, "15550100002")] {
        assert!(app.phones().devices(number).await.is_empty());
        let status = client.get(&format!("/api/whatsapp/{id}/status")).await.expect(200);
        assert_eq!((&status["ready"], &status["status"]), (&json!(false), &json!("logged_out")));
        // Asking for a QR code begins a new pairing.
        app.link(&id, number).await;
    }
    app.stop().await;
}

#[tokio::test]
async fn a_phone_that_unlinks_the_instance_ends_it_with_a_typed_cause() {
    let app = TestApp::start().await;
    let client = app.client();
    let id = app.paired("15550100001").await;
    let device = app.phones().devices("15550100001").await[0];
    app.phones().unlink("15550100001", device).await;
    until("the instance notices", || async {
        let status = client.get(&format!("/api/whatsapp/{id}/status")).await.expect(200);
        (status["status"] == "logged_out").then_some(())
    })
    .await;
    // It can be paired again, with the same phone.
    client.call(&format!("/api/instances/{id}/reconnect")).await.expect(200);
    app.link(&id, "15550100001").await;
    app.stop().await;
}

#[track_caller]
fn assert_connection(value: &Value) {
    for name in ["ready", "hasQr"] {
        assert!(value[name].is_boolean(), "{value}");
    }
    assert!(value["status"].is_string(), "{value}");
}
