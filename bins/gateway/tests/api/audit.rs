use serde_json::{Value, json};

use crate::answer::{assert_time, keys};
use crate::app::{EMAIL, TestApp};

/// The entries of the log, newest first.
async fn entries(app: &TestApp, query: &str) -> Vec<Value> {
    let page = app.client().get(&format!("/api/audit?{query}")).await.expect(200);
    page["entries"].as_array().unwrap().clone()
}

#[tokio::test]
async fn what_was_done_is_kept_with_who_when_and_from_where() {
    let app = TestApp::start().await;
    let admin = app.client();
    let own = admin.get("/api/auth/me").await.expect(200)["id"].clone();
    let new = json!({"email": "zoe@example.org", "password": "battery staple"});
    let zoe = admin.post("/api/users", new).await.expect(201);
    let path = format!("/api/users/{}", zoe["id"].as_str().unwrap());
    admin.put(&path, json!({"firstName": "Zoë", "password": "another password"})).await.expect(200);
    admin.put(&path, json!({"email": EMAIL})).await.expect_error(409, "conflict");
    let key = admin.post("/api/keys", json!({"name": "ci", "scopes": ["manage"]})).await.expect(201);
    let by_key = app.anonymous().with_key(key["key"].as_str().unwrap());
    let instance = by_key.post("/api/instances", json!({"name": "shop"})).await.expect(201);
    let webhooks = format!("/api/instances/{}/webhooks", instance["id"].as_str().unwrap());
    let webhook = json!({"name": "crm", "url": "http://127.0.0.1:9/"});
    by_key.post(&webhooks, webhook).await.expect(201);
    by_key.put(&format!("{webhooks}/crm"), json!({"enabled": false})).await.expect(200);
    by_key.delete(&format!("{webhooks}/crm")).await.expect(200);
    let instance_path = format!("/api/instances/{}", instance["id"].as_str().unwrap());
    by_key.put(&instance_path, json!({"name": "store", "tags": ["a"]})).await.expect(200);
    for what in ["reconnect", "pause", "resume", "witi/rotate"] {
        by_key.call(&format!("{instance_path}/{what}")).await.expect(200);
    }
    by_key.post(&format!("{instance_path}/qr-link"), json!({})).await.expect(200);
    let wid = by_key.get(&format!("{instance_path}/witi")).await.expect(200);
    let command = |name: &str| format!("/{name}.aspx?wid={}", wid["wid"].as_str().unwrap());
    app.anonymous().get(&command("clear")).await.expect(200);
    let config = json!({"webhook": "http://127.0.0.1:9/"});
    app.anonymous().post(&command("set_config"), config).await.expect(200);
    by_key.delete(&instance_path).await.expect(200);
    admin.delete(&format!("/api/keys/{}", key["id"].as_str().unwrap())).await.expect(200);
    admin.delete(&path).await.expect(200);

    let all = entries(&app, "limit=1000").await;
    let told: Vec<_> = all.iter().rev().map(|entry| entry["action"].as_str().unwrap()).collect();
    assert_eq!(
        told,
        [
            "user_created",
            "user_updated",
            "key_created",
            "instance_created",
            "webhook_created",
            "webhook_updated",
            "webhook_deleted",
            "instance_updated",
            "instance_reconnected",
            "instance_paused",
            "instance_resumed",
            "dialect_key_rotated",
            "link_created",
            "instance_cleared",
            "webhook_created",
            "instance_deleted",
            "key_deleted",
            "user_deleted",
        ]
    );
    for entry in &all {
        assert_eq!(keys(entry), ["action", "address", "at", "details", "keyId", "target", "userId"]);
        assert_eq!((&entry["userId"], &entry["address"]), (&own, &json!("127.0.0.1")));
        assert_time(&entry["at"]);
    }
    let of = |action: &str| all.iter().find(|entry| entry["action"] == action).unwrap();
    assert_eq!(of("user_updated")["details"], json!({"fields": ["password", "first_name"]}));
    assert_eq!((&of("user_updated")["target"], &of("user_updated")["keyId"]), (&zoe["id"], &Value::Null));
    assert_eq!(
        (&of("instance_created")["target"], &of("instance_created")["keyId"]),
        (&instance["id"], &key["id"])
    );
    assert_eq!(of("instance_updated")["details"], json!({"fields": ["name", "tags"]}));
    assert_eq!(of("dialect_key_rotated")["details"], json!({"dialect": "witi"}));
    // Whoever has the instance's own key acts for its owner, by no key of theirs.
    assert_eq!(of("instance_cleared")["keyId"], Value::Null);
    assert_eq!(of("webhook_updated")["details"], json!({"webhook": "crm"}));
    let text = json!(all).to_string();
    for secret in
        ["battery", "another password", key["key"].as_str().unwrap(), zoe["apiKey"].as_str().unwrap()]
    {
        assert!(!text.contains(secret), "{secret} is in the log");
    }
    app.stop().await;
}

