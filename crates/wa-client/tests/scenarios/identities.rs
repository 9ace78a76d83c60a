//! Phones that are set up anew, devices that come and go, and devices in Meta's cloud.

use std::time::Duration;

use wa_client::{Event, UndecryptableReason};
use wa_simulator::{Fault, FaultKind, Phone};

use crate::stage::{Companion, Stage, patiently, texts_of};

async fn cast() -> (Stage, Phone, Phone, Companion) {
    let stage = Stage::faithful().await;
    let (alice, bob) = (stage.phone("15550000001"), stage.phone("15550000002"));
    let companion = stage.companion(&alice).await;
    (stage, alice, bob, companion)
}

/// Waits until the companion has taken in that a user's devices have changed, for the so manieth time.
async fn told_of_devices(stage: &Stage, times: usize) {
    let is_told = || {
        let acknowledged = |xml: &str| xml.contains("<ack") && xml.contains("type=\"devices\"");
        stage.sim.trace(None).iter().filter(|entry| acknowledged(&entry.xml)).count() >= times
    };
    let waiting = async {
        while !is_told() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    patiently(waiting).await;
}

fn is_change(event: &Event, phone: &Phone) -> bool {
    matches!(event, Event::IdentityChanged { pn, lid } if *pn == Some(phone.jid()) && *lid == Some(phone.lid()))
}

fn changes(companion: &Companion, phone: &Phone) -> usize {
    companion.diary.events().iter().filter(|event| is_change(event, phone)).count()
}

async fn changed(companion: &Companion, phone: &Phone) {
    companion.diary.wait_for(|events| events.iter().any(|event| is_change(event, phone))).await;
}

#[tokio::test(start_paused = true)]
async fn a_contact_with_a_new_phone_is_told_once_and_reached() {
    let (_stage, alice, bob, companion) = cast().await;
    companion.send(bob.jid(), "to the old phone").await;
    patiently(bob.wait_for_inbox(|inbox| inbox.len() == 1)).await;
    bob.reinstall(true);
    changed(&companion, &bob).await;
    companion.send(bob.jid(), "to the new phone").await;
    patiently(bob.wait_for_inbox(|inbox| inbox.len() == 2)).await;
    bob.send(alice.number(), "from the new phone").await.unwrap();
    companion.diary.messages(1).await;
    assert_eq!((bob.undecryptable(), changes(&companion, &bob)), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn somebody_who_was_never_written_to_has_no_identity_that_could_change() {
    let (_stage, alice, bob, companion) = cast().await;
    companion.client.resolve(&[bob.number().to_owned()]).await.unwrap();
    bob.reinstall(true);
    bob.send(alice.number(), "hello").await.unwrap();
    companion.diary.messages(1).await;
    assert_eq!(changes(&companion, &bob), 0);
}

#[tokio::test(start_paused = true)]
async fn a_new_phone_that_the_server_says_nothing_of_shows_when_it_asks_again() {
    let (_stage, _alice, bob, companion) = cast().await;
    companion.send(bob.jid(), "to the old phone").await;
    patiently(bob.wait_for_inbox(|inbox| inbox.len() == 1)).await;
    bob.reinstall(false);
    companion.send(bob.jid(), "to the new phone").await;
    changed(&companion, &bob).await;
    let inbox = patiently(bob.wait_for_inbox(|inbox| inbox.len() == 2)).await;
    assert_eq!(inbox[1].text.as_deref(), Some("to the new phone"));
}

#[tokio::test(start_paused = true)]
async fn a_new_phone_that_the_server_says_nothing_of_shows_when_it_writes() {
    let (_stage, alice, bob, companion) = cast().await;
    companion.send(bob.jid(), "to the old phone").await;
    patiently(bob.wait_for_inbox(|inbox| inbox.len() == 1)).await;
    bob.reinstall(false);
    bob.send(alice.number(), "from the new phone").await.unwrap();
    let messages = companion.diary.messages(1).await;
    assert_eq!(texts_of(&messages), ["from the new phone"]);
    let events = companion.diary.events();
    let told = events.iter().position(|event| is_change(event, &bob)).expect("the change is told");
    let message = events.iter().position(|event| matches!(event, Event::Message(_))).unwrap();
    assert!(told < message, "the change comes before what the new phone says");
}

#[tokio::test(start_paused = true)]
async fn what_waits_for_a_phone_reaches_the_one_that_takes_its_place() {
    let (stage, _alice, bob, companion) = cast().await;
    companion.send(bob.jid(), "to the old phone").await;
    patiently(bob.wait_for_inbox(|inbox| inbox.len() == 1)).await;
    let off = stage.sim.add_fault(Fault::new(FaultKind::Backlog).number(bob.number()).device(0)).unwrap();
    companion.send(bob.jid(), "while it is off").await;
    bob.reinstall(true);
    stage.sim.clear_fault(off.id).unwrap();
    let inbox = patiently(bob.wait_for_inbox(|inbox| inbox.len() == 2)).await;
    assert_eq!(inbox[1].text.as_deref(), Some("while it is off"));
    changed(&companion, &bob).await;
}

#[tokio::test(start_paused = true)]
async fn a_change_that_was_recorded_is_not_told_again_after_a_restart() {
    let (stage, _alice, bob, companion) = cast().await;
    companion.send(bob.jid(), "to the old phone").await;
    patiently(bob.wait_for_inbox(|inbox| inbox.len() == 1)).await;
    bob.reinstall(false);
    companion.send(bob.jid(), "to the new phone").await;
    changed(&companion, &bob).await;
    let companion = stage.start(companion.stop().await);
    companion.online().await;
    companion.send(bob.jid(), "and on").await;
    patiently(bob.wait_for_inbox(|inbox| inbox.len() == 3)).await;
    assert_eq!(changes(&companion, &bob), 0, "it was recorded");
}

#[tokio::test(start_paused = true)]
async fn devices_that_come_and_go_in_the_middle_of_a_conversation_get_what_is_theirs() {
    let (stage, alice, bob, companion) = cast().await;
    companion.send(bob.jid(), "to the phone").await;
    let tablet = bob.play_companion().unwrap();
    told_of_devices(&stage, 1).await;
    companion.send(bob.jid(), "to both").await;
    let inbox = patiently(bob.wait_for_inbox_of(tablet, |inbox| inbox.len() == 1)).await.unwrap();
    assert_eq!(inbox[0].text.as_deref(), Some("to both"));
    bob.send_from(tablet, alice.number(), "from the tablet").await.unwrap();
    let message = companion.diary.messages(1).await.pop().unwrap();
    assert_eq!(message.info.sender, bob.lid().with_device(tablet));
    bob.unlink(tablet).unwrap();
    told_of_devices(&stage, 2).await;
    companion.send(bob.jid(), "to the phone again").await;
    patiently(bob.wait_for_inbox(|inbox| inbox.len() == 4)).await;
    assert_eq!(changes(&companion, &bob), 0);
}

#[tokio::test(start_paused = true)]
async fn an_own_device_that_is_linked_later_gets_copies() {
    let (stage, alice, bob, companion) = cast().await;
    companion.send(bob.jid(), "before").await;
    let tablet = alice.play_companion().unwrap();
    told_of_devices(&stage, 1).await;
    companion.send(bob.jid(), "after").await;
    let inbox = patiently(alice.wait_for_inbox_of(tablet, |inbox| inbox.len() == 1)).await.unwrap();
    assert!(inbox[0].from_me && inbox[0].text.as_deref() == Some("after"));
    alice.send_from(tablet, bob.number(), "from the tablet").await.unwrap();
    let message = companion.diary.messages(1).await.pop().unwrap();
    assert!(message.info.from_me && message.info.chat == bob.lid());
}

#[tokio::test(start_paused = true)]
async fn a_device_in_the_cloud_takes_part_in_the_conversation() {
    let (stage, alice, bob, companion) = cast().await;
    let cloud = bob.play_cloud().unwrap();
    companion.send(bob.jid(), "to phone and cloud").await;
    let inbox = patiently(bob.wait_for_inbox_of(cloud, |inbox| inbox.len() == 1)).await.unwrap();
    assert_eq!(inbox[0].text.as_deref(), Some("to phone and cloud"));
    bob.send_from(cloud, alice.number(), "from the cloud").await.unwrap();
    companion.send(bob.jid(), "and back").await;
    patiently(bob.wait_for_inbox_of(cloud, |inbox| inbox.len() == 2)).await.unwrap();
    let message = companion.diary.messages(1).await.pop().unwrap();
    assert_eq!((message.text(), &message.info.chat), (Some("from the cloud"), &bob.lid()));
    assert_eq!(message.info.sender, bob.lid().with_device(cloud));
    assert_eq!(stage.seen("type=\"retry\""), 0, "one session serves both directions");
}

#[tokio::test(start_paused = true)]
async fn a_device_in_the_cloud_may_write_first_and_ask_again() {
    let (stage, alice, bob, companion) = cast().await;
    let cloud = bob.play_cloud().unwrap();
    bob.send_from(cloud, alice.number(), "hello").await.unwrap();
    companion.diary.messages(1).await;
    let damage = Fault::new(FaultKind::Undecryptable).number(bob.number()).device(cloud).times(2);
    stage.sim.add_fault(damage).unwrap();
    companion.send(bob.jid(), "damaged twice").await;
    let inbox = patiently(bob.wait_for_inbox_of(cloud, |inbox| inbox.len() == 1)).await.unwrap();
    assert_eq!(inbox[0].text.as_deref(), Some("damaged twice"));
}

#[tokio::test(start_paused = true)]
async fn an_own_device_in_the_cloud_is_an_own_device() {
    let (_stage, alice, bob, companion) = cast().await;
    let cloud = alice.play_cloud().unwrap();
    companion.send(bob.jid(), "with a copy").await;
    let inbox = patiently(alice.wait_for_inbox_of(cloud, |inbox| inbox.len() == 1)).await.unwrap();
    assert!(inbox[0].from_me && inbox[0].text.as_deref() == Some("with a copy"));
    alice.send_from(cloud, bob.number(), "from the cloud").await.unwrap();
    let message = companion.diary.messages(1).await.pop().unwrap();
    assert!(message.info.from_me && message.info.chat == bob.lid());
}

#[tokio::test(start_paused = true)]
async fn an_old_list_of_companions_that_is_played_again_is_refused() {
    let (stage, alice, bob, companion) = cast().await;
    let tablet = bob.play_companion().unwrap();
    companion.send(bob.jid(), "to both").await;
    let inbox = patiently(bob.wait_for_inbox_of(tablet, |inbox| inbox.len() == 1)).await.unwrap();
    assert_eq!(inbox[0].text.as_deref(), Some("to both"));
    tokio::time::sleep(Duration::from_secs(2)).await;
    bob.unlink(tablet).unwrap();
    told_of_devices(&stage, 1).await;
    // Also by a process that has just begun.
    let store = companion.stop().await;
    let companion = stage.start(store);
    companion.online().await;
    let device = bob.lid().with_device(tablet).to_string();
    let addressed = || {
        let sent = stage.sim.trace(Some(alice.number())).into_iter().map(|entry| entry.xml);
        let sent = sent.filter(|xml| xml.starts_with("<message") && xml.contains("<participants>"));
        sent.filter(|xml| xml.contains(&device)).count()
    };
    let before = addressed();
    stage.sim.add_fault(Fault::new(FaultKind::OldDeviceList).number(alice.number()).times(9)).unwrap();
    companion.send(bob.jid(), "shown the old list").await;
    patiently(bob.wait_for_inbox(|inbox| inbox.len() == 2)).await;
    assert!(stage.sim.faults()[0].1.count < Some(9), "it was shown");
    assert_eq!(addressed(), before, "nothing was encrypted for it");
}

#[tokio::test(start_paused = true)]
async fn an_old_list_of_own_companions_is_refused_too() {
    let (stage, alice, bob, companion) = cast().await;
    let tablet = alice.play_companion().unwrap();
    told_of_devices(&stage, 1).await;
    companion.send(bob.jid(), "with a copy").await;
    patiently(alice.wait_for_inbox_of(tablet, |inbox| inbox.len() == 1)).await.unwrap();
    tokio::time::sleep(Duration::from_secs(2)).await;
    alice.unlink(tablet).unwrap();
    told_of_devices(&stage, 2).await;
    let device = alice.lid().with_device(tablet).to_string();
    let addressed = || stage.seen(&format!("<to jid=\"{device}\""));
    let before = addressed();
    stage.sim.add_fault(Fault::new(FaultKind::OldDeviceList).number(alice.number()).times(9)).unwrap();
    companion.send(bob.jid(), "shown the old list").await;
    patiently(bob.wait_for_inbox(|inbox| inbox.len() == 2)).await;
    assert!(stage.sim.faults()[0].1.count < Some(9), "it was shown");
    assert_eq!(addressed(), before, "nothing was encrypted for it");
}

#[tokio::test(start_paused = true)]
async fn a_companion_that_writes_first_is_believed_once_its_phone_is_known() {
    let (_stage, alice, bob, companion) = cast().await;
    companion.send(bob.jid(), "to the old phone").await;
    patiently(bob.wait_for_inbox(|inbox| inbox.len() == 1)).await;
    bob.reinstall(false);
    let tablet = bob.play_companion().unwrap();
    bob.send_from(tablet, alice.number(), "from the new tablet").await.unwrap();
    let messages = companion.diary.messages(1).await;
    assert_eq!(texts_of(&messages), ["from the new tablet"]);
    let refused = |event: &Event| matches!(event, Event::Undecryptable(told) if told.reason == UndecryptableReason::Untrusted);
    assert!(companion.diary.events().iter().any(refused));
    assert_eq!(changes(&companion, &bob), 1);
}
