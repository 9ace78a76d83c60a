use futures_util::future::join_all;
use serde_json::Value;
use tokio::io::AsyncWriteExt as _;

use super::stage::{SOON, Target, told};

/// Connections that are open at a time.
const AT_ONCE: usize = 100;

/// However a path is written, the layer that asks for a credential answers, before it has read a body.
#[tokio::test(flavor = "multi_thread")]
async fn no_way_to_write_a_path_leads_past_the_credential() {
    let target = Target::start(&[]);
    let (_, document) = target.call(reqwest::Method::GET, "/openapi.json", &[], None).await;
    let mut calls = Vec::new();
    for (path, methods) in document["paths"].as_object().expect("paths") {
        for (method, operation) in methods.as_object().expect("methods") {
            // One that says nothing asks as the document says for all.
            let ways = operation["security"].as_array();
            let open = ways.is_some_and(|ways| ways.contains(&serde_json::json!({})));
            let written = variants(path).into_iter();
            calls.extend(written.map(|written| (open, method.to_uppercase(), *path == written, written)));
        }
    }
    let asked = calls.iter().filter(|(open, ..)| !open).count();
    assert!(asked > 100, "{asked}");
    // Each connection stays for a while, in case that the rest of the body comes.
    for together in calls.chunks(AT_ONCE) {
        join_all(together.iter().map(async |(open, method, plain, written)| {
            let answer = answer(&target, method, written).await;
            assert!(is_right(*open, *plain, &answer), "{method} {written}: {answer:?}");
        }))
        .await;
    }
    let encoded = answer(&target, "GET", "/api/%69nstances").await;
    assert!(encoded.0.contains("401"), "{encoded:?}");
}

/// Open routes don't ask, all others do. A path that is written so that no route has it is nowhere.
fn is_right(open: bool, plain: bool, (line, body): &(String, Value)) -> bool {
    let nowhere = !plain && line.contains("404") && body["error"]["code"] == "not_found";
    // Dialects put it elsewhere.
    let evolution = &body["response"]["message"][0];
    let places = [evolution, &body["error"]["message"], &body["message"], &body["error"]];
    let told = places.into_iter().find_map(Value::as_str).unwrap_or_default();
    // The layer's words; the extractor behind it has others.
    let asks = line.contains("401") && (told.contains("x-api-key") || told.contains("?wid="));
    nowhere || asks != open
}

/// The path as it is, and with a letter, each first letter of a part, or everything percent-encoded.
fn variants(path: &str) -> Vec<String> {
    let path = path
        .replace("{id}", "0190a0a0-0000-7000-8000-000000000000")
        .replace("{chat}", "1")
        .replace("{name}", "n");
    let parts: Vec<&str> = path.split('/').collect();
    let encoded = |part: &str| part.bytes().map(|byte| format!("%{byte:02x}")).collect::<String>();
    let first = |part: &str| if part.is_empty() { String::new() } else { encoded(&part[..1]) + &part[1..] };
    let mut all = vec![path.clone(), parts.iter().map(|part| encoded(part)).collect::<Vec<_>>().join("/")];
    for (n, part) in parts.iter().enumerate().filter(|(_, part)| !part.is_empty()) {
        let mut written: Vec<String> = parts.iter().map(|part| (*part).to_owned()).collect();
        written[n] = first(part);
        all.push(written.join("/"));
    }
    all
}

/// The status line and the body of an answer to a request whose own body never comes.
async fn answer(target: &Target, method: &str, path: &str) -> (String, Value) {
    let mut stream = target.connect([127, 0, 0, 1].into()).await;
    let body = if matches!(method, "GET" | "HEAD") {
        ""
    } else {
        "content-type: application/json\r\ncontent-length: 100\r\n"
    };
    let request = format!("{method} {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{body}\r\n");
    stream.write_all(request.as_bytes()).await.expect("sent");
    if method == "POST" && path.contains("login") {
        // Open to everybody, and waits for the body.
        stream.write_all(&[b' '; 100]).await.expect("sent");
    }
    let answer = told(&mut stream, SOON).await;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    (head.lines().next().unwrap_or_default().to_owned(), serde_json::from_str(body).unwrap_or(Value::Null))
}
