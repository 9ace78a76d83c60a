use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use trunkline::application::Application;
use trunkline::config::Config;
use wa_client::TrustRoot;
use wa_simulator::{Options, Simulator};

use crate::client::Client;
use crate::until::until;

/// Asks an instance's QR code of a gateway that connects over TLS, with the authority in the file or without.
async fn first_state(ca_file: bool) -> Value {
    let options = Options { listen: Some(([127, 0, 0, 1], 0).into()), tls: true, ..Options::default() };
    let simulator = Simulator::start(options).await.expect("a simulator");
    let info = simulator.info();
    let folder = tempfile::tempdir().expect("a folder");
    let mut config = Config::in_folder(folder.path());
    config.bcrypt_cost = 4;
    config.whatsapp.url = Some(info.ws_url.expect("it listens").parse().expect("a URL"));
    config.whatsapp.trust = TrustRoot::from_hex(&info.root_key).ok();
    if ca_file {
        let file = folder.path().join("ca.pem");
        std::fs::write(&file, info.certificate.expect("it serves TLS")).expect("written");
        config.whatsapp.ca_file = Some(file);
    }
    let gateway = Application::build(config).await.expect("a gateway");
    let client = Client::anonymous(&gateway.url()).with_key(&gateway.first_start().expect("new").api_key);
    let stop = CancellationToken::new();
    let running = tokio::spawn(gateway.run(stop.clone()));
    let created = client.post("/api/instances", json!({"name": "tls"})).await.expect(201);
    let path = format!("/api/instances/{}/status", created["id"].as_str().expect("an id"));
    let state = until("a connection or a refusal", || async {
        let status = client.get(&path).await.expect(200)["connectionDetails"].clone();
        (status["hasQr"] == true || !status["cause"].is_null()).then_some(status)
    })
    .await;
    stop.cancel();
    running.await.expect("no panic").expect("a graceful end");
    state
}

#[tokio::test]
async fn a_configured_authority_is_trusted() {
    assert_eq!(first_state(true).await["hasQr"], true);
}

#[tokio::test]
async fn any_other_authority_is_refused() {
    let state = first_state(false).await;
    assert_eq!((&state["hasQr"], &state["cause"]), (&json!(false), &json!("tls")));
}
