use std::collections::BTreeSet;

use storage::{EventKind, Fleet as _, MessageStore as _};
use wa_client::{Cause, SendError};

use super::*;
use crate::Status;
use crate::testing::{ACKED_AT, ScriptedCompanion, World, until};

const PEER: &str = "79001234567";
const CHAT: &str = "79001234567@s.whatsapp.net";

fn text(message: &str) -> SendText {
    SendText { phone: PEER.to_owned(), message: message.to_owned(), idempotency_key: None }
}

fn keyed(message: &str, key: &str) -> SendText {
    SendText { idempotency_key: Some(key.to_owned()), ..text(message) }
}

/// Starts a send in the background.
fn sending(
    world: &World,
    instance: InstanceId,
    send: SendText,
) -> tokio::task::JoinHandle<Result<Sent, ServiceError>> {
    let (messages, caller) = (world.services.messages.clone(), world.caller);
    tokio::spawn(async move { messages.send_text(&caller, instance, send).await })
}

async fn stored(world: &World, instance: InstanceId, id: &str) -> Message {
    let mut found = world.storage.messages_by_id(world.caller.user, instance, id).await.unwrap();
    assert_eq!(found.len(), 1, "stored once");
    found.remove(0)
}

async fn until_status(world: &World, instance: InstanceId, id: &str, status: MessageStatus) {
    until("the status", || async { (stored(world, instance, id).await.status == status).then_some(()) })
        .await;
}

/// Ends the connection as a client does: the state changes, and what is under way is refused.
async fn disconnect(companion: &ScriptedCompanion) {
    companion.become_state(State::Waiting { cause: Cause::Network, retry_at: 0 });
    while companion.waiting() > 0 {
        let (_, reply) = companion.next_send().await;
        let _ = reply.send(Err(SendError::NotConnected { cause: Cause::Network }));
    }
}

#[tokio::test]
async fn a_text_is_stored_before_it_leaves_and_answered_after_the_ack() {
    let world = World::new().await;
    let (instance, companion) = world.online().await;
    let sending = sending(&world, instance, text("你好"));
    let (outgoing, reply) = companion.next_send().await;
    let id = outgoing.id.to_string();
    assert_eq!(
        (outgoing.to.to_string().as_str(), outgoing.content.conversation.as_deref()),
        (CHAT, Some("你好"))
    );
    let pending = stored(&world, instance, &id).await;
    assert_eq!(
        (pending.status, pending.chat.as_str(), pending.sender.as_str()),
        (MessageStatus::Pending, CHAT, "15550000001@s.whatsapp.net")
    );
    assert!(!world.kinds(instance).await.contains(&"message_sent"));

    reply.send(Ok(ACKED_AT)).unwrap();
    assert_eq!(
        sending.await.unwrap().unwrap(),
        Sent { id: id.clone(), progress: Progress::Sent, replayed: false }
    );
    let sent = stored(&world, instance, &id).await;
    assert_eq!(
        (sent.status, sent.message_type.as_str(), sent.content.as_deref()),
        (MessageStatus::Sent, "text", Some("你好"))
    );
    let log = world.log(instance).await;
    let event = log.last().unwrap();
    let data: serde_json::Value = event.data.parse().unwrap();
    assert_eq!((event.kind, event.chat.as_deref()), (EventKind::MessageSent, Some(CHAT)));
    assert_eq!((&data["messageId"], &data["to"], &data["body"]), (&id.into(), &CHAT.into(), &"你好".into()));
    assert_eq!(data["timestamp"], ACKED_AT);
}

#[tokio::test(start_paused = true)]
async fn without_an_ack_the_answer_is_pending_and_the_message_goes_on() {
    let world = World::new().await;
    let (instance, companion) = world.online().await;
    let started = tokio::time::Instant::now();
    let sending = sending(&world, instance, text("slow"));
    let (_, reply) = companion.next_send().await;
    let sent = sending.await.unwrap().unwrap();
    assert_eq!(sent.progress, Progress::Pending);
    assert!(started.elapsed() >= ACK_TIMEOUT);
    reply.send(Ok(ACKED_AT)).unwrap();
    until_status(&world, instance, &sent.id, MessageStatus::Sent).await;
}

#[tokio::test]
async fn a_caller_who_leaves_does_not_stop_the_message() {
    let world = World::new().await;
    let (instance, companion) = world.online().await;
    let sending = sending(&world, instance, text("bye"));
    let (outgoing, reply) = companion.next_send().await;
    sending.abort();
    assert!(sending.await.unwrap_err().is_cancelled());
    reply.send(Ok(ACKED_AT)).unwrap();
    until_status(&world, instance, outgoing.id.as_str(), MessageStatus::Sent).await;
}

