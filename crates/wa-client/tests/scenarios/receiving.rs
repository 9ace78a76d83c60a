//! What waits, what comes twice, what can't be read, and what must not be acknowledged.

use wa_client::{Cause, Event, Undecryptable, UndecryptableReason};
use wa_simulator::{Addressing, Fault, FaultKind, Outgoing, Phone};

use crate::stage::{Companion, Stage, messages_of, nothing_waits, texts_of};

async fn cast() -> (Stage, Phone, Phone, Companion) {
    let stage = Stage::faithful().await;
    let (alice, bob) = (stage.phone("15550000001"), stage.phone("15550000002"));
    let companion = stage.companion(&alice).await;
    (stage, alice, bob, companion)
}

/// One message each way, so that both sides know that the other has the session.
async fn get_acquainted(companion: &Companion, alice: &Phone, bob: &Phone) {
    bob.send(alice.number(), "sound").await.unwrap();
    companion.diary.messages(1).await;
    companion.send(bob.jid(), "sound").await;
    bob.wait_for_inbox(|inbox| inbox.len() == 1).await;
}

fn many(to: &Phone, count: usize) -> Outgoing {
    Outgoing { count, ..Outgoing::text(to.number(), "text {n}") }
}

fn expected(count: usize) -> Vec<String> {
    (1..=count).map(|n| format!("text {n}")).collect()
}

/// What could not be read, but for status posts.
fn undecryptable(events: &[Event]) -> Vec<Undecryptable> {
    let of = |event: &Event| match event {
        Event::Undecryptable(event) if event.reason != UndecryptableReason::Broadcast => {
            Some((**event).clone())
        }
        _ => None,
    };
    events.iter().filter_map(of).collect()
}

#[tokio::test(start_paused = true)]
async fn a_backlog_arrives_whole_and_in_order() {
    let (stage, alice, bob, companion) = cast().await;
    companion
        .diary
        .wait_for(|events| events.iter().any(|event| matches!(event, Event::OfflineDone { .. })))
        .await;
    let store = companion.stop().await;
    bob.send_all(many(&alice, 500)).await.unwrap();
    let companion = stage.start(store);
    let messages = companion.diary.messages(500).await;
    let texts = texts_of(&messages);
    assert_eq!(texts, expected(500));
    assert!(messages.iter().all(|message| message.info.offline));
    let done = |event: &Event| matches!(event, Event::OfflineDone { count } if *count >= 500);
    companion.diary.wait_for(|events| events.iter().any(done)).await;
    nothing_waits(&alice).await;
}

#[tokio::test(start_paused = true)]
async fn a_damaged_message_is_asked_for_and_comes_again() {
    let (stage, alice, bob, companion) = cast().await;
    get_acquainted(&companion, &alice, &bob).await;
    stage.fault_for(&alice, FaultKind::Undecryptable);
    let id = bob.send(alice.number(), "damaged").await.unwrap();
    assert_eq!(companion.diary.texts(2).await, ["sound", "damaged"]);
    let told = undecryptable(&companion.diary.events());
    assert_eq!(told.len(), 1);
    assert_eq!((told[0].info.id.as_str(), told[0].retries), (id.as_str(), 1));
    nothing_waits(&alice).await;
    assert_eq!(bob.outbox().last().unwrap().resent, 1);
}

#[tokio::test(start_paused = true)]
async fn a_message_that_stays_damaged_is_asked_for_five_times() {
    let (stage, alice, bob, companion) = cast().await;
    get_acquainted(&companion, &alice, &bob).await;
    let kind = FaultKind::Undecryptable;
    stage.sim.add_fault(Fault::new(kind).number(alice.number()).times(50)).unwrap();
    bob.send(alice.number(), "hopeless").await.unwrap();
    let events = companion.diary.wait_for(|events| undecryptable(events).len() >= 6).await;
    let retries: Vec<_> = undecryptable(&events).iter().map(|event| event.retries).collect();
    assert_eq!(retries, [1, 2, 3, 4, 5, 0]);
    nothing_waits(&alice).await;
    stage.sim.clear_faults();
    bob.send(alice.number(), "sound again").await.unwrap();
    assert_eq!(companion.diary.texts(2).await.last().unwrap(), "sound again");
}

