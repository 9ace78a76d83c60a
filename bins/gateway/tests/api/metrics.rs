//! What Prometheus reads.

use std::collections::BTreeMap;

use prometheus_parse::{HistogramCount, Sample, Scrape, Value};
use reqwest::Method;
use serde_json::json;
use trunkline::config::Secret;

use crate::app::TestApp;
use crate::client::Client;
use crate::receiver::Receiver;

const ALICE: &str = "15550100001";
const BOB: &str = "15550100002";

/// What the parser makes of the answer; every line must be one that it reads.
async fn scrape(client: &Client) -> Scrape {
    let response = client.request(Method::GET, "/metrics").send().await.expect("an answer");
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["content-type"], "text/plain; version=0.0.4; charset=utf-8");
    let text = response.text().await.expect("a body");
    assert!(text.len() < 256 * 1024, "{} bytes", text.len());
    let told = text.lines().filter(|line| !line.starts_with('#')).count();
    let scrape = Scrape::parse(text.lines().map(|line| Ok(line.to_owned()))).expect("the text format");
    let read: usize = scrape.samples.iter().map(lines).sum();
    assert_eq!(read, told, "{text}");
    for sample in &scrape.samples {
        assert!(
            scrape.docs.contains_key(&sample.metric)
                || sample.metric.ends_with("_sum")
                || sample.metric.ends_with("_count"),
            "{sample:?}"
        );
    }
    scrape
}

/// How many lines a sample stands for.
fn lines(sample: &Sample) -> usize {
    match &sample.value {
        Value::Histogram(buckets) => buckets.len(),
        _ => 1,
    }
}

fn find<'a>(scrape: &'a Scrape, metric: &str, labels: &[(&str, &str)]) -> Option<&'a Value> {
    let has = |sample: &Sample| labels.iter().all(|(name, value)| sample.labels.get(name) == Some(value));
    scrape.samples.iter().find(|sample| sample.metric == metric && has(sample)).map(|sample| &sample.value)
}

#[track_caller]
fn number(scrape: &Scrape, metric: &str, labels: &[(&str, &str)]) -> f64 {
    match find(scrape, metric, labels) {
        Some(Value::Counter(value) | Value::Gauge(value) | Value::Untyped(value)) => *value,
        other => panic!("{metric} {labels:?}: {other:?}"),
    }
}

#[track_caller]
fn buckets<'a>(scrape: &'a Scrape, metric: &str, labels: &[(&str, &str)]) -> &'a [HistogramCount] {
    match find(scrape, metric, labels) {
        Some(Value::Histogram(buckets)) => buckets,
        other => panic!("{metric} {labels:?}: {other:?}"),
    }
}

#[tokio::test]
async fn a_parser_reads_what_goes_on() {
    let (app, receiver) = (TestApp::start().await, Receiver::start());
    let client = app.client();
    let alice = app.paired(ALICE).await;
    app.phones().create(BOB).await;
    let hook = json!({"name": "hook", "url": receiver.url(), "events": ["message_received"]});
    client.post(&format!("/api/instances/{alice}/webhooks"), hook).await.expect(201);
    let id = app.phones().write(BOB, ALICE, "one").await;
    receiver.wait_for("message_received", |data| data["messageId"] == id.as_str()).await;
    let sent = app.send(&alice, BOB, "two").await.expect(200);
    app.event(&alice, "message_sent", |data| data["messageId"] == sent["id"]).await;
    client.get("/api/nothing/here").await.expect_error(404, "not_found");

    let told = scrape(&client).await;
    assert!(number(&told, "trunkline_messages_total", &[("direction", "sent")]) >= 1.0);
    assert!(number(&told, "trunkline_messages_total", &[("direction", "received")]) >= 1.0);
    assert_eq!(number(&told, "trunkline_instances", &[("state", "connected")]), 1.0);
    assert_eq!(number(&told, "trunkline_ready", &[]), 1.0);
    assert_eq!(number(&told, "trunkline_webhook_calls_total", &[("outcome", "given_up")]), 0.0);
    if cfg!(target_os = "linux") {
        assert!(number(&told, "process_resident_memory_bytes", &[]) > 1e6);
    }
    let send = [("route", "/api/whatsapp/:id/send"), ("method", "POST"), ("status", "2xx")];
    assert_eq!(buckets(&told, "trunkline_http_request_seconds", &send).last().unwrap().count, 1.0);
    let nowhere = [("route", "none"), ("status", "4xx")];
    assert_eq!(buckets(&told, "trunkline_http_request_seconds", &nowhere).last().unwrap().count, 1.0);
    for metric in ["trunkline_commit_writes", "trunkline_commit_seconds", "trunkline_webhook_lag_seconds"] {
        assert!(buckets(&told, metric, &[]).is_sorted_by(|one, next| one.count <= next.count), "{metric}");
    }
    assert!(buckets(&told, "trunkline_commit_writes", &[]).last().unwrap().count > 3.0);
    // Neither ids nor numbers are in labels.
    let labels: BTreeMap<_, _> = told.samples.iter().flat_map(|sample| sample.labels.iter()).collect();
    assert!(
        !labels.values().any(|value| value.contains(alice.as_str()) || value.contains(BOB)),
        "{labels:?}"
    );
    app.stop().await;
}

#[tokio::test]
async fn it_needs_an_administrator_or_the_token() {
    let token = "a token for metrics";
    let app = TestApp::configured(|config| config.metrics_token = Some(Secret::new(token))).await;
    scrape(&app.client()).await;
    scrape(&app.anonymous().with_token(token)).await;
    scrape(&app.anonymous().with_token(&app.login().await)).await;
    app.anonymous().get("/metrics").await.expect_error(401, "unauthorized");
    app.anonymous().with_token("another token").get("/metrics").await.expect_error(401, "unauthorized");
    // It opens nothing else.
    app.anonymous().with_token(token).get("/api/instances").await.expect_error(401, "unauthorized");
    app.stop().await;
}
