use serde_json::{Value, json};

use crate::answer::{assert_time, keys};
use crate::app::TestApp;
use crate::client::Client;
use crate::listener::Listener;
use crate::until::until;

const ALICE: &str = "15550100001";
const BOB: &str = "15550100002";

/// A client with a key that `wanted` describes, and what was answered when it was made.
async fn with_key(app: &TestApp, wanted: Value) -> (Client, Value) {
    let created = app.client().post("/api/keys", wanted).await.expect(201);
    (app.anonymous().with_key(created["key"].as_str().unwrap()), created)
}

#[tokio::test]
async fn a_key_is_shown_once_listed_and_taken_back() {
    let app = TestApp::start().await;
    let wanted =
        json!({"name": " cron ", "scopes": ["send", "read", "send"], "expiresAt": "2999-01-01T00:00:00Z"});
    let (client, created) = with_key(&app, wanted).await;
    let all = ["createdAt", "expiresAt", "id", "instances", "key", "lastUsedAt", "name", "scopes"];
    assert_eq!(keys(&created), all);
    assert_eq!((&created["name"], &created["scopes"]), (&json!("cron"), &json!(["read", "send"])));
    assert_eq!((&created["instances"], &created["lastUsedAt"]), (&Value::Null, &Value::Null));
    assert_time(&created["expiresAt"]);

    client.get("/api/instances").await.expect(200);
    let listed = until("the use is noted", || async {
        let page = app.client().get("/api/keys").await.expect(200);
        let key = page["keys"][0].clone();
        (!key["lastUsedAt"].is_null()).then_some(key)
    })
    .await;
    assert!(listed.get("key").is_none(), "{listed}");
    assert_eq!(listed["id"], created["id"]);

    let path = format!("/api/keys/{}", created["id"].as_str().unwrap());
    app.client().delete(&path).await.expect(200);
    client.get("/api/instances").await.expect_error(401, "unauthorized");
    app.client().delete(&path).await.expect_error(404, "not_found");
    app.client().delete("/api/keys/nonsense").await.expect_error(404, "not_found");
    app.stop().await;
}

#[tokio::test]
async fn a_key_opens_what_its_scopes_say_and_says_what_is_missing() {
    let app = TestApp::start().await;
    let alice = app.paired(ALICE).await;
    app.phones().create(BOB).await;
    let text = json!({"phone": BOB, "message": "hello"});
    let (instance, send) = (format!("/api/instances/{alice}"), format!("/api/whatsapp/{alice}/send"));
    let refused = |answer: &crate::answer::Answer, missing: &str| {
        assert_eq!(answer.expect_error(403, "insufficient_scope").body["error"]["cause"], missing);
    };
    let (read, _) = with_key(&app, json!({"name": "r", "scopes": ["read"]})).await;
    read.get(&instance).await.expect(200);
    read.get("/api/auth/me").await.expect(200);
    refused(&read.post(&send, text.clone()).await, "send");
    refused(&read.put(&instance, json!({"name": "x"})).await, "manage");
    refused(&read.get(&format!("{instance}/qr")).await, "manage");

    let (send_only, _) = with_key(&app, json!({"name": "s", "scopes": ["send"]})).await;
    send_only.post(&send, text.clone()).await.expect(200);
    refused(&send_only.get(&instance).await, "read");
    refused(&send_only.delete(&instance).await, "manage");

    let (manage, _) = with_key(&app, json!({"name": "m", "scopes": ["manage"]})).await;
    manage.put(&instance, json!({"name": "renamed"})).await.expect(200);
    refused(&manage.post(&send, text).await, "send");
    let everything = json!({"name": "a", "scopes": ["read", "send", "manage"]});
    let (all, created) = with_key(&app, everything.clone()).await;
    for answer in [
        all.post("/api/keys", everything).await,
        all.get("/api/keys").await,
        all.delete(&format!("/api/keys/{}", created["id"].as_str().unwrap())).await,
        all.get("/api/users").await,
        all.put("/api/auth/me", json!({})).await,
        all.call("/api/auth/api-key/rotate").await,
        all.get("/api/audit").await,
    ] {
        refused(&answer, "own");
    }
    app.stop().await;
}

/// Whoever sees a code may link a phone of their own with the instance.
#[tokio::test]
async fn a_key_that_may_only_look_sees_no_codes_wherever_events_are_told() {
    let app = TestApp::start().await;
    let id = app.create("unlinked").await;
    let instance = format!("/api/instances/{id}");
    app.client().put(&format!("{instance}/consumers/all"), json!({"from": "start"})).await.expect(201);
    let code = until("a code", || async {
        let answer = app.client().get(&format!("{instance}/qr")).await;
        (answer.status == 200).then(|| answer.body["qrCode"].clone())
    })
    .await;
    let (read, _) = with_key(&app, json!({"name": "r", "scopes": ["read"]})).await;
    let (both, _) = with_key(&app, json!({"name": "m", "scopes": ["read", "manage"]})).await;
    let is_shown = async |client: &Client| {
        let log = format!("{instance}/events?types=qr_received&since=2020-01-01T00:00:00Z");
        let pulled = format!("{instance}/consumers/all/events");
        let lists = [client.get(&log).await.expect(200), client.get(&pulled).await.expect(200)];
        let mut events: Vec<Value> =
            lists.iter().flat_map(|list| list["events"].as_array().unwrap().clone()).collect();
        for stream in [
            format!("{instance}/events/stream?types=qr_received&after=0"),
            "/api/events/stream?types=qr_received&after=2020-01-01T00:00:00Z".to_owned(),
        ] {
            events.push(Listener::open(client, &stream, None).await.next().await.unwrap());
        }
        events.retain(|event| event["type"] == "qr_received");
        assert!(events.len() >= 4, "{events:?}");
        events.iter().any(|event| !event["data"]["qrCode"].is_null())
    };
    assert!(is_shown(&both).await && code.is_string());
    assert!(!is_shown(&read).await);
    app.stop().await;
}

