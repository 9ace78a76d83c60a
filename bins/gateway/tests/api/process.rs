//! The binary itself: what it prints, and how it ends.

use std::io::{BufRead as _, BufReader, Lines, Read as _};
use std::process::{Child, ChildStdout, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::app::{EMAIL, PASSWORD, TestApp};
use crate::client::Client;
use crate::until::until;

/// A running `trunkline` that dies with the test.
pub struct Process {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Process {
    pub fn start(args: &[&str], environment: &[(&str, &str)]) -> Self {
        let mut command = trunkline(args, environment);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
        let stdout = child.stdout.take().expect("piped");
        Self { child, lines: BufReader::new(stdout).lines() }
    }

    /// The next line that contains `part`.
    pub fn line_with(&mut self, part: &str) -> String {
        let found = self.lines.by_ref().map_while(Result::ok).find(|line| line.contains(part));
        found.unwrap_or_else(|| panic!("no line with {part:?}"))
    }

    pub fn signal(&self, signal: &str) {
        let sent =
            Command::new("kill").args([signal, &self.child.id().to_string()]).status().expect("kill runs");
        assert!(sent.success());
    }

    /// What it has written to stderr, to its end.
    pub fn errors(&mut self) -> String {
        let mut errors = String::new();
        self.child.stderr.take().expect("piped").read_to_string(&mut errors).expect("UTF-8");
        errors
    }

    pub fn exit_code(&mut self) -> Option<i32> {
        self.child.wait().expect("it ends").code()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn trunkline(args: &[&str], environment: &[(&str, &str)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_trunkline"));
    command.args(args).env_clear().envs(environment.iter().copied()).stdin(Stdio::null());
    command
}

pub fn output(args: &[&str], environment: &[(&str, &str)]) -> Output {
    trunkline(args, environment).output().expect("it runs")
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("UTF-8")
}

#[tokio::test]
async fn serve_keeps_generated_credentials_in_a_file_and_ends_well_on_sigterm() {
    let folder = tempfile::tempdir().unwrap();
    let environment =
        [("LISTEN", "127.0.0.1:0"), ("DATA_DIR", folder.path().to_str().unwrap()), ("LOG", "warn")];
    let mut credentials = <[String; 2]>::default();
    for start in 1..=2 {
        let mut process = Process::start(&["serve"], &environment);
        if start == 1 {
            let file = folder.path().join("first-start.txt");
            assert!(process.line_with("First start").contains(file.to_str().unwrap()));
            let kept = std::fs::read_to_string(&file).unwrap();
            let secret = |name: &str| {
                let line = kept.lines().find(|line| line.starts_with(name)).unwrap();
                line.split_whitespace().last().unwrap().to_owned()
            };
            assert!(secret("password").len() >= 16 && secret("API key").len() >= 32);
            credentials = [secret("password"), secret("API key")];
        }
        let line = process.line_with("http://127.0.0.1:");
        let url = line[line.find("http://").unwrap()..].trim().to_owned();
        let client = Client::anonymous(&url);
        until("it is ready", || async { (client.get("/readyz").await.status == 200).then_some(()) }).await;
        // The client's keep-alive connection stays open: it must not delay the end.
        let began = Instant::now();
        process.signal(if start == 1 { "-TERM" } else { "-INT" });
        assert_eq!(process.exit_code(), Some(0));
        assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
        let rest: Vec<String> = process.lines.by_ref().map_while(Result::ok).collect();
        let rest = rest.join("\n") + &process.errors();
        assert!(!credentials.iter().any(|secret| rest.contains(secret)), "{rest}");
        assert!(start == 1 || !rest.contains("First start"), "{rest}");
    }
}

#[test]
fn a_wrong_value_stops_the_start_with_a_sentence() {
    for (name, value) in
        [("LISTEN", "everywhere"), ("DATABASE_PROVIDER", "mongodb"), ("JWT_SECRET", "hunter2")]
    {
        let output = output(&["serve"], &[(name, value)]);
        assert_eq!(output.status.code(), Some(1));
        let shown = text(&output.stderr);
        assert!(shown.starts_with(&format!("trunkline: {name} ")), "{shown}");
        assert_eq!(shown.lines().count(), 1, "{shown}");
        assert!(name != "JWT_SECRET" || !shown.contains(value), "{shown}");
    }
}

#[test]
fn migrate_says_what_it_did() {
    let folder = tempfile::tempdir().unwrap();
    let environment = [("DATA_DIR", folder.path().to_str().unwrap())];
    let first = output(&["migrate"], &environment);
    assert_eq!(first.status.code(), Some(0), "{}", text(&first.stderr));
    assert!(text(&first.stdout).contains("up to date"), "{}", text(&first.stdout));
    let second = output(&["migrate"], &environment);
    assert_eq!(second.status.code(), Some(0));
}

#[tokio::test]
async fn simulate_prints_where_it_is_and_whom_to_trust() {
    for args in
        [&["simulate", "--listen", "127.0.0.1:0"][..], &["simulate", "--listen", "127.0.0.1:0", "--tls"]]
    {
        let mut process = Process::start(args, &[]);
        let line = process.lines.next().unwrap().unwrap();
        let info: Value = serde_json::from_str(&line).expect("JSON");
        let (scheme, ws) = if args.len() == 4 { ("https://", "wss://") } else { ("http://", "ws://") };
        assert!(info["url"].as_str().unwrap().starts_with(scheme), "{line}");
        assert!(info["wsUrl"].as_str().unwrap().starts_with(ws), "{line}");
        assert_eq!(info["rootKey"].as_str().unwrap().len(), 64);
        process.signal("-TERM");
        assert_eq!(process.exit_code(), Some(0));
    }
}

#[test]
fn the_demonstration_ends_well() {
    let output = output(&["demo"], &[("ONCE", "1")]);
    let (shown, errors) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(0), "{shown}{errors}");
    assert_eq!(shown.lines().last(), Some("demo: ok"), "{shown}");
    assert!(!shown.contains('\x1b'), "colours without a terminal: {shown:?}");
}

#[tokio::test]
async fn a_second_gateway_in_the_folder_says_that_it_is_not_the_first() {
    let app = TestApp::start().await;
    app.paired("15550100001").await;
    let folder = app.config().data_dir;
    let environment = [("LISTEN", "127.0.0.1:0"), ("DATA_DIR", folder.to_str().unwrap()), ("LOG", "warn")];
    let mut process = Process::start(&["serve"], &environment);
    let line = process.line_with("http://127.0.0.1:");
    let client = Client::anonymous(line[line.find("http://").unwrap()..].trim());
    until("it is ready", || async { (client.get("/readyz").await.status == 200).then_some(()) }).await;
    process.signal("-TERM");
    assert_eq!(process.exit_code(), Some(0));
    let said = process.errors();
    assert!(said.contains("another process runs in this data folder"), "{said}");
    assert!(said.contains("another process on this database carries instances"), "{said}");
    let body = serde_json::json!({"email": EMAIL, "password": PASSWORD});
    app.anonymous().post("/api/auth/login", body).await.expect(200);
    app.stop().await;
}
