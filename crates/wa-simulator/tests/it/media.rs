//! The media host over real sockets.

use base64::{
    Engine,
    engine::general_purpose::{URL_SAFE, URL_SAFE_NO_PAD},
};
use reqwest::{Method, Response, header::RANGE};
use serde_json::Value;
use wa_binary::Node;
use wa_simulator::{Fault, FaultKind, Limits, Options, Simulator, Transfer};

use crate::{client::*, scene::*};

struct Host {
    simulator: Simulator,
    http: reqwest::Client,
    line: NoiseConnection,
    auth: String,
}

impl Host {
    async fn new() -> Self {
        let listen = Some("127.0.0.1:0".parse().unwrap());
        let limits = Limits { media_file: 10_000, ..Limits::default() };
        let simulator = Simulator::start(Options { listen, limits, ..options() }).await.unwrap();
        let alice = simulator.create_phone(ALICE, None).unwrap();
        let mut client = Client::new(1);
        client.pair(&simulator, &alice).await;
        let line = client.come_online(&simulator).await;
        rustls::crypto::ring::default_provider().install_default().ok();
        let http = reqwest::Client::new();
        let mut host = Self { simulator, http, line, auth: String::new() };
        host.auth = text(&host.media_conn().await, "auth");
        host
    }

    async fn media_conn(&mut self) -> Node<'static> {
        let answer = self.line.ask("set", "w:m", Node::new("media_conn")).await;
        answer.require_child("media_conn").unwrap().clone().into_owned()
    }

    async fn call(&self, method: Method, path: &str, body: Vec<u8>) -> Response {
        let address = format!("http://{}{path}", self.simulator.address().unwrap());
        self.http.request(method, address).body(body).send().await.unwrap()
    }

    async fn upload(&self, path: &str, auth: &str, blob: &[u8]) -> Response {
        let token = token(blob);
        self.call(Method::POST, &format!("{path}/{token}?auth={auth}&token={token}"), blob.to_vec()).await
    }

    /// The direct path of what was uploaded.
    async fn stored(&self, blob: &[u8]) -> String {
        let answer = self.upload("/mms/image", &self.auth, blob).await;
        assert_eq!(answer.status(), 200);
        let answer: Value = serde_json::from_str(&answer.text().await.unwrap()).unwrap();
        let path = answer["direct_path"].as_str().unwrap().to_owned();
        assert!(answer["url"].as_str().unwrap().ends_with(&path));
        path
    }

    async fn get(&self, path: &str) -> (u16, Vec<u8>) {
        let answer = self.call(Method::GET, path, Vec::new()).await;
        (answer.status().as_u16(), answer.bytes().await.unwrap().to_vec())
    }

    fn fault(&self, kind: FaultKind) -> usize {
        self.simulator.add_fault(Fault::new(kind)).unwrap().struck
    }
}

fn token(blob: &[u8]) -> String {
    URL_SAFE.encode(wa_crypto::mac::sha256(&[blob]))
}

fn status(on: Option<Transfer>, status: u16) -> FaultKind {
    FaultKind::Media { on, host: None, status }
}

#[tokio::test]
async fn a_file_is_got_by_the_path_that_its_upload_was_answered_with() {
    let host = Host::new().await;
    let blob = vec![7; 5000];
    let path = host.stored(&blob).await;
    assert!(path.starts_with("/v/t62.7118-24/") && path.contains("?ccb=11-4&oh=") && path.contains("&oe="));
    // whatsmeow appends with `&`, whatsapp-rust with `?`.
    for suffix in ["", "&hash=x&mms-type=image&__wa-mms=", "?auth=x&token=y"] {
        assert_eq!(host.get(&format!("{path}{suffix}")).await, (200, blob.clone()), "{suffix}");
    }
    let head = host.call(Method::HEAD, &path, Vec::new()).await;
    assert_eq!(head.headers()["content-length"], "5000");
    // The same once more is no new file, but a path that is good for longer.
    let again = host.stored(&blob).await;
    assert_eq!(again.split('?').next(), path.split('?').next());
}

