use std::time::{Duration, Instant};

use parking_lot::Mutex;
use reqwest::Method;
use serde_json::json;
use test_support::until_within;
use trunkline_tests::{Hook, WebhookReceiver, message_id};

use super::super::seeded::Seeded;
use super::AFTERMATH;

pub(super) const SECRET: &str = "a secret of the test";
const NUMBER: &str = "15550000061";
const PEER: &str = "15550000062";
/// Between two calls.
const CALLS: Duration = Duration::from_millis(100);
/// Between two texts that come in.
const TEXTS: Duration = Duration::from_millis(500);
/// Between two log-ins.
const LOGINS: Duration = Duration::from_secs(10);

/// How long calls took.
#[derive(Default)]
pub(super) struct Calls {
    /// Of what is stored already.
    pub(super) looks: Vec<Duration>,
    /// Of texts, each durable and with WhatsApp before its answer.
    pub(super) sends: Vec<Duration>,
}

/// Somebody with a linked instance, who sends, receives, looks, and logs in now and then.
pub(super) struct Tenant {
    instance: String,
    /// What webhooks are to tell: event and message, and since when.
    awaited: Mutex<Vec<(&'static str, String, Instant)>>,
}

impl Tenant {
    pub(super) async fn link(stage: &Seeded, receiver: &WebhookReceiver) -> Self {
        stage.simulator.phone(PEER).await;
        let hook = (receiver.url(), SECRET);
        let instance = stage.gateway.link(&stage.simulator, NUMBER, Some((&hook.0, hook.1))).await;
        Self { instance, awaited: Mutex::default() }
    }

    /// Calls the API, one call after the other, until then.
    pub(super) async fn call_until(&self, stage: &Seeded, end: Instant) -> Calls {
        let id = &self.instance;
        let looks = [
            "/api/instances".to_owned(),
            format!("/api/instances/{id}/status"),
            format!("/api/instances/{id}/chats/{PEER}/messages?limit=20"),
            format!("/api/instances/{id}/events?limit=20"),
        ];
        let mut took = Calls::default();
        while Instant::now() < end {
            for path in &looks {
                let begun = Instant::now();
                drop(stage.get(path).await);
                took.looks.push(begun.elapsed());
                tokio::time::sleep(CALLS).await;
            }
            let begun = Instant::now();
            self.send(stage, took.sends.len()).await;
            took.sends.push(begun.elapsed());
            tokio::time::sleep(CALLS).await;
        }
        took
    }

    async fn send(&self, stage: &Seeded, n: usize) {
        let path = format!("/api/whatsapp/{}/send", self.instance);
        let body = json!({"phone": PEER, "message": format!("out {n}")});
        let sent = stage.send(Method::POST, &path, Some(body)).await.expect(200);
        self.await_hook("message_sent", sent["id"].as_str().expect("an id").to_owned(), Instant::now());
    }

    /// Gets texts until then.
    pub(super) async fn receive_until(&self, stage: &Seeded, end: Instant) {
        while Instant::now() < end {
            let begun = Instant::now();
            let id = stage.simulator.send(PEER, NUMBER, "in").await;
            self.await_hook("message_received", id, begun);
            tokio::time::sleep(TEXTS).await;
        }
    }

    /// Logs in again and again until then, and comes again when told to; how long each took.
    pub(super) async fn log_in_until(&self, stage: &Seeded, end: Instant) -> Vec<Duration> {
        let mut took = Vec::new();
        while Instant::now() + LOGINS < end {
            tokio::time::sleep(LOGINS).await;
            let begun = Instant::now();
            loop {
                // On a slow machine the line before a hash may be longer than a client waits.
                let Some((status, answer)) = stage.gateway.log_in().await else { continue };
                let Some(wait) = answer["error"]["retryAfter"].as_u64() else {
                    assert_eq!(status, 200, "{answer}");
                    break;
                };
                tokio::time::sleep(Duration::from_secs(wait)).await;
            }
            took.push(begun.elapsed());
        }
        took
    }

    fn await_hook(&self, event: &'static str, message: String, since: Instant) {
        self.awaited.lock().push((event, message, since));
    }

    /// How late all webhooks were that were awaited so far.
    pub(super) async fn lateness(&self, receiver: &WebhookReceiver) -> Vec<Duration> {
        let awaited = std::mem::take(&mut *self.awaited.lock());
        until_within("every webhook is told", AFTERMATH, || async {
            let hooks = receiver.hooks();
            let told = |(event, message, since): &(&str, String, Instant)| {
                let is_it = |hook: &&Hook| hook.event == *event && message_id(&hook.data) == *message;
                Some(hooks.iter().find(is_it)?.at.saturating_duration_since(*since))
            };
            awaited.iter().map(told).collect()
        })
        .await
    }
}
