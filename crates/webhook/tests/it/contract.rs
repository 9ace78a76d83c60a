//! What a receiver sees of a delivery.

use std::collections::BTreeMap;

use serde_json::json;
use storage::{EventKind, SecretText, WebhookSettings};
use webhook::Signer;

use crate::fixture::{Fixture, eager, event};
use crate::receiver::Receiver;

#[tokio::test]
async fn body_headers_and_signature_are_as_documented() {
    let receiver = Receiver::start().await;
    let settings = WebhookSettings {
        secret: Some(SecretText::new("s3cret")),
        headers: BTreeMap::from([("Custom-Header".to_owned(), "custom-value".to_owned())]),
        ..eager(&receiver.url())
    };
    let fixture = Fixture::new(settings).await;
    let new = event(
        EventKind::MessageReceived,
        Some("1@s.whatsapp.net"),
        json!({"instanceId": "i", "body": "你好"}),
    );
    fixture.record_one(new.clone()).await;

    let [call] = &receiver.wait_for(1).await[..] else { panic!("one call") };
    let body = call.json();
    let timestamp = body["timestamp"].as_str().unwrap();
    assert_eq!(
        body,
        json!({
            "id": new.id.to_string(),
            "event": "message_received",
            "data": {"instanceId": "i", "body": "你好"},
            "timestamp": timestamp,
        })
    );
    assert_eq!(timestamp.len(), "2023-01-01T12:00:00.000Z".len());
    assert!(timestamp.ends_with('Z'));
    assert_eq!(call.path, "/hook");
    assert_eq!(call.header("content-type"), "application/json");
    assert_eq!(call.header("x-webhook-id"), new.id.to_string());
    assert_eq!(call.header("x-webhook-event"), "message_received");
    assert_eq!(call.header("x-webhook-attempt"), "1");
    assert_eq!(call.header("x-webhook-timestamp"), timestamp);
    assert_eq!(call.header("custom-header"), "custom-value");
    assert!(call.header("user-agent").starts_with("Trunkline/"));
    let signature = call.header("x-webhook-signature");
    assert!(Signer::new("s3cret").verify(&call.body, signature));
    assert!(signature.len() == 64 && signature.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')));
}

#[tokio::test]
async fn without_a_secret_there_is_no_signature() {
    let receiver = Receiver::start().await;
    let fixture = Fixture::new(eager(&receiver.url())).await;
    fixture.record([("a", 1)]).await;
    let calls = receiver.wait_for(1).await;
    assert!(!calls[0].headers.contains_key("x-webhook-signature"));
}

#[tokio::test]
async fn a_delivered_event_leaves_only_the_cursor() {
    let receiver = Receiver::start().await;
    let fixture = Fixture::new(eager(&receiver.url())).await;
    fixture.record((1..=600).map(|n| (["a", "b", "c"][(n % 3) as usize], n))).await;
    fixture.until_settled().await;
    let mut ns = receiver.ns();
    ns.sort_unstable();
    assert_eq!(ns, (1..=600).collect::<Vec<_>>());
    assert!(fixture.pending().await.is_empty() && fixture.dead().await.is_empty());
}

#[tokio::test]
async fn unwanted_kinds_are_passed_over() {
    let receiver = Receiver::start().await;
    let settings = WebhookSettings { notify_received: false, notify_read: true, ..eager(&receiver.url()) };
    let fixture = Fixture::new(settings).await;
    let status = |status: &str| json!({ "n": 0, "status": status });
    for (kind, data) in [
        (EventKind::MessageReceived, json!({"n": 1})),
        (EventKind::MessageSent, json!({"n": 2})),
        (EventKind::MessageStatus, status("delivered")),
        (EventKind::MessageStatus, status("read")),
        (EventKind::Disconnected, json!({"n": 3})),
    ] {
        fixture.record_one(event(kind, Some("a"), data)).await;
    }
    fixture.until_settled().await;
    let events: Vec<_> =
        receiver.calls().iter().map(|call| call.header("x-webhook-event").to_owned()).collect();
    assert_eq!(events, ["message_sent", "message_status", "disconnected"]);
}

#[tokio::test]
async fn a_webhook_that_is_off_costs_nothing_and_starts_where_it_is_switched_on() {
    let receiver = Receiver::start().await;
    let off = WebhookSettings { enabled: false, ..eager(&receiver.url()) };
    let fixture = Fixture::new(off.clone()).await;
    fixture.record([("a", 1)]).await;
    fixture.record([("a", 2)]).await;
    fixture.dispatcher.skip_to_newest(fixture.owner, fixture.instance).await.unwrap();
    fixture.configure(eager(&receiver.url())).await;
    fixture.record([("a", 3)]).await;
    receiver.wait_for(1).await;
    fixture.configure(off).await;
    fixture.record([("a", 4)]).await;
    fixture.stop().await;
    assert_eq!(receiver.ns(), [3]);
}

#[tokio::test]
async fn an_instance_that_is_deleted_is_forgotten() {
    use storage::InstanceStore as _;
    let receiver = Receiver::start().await;
    let fixture = Fixture::new(eager(&receiver.url())).await;
    fixture.record([("a", 1)]).await;
    receiver.wait_for(1).await;
    fixture.storage.delete_instance(fixture.owner, fixture.instance).await.unwrap();
    fixture.dispatcher.reload(fixture.instance);
    crate::receiver::until("the session ends", || async {
        format!("{:?}", fixture.dispatcher).contains("sessions: 0").then_some(())
    })
    .await;
}
