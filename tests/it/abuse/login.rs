use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use reqwest::{Method, StatusCode};
use serde_json::json;
use tokio::io::AsyncWriteExt as _;
use tokio::task::JoinSet;
use trunkline_tests::Trunkline;

use super::stage::{ADMIN, ELSEWHERE, SOON, Target, client, guess, told};

/// Attempts with an address of a megabyte less a little, so that no limit of bodies is the reason.
const LONG_ATTEMPTS: usize = 200;
const LONG: usize = 1_000_000;
/// What they may add, in megabytes: kept, they would be two hundred.
const MAY_ADD: u64 = 60;
/// More people than can be hashed for in the time that they would wait.
const CROWD: u32 = 200;

#[tokio::test]
async fn long_addresses_leave_nothing_in_memory() {
    let target = Target::start(&[]);
    target.serves_others().await;
    let before = target.resident_mb();
    let client = client();
    for n in 0..LONG_ATTEMPTS {
        let body = json!({"email": format!("{n}{}", "x".repeat(LONG)), "password": "wrong"});
        let sent = client.post(format!("{}/api/auth/login", target.url())).json(&body).send().await;
        // A body that is refused before it is read may end as a broken connection.
        if let Ok(answer) = sent {
            assert!(answer.status().is_client_error(), "{}", answer.status());
        }
    }
    let grown = target.resident_mb().saturating_sub(before);
    assert!(grown < MAY_ADD, "{grown} MB stayed");
    target.serves_others().await;
}

#[tokio::test]
async fn without_a_credential_bodies_are_small() {
    let target = Target::start(&[]);
    let head =
        "POST /api/auth/login HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\nconnection: close\r\n";
    let mut stream = target.connect([127, 0, 0, 1].into()).await;
    // The body itself never comes.
    stream.write_all(format!("{head}content-length: 5000\r\n\r\n").as_bytes()).await.expect("sent");
    let answer = told(&mut stream, SOON).await;
    assert!(answer.starts_with("HTTP/1.1 413") && answer.contains("4096"), "{answer}");
    let mut stream = target.connect([127, 0, 0, 1].into()).await;
    let body = format!("{:x}\r\n{}\r\n", 5000, "x".repeat(5000));
    stream
        .write_all(format!("{head}transfer-encoding: chunked\r\n\r\n{body}").as_bytes())
        .await
        .expect("sent");
    let answer = told(&mut stream, SOON).await;
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crowd_that_guesses_is_sent_away_and_others_log_in() {
    let target = Target::start(&[]);
    let mut crowd = JoinSet::new();
    for n in 0..CROWD {
        let from = std::net::Ipv4Addr::from_bits(0x7f01_0001 + n).into();
        crowd.spawn(guess_as(target.address(), n, from));
    }
    // Whoever is sent away comes again when told to.
    let began = tokio::time::Instant::now();
    let login = loop {
        let (status, login) = target.try_login(ADMIN.0, ADMIN.1, "192.0.2.1").await;
        if status != StatusCode::TOO_MANY_REQUESTS {
            break (status, login);
        }
        let wait = login["error"]["retryAfter"].as_u64().expect("when to come again");
        assert!(began.elapsed() < Duration::from_secs(120), "never let in");
        tokio::time::sleep(Duration::from_secs(wait)).await;
    };
    assert_eq!(login.0, 200, "{}", login.1);
    let statuses = crowd.join_all().await;
    let sent_away = statuses.iter().filter(|status| **status == 429).count();
    assert!(sent_away * 2 > statuses.len(), "only {sent_away} of {CROWD} were sent away");
    // 503: where a hash takes seconds, the line lasts longer than a request may.
    let other = statuses.iter().find(|status| !matches!(**status, 401 | 429 | 503));
    assert_eq!(other, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_address_cannot_fill_the_line() {
    let target = Target::start(&[]);
    let mut crowd = JoinSet::new();
    for n in 0..30 {
        crowd.spawn(guess_as(target.address(), n, ELSEWHERE));
    }
    crowd.join_next().await.expect("a first one").expect("an answer");
    let (status, login) = target.try_login(ADMIN.0, ADMIN.1, "192.0.2.1").await;
    assert_eq!(status, 200, "{login}");
    let mut answered = 1;
    while crowd.try_join_next().is_some() {
        answered += 1;
    }
    assert!(answered < 20, "{answered} of the others came first");
}

async fn guess_as(gateway: SocketAddr, n: u32, from: IpAddr) -> u16 {
    guess(gateway, &format!("user{n}@trunkline.test"), from).await.expect("an answer")
}

#[tokio::test]
async fn a_trusted_proxy_says_whom_a_request_comes_from() {
    let environment = [("TRUSTED_PROXIES", "127.0.0.1"), ("ALLOWED_IPS", "203.0.113.0/24")];
    let target = Target::start(&environment);
    let livez = async |from: &str| {
        let headers = [("x-forwarded-for", from)];
        target.call(Method::GET, "/livez", &headers, None).await.0.as_u16()
    };
    assert_eq!(livez("203.0.113.5").await, 200);
    assert_eq!(livez("203.0.113.5, 198.51.100.1").await, 403);
    assert_eq!(livez("198.51.100.1, ::ffff:203.0.113.5").await, 200);
    // A neighbour's guesses are not one's own.
    until_throttled(&target, |_| "203.0.113.5".to_owned()).await;
    assert_eq!(target.try_login(ADMIN.0, ADMIN.1, "203.0.113.6").await.0, 200);
}

#[tokio::test]
async fn what_anybody_claims_about_their_address_is_nothing() {
    let target = Target::start(&[]);
    until_throttled(&target, |n| format!("203.0.113.{n}")).await;
}

/// Guesses until it has to wait. The waits double, so they become longer than a guess takes on any machine.
async fn until_throttled(target: &Target, from: impl Fn(u32) -> String) {
    for n in 0..15 {
        let (status, _) = target.try_login(ADMIN.0, "a wrong one", &from(n)).await;
        if status == StatusCode::TOO_MANY_REQUESTS {
            return;
        }
        assert_eq!(status, 401);
    }
    panic!("never slowed down");
}

#[test]
fn secrets_that_everybody_knows_stop_the_start() {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, value) in [
        ("JWT_SECRET", "your-jwt-secret-key-here"),
        ("JWT_SECRET", "only-sixteen-bytes"),
        ("ADMIN_PASSWORD", "admin123"),
        ("ALLOWED_IPS", ","),
        ("ALLOWED_IPS", "10.0.0.1/8"),
    ] {
        let mut command = std::process::Command::new(Trunkline::binary());
        command
            .arg("serve")
            .env_clear()
            .env("DATA_DIR", folder.path())
            .env("LISTEN", "127.0.0.1:0")
            .env(name, value);
        command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
        let mut child = command.spawn().expect("it starts");
        // One that serves has said so; one that refuses has ended.
        let mut line = String::new();
        let stdout = child.stdout.take().expect("piped");
        std::io::BufRead::read_line(&mut std::io::BufReader::new(stdout), &mut line).expect("a line");
        let _ = child.kill();
        let output = child.wait_with_output().expect("it ends");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(line.is_empty(), "{name}={value} was accepted: {line}");
        assert!(said.starts_with(&format!("trunkline: {name} ")), "{said}");
        assert!(!name.contains("SECRET") || !said.contains(value), "{said}");
    }
}
