//! A machine whose wall clock jumps under the running process, while time goes on as ever.

mod clock;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use test_support::until_within;
use trunkline_tests::{Gateway, GatewayOptions, Simulator, WebhookReceiver, call, message_id};

use super::receivers::hostile;
use super::stage::{SOON, client};
use clock::Clock;

const SECRET: &str = "a secret of the test";
const NUMBER: &str = "15550000081";
const PEER: &str = "15550000082";
const YEAR: i64 = 365 * 24;
/// Hours by which the clock is wrong, one after the other: each jump of a new kind, and back.
const JUMPS: [i64; 12] = [0, 1, -1, 25, 0, -26, 8 * 24, -YEAR, 0, 10 * YEAR, -5 * YEAR, 0];
/// How long a token is good, in hours.
const TOKEN: i64 = 24;
/// A retry that is due by a clock which was set back is found within a minute.
const LOOKED_AGAIN: Duration = Duration::from_secs(120);

struct Stage {
    clock: Clock,
    simulator: Simulator,
    folder: tempfile::TempDir,
    gateway: Gateway,
}

impl Stage {
    /// None where clocks can't be bent.
    async fn start() -> Option<Self> {
        let clock = Clock::make()?;
        let (simulator, folder) = (Simulator::start().await, tempfile::tempdir().expect("a folder"));
        simulator.phone(PEER).await;
        let gateway = Gateway::start(&simulator, &options(&clock, &folder)).await;
        Some(Self { clock, simulator, folder, gateway })
    }

    /// Sends a text under a key; the message's id.
    async fn send(&self, instance: &str, key: &str) -> String {
        let path = format!("/api/whatsapp/{instance}/send");
        let (url, api_key) = (self.gateway.url(), self.gateway.api_key());
        let body = Some(json!({"phone": PEER, "message": format!("under {key}")}));
        let sent = call(&client(), url, api_key, Method::POST, &path, body, Some(key)).await;
        let (status, answer) = sent.expect("an answer");
        assert_eq!(status, 200, "{key}: {answer}");
        answer["id"].as_str().expect("an id").to_owned()
    }

    async fn log_in(&self) -> String {
        let (status, answer) = self.gateway.log_in().await.expect("an answer");
        assert_eq!(status, 200, "{answer}");
        answer["token"].as_str().expect("a token").to_owned()
    }

    /// Whether a token is taken.
    async fn takes(&self, token: &str) -> bool {
        let me = client().get(format!("{}/api/auth/me", self.gateway.url())).bearer_auth(token);
        me.send().await.expect("an answer").status() == 200
    }

    /// How often it was connected and disconnected.
    async fn connections(&self, instance: &str) -> usize {
        let events = self.events(instance).await;
        let is_one = |event: &&Value| event["type"] == "connected" || event["type"] == "disconnected";
        events.iter().filter(is_one).count()
    }

    async fn events(&self, instance: &str) -> Vec<Value> {
        let path = format!("/api/instances/{instance}/events?limit=1000");
        let (status, page) = self.gateway.call(Method::GET, &path, None).await.expect("an answer");
        assert!(status == 200 && page["hasMore"] == false, "{status} {page}");
        page["events"].as_array().expect("events").clone()
    }
}

fn options<'a>(clock: &Clock, folder: &'a tempfile::TempDir) -> GatewayOptions<'a> {
    GatewayOptions { environment: clock.environment(), ..GatewayOptions::of(folder.path()) }
}

