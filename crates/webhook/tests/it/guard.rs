//! The address guard at work in deliveries.

use std::sync::Arc;

use outbound::AddressGuard;
use storage::{MemoryStorage, Webhook};
use webhook::Options;

use crate::fixture::{Fixture, eager};
use crate::receiver::Receiver;

async fn error_with(allow: &str, url: &str) -> Option<String> {
    let guard = AddressGuard::new(allow.parse().unwrap());
    let options = Options { guard, ..Options::default() };
    let webhook = Webhook { max_retries: 0, ..eager(url) };
    let fixture = Fixture::with(Arc::new(MemoryStorage::default()), [webhook], options).await;
    fixture.record([("a", 1)]).await;
    fixture.until_settled().await;
    fixture.dead().await.first().and_then(|dead| dead.last_error.clone())
}

const REFUSED: &str = "the URL points to a loopback address, which this gateway does not allow";

#[tokio::test]
async fn a_literal_inside_is_never_called() {
    let receiver = Receiver::start().await;
    for url in [receiver.url(), format!("http://0x7f000001:{}/", receiver.port())] {
        assert_eq!(error_with("", &url).await.as_deref(), Some(REFUSED), "{url}");
    }
    assert!(receiver.calls().is_empty());
}

#[tokio::test]
async fn configuration_opens_a_network_a_host_or_one_port() {
    let receiver = Receiver::start().await;
    let port = receiver.port();
    let literal = format!("http://127.0.0.1:{port}/");
    let name = format!("http://localhost:{port}/");
    for (allow, url) in [
        ("127.0.0.0/8".to_owned(), &literal),
        (format!("127.0.0.1:{port}"), &literal),
        ("127.0.0.0/8,::1".to_owned(), &name),
        ("localhost".to_owned(), &name),
        (format!("localhost:{port}"), &name),
    ] {
        let before = receiver.calls().len();
        assert_eq!(error_with(&allow, url).await, None, "{allow} {url}");
        assert_eq!(receiver.calls().len(), before + 1, "{allow} {url}");
    }
    assert!(error_with("localhost:1", &name).await.is_some());
    assert!(error_with("127.0.0.1:1", &literal).await.is_some());
}

#[tokio::test]
async fn settings_that_cannot_be_used_fail_with_their_reason() {
    assert_eq!(
        error_with("", "ftp://example.com/").await.as_deref(),
        Some("the URL must start with http:// or https://")
    );
}

#[tokio::test]
async fn a_header_that_was_saved_and_may_not_be_sent_is_left_out() {
    let receiver = Receiver::start().await;
    let mut settings = eager(&receiver.url());
    for (name, value) in [("Host", "x"), ("X_Webhook_Signature", "forged"), ("Proxy", "x"), ("A", "1")] {
        settings.headers.insert(name.to_owned(), value.to_owned());
    }
    let fixture = Fixture::new(settings).await;
    fixture.record([("a", 1)]).await;
    fixture.until_settled().await;
    let call = &receiver.calls()[0];
    assert!(call.header("host").starts_with("127.0.0.1:") && call.header("a") == "1");
    assert_eq!((call.header("x_webhook_signature"), call.header("proxy")), ("", ""));
}
