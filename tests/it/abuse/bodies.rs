//! Whoever sends much at once takes bounded room, and leaves others theirs.

use std::time::Duration;

use reqwest::Method;
use serde_json::json;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::stage::{ELSEWHERE, SOON, Target, told};

/// The longest body that is taken.
const LENGTH: usize = 24 << 20;
const CROWD: usize = 24;
/// In megabytes: two or three such bodies at once, in buffers that grow. All of them would be more than 500.
const MAY_ADD: u64 = 200;

#[tokio::test(flavor = "multi_thread")]
async fn large_bodies_of_one_caller_take_bounded_room_and_small_ones_pass() {
    let target = Target::start(&[]);
    let (key, _) = target.credentials().await;
    let head = format!(
        "POST /api/whatsapp/0190a0a0-0000-7000-8000-000000000000/send-media HTTP/1.1\r\nhost: x\r\n\
         x-api-key: {key}\r\ncontent-type: application/json\r\ncontent-length: {LENGTH}\r\n\r\n"
    );
    let before = target.resident_mb();
    let mut open = Vec::new();
    for _ in 0..CROWD {
        let mut stream = target.connect(ELSEWHERE).await;
        stream.write_all(head.as_bytes()).await.expect("sent");
        all_but_one(&mut stream).await;
        open.push(stream);
    }
    let grown = target.resident_mb().saturating_sub(before);
    println!("{grown} MB for {CROWD} bodies");
    assert!(grown < MAY_ADD, "{grown} MB for {CROWD} bodies");

    let mut refused = target.connect(ELSEWHERE).await;
    refused.write_all(head.as_bytes()).await.expect("sent");
    let answer = told(&mut refused, SOON).await;
    assert!(answer.starts_with("HTTP/1.1 429") && answer.contains("retry-after"), "{answer}");
    let (headers, body) = ([("x-api-key", key.as_str())], json!({"name": "small"}));
    let (status, answer) = target.call(Method::POST, "/api/instances", &headers, Some(body)).await;
    assert_eq!(status, 201, "{answer}");
    target.serves_others().await;
}

/// Sends a body but for its last byte, as far as it is taken.
async fn all_but_one(stream: &mut TcpStream) {
    let piece = vec![b' '; 1 << 20];
    for n in 0..LENGTH / piece.len() {
        let piece = if n == 0 { &piece[1..] } else { &piece[..] };
        let sent = timeout(Duration::from_secs(2), stream.write_all(piece)).await;
        if !matches!(sent, Ok(Ok(()))) {
            return;
        }
    }
}
