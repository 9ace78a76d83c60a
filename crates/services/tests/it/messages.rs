//! Texts and receipts, both ways.

use serde_json::json;
use services::{ChatQuery, Progress, ServiceError};
use storage::{EventKind, MessageStatus};
use wa_simulator::{Fault, FaultKind, Moment};

use crate::stage::{Stage, until};

#[tokio::test(start_paused = true)]
async fn a_text_reaches_the_phone_and_its_receipts_come_back() {
    let stage = Stage::new().await;
    let (own, peer) = (stage.phone("15550000001"), stage.phone("15550000002"));
    let id = stage.linked(&own).await;
    let sent = stage.send(id, &peer, "你好").await.unwrap();
    assert_eq!(sent.progress, Progress::Sent);
    let inbox = peer.wait_for_inbox(|inbox| !inbox.is_empty()).await;
    assert_eq!((inbox[0].id.as_str(), inbox[0].text.as_deref()), (sent.id.as_str(), Some("你好")));

    let told = stage.told(id, EventKind::MessageStatus, 1).await;
    assert_eq!((&told[0]["messageId"], &told[0]["status"]), (&json!(sent.id), &json!("delivered")));
    assert_eq!((&told[0]["from"], &told[0]["fromMe"]), (&json!("15550000002@s.whatsapp.net"), &json!(true)));
    peer.read(None, std::slice::from_ref(&sent.id)).await.unwrap();
    let told = stage.told(id, EventKind::MessageStatus, 2).await;
    assert_eq!(told[1]["status"], "read");
    assert_eq!(stage.message(id, &sent.id).await.status, MessageStatus::Read);
}

#[tokio::test(start_paused = true)]
async fn what_a_phone_writes_is_stored_and_told_under_the_number() {
    let stage = Stage::new().await;
    let (own, peer) = (stage.phone("15550000001"), stage.phone("15550000002"));
    let id = stage.linked(&own).await;
    let message_id = peer.send("15550000001", "hello").await.unwrap();
    let told = stage.told(id, EventKind::MessageReceived, 1).await.pop().unwrap();
    for (field, value) in [
        ("messageId", json!(message_id)),
        ("from", json!("15550000002@s.whatsapp.net")),
        ("remoteJid", json!("15550000002@s.whatsapp.net")),
        ("lid", json!(peer.lid().to_string())),
        ("body", json!("hello")),
        ("type", json!("conversation")),
        ("fromMe", json!(false)),
        ("hasMedia", json!(false)),
        ("status", json!("received")),
    ] {
        assert_eq!(told[field], value, "{field}");
    }
    let query = ChatQuery { chat: "+1 555 000 0002".to_owned(), start: None, end: None, limit: 10, skip: 0 };
    let page = stage.services.events.messages(&stage.caller, id, query.clone()).await.unwrap();
    assert_eq!((page.total, page.items[0].content.as_deref()), (1, Some("hello")));
    let by_lid = ChatQuery { chat: peer.lid().to_string(), ..query };
    assert_eq!(stage.services.events.messages(&stage.caller, id, by_lid).await.unwrap(), page);
    let outbox = peer.wait_for_outbox(|sent| sent.iter().any(|entry| !entry.receipts.is_empty())).await;
    assert_eq!(outbox[0].id, message_id, "it was acknowledged");
}

#[tokio::test(start_paused = true)]
async fn what_the_own_phone_writes_is_a_sent_message_too() {
    let stage = Stage::new().await;
    let (own, _peer) = (stage.phone("15550000001"), stage.phone("15550000002"));
    let id = stage.linked(&own).await;
    let message_id = own.send("15550000002", "from the phone").await.unwrap();
    let told = stage.told(id, EventKind::MessageSent, 1).await.pop().unwrap();
    assert_eq!((&told["messageId"], &told["to"]), (&json!(message_id), &json!("15550000002@s.whatsapp.net")));
    assert_eq!((&told["fromMe"], &told["body"]), (&json!(true), &json!("from the phone")));
    let message = stage.message(id, &message_id).await;
    assert!(message.from_me && [MessageStatus::Sent, MessageStatus::Delivered].contains(&message.status));
}

