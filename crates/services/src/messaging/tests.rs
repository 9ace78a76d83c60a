use std::collections::BTreeSet;

use storage::{EventData, FailureCause, Fleet as _, MessageKind};
use wa_client::{Cause, ReceiptKind, ReceiptUpdate, SendError, State};

use super::compose::check_text;
use super::*;
use crate::status::Status;
use crate::testing::{ACKED_AT, DEVICES, ScriptedCompanion, World, disconnected, text_of, until};

const PEER: &str = "79001234567";
pub(super) const CHAT: &str = "79001234567@s.whatsapp.net";

pub(super) fn text(message: &str) -> SendText {
    SendText {
        phone: PEER.to_owned(),
        message: message.to_owned(),
        idempotency_key: None,
        on_limit: Default::default(),
    }
}

fn keyed(message: &str, key: &str) -> SendText {
    SendText { idempotency_key: Some(key.to_owned()), ..text(message) }
}

/// Starts a send in the background.
pub(super) fn sending(
    world: &World,
    instance: InstanceId,
    send: SendText,
) -> tokio::task::JoinHandle<Result<Sent, ServiceError>> {
    let (messages, caller) = (world.services.messages.clone(), world.caller);
    tokio::spawn(async move { messages.send_text(&caller, instance, send).await })
}

pub(super) async fn until_status(world: &World, instance: InstanceId, id: &str, status: MessageStatus) {
    until("the status", || async { (world.message(instance, id).await.status == status).then_some(()) })
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
    assert_eq!((outgoing.to.to_string().as_str(), text_of(&outgoing).as_str()), (CHAT, "你好"));
    let pending = world.message(instance, &id).await;
    assert_eq!(
        (pending.status, pending.chat.as_str(), pending.sender.as_str()),
        (MessageStatus::Pending, CHAT, "15550000001@s.whatsapp.net")
    );
    assert_eq!(pending.raw, outgoing.content.encode_once(), "what is stored is what leaves");
    assert!(!world.kinds(instance).await.contains(&"message_sent"));

    reply.send(Ok(ACKED_AT)).unwrap();
    assert_eq!(
        sending.await.unwrap().unwrap(),
        Sent {
            id: id.clone(),
            chat: Some(CHAT.to_owned()),
            progress: Progress::Sent,
            replayed: false,
            devices: Some(DEVICES),
        }
    );
    until_status(&world, instance, &id, MessageStatus::Sent).await;
    let sent = world.message(instance, &id).await;
    assert_eq!((sent.kind, sent.text.as_deref()), (MessageKind::Text, Some("你好")));
    let event = world.log(instance).await.pop().unwrap();
    assert_eq!(event.lane(), Some(CHAT));
    let EventData::MessageSent(told) = event.data else { panic!("{:?}", event.data) };
    assert_eq!(
        (told.message_id.as_str(), told.text.as_deref(), told.timestamp),
        (id.as_str(), Some("你好"), ACKED_AT)
    );
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
        (State::Connecting { attempt: 0, cause: None }, Status::Connecting, None),
        (State::Waiting { cause: Cause::Network, retry_at: 9 }, Status::Disconnected, Some("network")),
    ];
    for (state, status, cause) in table {
        companion.become_state(state);
        let error = world.services.messages.send_text(&world.caller, instance, text("x")).await.unwrap_err();
        let ServiceError::NotConnected { status: found, cause: why } = error else { panic!("{error}") };
        assert_eq!((found, why.map(|why| why.kind.as_str())), (status, cause));
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
        assert!(matches!(error, ServiceError::NotFound { what: Missing::Instance }), "{error}");
    }
}

