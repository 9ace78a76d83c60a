//! Messages that go both ways through a gateway, whatever becomes of it meanwhile, and what must have become of them in the
//! end: nothing lost, nothing stored twice, nothing shown twice.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use test_support::until_within;
use tokio::task::JoinHandle;
use trunkline_tests::{Gateway, Simulator, WebhookReceiver, call, events_by_message, message_id};

const SENDERS: usize = 8;
/// How many messages the directions may be apart.
const STEP: usize = 50;
const PATIENCE: Duration = Duration::from_secs(120);
/// Longest that it may take until all damaged messages are read: the phone is asked a second time after 65 s.
const READ_WITHIN: Duration = Duration::from_secs(300);
/// How many may still wait then under the hostile profile, which damages the phone's answers as well: after two questions
/// that came to nothing the third comes ten minutes later.
const LATE: usize = 3;
pub(crate) const OURS: &str = "15550000031";
const PEER: &str = "15550000032";
const SECRET: &str = "traffic-test-secret";

/// So many texts in each direction, under way.
pub(crate) struct Traffic {
    simulator: Arc<Simulator>,
    receiver: WebhookReceiver,
    /// The instance.
    id: String,
    messages: usize,
    progress: Arc<AtomicUsize>,
    sending: JoinHandle<BTreeSet<String>>,
    receiving: JoinHandle<BTreeSet<String>>,
}

impl Traffic {
    /// Links an instance and begins. The gateway stays where it is, also after it was started again.
    pub(crate) async fn start(simulator: &Arc<Simulator>, gateway: &Gateway, messages: usize) -> Self {
        let receiver = WebhookReceiver::listen(SECRET).await;
        simulator.phone(PEER).await;
        let id = gateway.link(simulator, OURS, Some((&receiver.url(), SECRET))).await;
        let progress = Arc::new(AtomicUsize::new(0));
        let sending = send_all(gateway, &id, messages, &progress);
        let receiving = receive_all(Arc::clone(simulator), messages, Arc::clone(&progress));
        let simulator = Arc::clone(simulator);
        Self { simulator, receiver, id, messages, progress, sending, receiving }
    }

    /// How many have gone, both ways together.
    pub(crate) fn progress(&self) -> usize {
        self.progress.load(Ordering::Relaxed)
    }

    /// Waits until so many have gone.
    pub(crate) async fn reaches(&self, count: usize) {
        until_within("traffic goes on", PATIENCE, || async { (self.progress() >= count).then_some(()) })
            .await;
    }

    /// Waits until all is through, and looks at it from every side. At most so many may have arrived damaged, and some must
    /// have unless that is none; a hostile profile damages more.
    pub(crate) async fn end_well(self, gateway: &Gateway, most_damaged: usize) {
        let (sent, received) =
            (self.sending.await.expect("all sent"), self.receiving.await.expect("all received"));
        // What struck no message would strike the phone's answers, and each costs a question more.
        self.simulator.delete("/sim/faults").await;
        gateway.connected(&self.id).await;
        let Self { simulator, receiver, id, messages, .. } = self;
        assert_eq!((sent.len(), received.len()), (messages, messages), "distinct ids");
        every_message_is_stored_once(gateway, &id, &sent, &received).await;
        every_event_arrived_with_a_stable_id(&receiver, &sent, &received).await;
        what_was_damaged_is_told_and_read(gateway, &id, &receiver, messages, most_damaged).await;
        every_send_is_shown_once(&simulator, &sent).await;
    }
}