#[tokio::test(start_paused = true)]
async fn two_instances_talk_to_each_other() {
    let stage = Stage::new().await;
    let (one, other) = (stage.phone("15550000001"), stage.phone("15550000002"));
    let (first, second) = (stage.linked(&one).await, stage.linked(&other).await);
    for n in 0..20 {
        stage.send(first, &other, &format!("there {n}")).await.unwrap();
        stage.send(second, &one, &format!("back {n}")).await.unwrap();
    }
    for (id, word) in [(first, "back"), (second, "there")] {
        let told = stage.told(id, EventKind::MessageReceived, 20).await;
        let bodies: Vec<_> = told.iter().map(|data| data["body"].clone()).collect();
        assert_eq!(bodies, (0..20).map(|n| json!(format!("{word} {n}"))).collect::<Vec<_>>());
    }
}

#[tokio::test(start_paused = true)]
async fn a_number_without_whatsapp_is_a_bad_recipient() {
    let stage = Stage::new().await;
    let id = stage.linked(&stage.phone("15550000001")).await;
    let send = services::SendText {
        phone: "15559999999".to_owned(),
        message: "x".to_owned(),
        idempotency_key: None,
    };
    let error = stage.services.messages.send_text(&stage.caller, id, send).await.unwrap_err();
    assert_eq!(error.to_string(), "phone is not on WhatsApp");
}

#[tokio::test(start_paused = true)]
async fn whatsapps_refusal_is_passed_on_with_its_code() {
    let stage = Stage::new().await;
    let (own, peer) = (stage.phone("15550000001"), stage.phone("15550000002"));
    let id = stage.linked(&own).await;
    stage.simulator.add_fault(Fault::new(FaultKind::RefuseSend { error: 463 })).unwrap();
    let error = stage.send(id, &peer, "x").await.unwrap_err();
    assert!(
        matches!(error, ServiceError::Refused { cause: "reachout_timelock", code: Some(463), .. }),
        "{error}"
    );
    let told = stage.told(id, EventKind::MessageStatus, 1).await.pop().unwrap();
    assert_eq!((&told["status"], &told["cause"]), (&json!("failed"), &json!("reachout_timelock")));
}

#[tokio::test(start_paused = true)]
async fn a_broken_connection_is_told_once_and_mended() {
    let stage = Stage::new().await;
    let (own, peer) = (stage.phone("15550000001"), stage.phone("15550000002"));
    let id = stage.linked(&own).await;
    stage.simulator.add_fault(Fault::new(FaultKind::Drop { when: Moment::default() })).unwrap();
    let told = stage.told(id, EventKind::Disconnected, 1).await.pop().unwrap();
    assert_eq!((&told["reason"], &told["willReconnect"]), (&json!("network"), &json!(true)));
    stage.online(id).await;
    until("connected again", || async {
        (stage.events(id, &[EventKind::Connected]).await.len() == 2).then_some(())
    })
    .await;
    stage.send(id, &peer, "still here").await.unwrap();
}

/// Also what happens when the process dies between the transmission and the ack: a receipt may come first.
#[tokio::test(start_paused = true)]
async fn a_message_is_told_as_sent_even_if_only_its_receipt_proves_it() {
    let stage = Stage::new().await;
    let (own, peer) = (stage.phone("15550000001"), stage.phone("15550000002"));
    let id = stage.linked(&own).await;
    stage.simulator.add_fault(Fault::new(FaultKind::NoAck)).unwrap();
    let sent = stage.send(id, &peer, "quiet").await.unwrap();
    let told = stage.events(id, &[EventKind::MessageSent, EventKind::MessageStatus]).await;
    let told: Vec<serde_json::Value> = told.iter().map(|event| event.data.parse().unwrap()).collect();
    let steps: Vec<_> =
        told.iter().map(|data| (&data["messageId"], data["status"].as_str().unwrap())).collect();
    assert_eq!(steps, [(&json!(sent.id), "sent"), (&json!(sent.id), "delivered")]);
    assert_eq!((&told[0]["body"], &told[0]["type"]), (&json!("quiet"), &json!("text")));
    assert_eq!(stage.message(id, &sent.id).await.status, MessageStatus::Delivered);
    // The next one, acknowledged, is told once as well.
    let next = stage.send(id, &peer, "loud").await.unwrap();
    until("its receipt", || async {
        (stage.message(id, &next.id).await.status == MessageStatus::Delivered).then_some(())
    })
    .await;
    assert_eq!(stage.events(id, &[EventKind::MessageSent]).await.len(), 2);
}
