//! One person, one chat, under whichever name they are written to; and one clock for all that is in it.

use services::{ChatQuery, ConflictCause, OnLimit, Progress, SendText, Sent, ServiceError};
use storage::{EventKind, InstanceId, Message, MessageStatus};
use wa_simulator::{Phone, TimeLock};

use crate::stage::Stage;

async fn send(stage: &Stage, id: InstanceId, to: &str, text: &str) -> Sent {
    let send = SendText {
        phone: to.to_owned(),
        message: text.to_owned(),
        idempotency_key: None,
        on_limit: Default::default(),
    };
    stage.services.messages.send_text(&stage.caller, id, send).await.unwrap()
}

async fn history(stage: &Stage, id: InstanceId, chat: &str) -> Vec<Message> {
    let query = ChatQuery { chat: chat.to_owned(), start: None, end: None, limit: 50, skip: 0, before: None };
    stage.services.events.messages(&stage.caller, id, query).await.unwrap().items
}

/// Every event of these kinds names the person by both addresses.
async fn check_names(stage: &Stage, id: InstanceId, person: &Phone, kinds: &[EventKind]) {
    let (pn, lid) = (person.jid().to_string(), person.lid().to_string());
    for event in stage.events(id, kinds).await {
        let chat = event.chat.clone().unwrap();
        let names = (chat.jid.as_str(), chat.pn.as_deref(), chat.lid.as_deref());
        assert_eq!(names, (pn.as_str(), Some(pn.as_str()), Some(lid.as_str())), "{:?}", event.kind());
    }
}

#[tokio::test(start_paused = true)]
async fn a_number_that_is_written_differently_leads_to_the_account_that_has_it() {
    for (own, typed) in [("551155550100", "+55 11 95555-0100"), ("15550000777", "15550000778")] {
        let stage = Stage::new().await;
        let (alice, other) = (stage.phone("15550000001"), stage.phone(own));
        if own.starts_with('1') {
            other.add_aliases(&[typed]).unwrap();
        }
        let id = stage.linked(&alice).await;
        let sent = send(&stage, id, typed, "hello").await;
        assert_eq!(sent.chat, Some(other.jid().to_string()));
        other.wait_for_inbox(|inbox| inbox.len() == 1).await;
        other.send("15550000001", "hello yourself").await.unwrap();
        stage.received(id, 1).await;
        stage.until_status(id, &sent.id, MessageStatus::Delivered).await;
        for name in [typed, own, &other.lid().to_string()] {
            assert_eq!(history(&stage, id, name).await.len(), 2, "{name}");
        }
        let kinds = [EventKind::MessageSent, EventKind::MessageStatus, EventKind::MessageReceived];
        check_names(&stage, id, &other, &kinds).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_message_that_was_held_is_in_the_chat_of_whom_it_reached() {
    let stage = Stage::new().await;
    let (alice, bob) = (stage.phone("15550000001"), stage.phone("551155550100"));
    let id = stage.linked(&alice).await;
    let until = stage.now() + 3_600;
    alice.set_time_lock(Some(TimeLock { until: Some(until), kind: "WEB_COMPANION_ONLY".into() }));
    stage.told(id, EventKind::LimitsChanged, 1).await;
    let typed = "+55 11 95555-0100";
    let hold = SendText {
        phone: typed.to_owned(),
        message: "held".to_owned(),
        idempotency_key: None,
        on_limit: OnLimit::Hold,
    };
    let held = stage.services.messages.send_text(&stage.caller, id, hold).await.unwrap();
    assert!(matches!(held.progress, Progress::Held { .. }), "{held:?}");
    bob.wait_for_inbox(|inbox| inbox.len() == 1).await;
    // What comes back is about that chat.
    stage.until_status(id, &held.id, MessageStatus::Delivered).await;
    bob.send("15550000001", "thanks").await.unwrap();
    stage.received(id, 1).await;
    for name in [typed, bob.number(), &bob.lid().to_string()] {
        assert_eq!(history(&stage, id, name).await.len(), 2, "{name}");
    }
    check_names(&stage, id, &bob, &[EventKind::MessageSent, EventKind::MessageStatus]).await;
}

#[tokio::test(start_paused = true)]
async fn a_key_that_comes_again_with_another_spelling_of_the_number_is_answered_by_the_first() {
    let stage = Stage::new().await;
    let (alice, bob) = (stage.phone("15550000001"), stage.phone("551155550100"));
    let id = stage.linked(&alice).await;
    let keyed = async |to: &str, text: &str| {
        let send = SendText {
            phone: to.to_owned(),
            message: text.to_owned(),
            idempotency_key: Some("order 7".replace(' ', "-")),
            on_limit: Default::default(),
        };
        stage.services.messages.send_text(&stage.caller, id, send).await
    };
    let first = keyed("+55 11 95555-0100", "hello").await.unwrap();
    for spelling in ["5511955550100", "551155550100", "+55 (11) 5555-0100", &bob.lid().to_string()] {
        let again = keyed(spelling, "hello").await.unwrap();
        assert!(again.replayed && again.id == first.id, "{spelling}: {again:?}");
    }
    for (to, text) in [("551155550100", "goodbye"), ("15550000001", "hello")] {
        let refused = keyed(to, text).await.unwrap_err();
        let reused =
            matches!(refused, ServiceError::Conflict { cause: ConflictCause::IdempotencyKeyReused, .. });
        assert!(reused, "{refused:?}");
    }
    assert_eq!(bob.wait_for_inbox(|inbox| !inbox.is_empty()).await.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_first_contact_by_lid_is_told_under_the_number() {
    let stage = Stage::new().await;
    let (alice, bob) = (stage.phone("15550000001"), stage.phone("15550000002"));
    let id = stage.linked(&alice).await;
    let sent = send(&stage, id, &bob.lid().to_string(), "hello").await;
    assert_eq!(sent.chat, Some(bob.jid().to_string()));
    stage.until_status(id, &sent.id, MessageStatus::Delivered).await;
    check_names(&stage, id, &bob, &[EventKind::MessageSent, EventKind::MessageStatus]).await;
    assert_eq!(history(&stage, id, "15550000002").await.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_chat_keeps_its_order_whatever_the_own_clock_says() {
    for offset in [-5_000, 0, 5_000] {
        let stage = Stage::new().await;
        stage.simulator.set_clock_offset(offset);
        let (alice, bob) = (stage.phone("15550000001"), stage.phone("15550000002"));
        let id = stage.linked(&alice).await;
        let mut said = Vec::new();
        for turn in 1..=3 {
            let sent = send(&stage, id, "15550000002", &format!("question {turn}")).await;
            stage.until_status(id, &sent.id, MessageStatus::Delivered).await;
            tokio::time::sleep(std::time::Duration::from_millis(1_200)).await;
            bob.send("15550000001", &format!("answer {turn}")).await.unwrap();
            stage.received(id, turn).await;
            tokio::time::sleep(std::time::Duration::from_millis(300)).await;
            said.extend([format!("question {turn}"), format!("answer {turn}")]);
        }
        let found = history(&stage, id, "15550000002").await;
        let texts: Vec<_> = found.into_iter().rev().filter_map(|message| message.text).collect();
        assert_eq!(texts, said, "{offset}");
    }
}
