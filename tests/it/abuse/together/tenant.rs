use std::time::{Duration, Instant};

use parking_lot::Mutex;
use reqwest::Method;
use serde_json::{Value, json};
use test_support::until_within;
use tokio::sync::oneshot;
use trunkline_tests::{Hook, WebhookReceiver, call, message_id};

use super::super::seeded::Seeded;
use super::super::stage::client;
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
    awaited: Mutex<Vec<Awaited>>,
}

type Awaited = (&'static str, String, Instant);

/// The tenant's program, which calls the API.
struct Program {
    client: reqwest::Client,
    url: String,
    api_key: String,
    instance: String,
    took: Calls,
    sent: Vec<Awaited>,
}

impl Tenant {
    pub(super) async fn link(stage: &Seeded, receiver: &WebhookReceiver) -> Self {
        stage.simulator.phone(PEER).await;
        let hook = (receiver.url(), SECRET);
        let instance = stage.gateway.link(&stage.simulator, NUMBER, Some((&hook.0, hook.1))).await;
        Self { instance, awaited: Mutex::default() }
    }

    /// Calls the API, one call after the other, until then. It has a thread of its own, so that what attackers compute in
    /// this process counts for the system's scheduler as it would in theirs.
    pub(super) async fn call_until(&self, stage: &Seeded, end: Instant) -> Calls {
        let program = Program {
            client: client(),
            url: stage.gateway.url().to_owned(),
            api_key: stage.gateway.api_key().to_owned(),
            instance: self.instance.clone(),
            took: Calls::default(),
            sent: Vec::new(),
        };
        let (done, ended) = oneshot::channel();
        std::thread::spawn(move || {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            // Whoever gave up waiting has failed already.
            drop(done.send(runtime.block_on(program.run_until(end))));
        });
        let Program { took, sent, .. } = ended.await.expect("the program goes on to its end");
        self.awaited.lock().extend(sent);
        took
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

impl Program {
    async fn run_until(mut self, end: Instant) -> Self {
        let id = &self.instance;
        let looks = [
            "/api/instances".to_owned(),
            format!("/api/instances/{id}/status"),
            format!("/api/instances/{id}/chats/{PEER}/messages?limit=20"),
            format!("/api/instances/{id}/events?limit=20"),
        ];
        while Instant::now() < end {
            for path in &looks {
                let begun = Instant::now();
                self.call(Method::GET, path, None).await;
                self.took.looks.push(begun.elapsed());
                tokio::time::sleep(CALLS).await;
            }
            self.send().await;
            tokio::time::sleep(CALLS).await;
        }
        self
    }

    async fn send(&mut self) {
        let path = format!("/api/whatsapp/{}/send", self.instance);
        let body = json!({"phone": PEER, "message": format!("out {}", self.sent.len())});
        let begun = Instant::now();
        let sent = self.call(Method::POST, &path, Some(body)).await;
        self.took.sends.push(begun.elapsed());
        self.sent.push(("message_sent", sent["id"].as_str().expect("an id").to_owned(), Instant::now()));
    }

    async fn call(&self, method: Method, path: &str, body: Option<Value>) -> Value {
        let answer = call(&self.client, &self.url, &self.api_key, method, path, body, None).await;
        let (status, body) = answer.expect("an answer");
        assert_eq!(status, 200, "{path}: {body}");
        body
    }
}
