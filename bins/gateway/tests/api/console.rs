//! The console, as a browser fetches it. What it does in one, browser tests show.

use std::collections::BTreeSet;

use reqwest::{Method, Response};

use crate::app::TestApp;

async fn get(app: &TestApp, path: &str, headers: &[(&str, &str)]) -> Response {
    let request = app.anonymous().request(Method::GET, path);
    let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    request.send().await.unwrap()
}

fn header<'a>(response: &'a Response, name: &str) -> &'a str {
    response.headers()[name].to_str().unwrap()
}

/// What a browser asks a page with.
const BROWSER: (&str, &str) = ("accept", "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8");

#[tokio::test]
async fn browsers_find_a_page_at_the_root_and_programs_nothing() {
    let app = TestApp::start().await;
    let page = get(&app, "/", &[BROWSER]).await;
    assert_eq!((page.status().as_u16(), header(&page, "cache-control")), (200, "no-cache"));
    assert!(header(&page, "content-type").starts_with("text/html"));
    let policy = header(&page, "content-security-policy").to_owned();
    assert!(policy.starts_with("default-src 'none'; script-src 'self'; style-src 'self';"), "{policy}");
    assert!(!policy.contains("unsafe") && policy.contains("frame-ancestors 'none'"), "{policy}");
    let tag = header(&page, "etag").to_owned();
    let html = page.text().await.unwrap();
    assert!(!html.contains("style=") && !html.contains("<script>") && !html.contains("://"), "{html}");

    let again = get(&app, "/", &[BROWSER, ("if-none-match", &tag)]).await;
    assert_eq!((again.status().as_u16(), header(&again, "etag")), (304, tag.as_str()));
    // Browsers take these headers for those of the page that they have.
    assert_eq!(
        (header(&again, "content-security-policy"), header(&again, "cache-control")),
        (&policy[..], "no-cache")
    );
    for program in [&[("accept", "*/*")][..], &[("accept", "application/json")], &[]] {
        assert_eq!(get(&app, "/", program).await.status(), 404);
    }
    app.client().get("/").await.expect_error(404, "not_found");
    app.stop().await;
}

#[tokio::test]
async fn what_the_page_is_made_of_is_kept_for_ever_compressed_and_names_no_other_host() {
    let app = TestApp::start().await;
    let html = get(&app, "/", &[BROWSER]).await.text().await.unwrap();
    let mut left: Vec<String> = named(&html, "console/").map(|path| format!("/console/{path}")).collect();
    let (mut seen, mut load) = (BTreeSet::new(), 0);
    while let Some(path) = left.pop() {
        if !seen.insert(path.clone()) {
            continue;
        }
        let file = get(&app, &path, &[("accept-encoding", "br, gzip;q=0.9")]).await;
        assert_eq!(file.status(), 200, "{path}");
        assert_eq!(header(&file, "cache-control"), "public, max-age=31536000, immutable");
        assert_eq!((header(&file, "content-encoding"), header(&file, "vary")), ("gzip", "accept-encoding"));
        assert!(header(&file, "content-security-policy").starts_with("default-src 'none'"));
        load += file.bytes().await.unwrap().len();
        let plain = get(&app, &path, &[("accept-encoding", "identity")]).await;
        assert!(plain.headers().get("content-encoding").is_none());
        let text = plain.text().await.unwrap();
        // An address in a text is one of a host if something follows; SVG's name isn't asked.
        let hosts = text.split("://").skip(1).filter(|rest| rest.starts_with(char::is_alphanumeric));
        let others: Vec<&str> = hosts.filter(|rest| !rest.starts_with("www.w3.org/2000/svg'")).collect();
        assert!(others.is_empty(), "{path}: {others:?}");
        // What a script names is there, too: as modules that it imports at once or when they are wanted.
        let folder = &path[..=path.rfind('/').unwrap()];
        left.extend(named(&text, "'./").map(|name| format!("{folder}{name}")));
    }
    assert!(seen.len() > 15 && load < 150 * 1024, "{} files, {load} bytes", seen.len());
    app.anonymous().get("/console/0/app.js").await.expect_error(404, "not_found");
    let other = html.split("console/").nth(1).unwrap().split('/').next().unwrap();
    for name in ["index.html", "nothing.js", "..%2fapp.js"] {
        app.anonymous().get(&format!("/console/{other}/{name}")).await.expect_error(404, "not_found");
    }
    app.stop().await;
}

/// What stands between `begin` and the quotation mark that ends it.
fn named<'a>(text: &'a str, begin: &'a str) -> impl Iterator<Item = String> + 'a {
    text.split(begin).skip(1).filter_map(|rest| rest.split(['"', '\'']).next()).map(str::to_owned)
}
