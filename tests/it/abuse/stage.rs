use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tempfile::TempDir;
use test_support::until_within;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use trunkline_tests::Trunkline;

/// E-mail and password of the administrator.
pub(super) const ADMIN: (&str, &str) = ("admin@trunkline.test", "correct horse battery staple");
/// Where attackers come from; those who must be served meanwhile come from 127.0.0.1.
pub(super) const ELSEWHERE: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));
/// How long somebody who does nothing wrong may have to wait. A loaded machine is slow; an attack that works has no end.
pub(super) const SOON: Duration = Duration::from_secs(30);
/// A client may send so much ahead, and no more than the kernel takes.
const MOST_SENT: usize = 64 << 20;

/// A gateway without a WhatsApp, to be attacked from outside.
pub(super) struct Target {
    process: Trunkline,
    folder: TempDir,
}

impl Target {
    pub(super) fn start(environment: &[(&str, &str)]) -> Self {
        Self::start_under("true", environment)
    }

    /// Runs these words of a shell first. `$LOG_FILE` is where the log goes.
    pub(super) fn start_under(words: &str, environment: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let mut variables = base(folder.path());
        variables.extend(environment.iter().map(|(name, value)| (*name, (*value).to_owned())));
        variables.push(("LOG_FILE", log_file(folder.path()).display().to_string()));
        let script = format!("{words}; exec \"$0\" serve 2>\"$LOG_FILE\"");
        let binary = Trunkline::binary().to_str().expect("UTF-8");
        let process = Trunkline::start_binary(Path::new("/bin/sh"), &["-c", &script, binary], &variables);
        Self { process, folder }
    }

    pub(super) fn url(&self) -> &str {
        self.process.url()
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.url().trim_start_matches("http://").parse().expect("an address")
    }

    pub(super) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(super) fn log(&self) -> String {
        std::fs::read_to_string(log_file(self.folder.path())).expect("a log")
    }

    /// A line of `/proc/PID/NAME`.
    pub(super) fn told_by_system(&self, name: &str, line: &str) -> String {
        let all = std::fs::read_to_string(format!("/proc/{}/{name}", self.process.pid())).expect("/proc");
        all.lines().find(|text| text.starts_with(line)).expect("the line").to_owned()
    }

    pub(super) fn resident_mb(&self) -> u64 {
        self.process.resident_kb() / 1024
    }

    /// `trunkline ARGS` beside it, on the same data.
    pub(super) fn command(&self, args: &[&str]) -> std::process::Output {
        let mut command = std::process::Command::new(Trunkline::binary());
        command.args(args).env_clear().envs(base(self.folder.path())).env("LOG", "warn");
        command.stdin(std::process::Stdio::null()).output().expect("it runs")
    }

    /// One call, with headers.
    pub(super) async fn call(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<Value>,
    ) -> (StatusCode, Value) {
        let mut request = client().request(method, format!("{}{path}", self.url()));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(body) = body {
            request = request.json(&body);
        }
        let response = request.send().await.expect("an answer");
        let status = response.status();
        (status, response.json().await.unwrap_or(Value::Null))
    }

    pub(super) async fn try_login(&self, email: &str, password: &str, from: &str) -> (StatusCode, Value) {
        let body = json!({"email": email, "password": password});
        self.call(Method::POST, "/api/auth/login", &[("x-forwarded-for", from)], Some(body)).await
    }

    /// The administrator's API key and a token.
    pub(super) async fn credentials(&self) -> (String, String) {
        let (status, login) = self.try_login(ADMIN.0, ADMIN.1, "192.0.2.200").await;
        assert_eq!(status, 200, "{login}");
        let text = |value: &Value| value.as_str().expect("a text").to_owned();
        (text(&login["user"]["apiKey"]), text(&login["token"]))
    }

