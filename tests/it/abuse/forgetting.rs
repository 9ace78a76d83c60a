//! DELETE forgets, also in the files.

use reqwest::Method;
use test_support::until_within;
use trunkline_tests::{Gateway, GatewayOptions, Simulator};

use super::launch::{PATIENCE, files};

const OURS: &str = "15550000062";
const PEER: &str = "15550000063";
const MARKER: &str = "what-nobody-may-find-any-more";

#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_a_deleted_instance_is_left_in_any_file() {
    let simulator = Simulator::start().await;
    let folder = tempfile::tempdir().unwrap();
    let options = GatewayOptions::of(folder.path());
    let mut gateway = Gateway::start(&simulator, &options).await;
    let id = gateway.link(&simulator, OURS, None).await;
    simulator.phone(PEER).await;
    for n in 0..20 {
        // Long enough for pages of their own, too.
        let text = format!("{MARKER} {n} {}", "lorem ipsum ".repeat(n * 60));
        simulator.send(PEER, OURS, &text).await;
        let body = serde_json::json!({"phone": PEER, "message": text});
        let path = format!("/api/whatsapp/{id}/send");
        let (status, answer) = gateway.call(Method::POST, &path, Some(body)).await.unwrap();
        assert!(status.is_success(), "{answer}");
    }
    until_within("all is stored", PATIENCE, || async {
        (gateway.messages(&id, PEER).await?.len() == 40).then_some(())
    })
    .await;
    assert!(leftovers(folder.path()) > 0, "it is found while it is there");
    let (status, _) =
        gateway.call(Method::DELETE, &format!("/api/instances/{id}"), None).await.expect("answered");
    assert_eq!(status.as_u16(), 200);
    assert!(gateway.process().stop());
    assert_eq!(leftovers(folder.path()), 0);
}

/// How often the marker is found in the files.
fn leftovers(folder: &std::path::Path) -> usize {
    let found = files(folder).into_iter().map(|file| {
        let bytes = std::fs::read(file).unwrap();
        bytes.windows(MARKER.len()).filter(|window| *window == MARKER.as_bytes()).count()
    });
    found.sum()
}
