use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use serde_json::json;

use super::connection::Connection;
use test_support::until_within;

use crate::{Gateway, Simulator, WebhookReceiver};

/// Instances that send and receive in the throughput rounds; the others stay idle, as most of a fleet does.
const ACTIVE: usize = 50;
/// Linkings under way at once.
const PAIRING: usize = 8;
/// Webhook calls that arrive within this time of each other belong to one piece of work.
const QUIET: Duration = Duration::from_secs(1);
/// Longest that a piece of work may take before the run is given up.
const LIMIT: Duration = Duration::from_secs(600);

/// The paired instances, each with a peer's phone that it talks to.
#[derive(Default)]
pub(super) struct Fleet {
    members: Vec<Member>,
}

#[derive(Clone)]
struct Member {
    instance: String,
    number: String,
    peer: String,
}

/// What is asked of an instance, over and over.
#[derive(Clone, Copy)]
pub(super) enum Call {
    /// To send a text to its peer.
    Send,
    /// How it is.
    Status,
}

impl Call {
    async fn make(self, connection: &mut Connection, member: &Member) {
        let (status, body) = match self {
            Self::Send => connection.post(&member.path(), &member.body("hello from the bench")).await,
            Self::Status => connection.get(&format!("/api/instances/{}/status", member.instance)).await,
        };
        assert_eq!(status, 200, "{body:?}");
    }
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

/// Where an instance sends texts.
pub(super) fn path_of(instance: &str) -> String {
    format!("/api/whatsapp/{instance}/send")
}

impl Fleet {
    /// An instance, its number and that of its peer.
    pub(super) fn first(&self) -> (&str, &str, &str) {
        let member = self.members.first().expect("a plan has instances");
        (&member.instance, &member.number, &member.peer)
    }

    pub(super) fn len(&self) -> usize {
        self.members.len()
    }

    /// Pairs `count` instances more, several at once.
    pub(super) async fn pair(&mut self, sim: &Simulator, gateway: &Gateway, count: usize, hook: Hook<'_>) {
        let first = self.members.len();
        let next = AtomicUsize::new(first);
        let lanes = (0..PAIRING).map(|_| async {
            let mut members = Vec::new();
            loop {
                let n = next.fetch_add(1, Ordering::Relaxed);
                if n >= first + count {
                    return members;
                }
                let mut member = Member::new(n);
                sim.phone(&member.peer).await;
                member.instance = gateway.link(sim, &member.number, Some(hook)).await;
                members.push(member);
            }
        });
        self.members.extend(join_all(lanes).await.into_iter().flatten());
    }

    /// Pairs one instance more with nothing else going on; returns the time from the scan until it can send.
    pub(super) async fn pair_timed(
        &mut self,
        sim: &Simulator,
        gateway: &Gateway,
        hook: Hook<'_>,
    ) -> Duration {
        let mut member = Member::new(self.members.len());
        sim.phone(&member.peer).await;
        let (instance, qr) = gateway.shown(sim, &member.number, Some(hook)).await;
        let mut connection = Connection::open(gateway.url(), gateway.api_key()).await;
        let scanned = Instant::now();
        tokio::join!(sim.scan(&member.number, &qr), connection.ready(&instance));
        let taken = scanned.elapsed();
        member.instance = instance;
        self.members.push(member);
        taken
    }

    /// Waits until every instance can send.
    pub(super) async fn ready(&self, gateway: &Gateway) {
        let mut connection = Connection::open(gateway.url(), gateway.api_key()).await;
        for member in &self.members {
            connection.ready(&member.instance).await;
        }
    }

    /// One text per active member, so that the rounds measure warm sessions.
    pub(super) async fn warm(&self, gateway: &Gateway) {
        let mut connection = Connection::open(gateway.url(), gateway.api_key()).await;
        for member in self.active() {
            let (status, body) = connection.post(&member.path(), &member.body("warm")).await;
            assert!(status.is_success(), "warm: {status} {body:?}");
        }
    }

    /// Calls the gateway, from so many callers at once, each of which waits for its answer.
    pub(super) async fn call_for(
        &self,
        gateway: &Gateway,
        call: Call,
        callers: usize,
        length: Duration,
    ) -> Round {
        let started = Instant::now();
        let lanes = (0..callers).map(|lane| {
            let (url, key) = (gateway.url().to_owned(), gateway.api_key().to_owned());
            let members = self.active().to_vec();
            tokio::spawn(async move {
                let mut connection = Connection::open(&url, &key).await;
                let mut latencies = Vec::new();
                let mut turn = lane;
                while started.elapsed() < length {
                    let member = &members[turn % members.len()];
                    turn += callers + 1;
                    let began = Instant::now();
                    call.make(&mut connection, member).await;
                    latencies.push(began.elapsed());
                }
                latencies
            })
        });
        let mut latencies: Vec<_> =
            join_all(lanes).await.into_iter().flat_map(|l| l.expect("lane")).collect();
        latencies.sort_unstable();
        Round { count: latencies.len(), elapsed: started.elapsed(), latencies }
    }

    /// Lets every active member's peer send, until at least `count` texts have arrived as webhook calls.
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
        let arrival = until_within("all webhooks arrive", LIMIT, || async {
            (received() - before >= total).then_some(())
        });
        tokio::join!(join_all(sends), arrival);
        Round { count: total, elapsed: started.elapsed(), latencies: Vec::new() }
    }

    fn active(&self) -> &[Member] {
        &self.members[..self.members.len().min(ACTIVE)]
    }
}

/// Where webhook calls go, and the secret they are signed with.
pub(super) type Hook<'a> = (&'a str, &'a str);

impl Member {
    fn new(number: usize) -> Self {
        let (number, peer) = (format!("1555{number:07}"), format!("1666{number:07}"));
        Self { instance: String::new(), number, peer }
    }

    fn path(&self) -> String {
        path_of(&self.instance)
    }

    fn body(&self, text: &str) -> serde_json::Value {
        json!({ "phone": self.peer, "message": text })
    }
}

/// Waits until no webhook call has come for a while, so that all work of a round is done.
pub(super) async fn settle(receiver: &WebhookReceiver) {
    let started = Instant::now();
    let mut count = receiver.count();
    loop {
        tokio::time::sleep(QUIET).await;
        let now = receiver.count();
        if now == count {
            return;
        }
        assert!(started.elapsed() < LIMIT, "webhook calls go on and on");
        count = now;
    }
}