#[tokio::test]
async fn a_bound_key_sees_its_instances_alone() {
    let app = TestApp::start().await;
    let (first, second) = (app.create("first").await, app.create("second").await);
    let wanted = json!({"name": "bound", "scopes": ["read", "manage"], "instances": [second]});
    let (bound, created) = with_key(&app, wanted).await;
    assert_eq!(created["instances"], json!([second]));
    let page = bound.get("/api/instances").await.expect(200);
    assert_eq!(page["pagination"]["total"], 1);
    assert_eq!(page["instances"][0]["id"], second.as_str());
    assert_eq!(bound.get("/api/instances?skip=1").await.expect(200)["instances"], json!([]));
    bound.get(&format!("/api/instances/{second}")).await.expect(200);
    for path in ["", "/status", "/events", "/webhooks"] {
        bound.get(&format!("/api/instances/{first}{path}")).await.expect_error(404, "not_found");
    }
    bound.delete(&format!("/api/instances/{first}")).await.expect_error(404, "not_found");
    let answer = bound.post("/api/instances", json!({"name": "third"})).await;
    assert_eq!(answer.expect_error(403, "insufficient_scope").body["error"]["cause"], "all_instances");

    bound.delete(&format!("/api/instances/{second}")).await.expect(200);
    assert_eq!(bound.get("/api/instances").await.expect(200)["pagination"]["total"], 0);
    app.client().get(&format!("/api/instances/{first}")).await.expect(200);
    app.stop().await;
}

#[tokio::test]
async fn what_makes_no_key_is_refused_by_name() {
    let app = TestApp::start().await;
    let instance = app.create("mine").await;
    let new = json!({"email": "zoe@example.org", "password": "battery staple"});
    let created = app.client().post("/api/users", new).await.expect(201);
    let zoe = app.anonymous().with_key(created["apiKey"].as_str().unwrap());
    for (change, field) in [
        (json!({"name": " "}), "name"),
        (json!({"scopes": []}), "scopes"),
        (json!({"scopes": ["root"]}), "scopes.0"),
        (json!({"expiresAt": "2001-01-01T00:00:00Z"}), "expiresAt"),
        (json!({"instances": []}), "instances"),
        (json!({"instances": ["nonsense"]}), "instances"),
        (json!({"instances": [instance]}), "instances"),
    ] {
        let mut wanted = json!({"name": "key", "scopes": ["read"]});
        wanted.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        zoe.post("/api/keys", wanted).await.expect_error(400, "invalid_request").about(field);
    }
    zoe.post("/api/keys", json!({"name": "x"})).await.expect_error(400, "missing_field").about("scopes");
    let admins = app.client().post("/api/keys", json!({"name": "x", "scopes": ["read"]})).await.expect(201);
    let path = format!("/api/keys/{}", admins["id"].as_str().unwrap());
    zoe.delete(&path).await.expect_error(404, "not_found");
    assert_eq!(zoe.get("/api/keys").await.expect(200)["keys"], json!([]));
    app.stop().await;
}

#[tokio::test]
async fn each_credential_has_a_bucket_of_calls() {
    let limit = trunkline::config::RateLimit { calls: 3, period: std::time::Duration::from_secs(3_600) };
    let app = TestApp::configured(|config| config.rate_limit = Some(limit)).await;
    let (key, _) = with_key(&app, json!({"name": "busy", "scopes": ["read"]})).await;
    for left in ["2", "1", "0"] {
        let answer = key.get("/api/instances").await;
        assert_eq!(answer.header("x-ratelimit-remaining"), left);
        assert_eq!(answer.header("x-ratelimit-limit"), "3");
        answer.expect(200);
    }
    let refused = key.get("/api/instances").await;
    refused.expect_error(429, "rate_limited");
    let wait: u64 = refused.header("retry-after").parse().unwrap();
    assert!((1..=1_200).contains(&wait), "{wait}");
    // The owner has made one call for the key; a login token is counted with the API key.
    let token = app.anonymous().with_token(&app.login().await);
    app.client().get("/api/instances").await.expect(200);
    token.get("/api/instances").await.expect(200);
    token.get("/api/instances").await.expect_error(429, "rate_limited");
    app.anonymous().get("/livez").await.expect(200);
    app.stop().await;
}
