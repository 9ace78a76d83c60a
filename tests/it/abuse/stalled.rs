use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::stage::{ELSEWHERE, Target, closed, connect, send_ahead};

/// Clients that ask and never listen.
const DEAF: usize = 20;
/// What they may add altogether, in megabytes: without bounds each alone takes more than ten.
const MAY_ADD: u64 = 60;
/// By then a connection without progress is gone. The limits are 10 to 25 s.
const GONE: Duration = Duration::from_secs(90);

#[tokio::test(flavor = "multi_thread")]
async fn whoever_asks_and_never_reads_takes_little_memory_and_is_gone() {
    let target = Target::start(&[]);
    target.serves_others().await;
    let before = target.resident_mb();
    let mut deaf = Vec::new();
    for n in 0..DEAF {
        let mut stream = connect(target.address(), ELSEWHERE, 1024).await.expect("a connection");
        let path = if n % 2 == 0 { "/x" } else { "/openapi.json" };
        send_ahead(&mut stream, format!("GET {path} HTTP/1.1\r\nhost: x\r\n\r\n").repeat(1000).as_bytes())
            .await;
        deaf.push(stream);
    }
    let grown = target.resident_mb().saturating_sub(before);
    assert!(grown < MAY_ADD, "{grown} MB for {DEAF} connections");
    target.serves_others().await;
    for stream in &mut deaf {
        closed(stream, GONE, b"").await;
    }
}

/// The description of the API needs no credential, and is the longest that there is without one: 300 KB.
#[tokio::test(flavor = "multi_thread")]
async fn whoever_asks_for_the_longest_page_and_never_reads_costs_a_slice_of_it() {
    const CROWD: usize = 120;
    /// In megabytes: some 200 KB for each connection, and the answer's slice is among them.
    const MAY_ADD: u64 = 35;
    let target = Target::start(&[]);
    let url = format!("{}/openapi.json", target.url());
    let document =
        super::stage::client().get(url).send().await.expect("an answer").bytes().await.expect("it");
    assert!(document.len() > 200_000, "{}", document.len());
    let before = target.resident_mb();
    let mut deaf = Vec::new();
    for _ in 0..CROWD {
        let mut stream = connect(target.address(), ELSEWHERE, 1024).await.expect("a connection");
        stream.write_all(b"GET /openapi.json HTTP/1.1\r\nhost: x\r\n\r\n").await.expect("sent");
        stream.readable().await.expect("an answer begins");
        deaf.push(stream);
    }
    let grown = target.resident_mb().saturating_sub(before);
    println!("{grown} MB for {CROWD} connections");
    assert!(grown < MAY_ADD, "{grown} MB for {CROWD} connections");
    target.serves_others().await;
}

#[tokio::test]
async fn a_later_head_may_not_take_for_ever_either() {
    let target = Target::start(&[]);
    let mut stream = target.connect(ELSEWHERE).await;
    stream.write_all(b"GET /livez HTTP/1.1\r\nhost: x\r\n\r\n").await.expect("sent");
    let mut answer = [0; 15];
    stream.read_exact(&mut answer).await.expect("an answer");
    assert_eq!(&answer, b"HTTP/1.1 200 OK");
    stream.write_all(b"GET /livez HTTP/1.1\r\nx-slow: ").await.expect("sent");
    closed(&mut stream, GONE, b"y").await;
}

#[tokio::test]
async fn a_body_that_nobody_wants_ends() {
    let target = Target::start(&[]);
    let mut stream = target.connect(ELSEWHERE).await;
    let head = "POST /nothing HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n";
    stream.write_all(head.as_bytes()).await.expect("sent");
    closed(&mut stream, GONE, b"1\r\nx\r\n").await;
}

#[tokio::test]
async fn a_body_that_stops_ends() {
    let target = Target::start(&[]);
    let mut stream = target.connect(ELSEWHERE).await;
    let head = "POST /api/auth/login HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n\
                content-length: 100\r\n\r\n{";
    stream.write_all(head.as_bytes()).await.expect("sent");
    closed(&mut stream, GONE, b"x").await;
}

#[tokio::test]
async fn requests_that_are_sent_together_are_answered_in_order() {
    let target = Target::start(&[]);
    let mut stream = target.connect(ELSEWHERE).await;
    let login = "POST /api/auth/login HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}";
    let more = "GET /livez HTTP/1.1\r\nhost: x\r\n\r\n".repeat(300);
    let last = "GET /last HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    stream.write_all(format!("{login}{more}{last}").as_bytes()).await.expect("sent");
    let answers = super::stage::told(&mut stream, GONE).await;
    assert_eq!(answers.matches("HTTP/1.1 400").count(), 1);
    assert_eq!(answers.matches("HTTP/1.1 200").count(), 300);
    assert_eq!(answers.matches("HTTP/1.1 404").count(), 1);
}

#[tokio::test]
async fn a_body_of_unknown_length_is_read_as_far_as_somebody_wants_it() {
    let target = Target::start(&[]);
    let (key, _) = target.credentials().await;
    let mut stream = target.connect(ELSEWHERE).await;
    let head = format!(
        "POST /api/instances HTTP/1.1\r\nhost: x\r\nx-api-key: {key}\r\ncontent-type: application/json\r\n\
         transfer-encoding: chunked\r\nconnection: close\r\n\r\n"
    );
    let body = format!("{{\"name\": \"{}\"}}", "x".repeat(900_000));
    let (first, rest) = body.split_at(500_000);
    let chunks = format!("{:x}\r\n{first}\r\n{:x}\r\n{rest}\r\n0\r\n\r\n", first.len(), rest.len());
    stream.write_all(head.as_bytes()).await.expect("sent");
    stream.write_all(chunks.as_bytes()).await.expect("sent");
    let answer = super::stage::told(&mut stream, GONE).await;
    assert!(answer.contains("\"field\":\"name\""), "{answer}");
}
