use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::{Value, json};
use test_support::until_within;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpListener;
use trunkline_tests::Simulator;

use super::hostile::{self, head, header};
use super::stage::{SOON, Stage};

/// An attempt that nobody answers takes as long; a stop that waited for it would, too.
const ATTEMPT: Duration = Duration::from_secs(10);

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_waits_for_no_receiver_and_holds_nothing_against_it() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let mut stage = Stage::start(&[]).await;
    let webhooks = stage.instance("stopping").await;
    // The first attempt that counted would be the last.
    stage.webhook(&webhooks, "hook", &url, json!({"maxRetries": 0})).await;
    let (mut call, _) = listener.accept().await.unwrap();
    let asked = head(&mut call).await;
    let begun = Instant::now();
    assert!(stage.process().stop(), "it ends well");
    assert!(begun.elapsed() < ATTEMPT * 8 / 10, "{:?}", begun.elapsed());

    stage.start_again();
    let (mut again, _) = tokio::time::timeout(SOON, listener.accept()).await.expect("again").unwrap();
    let repeated = head(&mut again).await;
    assert_eq!((attempt(&repeated), id(&repeated)), ("1", id(&asked)), "{repeated}");
    again.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await.unwrap();
    let dead = stage.expect(Method::GET, &format!("{webhooks}/hook/dead-letters"), Value::Null, 200).await;
    assert_eq!(dead["pagination"]["total"], 0, "{dead}");
}

/// The default interval is a minute: as long as the first code is good.
#[tokio::test(flavor = "multi_thread")]
async fn a_code_to_scan_comes_again_while_it_is_good() {
    let simulator = Simulator::start().await;
    let stage = Stage::start_beside(&simulator).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let body = json!({"name": "code", "webhookUrl": url, "webhookEnabled": true});
    stage.expect(Method::POST, "/api/instances", body, 201).await;
    let mut codes = Vec::new();
    let begun = Instant::now();
    while codes.len() < 2 {
        let (mut call, _) = tokio::time::timeout(SOON, listener.accept()).await.expect("a call").unwrap();
        let request = head(&mut call).await;
        let is_code = header(&request, "x-webhook-event") == "qr_received";
        let status = if is_code && codes.is_empty() { "500 No" } else { "200 OK" };
        let answer = format!("HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
        call.write_all(answer.as_bytes()).await.unwrap();
        codes.extend(is_code.then(|| (id(&request).to_owned(), attempt(&request).to_owned())));
    }
    assert_eq!(codes[0].0, codes[1].0, "the same code");
    assert_eq!((codes[0].1.as_str(), codes[1].1.as_str()), ("1", "2"));
    assert!(begun.elapsed() < SOON, "{:?}", begun.elapsed());
}

/// What a stranger answers costs neither memory nor more than an attempt's time.
#[tokio::test(flavor = "multi_thread")]
async fn answers_without_an_end_cost_little_and_hold_up_nobody() {
    let url = hostile::endless().await;
    let stage = Stage::start(&[]).await;
    let webhooks = stage.instance("endless").await;
    for kind in ["body", "head", "interim"] {
        let more = json!({"maxRetries": 0, "headers": {"A": kind}});
        stage.webhook(&webhooks, kind, &url, more).await;
    }
    stage.ring(&webhooks, 1).await;
    for kind in ["head", "interim"] {
        let path = format!("{webhooks}/{kind}/dead-letters");
        until_within("the attempt has ended", 6 * ATTEMPT, || async {
            let dead = stage.expect(Method::GET, &path, Value::Null, 200).await;
            (dead["pagination"]["total"] != 0).then_some(())
        })
        .await;
    }
    assert!(stage.resident_mb() < 200, "{} MB", stage.resident_mb());
}

fn attempt(request: &str) -> &str {
    header(request, "x-webhook-attempt")
}

fn id(request: &str) -> &str {
    header(request, "x-webhook-id")
}
