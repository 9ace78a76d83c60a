//! What a receiver sees of a delivery.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::json;
use storage::{
    EventData, EventFilter, MemoryStorage, MessageStatus, NewEvent, SecretText, StatusData, Webhook,
    WebhookFormat,
};
use webhook::Signer;

use crate::fixture::{Fixture, chat, connected, eager, message, named, now, open_options, text};
use crate::receiver::{Receiver, until};

#[tokio::test]
async fn body_headers_and_signature_are_as_documented() {
    let receiver = Receiver::start().await;
    let webhook = Webhook {
        secret: Some(SecretText::new("s3cret")),
        headers: BTreeMap::from([("Custom-Header".to_owned(), "custom-value".to_owned())]),
        ..eager(&receiver.url())
    };
    let fixture = Fixture::new(webhook).await;
    let new = message("1@s.whatsapp.net", 7);
    let id = new.id.to_string();
    fixture.record_events([new]).await;

    let [call] = &receiver.wait_for(1).await[..] else { panic!("one call") };
    let body = call.json();
    let timestamp = body["timestamp"].as_str().unwrap();
    let told = json!({
        "instanceId": fixture.instance.to_string(),
        "messageId": "7",
        "remoteJid": "1@s.whatsapp.net",
        "from": "1@s.whatsapp.net",
        "fromMe": false,
        "body": "你好",
        "type": "conversation",
        "timestamp": 1_672_531_200,
        "hasMedia": false,
        "status": "received",
        "metadata": {"timestamp": 1_672_531_200},
    });
    assert_eq!(body, json!({"id": id, "event": "message_received", "data": told, "timestamp": timestamp}));
    assert_eq!(timestamp.len(), "2023-01-01T12:00:00.000Z".len());
    assert!(timestamp.ends_with('Z'));
    assert_eq!(call.path, "/hook");
    assert_eq!(call.header("content-type"), "application/json");
    assert_eq!(call.header("x-webhook-id"), id);
    assert_eq!(call.header("x-webhook-event"), "message_received");
    assert_eq!(call.header("x-webhook-attempt"), "1");
    assert_eq!(call.header("x-webhook-timestamp"), timestamp);
    assert_eq!(call.header("custom-header"), "custom-value");
    assert!(call.header("user-agent").starts_with("Trunkline/"));
    let signature = call.header("x-webhook-signature");
    assert!(Signer::new("s3cret").verify(&call.body, signature));
    let dated = call.header("x-webhook-signature-v2");
    let (time, tag) =
        dated.strip_prefix("t=").and_then(|dated| dated.split_once(",v1=")).expect("both parts");
    let signed = [time.as_bytes(), b".", &call.body].concat();
    assert!(Signer::new("s3cret").verify(&signed, tag));
    assert!((now().millis() / 1000 - time.parse::<i64>().unwrap()).abs() < 600, "the time of the attempt");
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
    let mut webhook = eager(&receiver.url());
    webhook.filter = EventFilter { received: false, read: true, ..webhook.filter };
    let fixture = Fixture::new(webhook).await;
    let status = |status| {
        let (message_id, from_me, timestamp, failure) = ("2".to_owned(), true, 0, None);
        EventData::MessageStatus(StatusData { message_id, status, from_me, timestamp, failure })
    };
    let of_a = |data| NewEvent::new(Some(chat("a")), data);
    for event in [
        message("a", 1),
        of_a(EventData::MessageSent(text(2))),
        of_a(status(MessageStatus::Delivered)),
        of_a(status(MessageStatus::Read)),
        message("a", 3),
        connected(),
    ] {
        fixture.record_events([event]).await;
    }
    fixture.until_settled().await;
    let mut events: Vec<_> =
        receiver.calls().iter().map(|call| call.header("x-webhook-event").to_owned()).collect();
    // What tells of the connection waits for no chat.
    events.sort_unstable();
    assert_eq!(events, ["connected", "message_sent", "message_status"]);
}

#[tokio::test]
async fn each_webhook_is_told_in_its_own_words() {
    let (new, old) = (Receiver::start().await, Receiver::start().await);
    let older = Webhook { format: WebhookFormat::Seed0, ..named("older", &old.url()) };
    let storage = Arc::new(MemoryStorage::default());
    let fixture = Fixture::with(storage, [eager(&new.url()), older], open_options()).await;
    fixture.record_events([connected()]).await;
    for (receiver, name) in [(&new, "connected"), (&old, "connection_opened")] {
        let calls = receiver.wait_for(1).await;
        assert_eq!((&calls[0].json()["event"], calls[0].header("x-webhook-event")), (&name.into(), name));
    }
}

#[tokio::test]
async fn a_webhook_that_is_off_costs_nothing_and_starts_where_it_is_switched_on() {
    let receiver = Receiver::start().await;
    let off = || Webhook { enabled: false, ..eager(&receiver.url()) };
    let fixture = Fixture::new(off()).await;
    fixture.until_idle().await;
    fixture.record([("a", 1)]).await;
    fixture.record([("a", 2)]).await;
    assert!(format!("{:?}", fixture.dispatcher).contains("tasks: 0,"), "no task looks at what nobody wants");
    fixture.configure(eager(&receiver.url())).await;
    fixture.record([("a", 3)]).await;
    receiver.wait_for(1).await;
    fixture.configure(off()).await;
    fixture.record([("a", 4)]).await;
    fixture.stop().await;
    assert_eq!(receiver.ns(), [3]);
}

#[tokio::test]
async fn an_instance_that_is_deleted_is_forgotten() {
    let receiver = Receiver::start().await;
    let fixture = Fixture::new(eager(&receiver.url())).await;
    fixture.record([("a", 1)]).await;
    receiver.wait_for(1).await;
    fixture.storage.delete_instance(fixture.owner, fixture.instance).await.unwrap();
    fixture.dispatcher.release(fixture.instance);
    until("it is forgotten", || async {
        format!("{:?}", fixture.dispatcher).contains("instances: 0, tasks: 0,").then_some(())
    })
    .await;
}
