use std::time::{Duration, Instant};

use futures_util::future::join_all;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

use super::load::Fleet;
use crate::{Gateway, Simulator};

/// Streams that are open at once.
pub(super) const LISTENERS: usize = 1_000;
/// Connections that are opened at once: no more than what a listening socket keeps waiting.
const OPENING: usize = 64;
/// Longest that the opening of all, or an event's way to all, may take before the run is given up.
const LIMIT: Duration = Duration::from_secs(60);

/// Many who follow the events of one instance.
pub(super) struct Listeners {
    hearing: Vec<JoinHandle<Instant>>,
}

impl Listeners {
    /// Opens the streams; `None` where the gateway has none, or not so many.
    pub(super) async fn open(gateway: &Gateway, instance: &str) -> Option<Self> {
        let mut hearing = Vec::new();
        while hearing.len() < LISTENERS {
            let more = OPENING.min(LISTENERS - hearing.len());
            let opened = join_all((0..more).map(|_| open(gateway, instance))).await;
            for stream in opened {
                hearing.push(tokio::spawn(heard(stream?)));
            }
        }
        Some(Self { hearing })
    }

    /// Has a phone write to the instance. From then until the first and until the last of them has heard of it.
    pub(super) async fn hear(self, sim: &Simulator, fleet: &Fleet) -> (Duration, Duration) {
        let (_, number, peer) = fleet.first();
        let began = Instant::now();
        sim.send(peer, number, "hello to all who listen").await;
        let all = tokio::time::timeout(LIMIT, join_all(self.hearing)).await.expect("all hear of it in time");
        let mut times: Vec<_> = all.into_iter().map(|at| at.expect("a listener") - began).collect();
        times.sort_unstable();
        (times[0], times[times.len() - 1])
    }
}

/// A stream whose head has come.
async fn open(gateway: &Gateway, instance: &str) -> Option<TcpStream> {
    let host = gateway.url().trim_start_matches("http://");
    let mut stream = TcpStream::connect(host).await.ok()?;
    let head = format!(
        "GET /api/instances/{instance}/events/stream?types=message_received HTTP/1.1\r\nhost: {host}\r\nx-api-key: {}\r\n\r\n",
        gateway.api_key()
    );
    stream.write_all(head.as_bytes()).await.ok()?;
    let mut answer = Vec::new();
    read_until(&mut stream, &mut answer, b"\r\n\r\n").await?;
    answer.starts_with(b"HTTP/1.1 200").then_some(stream)
}

/// When the event has come.
async fn heard(mut stream: TcpStream) -> Instant {
    let mut said = Vec::new();
    read_until(&mut stream, &mut said, b"message_received").await.expect("the stream goes on");
    Instant::now()
}

/// Reads until something has been said; `None` where the stream ends before.
async fn read_until(stream: &mut TcpStream, said: &mut Vec<u8>, wanted: &[u8]) -> Option<()> {
    let mut piece = [0; 4096];
    while !said.windows(wanted.len()).any(|window| window == wanted) {
        match stream.read(&mut piece).await {
            Ok(read) if read > 0 => said.extend_from_slice(&piece[..read]),
            _ => return None,
        }
    }
    Some(())
}