#[tokio::test]
async fn logins_are_kept_and_those_that_failed_name_the_account_if_there_is_one() {
    let app = TestApp::start().await;
    let own = app.client().get("/api/auth/me").await.expect(200)["id"].clone();
    app.login().await;
    for (email, password) in [(EMAIL, "wrong password"), ("hunter2@example.org", "wrong password")] {
        let login = json!({"email": email, "password": password});
        app.anonymous().post("/api/auth/login", login).await.expect_error(401, "unauthorized");
    }
    let all = entries(&app, "").await;
    let [unknown, known, login] = &all[..] else { panic!("{all:?}") };
    assert_eq!((&login["action"], &login["userId"]), (&json!("login"), &own));
    assert_eq!((&known["action"], &known["target"]), (&json!("login_failed"), &own));
    assert_eq!((&known["userId"], &known["details"]), (&Value::Null, &json!({"cause": "password"})));
    assert_eq!((&unknown["action"], &unknown["target"]), (&json!("login_failed"), &Value::Null));
    assert!(!json!(all).to_string().contains("hunter2"));
    app.stop().await;
}

#[tokio::test]
async fn the_log_is_listed_in_pages_and_filtered() {
    let app = TestApp::start().await;
    let own = app.client().get("/api/auth/me").await.expect(200)["id"].clone();
    let mut ids = Vec::new();
    for n in 0..3 {
        let wanted = json!({"name": format!("key {n}"), "scopes": ["read"]});
        ids.insert(0, app.client().post("/api/keys", wanted).await.expect(201)["id"].clone());
    }
    app.login().await;
    let (mut seen, mut before) = (Vec::new(), String::new());
    loop {
        let page = app.client().get(&format!("/api/audit?limit=2{before}")).await.expect(200);
        seen.extend(page["entries"].as_array().unwrap().iter().map(|entry| entry["target"].clone()));
        assert_eq!(page["hasMore"], !page["next"].is_null());
        let Some(next) = page["next"].as_str() else { break };
        before = format!("&before={next}");
    }
    assert_eq!(seen[1..], ids);
    assert_eq!(entries(&app, "action=key_created").await.len(), 3);
    assert_eq!(entries(&app, &format!("user={}&action=login", own.as_str().unwrap())).await.len(), 1);
    let stranger = "0190a0a0-0000-7000-8000-000000000000";
    assert_eq!(entries(&app, &format!("user={stranger}")).await.len(), 0);
    assert_eq!(entries(&app, "until=2020-01-01T00:00:00Z").await.len(), 0);
    assert_eq!(entries(&app, "since=2020-01-01T00:00:00Z").await.len(), 4);
    for (query, field) in [
        ("limit=0", "limit"),
        ("before=x", "before"),
        ("user=x", "user"),
        ("action=x", "action"),
        ("since=x", "since"),
    ] {
        app.client()
            .get(&format!("/api/audit?{query}"))
            .await
            .expect_error(400, "invalid_request")
            .about(field);
    }
    app.stop().await;
}