#[tokio::test(flavor = "multi_thread")]
async fn jumps_of_hours_days_and_years_leave_order_keys_tokens_and_the_connection() {
    let Some(stage) = Stage::start().await else { return };
    let receiver = WebhookReceiver::listen(SECRET).await;
    let instance = stage.gateway.link(&stage.simulator, NUMBER, Some((&receiver.url(), SECRET))).await;
    let (old, first) = (stage.log_in().await, stage.send(&instance, "first").await);
    let connections = stage.connections(&instance).await;
    assert!(connections > 0);
    let (mut sent, mut received) = (vec![first.clone()], Vec::new());
    for (n, wrong_by) in JUMPS.into_iter().enumerate() {
        stage.clock.set_hours(wrong_by);
        assert_eq!(stage.takes(&old).await, (0..TOKEN).contains(&wrong_by), "the token, {wrong_by} h later");
        let token = stage.log_in().await;
        assert!(stage.takes(&token).await, "a token of now, {wrong_by} h off");

        assert_eq!(stage.send(&instance, "first").await, first, "once under a key, {wrong_by} h later");
        let key = format!("key-{n}");
        sent.push(stage.send(&instance, &key).await);
        assert_eq!(stage.send(&instance, &key).await, sent[n + 1]);
        received.push(stage.simulator.send(PEER, NUMBER, &format!("text {n}")).await);
        until_within(&format!("webhooks come, {wrong_by} h off"), SOON, || async {
            let all = receiver.count_of("message_sent") >= sent.len();
            (all && receiver.count_of("message_received") >= received.len()).then_some(())
        })
        .await;
    }
    assert_eq!(told(&receiver, "message_sent"), sent, "each once, in order");
    assert_eq!(told(&receiver, "message_received"), received, "each once, in order");
    assert_eq!(receiver.refused(), 0);
    let events = stage.events(&instance).await;
    assert_eq!(stage.connections(&instance).await, connections, "it stays connected");
    let times: Vec<&str> = events.iter().map(|event| event["timestamp"].as_str().expect("a time")).collect();
    assert!(times.is_sorted(), "{times:?}");
    let now = stage.simulator.send(PEER, NUMBER, "last").await;
    until_within("the last one", SOON, || async {
        (told(&receiver, "message_received").last() == Some(&now)).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retry_waits_for_no_clock() {
    let Some(stage) = Stage::start().await else { return };
    let works = Arc::new(AtomicBool::new(false));
    let url = hostile::failing_until(&works).await;
    let body = json!({"name": "retries"});
    let (_, created) = stage.gateway.call(Method::POST, "/api/instances", Some(body)).await.expect("created");
    let webhooks = format!("/api/instances/{}/webhooks", created["id"].as_str().expect("an id"));
    for wrong_by in [-26, 10 * YEAR, 0] {
        works.store(false, Ordering::SeqCst);
        let name = format!("hook{}", wrong_by.unsigned_abs());
        let hook = json!({"name": name, "url": url, "events": ["webhook_updated"], "retryInterval": 1000, "maxRetries": 50});
        let (status, hook) =
            stage.gateway.call(Method::POST, &webhooks, Some(hook)).await.expect("an answer");
        assert_eq!(status, 201, "{hook}");
        let pending = async || {
            let path = format!("{webhooks}/{name}/pending");
            let (_, pending) = stage.gateway.call(Method::GET, &path, None).await?;
            pending["pending"].as_array().cloned()
        };
        until_within("it has failed", SOON, || async {
            (pending().await?.first()?["attempts"].as_u64()? > 0).then_some(())
        })
        .await;
        stage.clock.set_hours(wrong_by);
        works.store(true, Ordering::SeqCst);
        until_within("it is tried again", LOOKED_AGAIN, || async {
            pending().await?.is_empty().then_some(())
        })
        .await;
    }
}

/// Long enough for the key to be forgotten, if the clock were right.
#[tokio::test(flavor = "multi_thread")]
async fn a_key_outlives_a_jump_and_a_restart() {
    let Some(mut stage) = Stage::start().await else { return };
    let instance = stage.gateway.link(&stage.simulator, NUMBER, None).await;
    let first = stage.send(&instance, "first").await;
    for wrong_by in [8 * 24, -8 * 24, 0] {
        stage.clock.set_hours(wrong_by);
        assert!(stage.gateway.process().stop(), "it ends well");
        stage.gateway.start_again(&stage.simulator, &options(&stage.clock, &stage.folder));
        stage.gateway.connected(&instance).await;
        assert_eq!(stage.send(&instance, "first").await, first, "{wrong_by} h off");
    }
}

/// The messages that calls of this kind told of, in order.
fn told(receiver: &WebhookReceiver, event: &str) -> Vec<String> {
    let hooks = receiver.hooks();
    hooks.iter().filter(|hook| hook.event == event).map(|hook| message_id(&hook.data)).collect()
}