    /// Somebody who does nothing wrong is answered.
    pub(super) async fn serves_others(&self) {
        let url = format!("{}/livez", self.url());
        let answer = tokio::time::timeout(SOON, client().get(url).send()).await.expect("it answers soon");
        assert_eq!(answer.expect("an answer").status(), 200);
    }

    /// A connection from this address.
    pub(super) async fn connect(&self, from: IpAddr) -> TcpStream {
        connect(self.address(), from, 64 * 1024).await.expect("a connection")
    }
}

/// A connection from this address that takes so few bytes before they are read.
pub(super) async fn connect(to: SocketAddr, from: IpAddr, buffer: u32) -> io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.set_recv_buffer_size(buffer)?;
    socket.bind(SocketAddr::new(from, 0))?;
    socket.connect(to).await
}

/// Sends the same bytes over and over until no more is taken for a while.
pub(super) async fn send_ahead(stream: &mut TcpStream, requests: &[u8]) {
    let mut sent = 0;
    while sent < MOST_SENT {
        match stream.try_write(&requests[sent % requests.len()..]) {
            Ok(count) => sent += count,
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                if tokio::time::timeout(Duration::from_millis(500), stream.writable()).await.is_err() {
                    return;
                }
            }
            Err(_) => return,
        }
    }
}

/// The status of one guess of a password, if it was answered. Nothing but a socket, so that a crowd costs little.
pub(super) async fn guess(to: SocketAddr, email: &str, from: IpAddr) -> Option<u16> {
    let body = json!({"email": email, "password": "a wrong one"}).to_string();
    let head =
        "POST /api/auth/login HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\nconnection: close";
    let request = format!("{head}\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    let mut stream = connect(to, from, 64 * 1024).await.ok()?;
    stream.write_all(request.as_bytes()).await.ok()?;
    let answer = told(&mut stream, Duration::from_secs(180)).await;
    answer.split(' ').nth(1)?.parse().ok()
}

fn base(folder: &Path) -> Vec<(&'static str, String)> {
    let fixed = [
        ("LISTEN", "127.0.0.1:0"),
        ("WHATSAPP_URL", "ws://127.0.0.1:9/ws/chat"),
        ("WHATSAPP_VERSION", "2.3000.1045649367"),
        ("ADMIN_EMAIL", ADMIN.0),
        ("ADMIN_PASSWORD", ADMIN.1),
    ];
    let fixed = fixed.into_iter().map(|(name, value)| (name, value.to_owned()));
    fixed.chain([("DATA_DIR", folder.display().to_string())]).collect()
}

fn log_file(folder: &Path) -> PathBuf {
    folder.join("log")
}

pub(super) fn client() -> reqwest::Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(120));
    client.build().expect("a client")
}

/// Whatever is written to it goes nowhere: the other side has closed the connection.
pub(super) async fn closed(stream: &mut TcpStream, limit: Duration, nudge: &[u8]) {
    let stream = tokio::sync::Mutex::new(stream);
    until_within("the connection is closed", limit, || async {
        let mut stream = stream.lock().await;
        tokio::time::sleep(Duration::from_millis(500)).await;
        let written = stream.try_write(nudge);
        let mut junk = [0; 4096];
        let read = if nudge.is_empty() { Ok(1) } else { stream.try_read(&mut junk) };
        let _ = stream.flush().await;
        (is_end(written.map(|_| 1)) || is_end(read)).then_some(())
    })
    .await;
}

fn is_end(outcome: io::Result<usize>) -> bool {
    match outcome {
        Ok(count) => count == 0,
        Err(error) => error.kind() != ErrorKind::WouldBlock,
    }
}

/// What is told until the other side closes the connection, or for `limit`.
pub(super) async fn told(stream: &mut TcpStream, limit: Duration) -> String {
    let mut bytes = Vec::new();
    let _ = tokio::time::timeout(limit, stream.read_to_end(&mut bytes)).await;
    String::from_utf8_lossy(&bytes).into_owned()
}
