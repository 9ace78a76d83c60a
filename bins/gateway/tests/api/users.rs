use serde_json::{Value, json};

use crate::answer::{assert_time, keys};
use crate::app::{EMAIL, PASSWORD, TestApp};
use crate::client::Client;
use crate::until::until;

const ALICE: &str = "15550100001";
const BOB: &str = "15550100002";
const ZOE: &str = "zoe@example.org";
const ZOES_PASSWORD: &str = "battery staple";

/// Creates Zoe, an ordinary user; the answer is her id and a client with her API key.
async fn zoe(app: &TestApp) -> (String, Client) {
    let new = json!({"email": ZOE, "password": ZOES_PASSWORD, "firstName": "Zoë", "lastName": "O'Neill"});
    let created = app.client().post("/api/users", new).await.expect(201);
    let client = app.anonymous().with_key(created["apiKey"].as_str().unwrap());
    (created["id"].as_str().unwrap().to_owned(), client)
}

async fn log_in(app: &TestApp, email: &str, password: &str) -> u16 {
    let body = json!({"email": email, "password": password});
    app.anonymous().post("/api/auth/login", body).await.status.as_u16()
}

#[tokio::test]
async fn an_administrator_creates_lists_changes_and_deletes_users() {
    let app = TestApp::start().await;
    let admin = app.client();
    let (id, zoe) = zoe(&app).await;
    let path = format!("/api/users/{id}");
    let shown = admin.get(&path).await.expect(200);
    let all =
        ["allowedIps", "createdAt", "disabled", "email", "firstName", "id", "lastName", "role", "updatedAt"];
    assert_eq!(keys(&shown), all);
    assert_eq!((&shown["role"], &shown["disabled"]), (&json!("user"), &json!(false)));
    assert_time(&shown["createdAt"]);
    assert_eq!(zoe.get("/api/auth/me").await.expect(200)["email"], ZOE);

    let page = admin.get("/api/users?limit=1&skip=1").await.expect(200);
    assert_eq!(page["users"], json!([shown]));
    assert_eq!(page["pagination"]["total"], 2);

    let change =
        json!({"email": "Zoe@Example.com", "firstName": "Zo", "role": "admin", "password": "a new password"});
    let changed = admin.put(&path, change).await.expect(200);
    assert_eq!((&changed["email"], &changed["firstName"]), (&json!("Zoe@Example.com"), &json!("Zo")));
    assert_eq!((&changed["role"], &changed["lastName"]), (&json!("admin"), &json!("O'Neill")));
    assert_eq!(log_in(&app, "zoe@example.com", "a new password").await, 200);
    assert_eq!(log_in(&app, "zoe@example.com", ZOES_PASSWORD).await, 401);
    zoe.get("/api/users").await.expect(200);

    admin.delete(&path).await.expect(200);
    zoe.get("/api/auth/me").await.expect_error(401, "unauthorized");
    admin.get(&path).await.expect_error(404, "not_found");
    admin.delete(&path).await.expect_error(404, "not_found");
    admin.put("/api/users/nonsense", json!({})).await.expect_error(404, "not_found");
    app.stop().await;
}

#[tokio::test]
async fn a_user_calls_no_route_of_an_administrator_and_sees_nothing_of_others() {
    let app = TestApp::start().await;
    let (id, zoe) = zoe(&app).await;
    let path = format!("/api/users/{id}");
    let new = json!({"email": "max@example.org", "password": "battery staple"});
    for answer in [
        zoe.get("/api/users").await,
        zoe.post("/api/users", new).await,
        zoe.get(&path).await,
        zoe.put(&path, json!({"role": "admin"})).await,
        zoe.delete(&path).await,
        zoe.get("/api/audit").await,
    ] {
        answer.expect_error(403, "forbidden");
    }
    let instance = app.create("the administrator's").await;
    zoe.get(&format!("/api/instances/{instance}")).await.expect_error(404, "not_found");
    assert_eq!(zoe.get("/api/instances").await.expect(200)["instances"], json!([]));
    app.stop().await;
}

