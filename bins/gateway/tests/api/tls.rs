use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use trunkline::application::Application;
use trunkline::config::{Config, TlsFiles};
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

/// A gateway that speaks TLS with a certificate of its own, a client that trusts it, and one that doesn't.
#[tokio::test]
async fn clients_are_served_over_tls_where_a_certificate_is_given() {
    let folder = tempfile::tempdir().expect("a folder");
    let own = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).expect("a certificate");
    let mut config = Config::in_folder(folder.path().join("data"));
    config.bcrypt_cost = 4;
    let files = TlsFiles { certificate: folder.path().join("cert.pem"), key: folder.path().join("key.pem") };
    std::fs::write(&files.certificate, own.cert.pem()).expect("written");
    std::fs::write(&files.key, own.signing_key.serialize_pem()).expect("written");
    config.tls = Some(files);
    let gateway = Application::build(config).await.expect("a gateway");
    let (url, key) = (gateway.url(), gateway.first_start().expect("new").api_key.clone());
    assert!(url.starts_with("https://127.0.0.1:"), "{url}");
    let stop = CancellationToken::new();
    let running = tokio::spawn(gateway.run(stop.clone()));

    let trusted = reqwest::Certificate::from_pem(own.cert.pem().as_bytes()).expect("PEM");
    let http = reqwest::Client::builder().no_proxy().tls_certs_only([trusted]).build().expect("a client");
    for _ in 0..3 {
        let me = http.get(format!("{url}/api/auth/me")).header("x-api-key", &key).send().await;
        let me = me.expect("an answer");
        assert_eq!(me.headers()["strict-transport-security"], "max-age=31536000");
        assert_eq!(me.status(), 200);
    }
    // A large body both ways, and more than one request on a connection.
    let body = json!({"name": "x".repeat(500_000)});
    let refused =
        http.post(format!("{url}/api/instances")).header("x-api-key", &key).json(&body).send().await;
    assert_eq!(refused.expect("an answer").status(), 400);
    let document = http.get(format!("{url}/openapi.json")).send().await.expect("an answer");
    assert!(document.text().await.expect("a body").len() > 100_000);

    let stranger = crate::client::http().get(format!("{url}/livez")).send().await;
    assert!(stranger.is_err(), "the certificate isn't one that everybody trusts: {stranger:?}");
    let plain = crate::client::http().get(url.replace("https", "http")).send().await;
    assert!(plain.is_err(), "{plain:?}");
    stop.cancel();
    running.await.expect("no panic").expect("a graceful end");
}
