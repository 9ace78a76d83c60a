//! HTTPS receivers.

use std::sync::Arc;

use outbound::{AddressGuard, Authorities};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use storage::{MemoryStorage, Webhook};
use webhook::Options;

use crate::fixture::{Fixture, eager};
use crate::receiver::Receiver;

fn certificate(name: &str) -> (Authorities, Arc<ServerConfig>) {
    let rcgen::CertifiedKey { cert, signing_key } =
        rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
    let authorities = Authorities::none().and(cert.der().clone()).unwrap();
    let key = PrivateKeyDer::Pkcs8(signing_key.serialize_der().into());
    let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], key)
        .unwrap();
    (authorities, Arc::new(config))
}

async fn error_with(authorities: Authorities, url: &str) -> Option<String> {
    let guard = AddressGuard::new("localhost".parse().unwrap());
    let options = Options { guard, authorities, ..Options::default() };
    let webhook = Webhook { max_retries: 0, ..eager(url) };
    let fixture = Fixture::with(Arc::new(MemoryStorage::default()), [webhook], options).await;
    fixture.record([("a", 1)]).await;
    fixture.until_settled().await;
    fixture.dead().await.first().and_then(|dead| dead.last_error.clone())
}

#[tokio::test]
async fn a_receiver_with_a_trusted_certificate_is_called() {
    let (authorities, config) = certificate("localhost");
    let receiver = Receiver::start_tls(config).await;
    let url = format!("https://localhost:{}/", receiver.port());
    assert_eq!(error_with(authorities, &url).await, None);
    assert_eq!(receiver.ns(), [1]);
}

#[tokio::test]
async fn an_unknown_authority_or_a_wrong_name_is_refused() {
    let (_, config) = certificate("localhost");
    let receiver = Receiver::start_tls(config).await;
    let url = format!("https://localhost:{}/", receiver.port());
    let unknown = Options::default().authorities;
    assert!(error_with(unknown, &url).await.unwrap().contains("UnknownIssuer"));

    let (authorities, config) = certificate("elsewhere.example");
    let receiver = Receiver::start_tls(config).await;
    let url = format!("https://localhost:{}/", receiver.port());
    assert!(error_with(authorities, &url).await.unwrap().contains("not valid for name"));
    assert!(receiver.calls().is_empty());
}
