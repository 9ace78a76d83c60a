use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;
use tokio::task::JoinSet;
use tokio::time::{sleep, sleep_until};

use super::super::receivers::hostile;
use super::super::seeded::Seeded;
use super::super::stage::{connect, guess, send_ahead};
use super::KEY;

/// Instances whose webhooks go to receivers that do harm.
const INSTANCES: usize = 40;
/// Instances whose webhooks have names that nobody resolves, and how many each.
const NAMELESS: (usize, usize) = (20, 5);
/// Between two things that they are to be told.
const RINGS: Duration = Duration::from_millis(100);
/// Who guesses passwords, each from an address of its own, and how often.
const GUESSERS: u32 = 30;
const GUESSES: Duration = Duration::from_millis(500);
/// Who sends requests ahead and reads no answer.
const DEAF: u32 = 10;
/// Who asks for large pages and reads none.
const READERS: u32 = 8;
/// Who says one byte a second.
const TRICKLERS: u32 = 10;
/// Messages of the large pages, in the order of 60 KB each.
const TEXTS: u32 = 400;
/// How long a peer holds on to a connection that isn't closed.
const HOLDS: Duration = Duration::from_secs(30);

/// What was done how often.
pub(super) type Counts = BTreeMap<&'static str, usize>;

/// A tenant who does harm, and strangers.
pub(super) struct Attackers {
    /// An instance with long texts.
    library: String,
}

impl Attackers {
    pub(super) async fn gather(stage: &Seeded) -> Self {
        let library = create(stage, "library").await;
        stage.sql(&format!(
            "WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < {TEXTS})
             INSERT INTO messages (instance, id, chat, wire_chat, sender, from_me, message_id, kind, amends, text,
                                   status, created_at, updated_at, raw)
             SELECT (SELECT key FROM instances WHERE name = 'library'), randomblob(16), '15550000071@s.whatsapp.net',
                    '15550000071@s.whatsapp.net', '15550000071@s.whatsapp.net', 0, 'M' || n, 'text', 0,
                    hex(randomblob(30000)), 'received', n, n, x'' FROM n"
        ));
        Self { library }
    }

    /// Does all of it at once, until then.
    pub(super) async fn attack(&self, stage: &Arc<Seeded>, end: Instant) -> Counts {
        let address = stage.gateway.url().trim_start_matches("http://").parse().expect("an address");
        let mut all = JoinSet::new();
        all.spawn(ring(Arc::clone(stage), end));
        (1..=GUESSERS).for_each(|n| drop(all.spawn(guess_on(address, n, end))));
        (1..=DEAF).for_each(|n| drop(all.spawn(send_and_never_read(address, n, end))));
        (1..=TRICKLERS).for_each(|n| drop(all.spawn(trickle(address, n, end))));
        let path = format!("/api/instances/{}/chats/15550000071/messages?limit=1000", self.library);
        let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\nx-api-key: {KEY}\r\n\r\n");
        (1..=READERS).for_each(|n| drop(all.spawn(ask_and_never_read(address, request.clone(), n, end))));
        let mut counts = Counts::new();
        for (what, count) in all.join_all().await {
            *counts.entry(what).or_default() += count;
        }
        counts
    }

    /// Takes back what can be taken back.
    pub(super) async fn retreat(&self, stage: &Seeded) {
        let all = stage.send_as(KEY, Method::GET, "/api/instances", None, None).await.expect(200);
        for instance in all["instances"].as_array().expect("a list") {
            let path = format!("/api/instances/{}", instance["id"].as_str().expect("an id"));
            stage.send_as(KEY, Method::DELETE, &path, None, None).await.expect(200);
        }
    }
}

