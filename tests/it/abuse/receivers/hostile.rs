//! Receivers that do harm, each by its URL. They live as long as the test.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// An answer that asks to wait for a day.
pub(crate) const COME_TOMORROW: &str = "HTTP/1.1 503 Busy\r\nRetry-After: 86400\r\nContent-Length: 0\r\n\r\n";
/// Between two bytes of a slow answer.
const DRIP: Duration = Duration::from_secs(1);

/// Answers everything with the same words, and closes.
pub(crate) async fn answering(answer: &'static str) -> String {
    serve(move |mut stream| async move {
        head(&mut stream).await;
        let _ = stream.write_all(answer.as_bytes()).await;
    })
    .await
}

/// Accepts connections and says nothing.
pub(crate) async fn silent() -> String {
    serve(|mut stream| async move { while matches!(stream.read(&mut [0; 4096]).await, Ok(1..)) {} }).await
}

/// Answers with one byte a second.
pub(crate) async fn slow() -> String {
    serve(|mut stream| async move {
        for byte in COME_TOMORROW.bytes() {
            if stream.write_all(&[byte]).await.is_err() {
                return;
            }
            tokio::time::sleep(DRIP).await;
        }
    })
    .await
}

/// Answers without an end: with a body, a head or interim answers, as the header `A` of the call says.
pub(crate) async fn endless() -> String {
    serve(|mut stream| async move {
        let request = head(&mut stream).await;
        let (first, then): (&[u8], &[u8]) = match header(&request, "a") {
            "body" => (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", &[b'1'; 1 << 16]),
            "head" => (b"HTTP/1.1 200 OK\r\nX-Long: ", &[b'x'; 1 << 16]),
            _ => (b"", b"HTTP/1.1 103 Early Hints\r\nX: y\r\n\r\n"),
        };
        let _ = stream.write_all(first).await;
        while stream.write_all(then).await.is_ok() {}
    })
    .await
}

/// Fails until it is told to work.
pub(crate) async fn failing_until(works: &Arc<AtomicBool>) -> String {
    let works = Arc::clone(works);
    serve(move |mut stream| {
        let works = Arc::clone(&works);
        async move {
            head(&mut stream).await;
            let status = if works.load(Ordering::SeqCst) { "200 OK" } else { "500 No" };
            let answer = format!("HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    })
    .await
}

/// Nobody listens there.
pub(crate) async fn refusing() -> String {
    url(&TcpListener::bind("127.0.0.1:0").await.expect("a free port"))
}

/// The head of a request.
pub(crate) async fn head(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    while !bytes.windows(4).any(|four| four == b"\r\n\r\n") {
        if !matches!(stream.read_buf(&mut bytes).await, Ok(1..)) {
            break;
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The value of a header in a head; empty if it isn't there.
pub(crate) fn header<'a>(request: &'a str, name: &str) -> &'a str {
    let lines = request.lines().filter_map(|line| line.split_once(": "));
    lines.filter(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value).next().unwrap_or("")
}

async fn serve<F: Future<Output = ()> + Send + 'static>(
    treat: impl Fn(TcpStream) -> F + Send + 'static,
) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let url = url(&listener);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(treat(stream));
        }
    });
    url
}

fn url(listener: &TcpListener) -> String {
    format!("http://{}/", listener.local_addr().expect("bound"))
}
