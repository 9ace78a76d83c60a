//! The programs in the `examples` folders, run as somebody would run them.

use std::io::{BufRead as _, BufReader, ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use reqwest::Method;
use reqwest::header::HeaderValue;
use ring::hmac;
use serde_json::json;
use test_support::until_within;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use trunkline_tests::{Gateway, GatewayOptions, Simulator, WebhookReceiver, example};

const ACCOUNT: &str = "15550100001";
const FRIEND: &str = "15550100002";
const SECRET: &str = "the secret of an example";
/// How long a program may take for its next line.
const PATIENCE: Duration = Duration::from_secs(60);
/// A picture of one pixel.
const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\x06\0\0\0\x1f\x15\xc4\x89\0\0\0\rIDATx\xdacd\xf8\xcfP\x0f\0\x03\x86\x01\x80Z4}k\0\0\0\0IEND\xaeB`\x82";

/// A program that tells what it does, line by line.
struct Program {
    child: Child,
    lines: mpsc::UnboundedReceiver<String>,
}

impl Program {
    /// Starts it; `None`, loudly, where there is nothing to run it with.
    fn start(command: &mut Command) -> Option<Self> {
        let mut child = match command.env("WEBHOOK_SECRET", SECRET).stdout(Stdio::piped()).spawn() {
            Ok(child) => child,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                // Past the harness, which keeps what passing tests print to itself.
                let program = command.get_program().display();
                let _ = writeln!(std::io::stderr(), "SKIPPED LOUDLY: {program} is not installed");
                return None;
            }
            Err(error) => panic!("{command:?}: {error}"),
        };
        let said = BufReader::new(child.stdout.take().unwrap());
        let (tell, lines) = mpsc::unbounded_channel();
        std::thread::spawn(move || said.lines().map_while(Result::ok).try_for_each(|line| tell.send(line)));
        Some(Self { child, lines })
    }

    /// The rest of the next line that begins with this word.
    async fn says(&mut self, word: &str) -> String {
        let found = async {
            while let Some(line) = self.lines.recv().await {
                if let Some(rest) = line.strip_prefix(word).and_then(|rest| rest.strip_prefix(' ')) {
                    return rest.to_owned();
                }
            }
            panic!("it has ended without {word:?}");
        };
        tokio::time::timeout(PATIENCE, found).await.unwrap_or_else(|_| panic!("it doesn't say {word:?}"))
    }

    /// Waits until it has ended by itself, all being well.
    async fn ends(mut self) {
        let ended = until_within("the program ends", PATIENCE, || {
            let ended = self.child.try_wait().unwrap();
            async move { ended }
        });
        assert!(ended.await.success());
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A file of the workspace.
fn at(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

/// Answers every request with a picture.
async fn pictures() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/picture.png", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = [0; 4096];
            let _ = stream.read(&mut request).await;
            let head = format!(
                "HTTP/1.1 200 OK\r\ncontent-type: image/png\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
                PNG.len()
            );
            let _ = stream.write_all(&[head.as_bytes(), PNG].concat()).await;
        }
    });
    url
}

/// Everything that the seeds' own programs do, with the calls and fields that they use, in their order.
async fn a_client_does_it_all(interpreter: &str, script: &str) {
    let (simulator, folder) = (Simulator::start().await, tempfile::tempdir().unwrap());
    let gateway = Gateway::start(&simulator, &GatewayOptions::of(folder.path())).await;
    let (receiver, picture) = (WebhookReceiver::listen(SECRET).await, pictures().await);
    simulator.phone(ACCOUNT).await;
    simulator.phone(FRIEND).await;

    let mut command = Command::new(interpreter);
    command.arg(at(script)).args([gateway.url(), gateway.api_key(), FRIEND]);
    command.args([format!("--image={picture}"), format!("--webhook={}", receiver.url())]);
    command.args([format!("--secret={SECRET}").as_str(), "--messages=1", "--interval=0.2"]);
    let Some(mut program) = Program::start(&mut command) else { return };

    let instance = program.says("instance").await;
    simulator.scan(ACCOUNT, &program.says("qr").await).await;
    let (text, image) = (program.says("sent").await, program.says("sent").await);
    assert_eq!(program.says("contacts").await, "1");
    let inbox = until_within("the friend has both", PATIENCE, || async {
        Some(simulator.inbox(FRIEND).await).filter(|inbox| inbox.len() == 2)
    })
    .await;
    let ids: Vec<_> = inbox.iter().map(|entry| entry["id"].as_str().unwrap()).collect();
    assert_eq!(ids, [text.as_str(), image.as_str()]);
    assert!(inbox[0]["text"].as_str().unwrap().starts_with("Hello from "), "{inbox:?}");
    assert_eq!(inbox[1]["media"]["size"], PNG.len());

    simulator.send(FRIEND, ACCOUNT, "Hello back").await;
    assert_eq!(program.says("received").await, format!("{FRIEND}@s.whatsapp.net Hello back"));
    program.ends().await;
    until_within("the webhooks", PATIENCE, || async {
        (receiver.count_of("message_sent") == 2 && receiver.count_of("message_received") == 1).then_some(())
    })
    .await;
    assert_eq!(receiver.refused(), 0);
    let (_, status) =
        gateway.call(Method::GET, &format!("/api/whatsapp/{instance}/status"), None).await.unwrap();
    assert_eq!(status["ready"], true);
}

#[tokio::test]
async fn the_python_client_does_what_the_documents_say() {
    a_client_does_it_all("python3", "bins/gateway/examples/client.py").await;
}

#[tokio::test]
async fn the_node_client_does_what_the_documents_say() {
    a_client_does_it_all("node", "bins/gateway/examples/client.mjs").await;
}

/// Real webhooks are taken, also while their secret is changed; what others make, or have recorded, is not.
async fn a_receiver_takes_nothing_else(command: &mut Command) {
    let (simulator, folder) = (Simulator::start().await, tempfile::tempdir().unwrap());
    let gateway = Gateway::start(&simulator, &GatewayOptions::of(folder.path())).await;
    let Some(mut program) = Program::start(command.arg("0")) else { return };
    let url = program.says("listening").await;
    let id = gateway.link(&simulator, ACCOUNT, Some((url.as_str(), SECRET))).await;
    simulator.phone(FRIEND).await;
    let mut told = async || {
        simulator.send(FRIEND, ACCOUNT, "Hello").await;
        program.says("event message_received").await
    };
    told().await;
    let rotate = format!("/api/instances/{id}/webhooks/default/secret/rotate");
    let (status, _) = gateway.call(Method::POST, &rotate, Some(json!({}))).await.unwrap();
    assert!(status.is_success());
    told().await;

    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let body = r#"{"id": "1", "event": "message_received", "data": {}}"#;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let good = signed(SECRET, now, body);
    for (status, header, body) in [
        (200_u16, good.as_str(), body),
        (401, good.as_str(), r#"{"id": "2", "event": "message_received", "data": {}}"#),
        (401, signed("the secret of somebody else", now, body).as_str(), body),
        (401, signed(SECRET, now - 600, body).as_str(), body),
        (401, format!("t={now},v1=").as_str(), body),
        (401, format!("t={now},v1=é").as_str(), body),
        (401, "nonsense", body),
        (401, "", body),
    ] {
        let header = HeaderValue::from_bytes(header.as_bytes()).unwrap();
        let call = client.post(&url).header("x-webhook-signature-v2", &header).body(body.to_owned());
        assert_eq!(call.send().await.unwrap().status(), status, "{header:?}");
    }
}

/// `X-Webhook-Signature-V2`.
fn signed(secret: &str, at: u64, body: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    let tag = hmac::sign(&key, format!("{at}.{body}").as_bytes());
    format!("t={at},v1={}", hex::encode(tag))
}

#[tokio::test]
async fn the_python_receiver_takes_real_webhooks_alone() {
    a_receiver_takes_nothing_else(Command::new("python3").arg(at("crates/webhook/examples/receiver.py")))
        .await;
}

#[tokio::test]
async fn the_node_receiver_takes_real_webhooks_alone() {
    a_receiver_takes_nothing_else(Command::new("node").arg(at("crates/webhook/examples/receiver.mjs"))).await;
}

#[tokio::test]
async fn the_rust_receiver_takes_real_webhooks_alone() {
    a_receiver_takes_nothing_else(&mut Command::new(example("webhook", "receiver"))).await;
}