#[tokio::test]
async fn offline_is_a_conflict_with_its_cause_and_stores_nothing() {
    let world = World::new().await;
    let (instance, companion) = world.online().await;
    let table = [
        (State::Connecting { attempt: 0 }, Status::Connecting, None),
        (State::Waiting { cause: Cause::Network, retry_at: 9 }, Status::Disconnected, Some("network")),
    ];
    for (state, status, cause) in table {
        companion.become_state(state);
        let error = world.services.messages.send_text(&world.caller, instance, text("x")).await.unwrap_err();
        let ServiceError::NotConnected { status: found, cause: why } = error else { panic!("{error}") };
        assert_eq!((found, why.as_deref()), (status, cause));
    }
    companion.become_state(State::Stopped(Cause::Replaced));
    until("the end", || async { (world.services.supervisor.running() == 0).then_some(()) }).await;
    let error = world.services.messages.send_text(&world.caller, instance, text("x")).await.unwrap_err();
    assert_eq!(error.to_string(), "the instance is not connected (replaced)");
    assert!(world.storage.pending_messages(instance, 10).await.unwrap().is_empty());
}

#[tokio::test]
async fn unknown_instances_and_those_of_others_do_not_exist() {
    let world = World::new().await;
    let (instance, _) = world.online().await;
    let stranger = world.stranger().await;
    for (caller, id) in [(world.caller, InstanceId::generate()), (stranger, instance)] {
        let error = world.services.messages.send_text(&caller, id, text("x")).await.unwrap_err();
        assert!(matches!(error, ServiceError::NotFound { what: "instance" }), "{error}");
    }
}

#[tokio::test]
async fn what_is_wrong_with_a_request_is_named() {
    let world = World::new().await;
    let (instance, _) = world.online().await;
    let longest = "é".repeat(MAX_TEXT);
    let table = [
        (SendText { phone: "call me".to_owned(), ..text("x") }, "phone must be a phone number"),
        (SendText { phone: "1203630@g.us".to_owned(), ..text("x") }, "phone is a group"),
        (text(" \n "), "message must not be empty"),
        (text(&format!("{longest}x")), "message must have at most 65536 characters"),
        (keyed("x", ""), "Idempotency-Key must have 1 to 255"),
        (keyed("x", &"k".repeat(256)), "Idempotency-Key must have 1 to 255"),
        (keyed("x", "with blank "), "Idempotency-Key must have 1 to 255"),
    ];
    for (send, message) in table {
        let error = world.services.messages.send_text(&world.caller, instance, send).await.unwrap_err();
        assert!(
            matches!(error, ServiceError::Invalid { .. }) && error.to_string().starts_with(message),
            "{error}"
        );
    }
    assert!(check_text(&longest).is_ok());
}

#[tokio::test]
async fn a_refusal_is_told_to_the_caller_and_in_the_log() {
    let world = World::new().await;
    let (instance, companion) = world.online().await;
    let table = [
        (SendError::Refused { code: 463 }, "reachout_timelock"),
        (SendError::NotOnWhatsApp, "not_on_whatsapp"),
        (SendError::NoDevice, "no_device"),
    ];
    for (refusal, cause) in table {
        let sending = sending(&world, instance, text("x"));
        let (outgoing, reply) = companion.next_send().await;
        reply.send(Err(refusal)).unwrap();
        let error = sending.await.unwrap().unwrap_err();
        match cause {
            "not_on_whatsapp" => assert_eq!(error.to_string(), "phone is not on WhatsApp"),
            _ => assert!(
                matches!(error, ServiceError::Refused { cause: found, .. } if found == cause),
                "{error}"
            ),
        }
        let failed = stored(&world, instance, outgoing.id.as_str()).await;
        assert_eq!(failed.status, MessageStatus::Failed);
        let log = world.log(instance).await;
        let data: serde_json::Value = log.last().unwrap().data.parse().unwrap();
        assert_eq!((log.last().unwrap().kind, &data["status"]), (EventKind::MessageStatus, &"failed".into()));
        assert_eq!(data["cause"], cause);
    }
}

