use reqwest::Method;
use trunkline::config::CorsOrigins;

use crate::app::TestApp;

const APP: &str = "https://app.example";

#[tokio::test]
async fn pages_of_listed_origins_may_call_and_others_are_told_nothing() {
    let these = CorsOrigins::These(vec![APP.to_owned()]);
    let app = TestApp::configured(|config| config.cors_origins = these).await;
    let anonymous = app.anonymous();
    let preflight = async |origin: &'static str| {
        let request = anonymous.request(Method::OPTIONS, "/api/instances").header("origin", origin);
        anonymous.send(request.header("access-control-request-method", "POST")).await
    };
    let allowed = preflight(APP).await;
    assert_eq!(allowed.header("access-control-allow-origin"), APP);
    assert!(allowed.header("access-control-allow-headers").contains("x-api-key"));
    assert!(allowed.header("access-control-allow-methods").contains("DELETE"));
    assert_eq!((allowed.header("vary"), allowed.header("access-control-max-age")), ("origin", "7200"));
    allowed.expect(204);
    let refused = preflight("https://evil.example").await;
    assert!(refused.headers.get("access-control-allow-origin").is_none());
    refused.expect_error(401, "unauthorized");

    // Errors are to be read, too.
    for (path, status) in [("/api/instances", 200), ("/api/nothing", 404), ("/livez", 200)] {
        for (origin, told) in [(Some(APP), true), (Some("null"), false), (None, false)] {
            let mut request = app.client().request(Method::GET, path);
            if let Some(origin) = origin {
                request = request.header("origin", origin);
            }
            let answer = app.client().send(request).await;
            assert_eq!(answer.status, status);
            assert_eq!(
                answer.headers.get("access-control-allow-origin").is_some(),
                told,
                "{path} {origin:?}"
            );
            assert_eq!(answer.header("vary"), "origin");
            assert!(answer.headers.get("access-control-allow-credentials").is_none());
        }
    }
    app.stop().await;
}

#[tokio::test]
async fn all_pages_may_call_where_that_is_said_and_none_by_default() {
    let app = TestApp::configured(|config| config.cors_origins = CorsOrigins::All).await;
    let request = app.client().request(Method::GET, "/api/auth/me").header("origin", "https://any.example");
    assert_eq!(app.client().send(request).await.header("access-control-allow-origin"), "*");
    app.stop().await;

    let app = TestApp::start().await;
    let request = app.client().request(Method::GET, "/api/auth/me").header("origin", APP);
    let answer = app.client().send(request).await;
    assert!(
        answer.headers.get("access-control-allow-origin").is_none() && answer.headers.get("vary").is_none()
    );
    let request = app.anonymous().request(Method::OPTIONS, "/livez").header("origin", APP);
    let answer = app.anonymous().send(request.header("access-control-request-method", "GET")).await;
    answer.expect_error(405, "method_not_allowed");
    app.stop().await;
}
