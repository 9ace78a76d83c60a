//! The programs of the API's document, adapted in host and key alone.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use reqwest::Method;
use serde_json::json;
use test_support::until_within;
use trunkline_tests::{Gateway, GatewayOptions, Simulator};

use crate::program::{Program, at};

/// Whose phone scans.
const ACCOUNT: &str = "15550100001";
/// Whom the programs write to.
const FRIEND: &str = "79001234567";
/// How long what they say takes to be there: they sleep for 20 s themselves.
const PATIENCE: Duration = Duration::from_secs(60);

/// A program, which has written to the friend.
struct Written {
    program: Program,
    simulator: Simulator,
    // Hold what runs, and its folder.
    _gateway: Gateway,
    _folder: tempfile::TempDir,
}

/// Runs a program until it has created an instance, shown its code and sent what it sends.
async fn written(interpreter: &str, script: &str) -> Option<Written> {
    let (simulator, folder) = (Simulator::start().await, tempfile::tempdir().unwrap());
    let gateway = Gateway::start(&simulator, &GatewayOptions::of(folder.path())).await;
    simulator.phone(ACCOUNT).await;
    simulator.phone(FRIEND).await;
    let mut command = Command::new(interpreter);
    command.arg(adapted(script, &gateway, &folder)).env("PYTHONUNBUFFERED", "1").env("PYTHONUTF8", "1");
    command.env("PYTHONPATH", at("tests/documents/standins/python"));
    command.env("NODE_PATH", at("tests/documents/standins/node"));
    let mut program = Program::start(&mut command)?;

    let instance = program.says("实例已创建，ID:").await;
    simulator.scan(ACCOUNT, &program.says("qr").await).await;
    let sent = program.says("消息已发送，ID:").await;
    assert!(!instance.is_empty() && !sent.is_empty());
    let inbox = until_within("the friend has it", PATIENCE, || async {
        Some(simulator.inbox(FRIEND).await).filter(|inbox| !inbox.is_empty())
    })
    .await;
    assert_eq!(inbox[0]["id"], sent.as_str());
    Some(Written { program, simulator, _gateway: gateway, _folder: folder })
}

/// The program with this gateway's address and key in it.
fn adapted(script: &str, gateway: &Gateway, folder: &tempfile::TempDir) -> PathBuf {
    let text = std::fs::read_to_string(at("tests/documents").join(script)).unwrap();
    let (host, key) = ("https://api.example.com", "YOUR_API_KEY");
    assert!(text.contains(host) && text.contains(key), "{script}");
    let text = text.replace(host, gateway.url()).replace(key, gateway.api_key());
    let file = folder.path().join(script);
    std::fs::write(&file, text).unwrap();
    file
}

#[tokio::test]
async fn the_python_program_of_the_document_works_unmodified() {
    let Some(written) = written("python3", "client.py").await else { return };
    written.program.ends().await;
}

#[tokio::test]
async fn the_node_program_of_the_document_works_unmodified() {
    let Some(mut written) = written("node", "client.js").await else { return };
    written.simulator.send(FRIEND, ACCOUNT, "Hello back").await;
    assert_eq!(written.program.says("来自").await, format!("{FRIEND}@s.whatsapp.net 的新消息: Hello back"));
}

/// It verifies the signature of what it has parsed and written again, which has to be what was sent.
#[tokio::test]
async fn the_receiver_of_the_document_verifies_every_call() {
    let (simulator, folder) = (Simulator::start().await, tempfile::tempdir().unwrap());
    let gateway = Gateway::start(&simulator, &GatewayOptions::of(folder.path())).await;
    let mut command = Command::new("node");
    command.arg(at("tests/documents/standins/node/express.js")).arg(at("tests/documents/receiver.js"));
    let Some(mut program) = Program::start(&mut command) else { return };
    let url = program.says("listening").await;
    simulator.phone(FRIEND).await;
    let instance = gateway.link(&simulator, ACCOUNT, Some((&url, "your-webhook-secret"))).await;
    simulator.send(FRIEND, ACCOUNT, "主要 «é» 👩‍👩‍👧 \u{2028} \u{7f} </script> \\ \" \t\n").await;
    for (latitude, longitude) in [(52.0, -13.0), (52.520_008, 13.404_954), (0.0, 180.0)] {
        let place = json!({"phone": FRIEND, "latitude": latitude, "longitude": longitude, "name": "Café"});
        let path = format!("/api/whatsapp/{instance}/send-location");
        let (status, answer) = gateway.call(Method::POST, &path, Some(place)).await.unwrap();
        assert!(status.is_success(), "{answer}");
    }
    let (mut received, mut sent) = (0, 0);
    while (received, sent) != (1, 3) {
        let answered = program.says("answered").await;
        let (status, event) = answered.split_once(' ').unwrap();
        assert_eq!(status, "200", "{answered}");
        received += usize::from(event == "message_received");
        sent += usize::from(event == "message_sent");
    }
}