#[tokio::test(start_paused = true)]
async fn a_lost_session_is_made_anew() {
    let (stage, alice, bob, companion) = cast().await;
    bob.send(alice.number(), "one").await.unwrap();
    companion.diary.messages(1).await;
    // Answering settles the session, so that its owner no longer introduces themself in each message.
    companion.send(bob.jid(), "two").await;
    bob.wait_for_inbox(|inbox| inbox.len() == 1).await;
    bob.send(alice.number(), "settled").await.unwrap();
    companion.diary.messages(2).await;
    nothing_waits(&alice).await;
    let store = companion.stop().await;
    let address = wa_store::DeviceAddress::from(&bob.lid());
    let sessions = vec![(address, None)];
    store.commit(wa_store::Changes { sessions, ..Default::default() }).await.unwrap();
    let companion = stage.start(store);
    companion.online().await;
    bob.send(alice.number(), "three").await.unwrap();
    let has_third = |events: &[Event]| texts_of(&messages_of(events)).contains(&"three".to_owned());
    companion.diary.wait_for(has_third).await;
    assert_eq!(undecryptable(&companion.diary.events())[0].reason, UndecryptableReason::NoSession);
}

#[tokio::test(start_paused = true)]
async fn a_message_that_comes_twice_is_told_once() {
    let (stage, alice, bob, companion) = cast().await;
    bob.send(alice.number(), "one").await.unwrap();
    companion.diary.messages(1).await;
    stage.fault_for(&alice, FaultKind::Duplicate);
    bob.send(alice.number(), "two").await.unwrap();
    bob.send(alice.number(), "three").await.unwrap();
    assert_eq!(companion.diary.texts(3).await, ["one", "two", "three"]);
    nothing_waits(&alice).await;
    assert_eq!(messages_of(&companion.diary.events()).len(), 3);
    assert_eq!(undecryptable(&companion.diary.events()), []);
}

#[tokio::test(start_paused = true)]
async fn messages_out_of_order_are_all_read() {
    let (stage, alice, bob, companion) = cast().await;
    bob.send(alice.number(), "first").await.unwrap();
    companion.diary.messages(1).await;
    let kind = FaultKind::Reorder { window: 20 };
    stage.sim.add_fault(Fault::new(kind).number(alice.number()).times(20)).unwrap();
    bob.send_all(many(&alice, 20)).await.unwrap();
    let mut texts = companion.diary.texts(21).await.split_off(1);
    assert_ne!(texts, expected(20));
    texts.sort_by_key(|text| text.trim_start_matches("text ").parse::<usize>().unwrap());
    assert_eq!(texts, expected(20));
    assert_eq!(undecryptable(&companion.diary.events()), []);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_acknowledged_that_the_handler_refused() {
    let (_stage, alice, bob, companion) = cast().await;
    companion.diary.refuse_messages(2);
    bob.send(alice.number(), "precious").await.unwrap();
    assert_eq!(companion.disconnected().await, Cause::HandlerFailed);
    assert!(alice.devices()[0].waiting > 0);
    assert_eq!(companion.diary.texts(1).await, ["precious"]);
    assert_eq!(companion.diary.refused(), 2);
    nothing_waits(&alice).await;
    // The session has not lost its step.
    bob.send(alice.number(), "next").await.unwrap();
    assert_eq!(companion.diary.texts(2).await, ["precious", "next"]);
    companion.send(bob.jid(), "got both").await;
    bob.wait_for_inbox(|inbox| inbox.len() == 1).await;
    assert_eq!(undecryptable(&companion.diary.events()), []);
}

#[tokio::test(start_paused = true)]
async fn phones_that_write_to_the_number_are_understood() {
    let (_stage, alice, bob, companion) = cast().await;
    for (addressing, text) in [(Addressing::Pn, "one"), (Addressing::Lid, "two"), (Addressing::Pn, "three")] {
        let outgoing = Outgoing { addressing: Some(addressing), ..Outgoing::text(alice.number(), text) };
        bob.send_all(outgoing).await.unwrap();
    }
    let messages = companion.diary.messages(3).await;
    for message in &messages {
        assert_eq!(
            (message.info.chat_pn.clone(), message.info.chat_lid.clone()),
            (Some(bob.jid()), Some(bob.lid()))
        );
    }
    companion.send(bob.jid(), "all read").await;
    assert_eq!(bob.wait_for_inbox(|inbox| inbox.len() == 1).await[0].text.as_deref(), Some("all read"));
    assert_eq!(undecryptable(&companion.diary.events()), []);
}
