//! The same over real sockets on loopback, plain and with TLS.

use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use wa_client::websocket::WebSocket;
use wa_client::{Cause, Outgoing, Store, TrustRoot};
use wa_simulator::{Options, Simulator};

use crate::stage::{Companion, Stage};

async fn stage(tls: bool) -> Stage {
    Stage::with(Options { listen: Some("127.0.0.1:0".parse().unwrap()), tls, ..Options::default() }).await
}

fn companion(stage: &Stage, socket: WebSocket) -> Companion {
    stage.start_with(Store::memory(), |builder| builder.connector(Arc::new(socket)))
}

fn url(sim: &Simulator) -> String {
    sim.info().ws_url.unwrap()
}

async fn talks(stage: &Stage, companion: &Companion) {
    let (alice, bob) = (stage.phone("15550000001"), stage.phone("15550000002"));
    companion.pair(&alice).await;
    companion.send(bob.jid(), "over a socket").await;
    bob.wait_for_inbox(|inbox| inbox.len() == 1).await;
    bob.send(alice.number(), "and back").await.unwrap();
    assert_eq!(companion.diary.texts(1).await, ["and back"]);
    // Larger than any buffer on the way.
    let large = "x".repeat(60_000);
    companion.client.send(Outgoing::text(bob.jid(), large.clone())).await.unwrap();
    let inbox = bob.wait_for_inbox(|inbox| inbox.len() == 2).await;
    assert_eq!(inbox[1].text.as_deref(), Some(large.as_str()));
}

#[tokio::test]
async fn a_companion_talks_over_a_plain_socket() {
    let stage = stage(false).await;
    let companion = companion(&stage, WebSocket::new(url(&stage.sim)));
    talks(&stage, &companion).await;
    companion.stop().await;
}

#[tokio::test]
async fn a_companion_talks_over_tls() {
    let stage = stage(true).await;
    let pem = stage.sim.info().certificate.unwrap();
    let authority = CertificateDer::from_pem_slice(pem.as_bytes()).unwrap();
    let socket = WebSocket::new(url(&stage.sim)).trusting([authority]).unwrap();
    let companion = companion(&stage, socket);
    talks(&stage, &companion).await;
    companion.stop().await;
}

#[tokio::test]
async fn a_server_that_the_public_roots_do_not_know_is_refused() {
    let stage = stage(true).await;
    let companion = companion(&stage, WebSocket::new(url(&stage.sim)));
    assert_eq!(companion.waiting().await, Cause::Tls);
}

#[tokio::test]
async fn nobody_listening_is_tried_again() {
    let stage = stage(false).await;
    let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let nowhere = format!("ws://{}/ws/chat", socket.local_addr().unwrap());
    drop(socket);
    let companion = stage.start_with(Store::memory(), |builder| {
        builder.connector(Arc::new(WebSocket::new(nowhere))).trust_root(TrustRoot::whatsapp())
    });
    assert_eq!(companion.waiting().await, Cause::Network);
}
