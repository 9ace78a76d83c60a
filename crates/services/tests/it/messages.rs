//! Texts and receipts, both ways.

use services::{ChatQuery, Progress, ServiceError};
use storage::{CauseKind, EventData, EventKind, FailureCause, MessageKind, MessageStatus};
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

    let told = stage.statuses(id, 1).await.remove(0);
    assert_eq!(
        (told.message_id.as_str(), told.status, told.from_me),
        (sent.id.as_str(), MessageStatus::Delivered, true)
    );
    peer.read(None, std::slice::from_ref(&sent.id)).await.unwrap();
    assert_eq!(stage.statuses(id, 2).await[1].status, MessageStatus::Read);
    assert_eq!(stage.message(id, &sent.id).await.status, MessageStatus::Read);
}

#[tokio::test(start_paused = true)]
async fn what_a_caller_was_told_is_what_the_caller_reads() {
    let stage = Stage::new().await;
    let (own, peer) = (stage.phone("15550000001"), stage.phone("15550000002"));
    let id = stage.linked(&own).await;
    // No receipt comes that would be recorded at once.
    let away = Fault::new(FaultKind::Backlog).number(peer.number()).device(0);
    stage.simulator.add_fault(away).unwrap();
    let sent = stage.send(id, &peer, "hello").await.unwrap();
    let query = ChatQuery {
        chat: "15550000002".to_owned(),
        start: None,
        end: None,
        limit: 10,
        skip: 0,
        before: None,
    };
    let page = stage.services.events.messages(&stage.caller, id, query).await.unwrap();
    let found = &page.items[0];
    assert_eq!((found.message_id.as_str(), found.status), (sent.id.as_str(), MessageStatus::Sent));
}

#[tokio::test(start_paused = true)]
async fn what_a_phone_writes_is_stored_and_told_under_the_number() {
    let stage = Stage::new().await;
    let (own, peer) = (stage.phone("15550000001"), stage.phone("15550000002"));
    let id = stage.linked(&own).await;
    let message_id = peer.send("15550000001", "hello").await.unwrap();
    let (chat, told) = stage.received(id, 1).await.remove(0);
    let (pn, lid) = ("15550000002@s.whatsapp.net", peer.lid().to_string());
    assert_eq!((chat.jid.as_str(), chat.pn.as_deref(), chat.lid), (pn, Some(pn), Some(lid)));
    assert_eq!(
        (told.message_id.as_str(), told.kind, told.text.as_deref()),
        (message_id.as_str(), MessageKind::Text, Some("hello"))
    );
    assert_eq!((told.status, told.participant), (MessageStatus::Received, None));
    let query = ChatQuery {
        chat: "+1 555 000 0002".to_owned(),
        start: None,
        end: None,
        limit: 10,
        skip: 0,
        before: None,
    };
    let page = stage.services.events.messages(&stage.caller, id, query.clone()).await.unwrap();
    assert_eq!((page.total, page.items[0].text.as_deref()), (1, Some("hello")));
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
    let told = stage.told(id, EventKind::MessageSent, 1).await.pop();
    let Some(EventData::MessageSent(told)) = told else { panic!("{told:?}") };
    assert_eq!(
        (told.message_id.as_str(), told.text.as_deref()),
        (message_id.as_str(), Some("from the phone"))
    );
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
        let told = stage.received(id, 20).await.into_iter();
        let texts: Vec<_> = told.filter_map(|(_, told)| told.text).collect();
        assert_eq!(texts, (0..20).map(|n| format!("{word} {n}")).collect::<Vec<_>>());
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
        on_limit: Default::default(),
    };
    let error = stage.services.messages.send_text(&stage.caller, id, send).await.unwrap_err();
    assert_eq!(error.to_string(), "recipient is not on WhatsApp");
}