#[tokio::test]
async fn uploads_are_what_they_say_and_from_whom_they_say() {
    let host = Host::new().await;
    let (blob, other) = (vec![7; 500], vec![8; 500]);
    let post = async |path: &str, body: &[u8]| host.call(Method::POST, path, body.to_vec()).await.status();
    assert_eq!(host.upload("/mms/image", "wrong", &blob).await.status(), 401);
    assert_eq!(host.upload("/mms/pps", &host.auth, &blob).await.status(), 400);
    assert_eq!(host.upload("/mms/image", &host.auth, &vec![0; 10_001]).await.status(), 413);
    let (right, wrong, auth) = (token(&blob), token(&other), &host.auth);
    assert_eq!(post(&format!("/mms/image/{right}?auth={auth}&token={right}"), &other).await, 415);
    assert_eq!(post(&format!("/mms/image/{right}?auth={auth}&token={wrong}"), &blob).await, 400);
    assert_eq!(post(&format!("/mms/image/{right}?auth={auth}"), &blob).await, 400);
    assert_eq!(post(&format!("/mms/image/x?auth={auth}&token=x"), &blob).await, 400);
    // Unpadded, as whatsapp-rust has it.
    let right = right.trim_end_matches('=');
    assert_eq!(post(&format!("/mms/image/{right}?auth={auth}&token={right}"), &blob).await, 200);
    let path = format!("/mms/image/{right}?auth={auth}&token={right}");
    let foreign = host.http.post(format!("http://{}{path}", host.simulator.address().unwrap()));
    assert_eq!(foreign.header("origin", "https://example.com").send().await.unwrap().status(), 403);
    assert_eq!(host.call(Method::PUT, &path, blob).await.status(), 405);
}

#[tokio::test]
async fn what_lets_upload_ends() {
    let mut host = Host::new().await;
    let conn = host.media_conn().await;
    let ttl: u64 = conn.require_number("auth_ttl").unwrap();
    let clock = |seconds: u64| host.simulator.set_clock_offset(i64::try_from(seconds * 1000).unwrap());
    clock(ttl - 60);
    assert_eq!(host.upload("/mms/image", &host.auth, b"early enough").await.status(), 200);
    clock(ttl + 60);
    assert_eq!(host.upload("/mms/image", &host.auth, b"too late").await.status(), 401);
    let renewed = text(&host.media_conn().await, "auth");
    assert_eq!(host.upload("/mms/image", &renewed, b"too late").await.status(), 200);
}

#[tokio::test]
async fn hosts_are_named_in_their_order() {
    let mut host = Host::new().await;
    let conn = host.media_conn().await;
    let address = host.simulator.address().unwrap();
    let hosts: Vec<_> =
        conn.children_named("host").map(|node| (text(node, "hostname"), text(node, "type"))).collect();
    let localhost = format!("localhost:{}", address.port());
    assert_eq!(hosts, [(address.to_string(), "primary".into()), (localhost.clone(), "fallback".into())]);

    let path = host.stored(b"hello").await;
    let kind = FaultKind::Media { on: None, host: Some(address.to_string()), status: 503 };
    host.simulator.add_fault(Fault::new(kind).times(3)).unwrap();
    assert_eq!(host.get(&path).await.0, 503);
    let other = host.http.get(format!("http://{localhost}{path}")).send().await.unwrap();
    assert_eq!(other.bytes().await.unwrap(), b"hello"[..]);
}

#[tokio::test]
async fn a_part_of_a_file_can_be_asked_for() {
    let host = Host::new().await;
    let blob: Vec<u8> = (0..=255).collect();
    let path = host.stored(&blob).await;
    let address = format!("http://{}{path}", host.simulator.address().unwrap());
    let ask = async |range: &str| {
        let answer = host.http.get(&address).header(RANGE, range).send().await.unwrap();
        let name = answer.headers()["content-range"].to_str().unwrap().to_owned();
        (answer.status().as_u16(), name, answer.bytes().await.unwrap().to_vec())
    };
    assert_eq!(ask("bytes=240-").await, (206, "bytes 240-255/256".into(), blob[240..].to_vec()));
    assert_eq!(ask("bytes=16-31").await, (206, "bytes 16-31/256".into(), blob[16..32].to_vec()));
    assert_eq!(ask("bytes=256-").await, (416, "bytes */256".into(), Vec::new()));
}

