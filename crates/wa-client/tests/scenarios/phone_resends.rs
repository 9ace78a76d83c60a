//! What can't be read is asked for from the own phone, until it arrives (PROTOCOL.md 11.7).

use std::time::Duration;

use tokio::time::sleep;
use wa_client::{Event, UndecryptableReason};
use wa_simulator::{Addressing, Fault, FaultKind, Phone};

use crate::stage::{Companion, Stage, nothing_waits, texts_of};

async fn cast() -> (Stage, Phone, Phone, Companion) {
    let stage = Stage::faithful().await;
    let (alice, bob) = (stage.phone("15550000001"), stage.phone("15550000002"));
    let companion = stage.companion(&alice).await;
    bob.send(alice.number(), "sound").await.unwrap();
    companion.diary.messages(1).await;
    (stage, alice, bob, companion)
}

fn empty(unavailable: Option<&str>) -> FaultKind {
    FaultKind::Empty { unavailable: unavailable.map(str::to_owned) }
}

fn damaged(alice: &Phone, count: u32) -> Fault {
    Fault::new(FaultKind::Undecryptable).number(alice.number()).times(count)
}

fn reasons(events: &[Event]) -> Vec<UndecryptableReason> {
    let of = |event: &Event| match event {
        // Statuses come whenever they like.
        Event::Undecryptable(told) if told.reason != UndecryptableReason::Broadcast => Some(told.reason),
        _ => None,
    };
    events.iter().filter_map(of).collect()
}

/// How often the phone was asked: the requests that the server took.
fn asked(stage: &Stage) -> usize {
    stage.seen("push_priority=\"high\"")
}

#[tokio::test(start_paused = true)]
async fn what_came_empty_is_had_from_the_phone_at_once() {
    let (stage, alice, bob, companion) = cast().await;
    for unavailable in [None, Some(""), Some("ads")] {
        stage.fault_for(&alice, empty(unavailable));
    }
    let ids = [
        bob.send(alice.number(), "from an ad").await.unwrap(),
        bob.send(alice.number(), "and another").await.unwrap(),
        alice.send(bob.number(), "from the phone").await.unwrap(),
    ];
    let messages = companion.diary.messages(4).await.split_off(1);
    assert_eq!(texts_of(&messages), ["from an ad", "and another", "from the phone"]);
    assert_eq!(messages.iter().map(|message| message.info.id.as_str()).collect::<Vec<_>>(), ids);
    for message in &messages {
        assert_eq!(message.info.chat, bob.lid());
    }
    assert_eq!(messages.iter().map(|message| message.info.from_me).collect::<Vec<_>>(), [false, false, true]);
    use UndecryptableReason::{Empty, Unavailable};
    assert_eq!(reasons(&companion.diary.events()), [Empty, Unavailable, Unavailable]);
    nothing_waits(&alice).await;
}

#[tokio::test(start_paused = true)]
async fn what_came_empty_in_a_group_is_had_from_the_phone_by_who_wrote_it() {
    let (stage, alice, bob, companion) = cast().await;
    let group = alice.create_group("Tea", &[bob.number()], Addressing::Lid).unwrap();
    stage.fault_for(&alice, empty(None));
    let id = bob.send(&group, "from an ad").await.unwrap();
    let messages = companion.diary.messages(2).await.split_off(1);
    assert_eq!(texts_of(&messages), ["from an ad"]);
    let info = &messages[0].info;
    assert_eq!((info.id.as_str(), info.chat.to_string()), (&*id, group));
    assert_eq!(info.sender_lid, Some(bob.lid()));
    assert_eq!(asked(&stage), 1);
    nothing_waits(&alice).await;
}

#[tokio::test(start_paused = true)]
async fn what_the_phone_keeps_for_itself_is_told_and_not_asked_for() {
    let (stage, alice, bob, companion) = cast().await;
    for kind in ["view_once", "bot", "hosted_unavailable_fanout"] {
        stage.fault_for(&alice, empty(Some(kind)));
        bob.send(alice.number(), kind).await.unwrap();
    }
    let told = companion.diary.wait_for(|events| reasons(events).len() == 3).await;
    assert_eq!(reasons(&told), [UndecryptableReason::Unavailable; 3]);
    sleep(Duration::from_secs(3600)).await;
    assert_eq!(asked(&stage), 0);
    nothing_waits(&alice).await;
}

#[tokio::test(start_paused = true)]
async fn what_stays_damaged_is_had_from_the_phone() {
    let (stage, alice, bob, companion) = cast().await;
    stage.sim.add_fault(damaged(&alice, 6)).unwrap();
    let id = bob.send(alice.number(), "hopeless").await.unwrap();
    let messages = companion.diary.messages(2).await;
    assert_eq!((messages[1].text(), messages[1].info.id.as_str()), (Some("hopeless"), id.as_str()));
    assert_eq!(asked(&stage), 1);
    nothing_waits(&alice).await;
    bob.send(alice.number(), "sound again").await.unwrap();
    assert_eq!(companion.diary.texts(3).await[2], "sound again");
}

#[tokio::test(start_paused = true)]
async fn what_its_sender_sends_again_is_not_asked_for() {
    let (stage, alice, bob, companion) = cast().await;
    stage.sim.add_fault(damaged(&alice, 1)).unwrap();
    bob.send(alice.number(), "damaged once").await.unwrap();
    companion.diary.messages(2).await;
    sleep(Duration::from_secs(3600)).await;
    assert_eq!(asked(&stage), 0);
    assert_eq!(companion.store.missed().await.unwrap(), []);
}

#[tokio::test(start_paused = true)]
async fn a_phone_that_is_switched_off_is_asked_again_and_a_restart_forgets_nothing() {
    let (stage, alice, bob, companion) = cast().await;
    let off = Fault::new(FaultKind::Backlog).number(alice.number()).device(0);
    let off = stage.sim.add_fault(off).unwrap().id;
    stage.fault_for(&alice, empty(None));
    bob.send(alice.number(), "from an ad").await.unwrap();
    companion.diary.wait_for(|events| reasons(events).len() == 1).await;
    sleep(Duration::from_secs(1200)).await;
    assert_eq!(asked(&stage), 3, "at once, after one minute and after ten");
    let store = companion.stop().await;
    assert_eq!(store.missed().await.unwrap().len(), 1);
    stage.sim.clear_fault(off).unwrap();
    let companion = stage.start(store);
    assert_eq!(companion.diary.texts(1).await, ["from an ad"]);
    nothing_waits(&alice).await;
    sleep(Duration::from_secs(2 * 86_400)).await;
    assert_eq!(companion.diary.messages(1).await.len(), 1, "told once");
    assert_eq!(companion.store.missed().await.unwrap(), []);
}

#[tokio::test(start_paused = true)]
async fn a_phone_without_session_is_asked_through_a_new_one() {
    let (stage, alice, bob, companion) = cast().await;
    let store = companion.stop().await;
    let sessions = vec![(wa_store::DeviceAddress::from(&alice.lid()), None)];
    store.commit(wa_store::Changes { sessions, ..Default::default() }).await.unwrap();
    let companion = stage.start(store);
    companion.online().await;
    stage.fault_for(&alice, empty(None));
    bob.send(alice.number(), "from an ad").await.unwrap();
    let is_it = |event: &Event| matches!(event, Event::Message(told) if told.text() == Some("from an ad"));
    companion.diary.wait_for(|events| events.iter().any(is_it)).await;
}
