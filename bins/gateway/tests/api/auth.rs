use serde_json::json;

use crate::answer::keys;
use crate::app::{EMAIL, PASSWORD, TestApp};
use crate::until::until;

#[tokio::test]
async fn a_login_gives_a_token_and_the_api_key_and_both_open_every_door() {
    let app = TestApp::start().await;
    let anonymous = app.anonymous();
    let login =
        anonymous.post("/api/auth/login", json!({"email": EMAIL, "password": PASSWORD})).await.expect(200);
    assert_eq!(keys(&login), ["token", "user"]);
    assert_eq!(keys(&login["user"]), ["apiKey", "email", "firstName", "id", "lastName"]);
    assert_eq!(login["user"]["apiKey"], app.api_key());

    for client in [
        anonymous.with_token(login["token"].as_str().unwrap()),
        anonymous.with_key(login["user"]["apiKey"].as_str().unwrap()),
    ] {
        let me = client.get("/api/auth/me").await;
        let known =
            json!({"id": login["user"]["id"], "email": EMAIL, "firstName": "Admin", "lastName": "User"});
        assert_eq!(me.header("x-user-role"), "admin");
        assert_eq!(me.expect(200), known);
        assert_eq!(client.get("/api/instances").await.expect(200)["instances"], json!([]));
    }
    app.stop().await;
}

#[tokio::test]
async fn a_wrong_password_and_an_unknown_email_look_the_same() {
    let app = TestApp::start().await;
    let wrong = json!({"email": EMAIL, "password": "not the password"});
    let unknown = json!({"email": "nobody@example.org", "password": PASSWORD});
    let wrong = app.anonymous().post("/api/auth/login", wrong).await;
    let unknown = app.anonymous().post("/api/auth/login", unknown).await;
    wrong.expect_error(401, "unauthorized");
    assert_eq!(wrong.body, unknown.body);
    app.stop().await;
}

#[tokio::test]
async fn a_login_request_is_checked_field_by_field() {
    let app = TestApp::start().await;
    let anonymous = app.anonymous();
    let login = async |body| anonymous.post("/api/auth/login", body).await;
    login(json!({"email": EMAIL})).await.expect_error(400, "missing_field").about("password");
    login(json!({"email": 7, "password": "x"})).await.expect_error(400, "invalid_request").about("email");
    let extra = json!({"email": EMAIL, "password": "x", "remember": true});
    login(extra).await.expect_error(400, "unknown_field").about("remember");
    app.stop().await;
}

#[tokio::test]
async fn every_door_but_login_and_health_needs_a_credential() {
    let app = TestApp::start().await;
    let id = "0190a0a0-0000-7000-8000-000000000000";
    let anonymous = app.anonymous();
    let doors = [anonymous.clone(), anonymous.with_key("wrong"), anonymous.with_token("wrong.wrong.wrong")];
    for client in doors {
        for path in [
            "/api/auth/me".to_owned(),
            "/api/instances".to_owned(),
            format!("/api/instances/{id}"),
            format!("/api/instances/{id}/status"),
            format!("/api/instances/{id}/qr"),
            format!("/api/instances/{id}/events"),
            format!("/api/instances/{id}/chats/1/messages"),
            format!("/api/instances/{id}/webhook/dead-letters"),
            format!("/api/instances/{id}/webhooks"),
            format!("/api/instances/{id}/webhooks/default"),
            format!("/api/whatsapp/{id}/status"),
            format!("/api/whatsapp/{id}/qr"),
        ] {
            let answer = client.get(&path).await;
            answer.expect_error(401, "unauthorized");
            assert_eq!(answer.header("www-authenticate"), "Bearer", "{path}");
        }
        for path in [
            "/api/instances".to_owned(),
            format!("/api/instances/{id}/reconnect"),
            format!("/api/instances/{id}/logout"),
            format!("/api/instances/{id}/webhook/dead-letters/replay"),
            format!("/api/whatsapp/{id}/send"),
            format!("/api/whatsapp/{id}/logout"),
        ] {
            client.post(&path, json!({})).await.expect_error(401, "unauthorized");
        }
        client.put(&format!("/api/instances/{id}"), json!({})).await.expect_error(401, "unauthorized");
        client.delete(&format!("/api/instances/{id}")).await.expect_error(401, "unauthorized");
    }
    app.stop().await;
}

#[tokio::test]
async fn a_token_expires() {
    let app = TestApp::configured(|config| config.jwt.life_span = std::time::Duration::from_secs(1)).await;
    let token = app.login().await;
    let client = app.anonymous().with_token(&token);
    until("the token expires", || async {
        let answer = client.get("/api/auth/me").await;
        (answer.status == 401).then_some(())
    })
    .await;
    app.stop().await;
}

#[tokio::test]
async fn guessing_passwords_is_throttled() {
    let app = TestApp::start().await;
    let anonymous = app.anonymous();
    let guess = json!({"email": EMAIL, "password": "a guess that is wrong"});
    let refused = until("the throttle", || async {
        let answer = anonymous.post("/api/auth/login", guess.clone()).await;
        (answer.status != 401).then_some(answer)
    })
    .await;
    refused.expect_error(429, "rate_limited");
    let seconds: u64 = refused.header("retry-after").parse().unwrap();
    assert!(seconds > 0);
    assert_eq!(refused.body["error"]["retryAfter"], seconds);
    // The right password doesn't help meanwhile: otherwise the throttle would tell when the guess is right.
    let right = json!({"email": EMAIL, "password": PASSWORD});
    anonymous.post("/api/auth/login", right).await.expect_error(429, "rate_limited");
    app.stop().await;
}
