use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::{Value, json};
use test_support::until_within;
use tokio::net::TcpListener;
use trunkline_tests::WebhookReceiver;

use super::hostile;
use super::stage::{SOON, Stage};

const INSTANCES: usize = 150;
/// Webhooks of each instance beside its default one.
const HOLES: usize = 9;
const SECRET: &str = "a secret of the test";
/// An attempt that nobody answers takes as long. A webhook that had to wait for one would be told later than this.
const ATTEMPT: Duration = Duration::from_secs(10);

/// A receiver that accepts connections and is silent, and one of the same owner that answers.
#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_answers_is_told_at_once_beside_a_thousand_webhooks_that_nobody_answers() {
    let hole = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = hole.local_addr().unwrap().port();
    let stage = Stage::start(&[]).await;
    let receiver = WebhookReceiver::listen(SECRET).await;
    let healthy = stage.instance("healthy").await;
    stage.webhook(&healthy, "good", &receiver.url(), json!({"secret": SECRET})).await;
    let mut first = None;
    let settings = json!({"retryInterval": 100, "maxRetries": 50});
    for n in 0..INSTANCES {
        let webhooks = stage.instance(&format!("hole {n}")).await;
        for hook in 0..HOLES {
            let url = format!("http://127.0.0.1:{port}/{n}/{hook}");
            stage.webhook(&webhooks, &format!("hole-{hook}"), &url, settings.clone()).await;
        }
        first.get_or_insert(webhooks);
    }
    for n in 1..=5 {
        let before = receiver.count_of("webhook_updated");
        let begun = Instant::now();
        stage.ring(&healthy, n).await;
        until_within("the healthy webhook is told", 6 * ATTEMPT, || async {
            (receiver.count_of("webhook_updated") > before).then_some(())
        })
        .await;
        assert!(begun.elapsed() < ATTEMPT, "it waited for others: {:?}", begun.elapsed());
    }
    let path = format!("{}/hole-0", first.expect("an instance"));
    let shown = until_within("the pause is shown", 12 * ATTEMPT, || async {
        let shown = stage.expect(Method::GET, &path, Value::Null, 200).await;
        (shown["receiver"]["state"] == "paused").then(|| shown["receiver"].clone())
    })
    .await;
    assert!(shown["failuresInARow"].as_u64() >= Some(5), "{shown}");
}

/// Nobody can hold up a chat for longer than a quarter of an hour, and the owner can end it at once.
#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_asks_to_wait_for_a_day_is_left_by_a_change_of_the_url() {
    let busy = hostile::answering(hostile::COME_TOMORROW).await;
    let stage = Stage::start(&[]).await;
    let receiver = WebhookReceiver::listen(SECRET).await;
    let webhooks = stage.instance("busy").await;
    let settings = json!({"secret": SECRET, "retryInterval": 86_400_000});
    stage.webhook(&webhooks, "hook", &busy, settings).await;
    stage.ring(&webhooks, 1).await;
    let hook = format!("{webhooks}/hook");
    until_within("it has failed", SOON, || async {
        let pending = stage.expect(Method::GET, &format!("{hook}/pending"), Value::Null, 200).await;
        (pending["pending"][0]["attempts"] == 1).then_some(())
    })
    .await;
    stage.expect(Method::PUT, &hook, json!({"url": receiver.url()}), 200).await;
    until_within("the new receiver is told of all", SOON, || async {
        (receiver.count_of("webhook_updated") >= 2).then_some(())
    })
    .await;
}