#[tokio::test]
async fn paths_expire_by_time_and_by_a_fault_and_files_are_lost() {
    let host = Host::new().await;
    let blob = b"hello";
    let path = host.stored(blob).await;
    let expired = (403, b"URL signature expired".to_vec());
    let answer = async |path: &str| {
        let (status, body) = host.get(path).await;
        let body: Value = serde_json::from_slice(&body).unwrap();
        (status, body["error"]["message"].as_str().unwrap().as_bytes().to_vec())
    };
    let forged = path.replace("oh=01_", "oh=01_A");
    assert_eq!(answer(&forged).await, (403, b"Bad URL hash".to_vec()));
    assert_eq!(answer(path.split('?').next().unwrap()).await, (403, b"Bad URL hash".to_vec()));

    assert_eq!(host.fault(FaultKind::ExpireMedia), 1);
    assert!(host.simulator.faults().is_empty());
    assert_eq!(answer(&path).await, expired);
    let path = host.stored(blob).await;
    assert_eq!(host.get(&path).await, (200, blob.to_vec()));

    assert_eq!(host.fault(FaultKind::LoseMedia), 1);
    assert_eq!(answer(&path).await.0, 404);
    let path = host.stored(blob).await;
    host.simulator.set_clock_offset(31 * 86_400_000);
    assert_eq!(answer(&path).await, expired);
}

#[tokio::test]
async fn transfers_fail_as_told() {
    let host = Host::new().await;
    let blob = vec![7; 1000];
    host.fault(status(Some(Transfer::Upload), 401));
    host.fault(status(Some(Transfer::Download), 410));
    assert_eq!(host.upload("/mms/image", &host.auth, &blob).await.status(), 401);
    let path = host.stored(&blob).await;
    assert_eq!(host.get(&path).await.0, 410);
    assert_eq!(host.get(&path).await.0, 200);

    host.fault(FaultKind::MediaCut { after: 400 });
    let mut answer = host.call(Method::GET, &path, Vec::new()).await;
    assert_eq!(answer.content_length(), Some(1000));
    let mut came = Vec::new();
    let error = loop {
        match answer.chunk().await {
            Ok(chunk) => came.extend_from_slice(&chunk.expect("it doesn't end")),
            Err(error) => break error,
        }
    };
    assert_eq!(came, blob[..400], "{error}");

    host.fault(FaultKind::MediaDamage);
    let (status, damaged) = host.get(&path).await;
    assert_eq!((status, damaged.len()), (200, 1000));
    assert_eq!(damaged.iter().zip(&blob).filter(|(one, other)| one != other).count(), 1);
    assert_eq!(host.get(&path).await, (200, blob));
}

#[tokio::test]
async fn a_part_of_the_history_is_deleted_by_whom_it_is_for() {
    let host = Host::new().await;
    let blob = b"history";
    let answer = host.upload("/mms/md-msg-hist", &host.auth, blob).await;
    let answer: Value = serde_json::from_str(&answer.text().await.unwrap()).unwrap();
    let path = answer["direct_path"].as_str().unwrap();
    let (token, place) = (token(blob), URL_SAFE_NO_PAD.encode(path.split('?').next().unwrap()));
    let delete = async |auth: &str| {
        let address = format!("/mms/md-msg-hist/{token}?token={token}&d_md={place}&auth={auth}");
        host.call(Method::DELETE, &address, Vec::new()).await.status()
    };
    assert_eq!(delete("wrong").await, 401);
    assert_eq!(host.get(path).await.0, 200);
    assert_eq!(delete(&host.auth).await, 200);
    assert_eq!(host.get(path).await.0, 404);
    assert_eq!(delete(&host.auth).await, 404);
}
