use reqwest::Method;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;

use super::stage::{ELSEWHERE, SOON, Target, client, told};

#[tokio::test]
async fn what_is_no_http_is_answered_in_our_shape_and_floods_no_log() {
    let target = Target::start(&[("LOG", "info")]);
    target.serves_others().await;
    let before = target.log().len();
    for n in 0..200 {
        let mut stream = target.connect(ELSEWHERE).await;
        let junk = ["\0\u{1}\u{2} nonsense\r\n\r\n", "GET / HTTP/9.9\r\n\r\n", "GET /\r\nx\r\n\r\n"][n % 3];
        stream.write_all(junk.as_bytes()).await.expect("sent");
        let answer = told(&mut stream, SOON).await;
        let (head, body) = answer.split_once("\r\n\r\n").expect("an answer");
        let body: Value = serde_json::from_str(body).unwrap_or_else(|_| panic!("not ours: {answer}"));
        assert!(head.starts_with("HTTP/1.1 400") && head.contains("x-content-type-options"), "{head}");
        assert_eq!(body["error"]["code"], "malformed_request");
    }
    let mut stream = target.connect(ELSEWHERE).await;
    let large = format!("GET / HTTP/1.1\r\nx: {}\r\n\r\n", "y".repeat(200_000));
    let _ = stream.write_all(large.as_bytes()).await;
    let log = target.log();
    assert!(log.len() < before + 2_000, "{log}");
}

#[tokio::test]
async fn what_a_reader_could_mistake_is_refused_by_name() {
    let target = Target::start(&[]);
    let (key, _) = target.credentials().await;
    for (body, field) in [
        (r#"{"name":"a","name":"b"}"#, "name"),
        (r#"{"name":"a","headers":{"A":"1","A":"2"}}"#, "headers.A"),
        ("{\"name\":\"\u{200b}\u{2060}\"}", "name"),
        ("{\"name\":\"abc\u{202e}cba\"}", "name"),
        ("{\"name\":\"a\",\"deviceName\":\"\u{2066}b\"}", "deviceName"),
        (r#"{"name":"a","description":"a\u0000b"}"#, "description"),
        (r#"{"name":"a","description":"\u001b[2J"}"#, "description"),
    ] {
        let request = client().post(format!("{}/api/instances", target.url())).header("x-api-key", &key);
        let request = request.header("content-type", "application/json").body(body.to_owned());
        let answer = request.send().await.expect("an answer");
        let (status, answer): (_, Value) = (answer.status(), answer.json().await.expect("JSON"));
        assert!(status == 400 && answer["error"]["field"] == field, "{body}: {status} {answer}");
    }
    let headers = [("x-api-key", key.as_str())];
    let body = json!({"name": "Über \u{200f}שלום ❤\u{fe0f}", "description": "two\nlines\tand more"});
    let (status, created) = target.call(Method::POST, "/api/instances", &headers, Some(body)).await;
    assert_eq!(status, 201, "{created}");
    let send = format!("/api/whatsapp/{}/send", created["id"].as_str().expect("an id"));
    for text in ["\u{0}", "\u{200b}\u{feff}", " \u{2800}\u{0}\n"] {
        let body = json!({"phone": "15550100001", "message": text});
        let (status, answer) = target.call(Method::POST, &send, &headers, Some(body)).await;
        assert_eq!(
            (status.as_u16(), &answer["error"]["field"]),
            (400, &json!("message")),
            "{text:?}: {answer}"
        );
    }
}

/// A body within the allowed size may hold a quarter of a million values below a key of half a megabyte.
#[tokio::test(flavor = "multi_thread")]
async fn many_values_below_a_long_key_hold_nobody_up() {
    /// More than there are workers.
    const CROWD: usize = 16;
    let target = Target::start(&[]);
    let (key, _) = target.credentials().await;
    let body = format!(r#"{{"{}":[{}0]}}"#, "x".repeat(500_000), "0,".repeat(250_000));
    let attacks: Vec<_> = (0..CROWD)
        .map(|_| {
            let request = client().post(format!("{}/api/instances", target.url())).header("x-api-key", &key);
            tokio::spawn(request.header("content-type", "application/json").body(body.clone()).send())
        })
        .collect();
    target.serves_others().await;
    let answered = tokio::time::timeout(SOON, futures_util::future::join_all(attacks));
    for answer in answered.await.expect("they are answered soon") {
        assert_eq!(answer.unwrap().expect("an answer").status(), 400);
    }
    target.serves_others().await;
}