#[tokio::test]
async fn what_cannot_be_a_users_is_refused_by_name() {
    let app = TestApp::start().await;
    let admin = app.client();
    let (id, _) = zoe(&app).await;
    for (change, field) in [
        (json!({"email": "nobody"}), "email"),
        (json!({"password": "short"}), "password"),
        (json!({"firstName": "x".repeat(101)}), "firstName"),
        (json!({"lastName": "a\u{1b}[2J"}), "lastName"),
        (json!({"role": "root"}), "role"),
        (json!({"allowedIps": ["10.0.0.1/8"]}), "allowedIps"),
        (json!({"allowedIps": ["home"]}), "allowedIps"),
    ] {
        admin
            .put(&format!("/api/users/{id}"), change.clone())
            .await
            .expect_error(400, "invalid_request")
            .about(field);
        let mut new = json!({"email": "max@example.org", "password": "battery staple"});
        new.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        admin.post("/api/users", new).await.expect_error(400, "invalid_request").about(field);
    }
    let put = async |change: Value| admin.put(&format!("/api/users/{id}"), change).await;
    put(json!({"apiKey": "mine"})).await.expect_error(400, "unknown_field").about("apiKey");
    let taken = put(json!({"email": EMAIL.to_uppercase()})).await;
    assert_eq!(taken.expect_error(409, "conflict").body["error"]["cause"], "taken");
    admin
        .delete(&format!("/api/users/{id}?instances=keep"))
        .await
        .expect_error(400, "invalid_request")
        .about("instances");
    app.stop().await;
}

#[tokio::test]
async fn the_last_administrator_stays() {
    let app = TestApp::start().await;
    let admin = app.client();
    let own = admin.get("/api/auth/me").await.expect(200)["id"].as_str().unwrap().to_owned();
    let path = format!("/api/users/{own}");
    let (id, zoe) = zoe(&app).await;
    for answer in [
        admin.put(&path, json!({"disabled": true})).await,
        admin.put(&path, json!({"role": "user"})).await,
        admin.delete(&path).await,
        admin.delete(&format!("{path}?instances=delete")).await,
    ] {
        assert_eq!(answer.expect_error(409, "conflict").body["error"]["cause"], "last_admin");
    }
    admin.put(&format!("/api/users/{id}"), json!({"role": "admin"})).await.expect(200);
    admin.put(&path, json!({"role": "user"})).await.expect(200);
    admin.get("/api/users").await.expect_error(403, "forbidden");
    zoe.delete(&path).await.expect(200);
    app.stop().await;
}

#[tokio::test]
async fn a_user_goes_with_their_instances_or_not_at_all() {
    let app = TestApp::start().await;
    let (id, zoe) = zoe(&app).await;
    let created = zoe.post("/api/instances", json!({"name": "zoe's"})).await.expect(201);
    let instance = created["id"].as_str().unwrap();
    link(&app, &zoe, instance, ALICE).await;
    let path = format!("/api/users/{id}");
    let refused = app.client().delete(&path).await;
    assert_eq!(refused.expect_error(409, "conflict").body["error"]["cause"], "has_instances");
    assert_eq!(app.phones().devices(ALICE).await.len(), 1);

    app.client().delete(&format!("{path}?instances=delete")).await.expect(200);
    app.client().get(&path).await.expect_error(404, "not_found");
    until("the device is unlinked", || async {
        (app.phones().devices(ALICE).await.is_empty()).then_some(())
    })
    .await;
    app.stop().await;
}

