//! The page on which an instance is linked, and what it asks for. That it works in a browser, browser tests show.

use serde_json::json;
use trunkline::config::QrPageParents;

use crate::app::TestApp;
use crate::until::until;

const NUMBER: &str = "15550100001";

/// The page as text, with its headers.
async fn page(app: &TestApp, path: &str, language: &str) -> (reqwest::header::HeaderMap, String) {
    let url = format!("http://127.0.0.1:{}{path}", app.port());
    let request = crate::client::http().get(url).header("accept-language", language);
    let answer = request.send().await.unwrap();
    assert_eq!(answer.status(), 200);
    (answer.headers().clone(), answer.text().await.unwrap())
}

/// The path of a link to an instance's page.
async fn link(app: &TestApp, instance: &str, body: serde_json::Value) -> String {
    let made = app.client().post(&format!("/api/instances/{instance}/qr-link"), body).await.expect(200);
    let url = made["url"].as_str().unwrap();
    crate::answer::assert_time(&made["expiresAt"]);
    url[url.find("/qr/").expect("a path of the page")..].to_owned()
}

#[tokio::test]
async fn a_link_leads_to_the_page_until_the_phone_is_linked() {
    let app = TestApp::start().await;
    let id = app.create("linked by a page").await;
    let path = link(&app, &id, json!({"expiresIn": 600})).await;
    let (headers, html) = page(&app, &path, "en").await;
    let policy = headers["content-security-policy"].to_str().unwrap();
    assert!(policy.contains("default-src 'none'") && policy.ends_with("frame-ancestors *"), "{policy}");
    assert!(!policy.contains("unsafe") && headers.get("x-frame-options").is_none());
    let nonce = policy.split("script-src 'nonce-").nth(1).unwrap().split('\'').next().unwrap();
    assert!(html.contains(&format!("<script nonce=\"{nonce}\">")) && !html.contains("{{"), "{html}");
    for outside in ["src=\"http", "href=\"http", "url(", "@import"] {
        assert!(!html.contains(outside), "{outside}");
    }
    assert!(
        html.contains("&quot;state&quot;:&quot;loading&quot;") && html.contains("The code is being made")
    );

    let client = app.anonymous();
    client.call(&format!("{path}/start")).await.expect(200);
    let shown = until("the code", || async {
        let shown = client.get(&format!("{path}/state")).await.expect(200);
        (shown["state"] == "qr").then_some(shown)
    })
    .await;
    assert!(shown["qr"].as_str().unwrap().starts_with("data:image/svg+xml;base64,"));
    app.link(&id, NUMBER).await;
    assert_eq!(client.get(&format!("{path}/state")).await.expect(200), json!({"state": "success"}));
    assert_eq!(client.call(&format!("{path}/start")).await.expect(200), json!({"state": "success"}));
    client.call(&format!("{path}/confirm")).await.expect_error(409, "conflict");
    app.client().delete(&format!("/api/instances/{id}")).await.expect(200);
    assert_eq!(client.get(&format!("{path}/state")).await.expect(200), json!({"state": "broken"}));
    app.stop().await;
}

#[tokio::test]
async fn an_address_that_leads_nowhere_shows_a_broken_page() {
    let app = TestApp::start().await;
    let id = app.create("another").await;
    for path in ["/qr/6345454545454".to_owned(), format!("/qr/{id}")] {
        let (_, html) = page(&app, &path, "ru-RU").await;
        assert!(html.contains("&quot;state&quot;:&quot;broken&quot;") && html.contains("lang=\"ru\""));
        assert!(html.contains("Код создаётся"));
        let shown = app.anonymous().get(&format!("{path}/state")).await.expect(200);
        assert_eq!(shown, json!({"state": "broken"}));
    }
    app.stop().await;
}

#[tokio::test]
async fn a_link_expires() {
    let app = TestApp::start().await;
    let id = app.create("soon over").await;
    let path = link(&app, &id, json!({"expiresIn": 1})).await;
    until("the link's end", || async {
        let shown = app.anonymous().get(&format!("{path}/state")).await.expect(200);
        (shown == json!({"state": "error"})).then_some(())
    })
    .await;
    let (_, html) = page(&app, &path, "de").await;
    assert!(html.contains("&quot;state&quot;:&quot;error&quot;") && html.contains("lang=\"en\""));
    app.stop().await;
}

#[tokio::test]
async fn links_are_made_for_owners_within_bounds() {
    let app = TestApp::start().await;
    let path = format!("/api/instances/{}/qr-link", app.create("bounds").await);
    app.client().call(&path).await.expect(200);
    for body in [json!({"expiresIn": 0}), json!({"expiresIn": 604_801})] {
        app.client().post(&path, body).await.expect_error(400, "invalid_request").about("expiresIn");
    }
    app.client().post(&path, json!({"expires": 1})).await.expect_error(400, "unknown_field").about("expires");
    app.anonymous().call(&path).await.expect_error(401, "unauthorized");
    let nobody = "/api/instances/0190a0a0-0000-7000-8000-000000000000/qr-link";
    app.client().call(nobody).await.expect_error(404, "not_found");
    app.stop().await;
}

#[tokio::test]
async fn only_the_pages_that_are_named_may_frame_it() {
    let origins = vec!["https://a.example".to_owned(), "https://b.example:8443".to_owned()];
    let app = TestApp::configured(|config| config.qr_page_parents = QrPageParents::Origins(origins)).await;
    let (headers, html) = page(&app, "/qr/1", "en").await;
    let policy = headers["content-security-policy"].to_str().unwrap();
    assert!(policy.ends_with("frame-ancestors 'self' https://a.example https://b.example:8443"), "{policy}");
    assert!(
        html.contains(
            "&quot;parents&quot;:[&quot;https://a.example&quot;,&quot;https://b.example:8443&quot;]"
        )
    );
    app.stop().await;
}

#[tokio::test]
async fn whoever_tries_addresses_has_to_wait_and_who_has_one_does_not() {
    let app = TestApp::start().await;
    let id = app.create("linked by a page").await;
    let path = link(&app, &id, json!({"expiresIn": 600})).await;
    let client = app.anonymous();
    let look = async |number: u32| client.get(&format!("/qr/{number:024}/state")).await;
    for number in 0..30 {
        assert_eq!(look(number).await.expect(200), json!({"state": "broken"}));
    }
    // The waits double, so they become longer than a look takes on any machine.
    let mut refused = None;
    for number in 30..45 {
        refused = Some(look(number).await).filter(|answer| answer.status == 429);
        if refused.is_some() {
            break;
        }
    }
    refused.expect("never slowed down").expect_error(429, "rate_limited");
    client.get(&format!("{path}/state")).await.expect(200);
    app.stop().await;
}
