//! A stop takes a moment, whatever hangs.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use diesel::connection::SimpleConnection as _;
use diesel::{Connection as _, SqliteConnection};
use reqwest::Method;
use serde_json::json;
use test_support::until_within;
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream};
use trunkline_tests::{Gateway, GatewayOptions, Simulator, Trunkline};

use super::launch::PATIENCE;

const OURS: &str = "15550000064";
const PEER: &str = "15550000065";
/// As promised. What isn't through by then is cut off a little before.
const LIMIT: Duration = Duration::from_secs(5);
const EACH: usize = 5;

/// Accepts and is silent.
struct BlackHole {
    url: String,
    accepted: tokio::sync::watch::Receiver<usize>,
}

impl BlackHole {
    async fn open() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        let (count, accepted) = tokio::sync::watch::channel(0);
        tokio::spawn(async move {
            let mut kept = Vec::new();
            while let Ok((socket, _)) = listener.accept().await {
                kept.push(socket);
                count.send_replace(kept.len());
            }
        });
        Self { url, accepted }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_hangs_the_gateway_ends_within_seconds_and_loses_nothing() {
    let simulator = Simulator::start().await;
    let folder = tempfile::tempdir().unwrap();
    let options = GatewayOptions::of(folder.path());
    let mut gateway = Gateway::start(&simulator, &options).await;
    let mut hole = BlackHole::open().await;
    let id = gateway.link(&simulator, OURS, None).await;
    simulator.phone(PEER).await;
    for n in 0..EACH {
        let body = json!({"name": format!("hole {n}"), "webhookUrl": hole.url, "webhookEnabled": true});
        let (status, answer) = gateway.call(Method::POST, "/api/instances", Some(body)).await.unwrap();
        assert_eq!(status.as_u16(), 201, "{answer}");
    }
    hole.accepted.wait_for(|count| *count >= EACH).await.unwrap();

    // Afterwards it is known where to.
    let body = json!({"phone": PEER, "message": "before"});
    let path = format!("/api/whatsapp/{id}/send");
    let (status, answer) = gateway.call(Method::POST, &path, Some(body)).await.unwrap();
    assert!(status.is_success(), "{answer}");
    simulator.fault(json!({"kind": "silence", "number": OURS, "count": 0})).await;
    let clients: Vec<_> = (0..EACH).map(|n| tokio::spawn(send(&gateway, &id, n))).collect();
    let polls: Vec<_> = (0..EACH).map(|_| tokio::spawn(poll(&gateway, &id))).collect();
    let mut stalled = Vec::new();
    for _ in 0..EACH {
        stalled.push(stall(&gateway).await);
    }
    until_within("the texts are stored", PATIENCE, || async {
        let stored = gateway.messages(&id, PEER).await?;
        (stored.len() == 1 + EACH).then_some(())
    })
    .await;

    let began = Instant::now();
    let ended = tokio::task::block_in_place(|| gateway.process().stop());
    let took = began.elapsed();
    println!("stopped after {took:?}");
    assert!(ended, "it ended as asked");
    assert!(took < LIMIT, "{took:?}");
    drop(stalled);
    for task in polls {
        task.await.unwrap();
    }

    // Each text that a client has sent arrives, once, however the client was answered.
    simulator.delete("/sim/faults").await;
    gateway.start_again(&simulator, &options);
    for task in clients {
        task.await.unwrap();
    }
    until_within("all texts arrive", PATIENCE, || async {
        (texts(&simulator).await.len() > EACH).then_some(())
    })
    .await;
    let mut arrived = texts(&simulator).await;
    arrived.sort_unstable();
    let sent = ["before".to_owned()].into_iter().chain((0..EACH).map(|n| format!("text {n}")));
    assert_eq!(arrived, sent.collect::<Vec<_>>());
}

/// A database that is locked, or a long step of its schema, keeps nobody from stopping.
#[tokio::test]
async fn a_stop_is_heard_while_the_gateway_still_starts() {
    let folder = tempfile::tempdir().unwrap();
    let environment =
        [("LISTEN", "127.0.0.1:0".to_owned()), ("DATA_DIR", folder.path().display().to_string())];
    let command = |word| Trunkline::command(Trunkline::binary(), &[word], &environment);
    assert!(command("migrate").output().unwrap().status.success());
    let database = folder.path().join("trunkline.db");
    let mut lock = SqliteConnection::establish(database.to_str().unwrap()).unwrap();
    lock.batch_execute("BEGIN IMMEDIATE").unwrap();

    let mut starting = command("serve").stdout(Stdio::null()).spawn().unwrap();
    let status = format!("/proc/{}/status", starting.id());
    until_within("signals are caught", PATIENCE, || async { catches_sigterm(&status).then_some(()) }).await;
    let began = Instant::now();
    let told = Command::new("kill").args(["-TERM", &starting.id().to_string()]).status().unwrap();
    assert!(told.success());
    let ended = tokio::task::spawn_blocking(move || starting.wait()).await.unwrap().unwrap();
    assert!(ended.success(), "it ended as asked: {ended}");
    assert!(began.elapsed() < LIMIT, "{:?}", began.elapsed());
}

fn catches_sigterm(status: &str) -> bool {
    const SIGTERM: u32 = 15;
    let Ok(all) = std::fs::read_to_string(status) else { return false };
    let caught = all.lines().find_map(|line| line.strip_prefix("SigCgt:"));
    let caught = caught.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    caught.is_some_and(|mask| mask >> (SIGTERM - 1) & 1 == 1)
}

async fn texts(simulator: &Simulator) -> Vec<String> {
    let inbox = simulator.inbox(PEER).await;
    inbox.iter().filter_map(|entry| entry["text"].as_str().map(str::to_owned)).collect()
}

fn send(gateway: &Gateway, id: &str, n: usize) -> impl Future<Output = ()> + use<> {
    let (url, key) = (format!("{}/api/whatsapp/{id}/send", gateway.url()), gateway.api_key().to_owned());
    async move {
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let body = json!({"phone": PEER, "message": format!("text {n}")});
        // Whether there is an answer is up to the stop.
        let _ = client.post(url).header("x-api-key", key).json(&body).send().await;
    }
}

fn poll(gateway: &Gateway, id: &str) -> impl Future<Output = ()> + use<> {
    let path = format!("/api/instances/{id}/events?wait=60&types=client_expiring");
    let (url, key) = (format!("{}{path}", gateway.url()), gateway.api_key().to_owned());
    async move {
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let answer = client.get(url).header("x-api-key", key).send().await.expect("an answer");
        assert_eq!(answer.status().as_u16(), 200);
    }
}

/// The head of a request, and a body that never comes.
async fn stall(gateway: &Gateway) -> TcpStream {
    let mut socket = TcpStream::connect(gateway.url().trim_start_matches("http://")).await.unwrap();
    let head = format!(
        "POST /api/instances HTTP/1.1\r\nhost: x\r\nx-api-key: {}\r\ncontent-type: application/json\r\n\
         content-length: 1000\r\n\r\n{{\"name\":",
        gateway.api_key()
    );
    socket.write_all(head.as_bytes()).await.unwrap();
    socket
}