#[tokio::test]
async fn who_is_disabled_is_out_and_their_instances_wait() {
    let app = TestApp::start().await;
    let (id, zoe) = zoe(&app).await;
    let token = json!({"email": ZOE, "password": ZOES_PASSWORD});
    let login = app.anonymous().post("/api/auth/login", token).await.expect(200);
    let token = app.anonymous().with_token(login["token"].as_str().unwrap());
    let created = zoe.post("/api/instances", json!({"name": "zoe's"})).await.expect(201);
    let instance = created["id"].as_str().unwrap().to_owned();
    link(&app, &zoe, &instance, ALICE).await;
    app.phones().create(BOB).await;

    let path = format!("/api/users/{id}");
    assert_eq!(app.client().put(&path, json!({"disabled": true})).await.expect(200)["disabled"], true);
    for client in [&zoe, &token] {
        client.get("/api/auth/me").await.expect_error(401, "unauthorized");
    }
    assert_eq!(log_in(&app, ZOE, ZOES_PASSWORD).await, 401);
    let written = app.phones().write(BOB, ALICE, "are you there?").await;
    assert_eq!(app.phones().devices(ALICE).await.len(), 1, "it stays linked");

    // Also over a restart.
    let app = app.restart().await;
    until("the gateway is ready", || async {
        (app.anonymous().get("/readyz").await.status == 200).then_some(())
    })
    .await;
    let enabled = app.client().put(&path, json!({"disabled": false})).await.expect(200);
    let zoe = app.anonymous().with_key(login["user"]["apiKey"].as_str().unwrap());
    let token = app.anonymous().with_token(login["token"].as_str().unwrap());
    token.get("/api/auth/me").await.expect_error(401, "unauthorized");
    let events = format!("/api/instances/{instance}/events?types=message_received");
    let page = until("what was written meanwhile", || async {
        let page = zoe.get(&events).await.expect(200);
        (page["count"] == 1).then_some(page)
    })
    .await;
    let event = &page["events"][0];
    assert_eq!(event["data"]["messageId"], written.as_str());
    assert!(event["timestamp"].as_str() >= enabled["updatedAt"].as_str(), "{event} {enabled}");
    app.stop().await;
}

#[tokio::test]
async fn links_to_files_of_who_is_disabled_lead_nowhere() {
    let app = TestApp::start().await;
    let (id, zoe) = zoe(&app).await;
    let created = zoe.post("/api/instances", json!({"name": "zoe's"})).await.expect(201);
    let instance = created["id"].as_str().unwrap();
    link(&app, &zoe, instance, ALICE).await;
    app.phones().create(BOB).await;
    let file = json!({"phone": BOB, "base64": "aGVsbG8=", "type": "document", "filename": "hello.txt"});
    let sent = zoe.post(&format!("/api/whatsapp/{instance}/send-media"), file).await.expect(200);
    let media = format!("/api/instances/{instance}/messages/{}/media", sent["id"].as_str().unwrap());
    let linked = zoe.get(&format!("{media}/link")).await.expect(200);
    let (http, url) = (crate::client::http(), app.anonymous());
    let opened = async || {
        let request = url.request(reqwest::Method::GET, linked["url"].as_str().unwrap());
        http.execute(request.build().unwrap()).await.unwrap().status().as_u16()
    };
    assert_eq!(opened().await, 200);
    let path = format!("/api/users/{id}");
    app.client().put(&path, json!({"disabled": true})).await.expect(200);
    assert_eq!(opened().await, 404);
    app.client().put(&path, json!({"disabled": false})).await.expect(200);
    assert_eq!(opened().await, 200);
    app.stop().await;
}