/// Sends the texts through REST, repeating each call under its idempotency key until it is answered.
fn send_all(
    gateway: &Gateway,
    id: &str,
    messages: usize,
    progress: &Arc<AtomicUsize>,
) -> JoinHandle<BTreeSet<String>> {
    let next = Arc::new(AtomicUsize::new(0));
    let workers: Vec<_> = (0..SENDERS)
        .map(|_| {
            let (progress, next) = (Arc::clone(progress), Arc::clone(&next));
            let (key, path) = (gateway.api_key().to_owned(), format!("/api/whatsapp/{id}/send"));
            let url = gateway.url().to_owned();
            tokio::spawn(async move {
                let client = reqwest::Client::builder().no_proxy().build().expect("client");
                let mut ids = Vec::new();
                loop {
                    let n = next.fetch_add(1, Ordering::Relaxed);
                    if n >= messages {
                        return ids;
                    }
                    keep_step(&progress, n).await;
                    ids.push(send_one(&client, &url, &key, &path, n).await);
                    progress.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    tokio::spawn(async move {
        let mut ids = BTreeSet::new();
        for worker in workers {
            ids.extend(worker.await.expect("sender"));
        }
        ids
    })
}

/// Keeps the two directions together, so that both meet everything that happens.
async fn keep_step(progress: &AtomicUsize, n: usize) {
    until_within("the other direction", PATIENCE, || async {
        (progress.load(Ordering::Relaxed) + STEP >= 2 * n).then_some(())
    })
    .await;
}

async fn send_one(client: &reqwest::Client, url: &str, key: &str, path: &str, n: usize) -> String {
    until_within("the send is answered", Duration::from_secs(90), || async {
        let body = json!({ "phone": PEER, "message": format!("out {n}") });
        let idempotency = format!("send-{n}");
        let (status, answer) =
            call(client, url, key, Method::POST, path, Some(body), Some(&idempotency)).await?;
        // Not connected yet, or the first call under this key is still under way, or nothing can be stored.
        if status.as_u16() == 409 || status.is_server_error() {
            return None;
        }
        assert!(status.is_success(), "send {n}: {status} {answer}");
        Some(answer["id"].as_str().expect("id").to_owned())
    })
    .await
}

/// Lets the peer's phone send its texts, whatever the gateway is doing.
fn receive_all(
    simulator: Arc<Simulator>,
    messages: usize,
    progress: Arc<AtomicUsize>,
) -> JoinHandle<BTreeSet<String>> {
    tokio::spawn(async move {
        let mut ids = BTreeSet::new();
        for n in 0..messages {
            ids.insert(simulator.send(PEER, OURS, &format!("in {n}")).await);
            keep_step(&progress, n).await;
            progress.fetch_add(1, Ordering::Relaxed);
        }
        ids
    })
}

async fn every_message_is_stored_once(
    gateway: &Gateway,
    id: &str,
    sent: &BTreeSet<String>,
    received: &BTreeSet<String>,
) {
    until_within("all messages are stored", PATIENCE, || async {
        let stored = gateway.messages(id, PEER).await?;
        let done = |m: &&Value| m["status"] != "pending";
        (stored.iter().filter(done).count() >= sent.len() + received.len()).then_some(())
    })
    .await;
    let stored = gateway.messages(id, PEER).await.expect("answered");
    let mut ours: Vec<_> = stored.iter().filter(|m| m["fromMe"] == true).map(message_id).collect();
    let mut theirs: Vec<_> = stored.iter().filter(|m| m["fromMe"] == false).map(message_id).collect();
    ours.sort_unstable();
    theirs.sort_unstable();
    assert!(ours.iter().eq(sent.iter()), "each send is stored exactly once");
    assert!(theirs.iter().eq(received.iter()), "each received message is stored exactly once");
}

async fn every_event_arrived_with_a_stable_id(
    receiver: &WebhookReceiver,
    sent: &BTreeSet<String>,
    received: &BTreeSet<String>,
) {
    for (kinds, messages) in
        [(&["message_sent"][..], sent), (&["message_received", "message_undecryptable"], received)]
    {
        until_within(kinds[0], PATIENCE, || async {
            let seen: Vec<_> = kinds.iter().map(|kind| events_by_message(&receiver.hooks(), kind)).collect();
            let told = |id: &String| seen.iter().any(|seen| seen.contains_key(id));
            messages.iter().all(told).then_some(())
        })
        .await;
        for kind in kinds {
            for (message, events) in events_by_message(&receiver.hooks(), kind) {
                assert_eq!(events.len(), 1, "one stable event id for {kind} of {message}: {events:?}");
            }
        }
    }
    assert_eq!(receiver.refused(), 0, "every call was signed");
}

/// What arrived damaged is told as that, and it is nothing but what a test and the profile have damaged. None of it stays
/// unread: its sender is asked for it again, and if nothing comes of that, the own phone, which has every message, after 5 s
/// and once more a minute later (PROTOCOL.md 11.7 and 14). What it waits for is stored before it is acknowledged, so that a
/// kill in between takes nothing away. Under the hostile profile a few may take longer.
async fn what_was_damaged_is_told_and_read(
    gateway: &Gateway,
    id: &str,
    receiver: &WebhookReceiver,
    messages: usize,
    most: usize,
) {
    let is_unread = |message: &Value| message["messageType"] == "undecryptable";
    let late = if is_hostile() { LATE } else { 0 };
    let stored = until_within("what was damaged is read", READ_WITHIN, || async {
        let stored = gateway.messages(id, PEER).await?;
        (stored.iter().filter(|message| is_unread(message)).count() <= late).then_some(stored)
    })
    .await;
    let is_theirs = |message: &&Value| message["fromMe"] == false && !is_unread(message);
    let theirs: Vec<_> = stored.iter().filter(is_theirs).collect();
    until_within("all is told as received", READ_WITHIN, || async {
        let received = events_by_message(&receiver.hooks(), "message_received");
        theirs.iter().all(|message| received.contains_key(&message_id(message))).then_some(())
    })
    .await;
    assert!(theirs.iter().all(|message| message["content"].is_string()));
    let damaged = events_by_message(&receiver.hooks(), "message_undecryptable");
    // How many more the hostile profile damages at most: every twentieth comes empty, every thirtieth with a used counter,
    // as do some of those that are sent again.
    let by_itself = if is_hostile() { messages / 10 } else { 0 };
    let expected = most.min(1)..=most + by_itself;
    assert!(expected.contains(&damaged.len()), "{} arrived damaged", damaged.len());
    let read = damaged.len().saturating_sub(messages - theirs.len());
    println!("arrived damaged: {}, read in the end: {read}", damaged.len());
}

fn is_hostile() -> bool {
    std::env::var("SIMULATOR_PROFILE").is_ok_and(|profile| profile == "hostile")
}

async fn every_send_is_shown_once(simulator: &Simulator, sent: &BTreeSet<String>) {
    let shown = until_within("the phone shows every send", Duration::from_secs(60), || async {
        let inbox = simulator.inbox(PEER).await;
        let shown: Vec<Value> = inbox.into_iter().filter(|m| m["fromMe"] != true).collect();
        (shown.len() >= sent.len()).then_some(shown)
    })
    .await;
    let mut ids: Vec<_> = shown.iter().map(|m| m["id"].as_str().expect("id").to_owned()).collect();
    ids.sort_unstable();
    assert!(ids.iter().eq(sent.iter()), "each send is shown exactly once");
    let repeats: u64 = shown.iter().map(|m| m["repeats"].as_u64().unwrap_or(0)).sum();
    println!("repeats under the same id, not shown again: {repeats}");
}