#[tokio::test(start_paused = true)]
async fn whatsapps_refusal_is_passed_on_with_its_code() {
    let stage = Stage::new().await;
    let (own, peer) = (stage.phone("15550000001"), stage.phone("15550000002"));
    let id = stage.linked(&own).await;
    stage.simulator.add_fault(Fault::new(FaultKind::RefuseSend { error: 479 })).unwrap();
    let error = stage.send(id, &peer, "x").await.unwrap_err();
    assert!(
        matches!(
            error,
            ServiceError::Refused { cause: Some(storage::FailureCause::Refused), code: Some(479), .. }
        ),
        "{error}"
    );
    let told = stage.statuses(id, 1).await.remove(0);
    assert_eq!((told.status, told.failure.unwrap().cause), (MessageStatus::Failed, FailureCause::Refused));
}

#[tokio::test(start_paused = true)]
async fn a_broken_connection_is_told_once_and_mended() {
    let stage = Stage::new().await;
    let (own, peer) = (stage.phone("15550000001"), stage.phone("15550000002"));
    let id = stage.linked(&own).await;
    stage.simulator.add_fault(Fault::new(FaultKind::Drop { when: Moment::default() })).unwrap();
    let told = stage.told(id, EventKind::Disconnected, 1).await.pop();
    let Some(EventData::Disconnected(told)) = told else { panic!("{told:?}") };
    assert_eq!((told.cause, told.will_reconnect), (CauseKind::Network, true));
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
    let asked = tokio::time::Instant::now();
    let sent = stage.send(id, &peer, "quiet").await.unwrap();
    assert_eq!(sent.progress, Progress::Sent);
    assert!(asked.elapsed() < services::ACK_TIMEOUT / 2, "whoever settles a message wakes who waits for it");
    let told = stage.events(id, &[EventKind::MessageSent, EventKind::MessageStatus]).await;
    let [EventData::MessageSent(first), EventData::MessageStatus(second)] = [&told[0].data, &told[1].data]
    else {
        panic!("{told:?}")
    };
    assert_eq!((first.message_id.as_str(), first.text.as_deref()), (sent.id.as_str(), Some("quiet")));
    assert_eq!((second.message_id.as_str(), second.status), (sent.id.as_str(), MessageStatus::Delivered));
    assert_eq!(stage.message(id, &sent.id).await.status, MessageStatus::Delivered);
    // The next one, acknowledged, is told once as well.
    let next = stage.send(id, &peer, "loud").await.unwrap();
    stage.until_status(id, &next.id, MessageStatus::Delivered).await;
    assert_eq!(stage.events(id, &[EventKind::MessageSent]).await.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn an_edit_and_a_revocation_amend_what_is_stored_and_say_what_they_change() {
    let stage = Stage::new().await;
    let (own, peer) = (stage.phone("15550000001"), stage.phone("15550000002"));
    let id = stage.linked(&own).await;
    let first = peer.send("15550000001", "frist").await.unwrap();
    let second = peer.send("15550000001", "oops").await.unwrap();
    let edit = peer.edit("15550000001", &first, "first").await.unwrap();
    let revoke = peer.revoke("15550000001", &second).await.unwrap();
    let told = stage.received(id, 4).await;
    let (edited, revoked) = (&told[2].1, &told[3].1);
    assert_eq!(
        (edited.message_id.as_str(), edited.kind, edited.text.as_deref()),
        (edit.as_str(), MessageKind::Edit, Some("first"))
    );
    assert_eq!(
        (edited.target.as_deref(), revoked.target.as_deref()),
        (Some(first.as_str()), Some(second.as_str()))
    );
    assert_eq!(
        (revoked.message_id.as_str(), revoked.kind, revoked.text.as_deref()),
        (revoke.as_str(), MessageKind::Revoke, None)
    );

    let first = stage.message(id, &first).await;
    assert_eq!(first.text.as_deref(), Some("first"));
    assert!(first.edited_at.is_some() && first.updated_at >= first.created_at);
    let second = stage.message(id, &second).await;
    assert!(second.revoked_at.is_some() && second.text.is_none() && second.raw.is_empty());
    let query = ChatQuery {
        chat: "15550000002".to_owned(),
        start: None,
        end: None,
        limit: 10,
        skip: 0,
        before: None,
    };
    let page = stage.services.events.messages(&stage.caller, id, query).await.unwrap();
    assert_eq!(page.total, 2, "what only amends is not listed");
}

#[tokio::test(start_paused = true)]
async fn a_reaction_is_told_with_what_it_is_about() {
    let stage = Stage::new().await;
    let (own, peer) = (stage.phone("15550000001"), stage.phone("15550000002"));
    let id = stage.linked(&own).await;
    let sent = stage.send(id, &peer, "like it?").await.unwrap();
    peer.wait_for_inbox(|inbox| !inbox.is_empty()).await;
    peer.react("15550000001", &sent.id, "👍").await.unwrap();
    let (_, told) = stage.received(id, 1).await.remove(0);
    assert_eq!(
        (told.kind, told.text.as_deref(), told.target.as_deref()),
        (MessageKind::Reaction, Some("👍"), Some(sent.id.as_str()))
    );
    assert_eq!(stage.message(id, &sent.id).await.text.as_deref(), Some("like it?"));
}

#[tokio::test(start_paused = true)]
async fn a_message_that_cannot_be_read_is_stored_told_and_amended_by_the_resend() {
    let stage = Stage::new().await;
    let (own, peer) = (stage.phone("15550000001"), stage.phone("15550000002"));
    let id = stage.linked(&own).await;
    stage.simulator.add_fault(Fault::new(FaultKind::Undecryptable).number("15550000001")).unwrap();
    let message_id = peer.send("15550000001", "twice").await.unwrap();
    let told = stage.told(id, EventKind::MessageUndecryptable, 1).await.pop();
    let Some(EventData::MessageUndecryptable(told)) = told else { panic!("{told:?}") };
    assert_eq!((told.message_id.as_str(), told.from_me), (message_id.as_str(), false));
    let (_, told) = stage.received(id, 1).await.remove(0);
    assert_eq!((told.message_id.as_str(), told.text.as_deref()), (message_id.as_str(), Some("twice")));
    let message = stage.message(id, &message_id).await;
    assert_eq!((message.kind, message.text.as_deref()), (MessageKind::Text, Some("twice")));
    assert!(!message.raw.is_empty());
    peer.send("15550000001", "once").await.unwrap();
    assert_eq!(stage.received(id, 2).await.len(), 2, "each is told once");
}

#[tokio::test(start_paused = true)]
async fn a_device_that_could_not_read_a_message_of_ours_gets_it_again_from_what_is_stored() {
    let stage = Stage::new().await;
    let (own, peer) = (stage.phone("15550000001"), stage.phone("15550000002"));
    let id = stage.linked(&own).await;
    stage.send(id, &peer, "first").await.unwrap();
    stage.simulator.add_fault(Fault::new(FaultKind::Undecryptable).number("15550000002").device(0)).unwrap();
    let sent = stage.send(id, &peer, "once more").await.unwrap();
    let inbox = peer
        .wait_for_inbox(|inbox| inbox.iter().any(|entry| entry.text.as_deref() == Some("once more")))
        .await;
    assert_eq!(inbox.iter().filter(|entry| entry.id == sent.id.as_str()).count(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_question_for_events_is_answered_by_the_message_that_comes() {
    let stage = Stage::new().await;
    let (own, peer) = (stage.phone("15550000001"), stage.phone("15550000002"));
    let id = stage.linked(&own).await;
    let last = stage.events(id, &[]).await.pop().unwrap().seq;
    let (events, caller) = (stage.services.events.clone(), stage.caller);
    let query = storage::EventQuery {
        start: storage::EventStart::AfterSeq(last),
        kinds: vec![EventKind::MessageReceived],
        limit: 10,
    };
    let asking =
        tokio::spawn(async move { events.events(&caller, id, &query, services::MAX_WAIT).await.unwrap() });
    let message_id = peer.send("15550000001", "ring").await.unwrap();
    let page = asking.await.unwrap();
    let EventData::MessageReceived(told) = &page.events[0].data else { panic!("{page:?}") };
    assert_eq!((told.message_id.as_str(), page.events.len()), (message_id.as_str(), 1));
}