#[tokio::test]
async fn what_is_wrong_with_a_request_is_named() {
    let world = World::new().await;
    let (instance, _) = world.online().await;
    let longest = "é".repeat(MAX_TEXT);
    let table = [
        (SendText { phone: "call me".to_owned(), ..text("x") }, "recipient must be a phone number"),
        (SendText { phone: "1203630@broadcast".to_owned(), ..text("x") }, "recipient is a broadcast list"),
        (text(" \n "), "text must not be empty"),
        (text(&format!("{longest}x")), "text must have at most 65536 characters"),
        (keyed("x", ""), "idempotency_key must have 1 to 255"),
        (keyed("x", &"k".repeat(256)), "idempotency_key must have 1 to 255"),
        (keyed("x", "with blank "), "idempotency_key must have 1 to 255"),
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
        (SendError::Refused { code: 479 }, "refused"),
        (SendError::NotOnWhatsApp, "not_on_whatsapp"),
        (SendError::TooLarge { size: 9 }, "too_large"),
        (SendError::NotInGroup, "not_in_group"),
        (SendError::NotAdmin, "not_admin"),
    ];
    for (refusal, cause) in table {
        let sending = sending(&world, instance, text("x"));
        let (outgoing, reply) = companion.next_send().await;
        reply.send(Err(refusal)).unwrap();
        let error = sending.await.unwrap().unwrap_err();
        match cause {
            "not_on_whatsapp" => assert_eq!(error.to_string(), "recipient is not on WhatsApp"),
            "too_large" => assert_eq!(error.to_string(), "text is too large"),
            "not_in_group" | "not_admin" => {
                assert!(matches!(error, ServiceError::Forbidden { .. }), "{error}");
            }
            _ => assert!(
                matches!(error, ServiceError::Refused { cause: Some(found), .. } if found.as_str() == cause),
                "{error}"
            ),
        }
        let failed = world.message(instance, outgoing.id.as_str()).await;
        assert_eq!(failed.status, MessageStatus::Failed);
        let EventData::MessageStatus(told) = world.last_told(instance).await else { panic!("a status") };
        assert_eq!((told.status, told.failure.unwrap().cause.as_str()), (MessageStatus::Failed, cause));
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

    // Who comes later hasn't seen it leave.
    let later = |sent: Sent| Sent { devices: None, ..sent };
    let third = world.services.messages.send_text(&world.caller, instance, keyed("hi", "k1")).await.unwrap();
    assert_eq!(later(third), later(second.clone()));
    assert_eq!(companion.waiting(), 0, "nothing else was sent");
    // The same person in another notation is the same request; another text is not.
    let other_form = SendText { phone: "+7 900 123-45-67".to_owned(), ..keyed("hi", "k1") };
    let fourth = world.services.messages.send_text(&world.caller, instance, other_form).await.unwrap();
    assert_eq!(later(fourth), later(second));
    let error =
        world.services.messages.send_text(&world.caller, instance, keyed("ho", "k1")).await.unwrap_err();
    assert!(
        matches!(error, ServiceError::Conflict { cause: ConflictCause::IdempotencyKeyReused, .. }),
        "{error}"
    );
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
    assert_eq!(again, Sent { replayed: true, devices: again.devices, ..first });
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
    assert!(matches!(error, ServiceError::Refused { cause: None, .. }), "{error}");
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
                pending.get(n).map(|pending| pending.message_id.clone())
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
    until("all are told", || async {
        let kinds = world.kinds(instance).await;
        (kinds.iter().filter(|kind| **kind == "message_sent").count() == 6).then_some(())
    })
    .await;
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

/// A process that was killed with one text on its way; the next one, and the text's id.
async fn killed_while_sending(message: &str) -> (World, InstanceId, String) {
    let mut world = World::new().await;
    let (instance, companion) = world.online().await;
    let call = sending(&world, instance, text(message));
    let id = companion.next_send().await.0.id.to_string();
    call.abort();
    world.restart();
    world.services.resume().await.unwrap();
    until("it runs", || async { (world.services.supervisor.running() == 1).then_some(()) }).await;
    world.companions.of(instance).become_state(State::Online);
    (world, instance, id)
}

#[tokio::test]
async fn a_call_without_a_key_that_comes_again_after_a_crash_sends_nothing() {
    let (world, instance, id) = killed_while_sending("x").await;
    let companion = world.companions.of(instance);
    let again = sending(&world, instance, text("x"));
    assert_eq!(companion.acknowledge().await.0, id);
    let again = again.await.unwrap().unwrap();
    assert_eq!((again.id.as_str(), again.replayed), (id.as_str(), true));
    // Acknowledged by now, it is the same call still.
    let again = world.services.messages.send_text(&world.caller, instance, text("x")).await.unwrap();
    assert_eq!((again.id.as_str(), companion.waiting()), (id.as_str(), 0));
    let others =
        [text("y"), SendText { phone: "15551234567".to_owned(), ..text("x") }, keyed("x", "another-call")];
    for other in others {
        let other = sending(&world, instance, other);
        assert_ne!(companion.acknowledge().await.0, id);
        assert!(!other.await.unwrap().unwrap().replayed);
    }
}

#[tokio::test]
async fn what_has_failed_since_a_crash_is_sent_when_it_comes_again() {
    let (world, instance, id) = killed_while_sending("x").await;
    let companion = world.companions.of(instance);
    companion.next_send().await.1.send(Err(SendError::Refused { code: 479 })).unwrap();
    until_status(&world, instance, &id, MessageStatus::Failed).await;
    let again = sending(&world, instance, text("x"));
    assert_ne!(companion.acknowledge().await.0, id);
    assert!(!again.await.unwrap().unwrap().replayed);
}

#[tokio::test]
async fn minutes_after_a_crash_the_same_text_is_another() {
    let (world, instance, id) = killed_while_sending("x").await;
    let companion = world.companions.of(instance);
    assert_eq!(companion.acknowledge().await.0, id);
    until_status(&world, instance, &id, MessageStatus::Sent).await;
    tokio::time::pause();
    tokio::time::advance(std::time::Duration::from_secs(121)).await;
    let later = sending(&world, instance, text("x"));
    assert_ne!(companion.acknowledge().await.0, id);
    assert!(!later.await.unwrap().unwrap().replayed);
}

#[tokio::test]
async fn a_call_waits_for_what_becomes_of_its_message() {
    let world = World::new().await;
    let (instance, companion) = world.online().await;
    let call = sending(&world, instance, text("x"));
    let (id, _) = companion.acknowledge().await;
    let sent = call.await.unwrap().unwrap();
    let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(600);
    let messages = &world.services.messages;
    let waiting = messages.wait(&world.caller, instance, sent.clone(), WaitFor::Delivered, deadline);
    let telling = async {
        tokio::task::yield_now().await;
        companion.tell([delivered(&id)]).await.unwrap();
    };
    let (reached, ()) = tokio::join!(waiting, telling);
    let reached = reached.unwrap();
    assert_eq!((reached.status, reached.in_time), (MessageStatus::Delivered, true));
    // What has come further has come so far.
    let now = tokio::time::Instant::now();
    let server = messages.wait(&world.caller, instance, sent.clone(), WaitFor::Server, now).await.unwrap();
    assert_eq!((server.status, server.in_time), (MessageStatus::Delivered, true));
    let read = messages.wait(&world.caller, instance, sent.clone(), WaitFor::Read, now).await.unwrap();
    assert_eq!((read.status, read.in_time), (MessageStatus::Delivered, false));
    let strange = messages.wait(&world.stranger().await, instance, sent, WaitFor::Read, now).await;
    assert!(matches!(strange, Err(ServiceError::NotFound { .. })), "{strange:?}");
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
        if text_of(&outgoing) == "good" {
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
        let message = world.message(instance, &sending.await.unwrap().unwrap().id).await;
        assert_eq!((message.chat.as_str(), message.wire_chat.as_str()), (chat, phone));
    }
}

#[tokio::test]
async fn an_unlinked_account_takes_its_pending_messages_along() {
    let world = World::new().await;
    let (instance, companion) = world.online().await;
    let sending = sending(&world, instance, text("x"));
    let (outgoing, _reply) = companion.next_send().await;
    companion.tell([disconnected(Cause::LoggedOut, false)]).await.unwrap();
    assert_eq!(world.message(instance, outgoing.id.as_str()).await.status, MessageStatus::Failed);
    companion.become_state(State::Stopped(Cause::LoggedOut));
    let error = sending.await.unwrap().unwrap_err();
    assert!(matches!(error, ServiceError::Refused { cause: Some(FailureCause::Unlinked), .. }), "{error}");
    assert!(world.storage.pending_messages(instance, 10).await.unwrap().is_empty());
}

fn delivered(id: &str) -> wa_client::Event {
    let receipt =
        ReceiptUpdate::new(CHAT.parse().unwrap(), vec![id.into()], ReceiptKind::Delivered, ACKED_AT);
    wa_client::Event::Receipt(receipt)
}

#[tokio::test(start_paused = true)]
async fn a_receipt_that_overtakes_the_ack_settles_the_message_and_wakes_who_waits() {
    let world = World::new().await;
    let (instance, companion) = world.online().await;
    let started = tokio::time::Instant::now();
    let sending = sending(&world, instance, text("x"));
    let (outgoing, reply) = companion.next_send().await;
    companion.tell([delivered(outgoing.id.as_str())]).await.unwrap();
    assert_eq!(sending.await.unwrap().unwrap().progress, Progress::Sent);
    assert!(started.elapsed() < ACK_TIMEOUT, "nobody slept");
    assert_eq!(world.message(instance, outgoing.id.as_str()).await.status, MessageStatus::Delivered);
    // The ack comes late, or not at all: neither is told again, nor tried again.
    reply.send(Err(SendError::Unacknowledged)).unwrap();
    tokio::time::sleep(std::time::Duration::from_secs(60)).await;
    assert_eq!(companion.waiting(), 0);
    assert_eq!(
        world.kinds(instance).await,
        ["instance_changed", "connected", "message_sent", "message_status"]
    );
}

#[tokio::test]
async fn a_receipt_after_the_ack_is_told_after_it() {
    let world = World::new().await;
    let (instance, companion) = world.online().await;
    let sending = sending(&world, instance, text("x"));
    let (id, _) = companion.acknowledge().await;
    sending.await.unwrap().unwrap();
    companion.tell([delivered(&id)]).await.unwrap();
    assert_eq!(
        world.kinds(instance).await,
        ["instance_changed", "connected", "message_sent", "message_status"]
    );
}

#[tokio::test]
async fn after_a_crash_a_receipt_proves_what_was_pending() {
    let mut world = World::new().await;
    let (instance, companion) = world.online().await;
    let sending = sending(&world, instance, text("x"));
    let (outgoing, _) = companion.next_send().await;
    sending.abort();
    world.restart();
    world.services.resume().await.unwrap();
    until("it runs", || async { (world.companions.starts(instance) == 1).then_some(()) }).await;
    let companion = world.companions.of(instance);
    companion.tell([delivered(outgoing.id.as_str())]).await.unwrap();
    companion.become_state(State::Online);
    assert_eq!(
        world.kinds(instance).await,
        ["instance_changed", "connected", "message_sent", "message_status"]
    );
    tokio::task::yield_now().await;
    assert_eq!(companion.waiting(), 0, "it is not sent again");
}

#[tokio::test]
async fn a_device_that_asks_again_gets_what_is_stored() {
    let world = World::new().await;
    let (instance, companion) = world.online().await;
    let sending = sending(&world, instance, text("once more"));
    let (outgoing, reply) = companion.next_send().await;
    let (chat, id) = (CHAT.parse().unwrap(), outgoing.id.as_str());
    let raw = outgoing.content.encode_once();
    let sent = async |chat: &Jid, id: &str| companion.recorder.sent(chat, id).await.map(|sent| sent.message);
    assert_eq!(sent(&chat, id).await.as_ref(), Some(&raw), "while it is under way");
    reply.send(Ok(ACKED_AT)).unwrap();
    sending.await.unwrap().unwrap();
    until_status(&world, instance, id, MessageStatus::Sent).await;
    assert_eq!(sent(&chat, id).await.as_ref(), Some(&raw), "and later");
    let other = "79009999999@s.whatsapp.net".parse().unwrap();
    assert_eq!(sent(&other, id).await, None, "but not in another chat");
    assert_eq!(sent(&chat, "unknown").await, None);
}

#[tokio::test]
async fn more_messages_than_there_is_room_for_are_refused() {
    let world = World::new().await;
    let (instance, companion) = world.online().await;
    let calls: Vec<_> =
        (0..crate::pending::CAPACITY).map(|n| sending(&world, instance, text(&n.to_string()))).collect();
    until("all under way", || async { (companion.waiting() == crate::pending::CAPACITY).then_some(()) })
        .await;
    let error = world.services.messages.send_text(&world.caller, instance, text("x")).await.unwrap_err();
    assert!(matches!(error, ServiceError::Unavailable { .. }), "{error}");
    while companion.waiting() > 0 {
        companion.acknowledge().await;
    }
    for call in calls {
        call.await.unwrap().unwrap();
    }
    until("room", || async {
        world.storage.pending_messages(instance, 1).await.unwrap().is_empty().then_some(())
    })
    .await;
}

#[tokio::test]
async fn what_was_acknowledged_before_the_companion_stopped_is_recorded_as_sent() {
    let world = World::new().await;
    let (instance, companion) = world.online().await;
    let texts = ["1", "2", "3", "4", "5", "6"];
    let sends: Vec<_> = texts.map(|it| sending(&world, instance, text(it))).into();
    let mut ids = Vec::new();
    let mut replies = Vec::new();
    for _ in texts {
        let (outgoing, reply) = companion.next_send().await;
        ids.push(outgoing.id.to_string());
        replies.push(reply);
    }
    companion.become_state(State::Stopped(Cause::Replaced));
    replies.into_iter().for_each(|reply| reply.send(Ok(ACKED_AT)).unwrap());
    for send in sends {
        assert_eq!(send.await.unwrap().unwrap().progress, Progress::Sent);
    }
    until("it has ended", || async { (world.services.supervisor.running() == 0).then_some(()) }).await;
    for id in &ids {
        assert_eq!(world.message(instance, id).await.status, MessageStatus::Sent);
    }
    assert_eq!(companion.calls(), ["stop"]);
}

#[tokio::test(start_paused = true)]
async fn messages_that_cannot_leave_at_once_are_tried_again_without_another_push() {
    let world = World::new().await;
    let (instance, companion) = world.online().await;
    companion.refuse_at_once();
    let sending = sending(&world, instance, text("again"));
    assert_eq!(companion.acknowledge().await.1, "again");
    assert_eq!(sending.await.unwrap().unwrap().progress, Progress::Sent);
}
