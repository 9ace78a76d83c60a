use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::{Value, json};
use test_support::until_within;
use tokio::net::UdpSocket;
use trunkline_tests::WebhookReceiver;

use super::stage::{SOON, Stage};

const INSTANCES: usize = 500;
const SECRET: &str = "a secret of the test";
/// Threads of a gateway at work, with room to spare; each look-up that took one would show.
const THREADS: usize = 64;

#[tokio::test(flavor = "multi_thread")]
async fn names_that_no_name_server_answers_for_hold_up_nobody() {
    let silent = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let servers = silent.local_addr().unwrap().to_string();
    let stage = Stage::start(&[("DNS_SERVERS", servers)]).await;
    let receiver = WebhookReceiver::listen(SECRET).await;
    let healthy = stage.instance("healthy").await;
    stage.webhook(&healthy, "good", &receiver.url(), json!({"secret": SECRET})).await;
    let mut first = None;
    for n in 0..INSTANCES {
        let webhooks = stage.instance(&format!("slow {n}")).await;
        let url = format!("http://h{n}.slow.test/");
        // The first failure that counted would be a dead letter.
        stage.webhook(&webhooks, "slow", &url, json!({"maxRetries": 0})).await;
        first.get_or_insert(webhooks);
    }
    let first = first.expect("an instance");
    let mut question = [0; 512];
    let asked = tokio::time::timeout(SOON, silent.recv_from(&mut question)).await;
    asked.expect("the name server is asked").unwrap();

    let before = receiver.count_of("webhook_updated");
    for n in 1..=20 {
        let begun = Instant::now();
        stage.expect(Method::GET, &format!("{first}/slow"), Value::Null, 200).await;
        stage.expect(Method::GET, "/livez", Value::Null, 200).await;
        stage.ring(&healthy, n).await;
        assert!(begun.elapsed() < SOON, "the API waits: {:?}", begun.elapsed());
        assert!(stage.threads() < THREADS, "{} threads", stage.threads());
    }
    until_within("the healthy webhook is told", SOON, || async {
        (receiver.count_of("webhook_updated") >= before + 20).then_some(())
    })
    .await;
    // What nobody could look up is no fault of the receiver.
    let pending = until_within("it shows as pending", Duration::from_secs(120), || async {
        let pending = stage.expect(Method::GET, &format!("{first}/slow/pending"), Value::Null, 200).await;
        pending["pending"][0]["lastError"].is_string().then(|| pending["pending"][0].clone())
    })
    .await;
    assert_eq!(pending["attempts"], 0, "{pending}");
    let dead = stage.expect(Method::GET, &format!("{first}/slow/dead-letters"), Value::Null, 200).await;
    assert_eq!(dead["pagination"]["total"], 0, "{dead}");
}
