use reqwest::Method;
use serde_json::json;

use crate::answer::Answer;
use crate::app::TestApp;

#[tokio::test]
async fn unknown_paths_and_methods_answer_in_the_one_shape() {
    let app = TestApp::start().await;
    let client = app.client();
    for path in ["/", "/api", "/api/nothing", "/api/instances/", "/favicon.ico", "/api/instances/x/y/z"] {
        client.get(path).await.expect_error(404, "not_found");
    }
    for (method, path, allowed) in [
        (Method::DELETE, "/api/instances", ["GET", "POST"].as_slice()),
        (Method::PATCH, "/api/instances/x", &["GET", "PUT", "DELETE"]),
        (Method::GET, "/api/auth/login", &["POST"]),
        (Method::GET, "/api/whatsapp/x/send", &["POST"]),
        (Method::POST, "/health", &["GET"]),
    ] {
        let answer = client.send(client.request(method, path)).await;
        answer.expect_error(405, "method_not_allowed");
        let allow = answer.header("allow");
        assert!(allowed.iter().all(|method| allow.contains(method)), "{path}: {allow}");
    }
    app.stop().await;
}

#[tokio::test]
async fn bodies_that_cannot_be_read_are_explained() {
    let app = TestApp::start().await;
    let client = app.client();
    let post = |content_type: &'static str, body: String| {
        let request = client.request(Method::POST, "/api/instances").header("content-type", content_type);
        client.send(request.body(body))
    };
    let malformed = post("application/json", "{\"name\": \n oops}".to_owned()).await;
    malformed.expect_error(400, "malformed_json");
    assert!(
        malformed.body["error"]["message"].as_str().unwrap().contains("line 2 column 2"),
        "{}",
        malformed.body
    );

    post("application/json", String::new()).await.expect_error(400, "malformed_json");
    post("application/json", "[]".to_owned()).await.expect_error(400, "invalid_request");
    post("text/plain", "{}".to_owned()).await.expect_error(415, "unsupported_media_type");
    post("application/x-www-form-urlencoded", "name=x".to_owned())
        .await
        .expect_error(415, "unsupported_media_type");
    let request = client.request(Method::POST, "/api/instances");
    client.send(request).await.expect_error(415, "unsupported_media_type");

    let large = format!("{{\"name\":\"{}\"}}", "x".repeat(2 << 20));
    post("application/json", large).await.expect_error(413, "payload_too_large");
    let deep = format!("{{\"headers\":{{\"A\":{}{}}}}}", "[".repeat(100_000), "]".repeat(100_000));
    post("application/json", deep).await.expect_error(400, "invalid_request").about("headers.A");
    app.stop().await;
}

#[tokio::test]
async fn queries_are_checked_parameter_by_parameter() {
    let app = TestApp::start().await;
    let client = app.client();
    let id = app.create("queries").await;
    for (query, field) in [
        ("limit=0", "limit"),
        ("limit=many", "limit"),
        ("since=yesterday", "since"),
        ("types=message_received,rumour", "types"),
        ("page=2", "page"),
        ("limit=1&limit=2", "limit"),
    ] {
        let answer = client.get(&format!("/api/instances/{id}/events?{query}")).await;
        assert_eq!(answer.status, 400, "{query}");
        answer.about(field);
    }
    for (query, field) in [("skip=-1", "skip"), ("startDate=x", "startDate"), ("endDate=x", "endDate")] {
        let answer = client.get(&format!("/api/instances/{id}/chats/15550100002/messages?{query}")).await;
        answer.expect_error(400, "invalid_request").about(field);
    }
    app.stop().await;
}

#[tokio::test]
async fn every_answer_names_its_request_and_is_not_to_be_sniffed_framed_or_cached() {
    let app = TestApp::start().await;
    let client = app.client();
    let request = client.request(Method::GET, "/api/auth/me").header("x-request-id", "mine-1");
    assert_eq!(client.send(request).await.header("x-request-id"), "mine-1");
    let forged = client.request(Method::GET, "/api/auth/me").header("x-request-id", "a b");
    assert_ne!(client.send(forged).await.header("x-request-id"), "a b");
    for path in ["/api/auth/me", "/nothing", "/health"] {
        let answer = client.get(path).await;
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
        assert_eq!(answer.header("x-frame-options"), "DENY");
        assert_eq!(answer.header("cache-control"), "no-store");
        assert!(answer.header("content-security-policy").contains("default-src 'none'"));
        assert!(!answer.header("x-request-id").is_empty());
        assert!(answer.headers.get("access-control-allow-origin").is_none());
    }
    app.stop().await;
}

#[tokio::test]
async fn only_allowed_addresses_are_served() {
    let app = TestApp::configured(|config| config.allowed_ips = vec!["192.0.2.0/24".parse().unwrap()]).await;
    for path in ["/api/auth/me", "/health", "/nothing"] {
        let asked = app.client().request(Method::GET, path).send().await;
        assert!(asked.is_err(), "a stranger's connection is closed: {asked:?}");
    }
    app.stop().await;

    let app = TestApp::configured(|config| {
        config.allowed_ips = vec!["192.0.2.0/24".parse().unwrap()];
        config.trusted_proxies = vec!["127.0.0.1/32".parse().unwrap()];
    })
    .await;
    app.client().get("/api/auth/me").await.expect_error(403, "forbidden");
    let request = app.client().request(Method::GET, "/api/auth/me").header("x-forwarded-for", "192.0.2.7");
    app.client().send(request).await.expect(200);
    app.stop().await;

    let app = TestApp::configured(|config| config.allowed_ips = vec!["127.0.0.0/8".parse().unwrap()]).await;
    app.client().get("/api/auth/me").await.expect(200);
    app.stop().await;
}

#[tokio::test]
async fn a_stranger_learns_nothing_from_ids() {
    let app = TestApp::start().await;
    let client = app.client();
    let ids = ["0190a0a0-0000-7000-8000-000000000000", "nonsense", "..%2f..%2fetc", "%00", "1'or'1'='1"];
    let mut bodies = Vec::new();
    for id in ids {
        for path in [
            "",
            "/status",
            "/qr",
            "/events",
            "/chats/15550100002/messages",
            "/webhook/dead-letters",
            "/webhooks",
            "/webhooks/default",
        ] {
            let answer = client.get(&format!("/api/instances/{id}{path}")).await;
            answer.expect_error(404, "not_found");
            bodies.push(answer.body);
        }
        let send = json!({"phone": "15550100002", "message": "x"});
        client.post(&format!("/api/whatsapp/{id}/send"), send).await.expect_error(404, "not_found");
        client
            .put(&format!("/api/instances/{id}"), json!({"name": "x"}))
            .await
            .expect_error(404, "not_found");
        let answers: [Answer; 3] = [
            client.delete(&format!("/api/instances/{id}")).await,
            client.call(&format!("/api/instances/{id}/reconnect")).await,
            client.call(&format!("/api/whatsapp/{id}/logout")).await,
        ];
        for answer in answers {
            answer.expect_error(404, "not_found");
        }
    }
    bodies.dedup();
    assert_eq!(bodies.len(), 1, "{bodies:?}");
    app.stop().await;
}