#[tokio::test]
async fn a_key_sends_once_and_repeats_the_answer() {
    let world = World::new().await;
    let (instance, companion) = world.online().await;
    let first = sending(&world, instance, keyed("hi", "k1"));
    let (outgoing, reply) = companion.next_send().await;
    // A second call while the first is under way waits for the same message.
    let second = sending(&world, instance, keyed("hi", "k1"));
    tokio::task::yield_now().await;
    reply.send(Ok(ACKED_AT)).unwrap();
    let (first, second) = (first.await.unwrap().unwrap(), second.await.unwrap().unwrap());
    assert_eq!(
        (first.id.as_str(), first.progress, first.replayed),
        (outgoing.id.as_str(), Progress::Sent, false)
    );
    assert_eq!(second, Sent { replayed: true, ..first.clone() });

    let third = world.services.messages.send_text(&world.caller, instance, keyed("hi", "k1")).await.unwrap();
    assert_eq!(third, second);
    assert_eq!(companion.waiting(), 0, "nothing else was sent");
    // The same person in another notation is the same request; another text is not.
    let other_form = SendText { phone: "+7 900 123-45-67".to_owned(), ..keyed("hi", "k1") };
    assert_eq!(world.services.messages.send_text(&world.caller, instance, other_form).await.unwrap(), second);
    let error =
        world.services.messages.send_text(&world.caller, instance, keyed("ho", "k1")).await.unwrap_err();
    assert!(matches!(error, ServiceError::Conflict { cause: "idempotency_key_reused", .. }), "{error}");
}

#[tokio::test]
async fn many_calls_under_one_key_at_once_send_once() {
    let world = World::new().await;
    let (instance, companion) = world.online().await;
    let calls: Vec<_> = (0..20).map(|_| sending(&world, instance, keyed("hi", "k"))).collect();
    companion.acknowledge().await;
    let mut ids = BTreeSet::new();
    for call in calls {
        ids.insert(call.await.unwrap().unwrap().id);
    }
    assert_eq!((ids.len(), companion.waiting()), (1, 0));
}

#[tokio::test]
async fn a_key_answers_also_while_the_instance_is_offline() {
    let world = World::new().await;
    let (instance, companion) = world.online().await;
    let first = sending(&world, instance, keyed("hi", "k"));
    companion.acknowledge().await;
    let first = first.await.unwrap().unwrap();
    companion.become_state(State::Waiting { cause: Cause::Network, retry_at: 0 });
    let again = world.services.messages.send_text(&world.caller, instance, keyed("hi", "k")).await.unwrap();
    assert_eq!(again, Sent { replayed: true, ..first });
}

#[tokio::test]
async fn a_key_of_a_message_that_failed_says_so() {
    let world = World::new().await;
    let (instance, companion) = world.online().await;
    let first = sending(&world, instance, keyed("hi", "k"));
    companion.next_send().await.1.send(Err(SendError::Refused { code: 479 })).unwrap();
    assert!(first.await.unwrap().is_err());
    let error =
        world.services.messages.send_text(&world.caller, instance, keyed("hi", "k")).await.unwrap_err();
    assert!(matches!(error, ServiceError::Refused { cause: "failed", .. }), "{error}");
}

#[tokio::test]
async fn keys_of_different_instances_do_not_meet() {
    let world = World::new().await;
    let (one, first) = world.online().await;
    let (other, second) = world.online().await;
    let calls = [sending(&world, one, keyed("hi", "k")), sending(&world, other, keyed("ho", "k"))];
    first.acknowledge().await;
    second.acknowledge().await;
    for call in calls {
        assert!(!call.await.unwrap().unwrap().replayed);
    }
}

#[tokio::test]
async fn after_a_reconnect_pending_messages_go_out_in_order_under_their_ids_before_new_ones() {
    let world = World::new().await;
    let (instance, companion) = world.online().await;
    let mut ids = Vec::new();
    let mut calls = Vec::new();
    for n in 0..5 {
        calls.push(sending(&world, instance, text(&n.to_string())));
        ids.push(
            until("stored", || async {
                let pending = world.storage.pending_messages(instance, 10).await.unwrap();
                pending.get(n).map(|pending| pending.message.message_id.clone())
            })
            .await,
        );
    }
    until("all handed over", || async { (companion.waiting() == 5).then_some(()) }).await;
    disconnect(&companion).await;
    companion.become_state(State::Online);
    calls.push(sending(&world, instance, text("new")));

    let mut order = Vec::new();
    for _ in 0..6 {
        order.push(companion.acknowledge().await);
    }
    let texts: Vec<_> = order.iter().map(|(_, text)| text.as_str()).collect();
    assert_eq!(texts, ["0", "1", "2", "3", "4", "new"]);
    assert!(order.iter().map(|(id, _)| id).take(5).eq(ids.iter()));
    for call in calls {
        assert_eq!(call.await.unwrap().unwrap().progress, Progress::Sent);
    }
    assert_eq!(world.kinds(instance).await.iter().filter(|kind| **kind == "message_sent").count(), 6);
}

