use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use serde_json::json;

use super::connection::Connection;
use crate::{Gateway, Simulator, WebhookReceiver, until};

/// Instances that send and receive in the throughput rounds; the others stay idle, as most of a fleet does.
const ACTIVE: usize = 50;
/// REST calls under way at once.
const CONCURRENCY: usize = 64;
/// Linkings under way at once.
const PAIRING: usize = 8;

/// The paired instances, each with a peer's phone that it talks to.
pub(super) struct Fleet {
    members: Vec<Member>,
}

#[derive(Clone)]
struct Member {
    instance: String,
    number: String,
    peer: String,
}

/// What one round did.
pub(super) struct Round {
    pub(super) count: usize,
    elapsed: Duration,
    latencies: Vec<Duration>,
}

impl Round {
    pub(super) fn per_second(&self) -> f64 {
        self.count as f64 / self.elapsed.as_secs_f64()
    }

    pub(super) fn percentile_ms(&self, fraction: f64) -> f64 {
        let at =
            ((self.latencies.len() as f64 * fraction) as usize).min(self.latencies.len().saturating_sub(1));
        self.latencies.get(at).map_or(f64::NAN, |latency| latency.as_secs_f64() * 1e3)
    }
}

impl Fleet {
    pub(super) async fn pair(
        sim: &Simulator,
        gateway: &Gateway,
        count: usize,
        hook: &str,
        secret: &str,
    ) -> Self {
        let next = AtomicUsize::new(0);
        let lanes = (0..PAIRING).map(|_| async {
            let mut members = Vec::new();
            loop {
                let n = next.fetch_add(1, Ordering::Relaxed);
                if n >= count {
                    return members;
                }
                let (number, peer) = (format!("1555{n:07}"), format!("1666{n:07}"));
                sim.phone(&peer).await;
                let instance = gateway.link(sim, &number, Some((hook, secret))).await;
                members.push(Member { instance, number, peer });
            }
        });
        Self { members: join_all(lanes).await.into_iter().flatten().collect() }
    }

    fn active(&self) -> &[Member] {
        &self.members[..self.members.len().min(ACTIVE)]
    }

    /// One text each way per active member, so that the rounds measure warm sessions.
    pub(super) async fn warm(&self, gateway: &Gateway) {
        let mut connection = Connection::open(gateway.url(), gateway.api_key()).await;
        for member in self.active() {
            let (status, body) = connection.post(&member.path(), &member.body("warm")).await;
            assert!(status.is_success(), "warm: {status} {body:?}");
        }
    }

    pub(super) async fn send_for(&self, gateway: &Gateway, length: Duration) -> Round {
        let started = Instant::now();
        let lanes = (0..CONCURRENCY).map(|lane| {
            let (url, key) = (gateway.url().to_owned(), gateway.api_key().to_owned());
            let members = self.active().to_vec();
            tokio::spawn(async move {
                let mut connection = Connection::open(&url, &key).await;
                let mut latencies = Vec::new();
                let mut turn = lane;
                while started.elapsed() < length {
                    let member = &members[turn % members.len()];
                    turn += CONCURRENCY + 1;
                    let sent = Instant::now();
                    let (status, body) =
                        connection.post(&member.path(), &member.body("hello from the bench")).await;
                    assert_eq!(status, 200, "send: {body:?}");
                    latencies.push(sent.elapsed());
                }
                latencies
            })
        });
        let mut latencies: Vec<_> =
            join_all(lanes).await.into_iter().flat_map(|l| l.expect("lane")).collect();
        latencies.sort_unstable();
        Round { count: latencies.len(), elapsed: started.elapsed(), latencies }
    }

    /// Waits until no webhook call has come for a second.
    pub(super) async fn settle(&self, receiver: &WebhookReceiver) {
        let last = Arc::new(AtomicUsize::new(usize::MAX));
        until("webhooks settle", Duration::from_secs(300), || async {
            let count = receiver.count();
            let quiet = last.swap(count, Ordering::Relaxed) == count;
            if !quiet {
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
            quiet.then_some(())
        })
        .await;
    }

    /// Lets every active member's peer send, until `count` texts have arrived as webhook calls.
    pub(super) async fn receive(&self, sim: &Simulator, receiver: &WebhookReceiver, count: usize) -> Round {
        let each = count.div_ceil(self.active().len());
        let total = each * self.active().len();
        let received = || receiver.count_of("message_received");
        let before = received();
        let started = Instant::now();
        let sends = self.active().iter().map(|member| {
            let body = json!({ "to": member.number, "text": "hello from a phone", "count": each });
            async move { sim.post(&format!("/sim/phones/{}/send", member.peer), body).await }
        });
        join_all(sends).await;
        until("all webhooks arrive", Duration::from_secs(300), || async {
            (received() - before >= total).then_some(())
        })
        .await;
        Round { count: total, elapsed: started.elapsed(), latencies: Vec::new() }
    }
}

impl Member {
    fn path(&self) -> String {
        format!("/api/whatsapp/{}/send", self.instance)
    }

    fn body(&self, text: &str) -> serde_json::Value {
        json!({ "phone": self.peer, "message": text })
    }
}
