use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::pause;
use crate::{Gateway, Simulator, call};
use test_support::until;

/// Between two texts of one talker, in milliseconds: far below what anybody would call spam in a fleet, and enough for
/// every trouble to meet some.
const PACE: std::ops::Range<u64> = 200..2_000;
/// Longest that a text may take until the gateway has it, restarts and outages included.
const PATIENCE: Duration = Duration::from_secs(180);

/// An instance, its number, and the one whom it talks to.
pub(super) struct Talker {
    pub(super) instance: String,
    pub(super) number: String,
    pub(super) peer: String,
    /// Ids of the texts that were sent, in order.
    pub(super) sent: Mutex<Vec<String>>,
    /// Ids of the texts that the peer has sent, in order.
    pub(super) received: Mutex<Vec<String>>,
}

/// How to call the gateway, whichever process answers.
#[derive(Clone)]
pub(super) struct Door {
    client: reqwest::Client,
    url: String,
    key: String,
}

impl Talker {
    pub(super) async fn link(n: usize, simulator: &Simulator, gateway: &Gateway, hook: (&str, &str)) -> Self {
        let (number, peer) = (format!("1777{n:07}"), format!("1888{n:07}"));
        simulator.phone(&peer).await;
        let instance = gateway.link(simulator, &number, Some(hook)).await;
        Self { instance, number, peer, sent: Mutex::default(), received: Mutex::default() }
    }

    /// Lets texts go both ways, at random, until the end.
    pub(super) async fn talk(
        self: Arc<Self>,
        simulator: Arc<Simulator>,
        door: Door,
        mut rng: ChaCha8Rng,
        end: Instant,
    ) {
        for n in 0.. {
            pause(&mut rng, PACE).await;
            if Instant::now() >= end {
                return;
            }
            if rng.random() {
                let id = door.send(&self, n).await;
                self.sent.lock().push(id);
            } else {
                let id = simulator.send(&self.peer, &self.number, &format!("in {n}")).await;
                self.received.lock().push(id);
            }
        }
    }
}

impl Door {
    pub(super) fn of(gateway: &Gateway) -> Self {
        let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(30)).build();
        Self {
            client: client.expect("HTTP client"),
            url: gateway.url().to_owned(),
            key: gateway.api_key().to_owned(),
        }
    }

    /// Sends a text, repeating the call under its key until it is answered.
    ///
    /// # Panics
    /// When it isn't taken in time, with the last answer and with what the instance says of itself.
    async fn send(&self, talker: &Talker, n: u64) -> String {
        let Talker { instance, number, peer, .. } = talker;
        let path = format!("/api/whatsapp/{instance}/send");
        let key = format!("soak-{number}-{n}");
        let last = Mutex::new("no answer".to_owned());
        let asking = until("a text is taken", || async {
            let body = Some(json!({ "phone": peer, "message": format!("out {n}") }));
            let (status, answer) = self.call(Method::POST, &path, body, Some(&key)).await?;
            // Not connected yet, or the first call under this key is still under way.
            if status.as_u16() == 409 || status.is_server_error() {
                *last.lock() = format!("{status} {answer}");
                return None;
            }
            assert!(status.is_success(), "send {n} of {number}: {status} {answer}");
            Some(answer["id"].as_str().expect("id").to_owned())
        });
        if let Ok(id) = tokio::time::timeout(PATIENCE, asking).await {
            return id;
        }
        let state = self.call(Method::GET, &format!("/api/whatsapp/{instance}/status"), None, None).await;
        let last = last.lock();
        panic!("text {n} of {number} isn't taken within {PATIENCE:?}: {last}; instance {instance}: {state:?}")
    }

    async fn call(
        &self,
        method: Method,
        path: &str,
        body: Option<Value>,
        key: Option<&str>,
    ) -> Option<(StatusCode, Value)> {
        call(&self.client, &self.url, &self.key, method, path, body, key).await
    }
}