#[tokio::test]
async fn after_a_crash_pending_messages_go_out_under_their_ids() {
    let mut world = World::new().await;
    let (instance, companion) = world.online().await;
    let calls: Vec<_> = (0..3).map(|n| sending(&world, instance, keyed("x", &format!("k{n}")))).collect();
    let mut before = BTreeSet::new();
    for _ in &calls {
        before.insert(companion.next_send().await.0.id.to_string());
    }
    calls.iter().for_each(tokio::task::JoinHandle::abort);
    world.restart();
    world.services.resume().await.unwrap();
    until("it runs", || async { (world.services.supervisor.running() == 1).then_some(()) }).await;
    let replay = world.services.messages.send_text(&world.caller, instance, keyed("x", "k0"));
    let companion = world.companions.of(instance);
    companion.become_state(State::Online);
    let acknowledging = async {
        let mut after = BTreeSet::new();
        for _ in 0..3 {
            after.insert(companion.acknowledge().await.0);
        }
        after
    };
    let (replay, after) = tokio::join!(replay, acknowledging);
    assert_eq!(after, before);
    let replay = replay.unwrap();
    assert!(replay.replayed && before.contains(&replay.id));
    for id in &before {
        until_status(&world, instance, id, MessageStatus::Sent).await;
    }
    assert_eq!(companion.waiting(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_message_without_an_ack_is_sent_again_under_its_id() {
    let world = World::new().await;
    let (instance, companion) = world.online().await;
    let sending = sending(&world, instance, text("x"));
    let (first, reply) = companion.next_send().await;
    reply.send(Err(SendError::Unacknowledged)).unwrap();
    let (second, reply) = companion.next_send().await;
    assert_eq!(first.id, second.id);
    reply.send(Ok(ACKED_AT)).unwrap();
    assert_eq!(sending.await.unwrap().unwrap().progress, Progress::Sent);
}

#[tokio::test(start_paused = true)]
async fn a_recipient_that_cannot_be_looked_up_holds_up_nobody_and_is_given_up() {
    let world = World::new().await;
    let (instance, companion) = world.online().await;
    let bad = sending(&world, instance, text("bad"));
    companion.next_send().await.1.send(Err(SendError::LookUp("time-out".to_owned()))).unwrap();
    let good = sending(&world, instance, SendText { phone: "15551234567".to_owned(), ..text("good") });
    let mut tries = 1;
    loop {
        let (outgoing, reply) = companion.next_send().await;
        if outgoing.content.conversation.as_deref() == Some("good") {
            reply.send(Ok(ACKED_AT)).unwrap();
            break;
        }
        tries += 1;
        reply.send(Err(SendError::LookUp("time-out".to_owned()))).unwrap();
    }
    assert!(tries < 3, "the good one did not wait");
    assert_eq!(good.await.unwrap().unwrap().progress, Progress::Sent);
    let sent = bad.await.unwrap().unwrap();
    assert_eq!(sent.progress, Progress::Pending);
    while tries < 5 {
        tries += 1;
        companion.next_send().await.1.send(Err(SendError::LookUp("time-out".to_owned()))).unwrap();
    }
    until_status(&world, instance, &sent.id, MessageStatus::Failed).await;
}

#[tokio::test]
async fn a_lid_is_sent_to_as_given_and_listed_under_the_number() {
    let world = World::new().await;
    let (instance, companion) = world.online().await;
    world.companions.learn("900001", PEER);
    for (phone, chat) in [("900001@lid", CHAT), ("900002@lid", "900002@lid")] {
        let sending = sending(&world, instance, SendText { phone: phone.to_owned(), ..text("x") });
        let (outgoing, reply) = companion.next_send().await;
        assert_eq!(outgoing.to.to_string(), phone);
        reply.send(Ok(ACKED_AT)).unwrap();
        let message = stored(&world, instance, &sending.await.unwrap().unwrap().id).await;
        assert_eq!((message.chat.as_str(), message.wire_chat.as_str()), (chat, phone));
    }
}

#[tokio::test]
async fn an_unlinked_account_takes_its_pending_messages_along() {
    let world = World::new().await;
    let (instance, companion) = world.online().await;
    let sending = sending(&world, instance, text("x"));
    let (outgoing, _reply) = companion.next_send().await;
    let ended = wa_client::Event::Disconnected { cause: Cause::LoggedOut, will_reconnect: false };
    companion.tell([ended]).await.unwrap();
    assert_eq!(stored(&world, instance, outgoing.id.as_str()).await.status, MessageStatus::Failed);
    companion.become_state(State::Stopped(Cause::LoggedOut));
    let error = sending.await.unwrap().unwrap_err();
    assert!(matches!(error, ServiceError::Refused { cause: "failed", .. }), "{error}");
    assert!(world.storage.pending_messages(instance, 10).await.unwrap().is_empty());
}