#[tokio::test]
async fn everybody_changes_their_own_names_password_and_key() {
    let app = TestApp::start().await;
    let (_, zoe) = zoe(&app).await;
    let me = zoe.put("/api/auth/me", json!({"firstName": "Zoe"})).await.expect(200);
    assert_eq!(keys(&me), ["email", "firstName", "id", "lastName"]);
    assert_eq!((&me["firstName"], &me["lastName"]), (&json!("Zoe"), &json!("O'Neill")));
    zoe.put("/api/auth/me", json!({"email": "x@y"})).await.expect_error(400, "unknown_field").about("email");

    let password = async |current: &str, new: &str| {
        zoe.post("/api/auth/password", json!({"current": current, "new": new})).await
    };
    password(ZOES_PASSWORD, "short").await.expect_error(400, "invalid_request").about("new");
    password("wrong", "another password").await.expect_error(403, "forbidden");
    password(ZOES_PASSWORD, "another password").await.expect(200);
    assert_eq!(log_in(&app, ZOE, ZOES_PASSWORD).await, 401);
    let login = json!({"email": ZOE, "password": "another password"});
    let login = app.anonymous().post("/api/auth/login", login).await.expect(200);
    let token = app.anonymous().with_token(login["token"].as_str().unwrap());
    token.get("/api/auth/me").await.expect(200);

    let rotated = zoe.call("/api/auth/api-key/rotate").await.expect(200);
    assert_eq!(keys(&rotated), ["apiKey"]);
    zoe.get("/api/auth/me").await.expect_error(401, "unauthorized");
    token.get("/api/auth/me").await.expect_error(401, "unauthorized");
    let renewed = app.anonymous().with_key(rotated["apiKey"].as_str().unwrap());
    renewed.get("/api/auth/me").await.expect(200);
    app.stop().await;
}

#[tokio::test]
async fn guesses_at_the_present_password_are_throttled_as_logins_are() {
    let app = TestApp::start().await;
    let (_, zoe) = zoe(&app).await;
    let guess = json!({"current": "a guess", "new": "another password"});
    let refused = until("the throttle", || async {
        let answer = zoe.post("/api/auth/password", guess.clone()).await;
        (answer.status != 403).then_some(answer)
    })
    .await;
    refused.expect_error(429, "rate_limited");
    assert_eq!(log_in(&app, ZOE, ZOES_PASSWORD).await, 429);
    assert_eq!(log_in(&app, EMAIL, PASSWORD).await, 200);
    app.stop().await;
}

#[tokio::test]
async fn credentials_are_good_at_allowed_addresses_alone() {
    let app =
        TestApp::configured(|config| config.trusted_proxies = vec!["127.0.0.1/32".parse().unwrap()]).await;
    let (id, zoe) = zoe(&app).await;
    let allowed = json!({"allowedIps": ["192.0.2.0/24", "::ffff:198.51.100.7"]});
    let changed = app.client().put(&format!("/api/users/{id}"), allowed).await.expect(200);
    assert_eq!(changed["allowedIps"], json!(["192.0.2.0/24", "198.51.100.7/32"]));
    let me = async |from: &str| {
        let request = zoe.request(reqwest::Method::GET, "/api/auth/me").header("x-forwarded-for", from);
        zoe.send(request).await
    };
    me("192.0.2.9").await.expect(200);
    me("198.51.100.7").await.expect(200);
    me("198.51.100.8").await.expect_error(403, "address_not_allowed");
    zoe.get("/api/auth/me").await.expect_error(403, "address_not_allowed");
    let login = async |password: &str| {
        let body = json!({"email": ZOE, "password": password});
        app.anonymous().post("/api/auth/login", body).await
    };
    login(ZOES_PASSWORD).await.expect_error(403, "address_not_allowed");
    login("wrong").await.expect_error(401, "unauthorized");
    app.stop().await;
}

async fn link(app: &TestApp, client: &Client, instance: &str, number: &str) {
    app.phones().create(number).await;
    let qr = until("the QR code", || async {
        let answer = client.get(&format!("/api/instances/{instance}/qr")).await;
        (answer.status == 200).then(|| answer.body["qrCode"].as_str().unwrap().to_owned())
    })
    .await;
    app.phones().scan(number, &qr).await;
    until("the instance is ready", || async {
        let status = client.get(&format!("/api/whatsapp/{instance}/status")).await.expect(200);
        (status["ready"] == true).then_some(())
    })
    .await;
}