/// Lets webhooks be called all the time, of receivers that are silent, slow, dead, endless, or ask to come tomorrow, and
/// of names that nobody resolves.
async fn ring(stage: Arc<Seeded>, end: Instant) -> (&'static str, usize) {
    let (silent, slow, refusing) =
        (hostile::silent().await, hostile::slow().await, hostile::refusing().await);
    let (endless, tomorrow) = (hostile::endless().await, hostile::answering(hostile::COME_TOMORROW).await);
    let mut webhooks = Vec::new();
    for n in 0..INSTANCES {
        let path = format!("/api/instances/{}/webhooks", create(&stage, &format!("harm {n}")).await);
        for url in [&silent, &slow, &refusing, &tomorrow] {
            add(&stage, &path, &format!("{url}{n}"), json!({})).await;
        }
        for kind in ["body", "head", "interim"] {
            add(&stage, &path, &format!("{endless}{n}"), json!({ "A": kind })).await;
        }
        webhooks.push(path);
    }
    for n in 0..NAMELESS.0 {
        let path = format!("/api/instances/{}/webhooks", create(&stage, &format!("nameless {n}")).await);
        for name in 0..NAMELESS.1 {
            add(&stage, &path, &format!("http://h{n}.n{name}.slow.test/"), json!({})).await;
        }
        webhooks.push(path);
    }
    let mut rung = 0;
    while Instant::now() < end {
        let path = format!("{}/default", webhooks[rung % webhooks.len()]);
        let change = Some(json!({"maxRetries": rung % 50}));
        stage.send_as(KEY, Method::PUT, &path, change, None).await.expect(200);
        rung += 1;
        sleep(RINGS).await;
    }
    ("events for hostile receivers", rung)
}

async fn create(stage: &Seeded, name: &str) -> String {
    let body = Some(json!({ "name": name }));
    let created = stage.send_as(KEY, Method::POST, "/api/instances", body, None).await.expect(201);
    created["id"].as_str().expect("an id").to_owned()
}

async fn add(stage: &Seeded, webhooks: &str, url: &str, headers: Value) {
    let name = format!("{:x}", rand::random::<u64>());
    let body = json!({
        "name": name, "url": url, "events": ["webhook_updated"], "headers": headers, "retryInterval": 100, "maxRetries": 50,
    });
    stage.send_as(KEY, Method::POST, webhooks, Some(body), None).await.expect(201);
}

async fn guess_on(address: SocketAddr, n: u32, end: Instant) -> (&'static str, usize) {
    let mut guesses = 0;
    while Instant::now() < end {
        let email = format!("user{}@trunkline.test", rand::random::<u32>());
        guesses += usize::from(guess(address, &email, address_of(1, n)).await.is_some());
        sleep(GUESSES).await;
    }
    ("guesses of passwords", guesses)
}

async fn send_and_never_read(address: SocketAddr, n: u32, end: Instant) -> (&'static str, usize) {
    let path = if n.is_multiple_of(2) { "/x" } else { "/openapi.json" };
    let requests = format!("GET {path} HTTP/1.1\r\nhost: x\r\n\r\n").repeat(1000);
    let mut connections = 0;
    while Instant::now() < end {
        let Ok(mut stream) = connect(address, address_of(2, n), 1024).await else { continue };
        send_ahead(&mut stream, requests.as_bytes()).await;
        hold(end).await;
        connections += 1;
    }
    ("connections with requests sent ahead", connections)
}

async fn ask_and_never_read(
    address: SocketAddr,
    request: String,
    n: u32,
    end: Instant,
) -> (&'static str, usize) {
    let mut pages = 0;
    while Instant::now() < end {
        let Ok(mut stream) = connect(address, address_of(3, n), 1024).await else { continue };
        pages += usize::from(stream.write_all(request.as_bytes()).await.is_ok());
        hold(end).await;
    }
    ("large pages that nobody reads", pages)
}

async fn trickle(address: SocketAddr, n: u32, end: Instant) -> (&'static str, usize) {
    let begin = if n.is_multiple_of(2) {
        "GET /livez HTTP/1.1\r\nx-slow: "
    } else {
        "POST /api/auth/login HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 1000\r\n\r\n"
    };
    let mut connections = 0;
    while Instant::now() < end {
        let Ok(mut stream) = connect(address, address_of(4, n), 1024).await else { continue };
        connections += 1;
        let mut sent = stream.write_all(begin.as_bytes()).await;
        while sent.is_ok() && Instant::now() < end {
            sleep(Duration::from_secs(1)).await;
            sent = stream.write_all(b"x").await;
        }
    }
    ("connections that say a byte a second", connections)
}

async fn hold(end: Instant) {
    sleep_until(end.min(Instant::now() + HOLDS).into()).await;
}

/// The address of one of many in a network of theirs.
fn address_of(network: u8, n: u32) -> IpAddr {
    IpAddr::V4(Ipv4Addr::from_bits(Ipv4Addr::new(127, network, 0, 0).to_bits() + n))
}
