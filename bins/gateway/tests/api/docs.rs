//! The page on which the API can be read and tried.

use reqwest::Method;

use crate::app::TestApp;

/// Its parts, as the page and its scripts name them.
const PARTS: [(&str, &str); 4] = [
    ("/docs", "text/html"),
    ("/docs/docs.css", "text/css"),
    ("/docs/docs.js", "text/javascript"),
    ("/docs/schema.js", "text/javascript"),
];

#[tokio::test]
async fn the_page_is_whole_and_asks_no_other_host() {
    let app = TestApp::start().await;
    let client = app.anonymous();
    for (path, content_type) in PARTS {
        let response = client.request(Method::GET, path).send().await.unwrap();
        assert_eq!(response.status(), 200, "{path}");
        let header = |name: &str| response.headers()[name].to_str().unwrap().to_owned();
        assert!(header("content-type").starts_with(content_type), "{path}");
        let policy = header("content-security-policy");
        assert!(policy.starts_with("default-src 'none'") && !policy.contains("unsafe"), "{path}: {policy}");
        let text = response.text().await.unwrap();
        assert!(!text.contains("//www.") && !text.contains("https://"), "{path} names another host");
        // What it names is there.
        for (_, rest) in text.match_indices("docs/").map(|(at, _)| text.split_at(at)) {
            let name: String = rest.chars().take_while(|c| !['"', '\''].contains(c)).collect();
            assert!(PARTS.iter().any(|(part, _)| part[1..] == name), "{path} names {name}");
        }
    }
    client.get("/docs/other.js").await.expect_error(404, "not_found");
    app.stop().await;
}
