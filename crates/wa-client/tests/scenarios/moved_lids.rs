//! Accounts that get another LID: the conversation goes on in the same sessions, and stays one.

use std::time::Duration;

use wa_client::{Event, Person};
use wa_simulator::Phone;

use crate::stage::{Companion, Stage, nothing_waits, patiently, texts_of};

/// Two who have written to each other.
async fn acquainted() -> (Stage, Phone, Phone, Companion) {
    let stage = Stage::undisturbed().await;
    let (alice, bob) = (stage.phone("15550000001"), stage.phone("15550000002"));
    let companion = stage.companion(&alice).await;
    companion.send(bob.jid(), "one").await;
    bob.send(alice.number(), "two").await.unwrap();
    companion.diary.messages(1).await;
    nothing_waits(&alice).await;
    (stage, alice, bob, companion)
}

/// The last message that alice's companion has sent.
fn last_sent(stage: &Stage) -> String {
    let mut sent = stage.sim.trace(Some("15550000001")).into_iter().map(|entry| entry.xml);
    let is_sent = |xml: &String| xml.starts_with("<message") && xml.contains("<participants>");
    sent.rfind(|xml| is_sent(xml) && !xml.contains("id=\"3A")).expect("something was sent")
}

fn is_told(companion: &Companion, phone: &Phone) -> bool {
    let is_pair = |event: &Event| matches!(event, Event::SamePerson { pn, lid } if *pn == phone.jid() && *lid == phone.lid());
    companion.diary.events().iter().any(is_pair)
}

/// Nobody had to start again, and nobody is taken for another.
fn no_session_was_lost(stage: &Stage, bob: &Phone, companion: &Companion) {
    assert_eq!((stage.seen("type=\"retry\""), bob.undecryptable()), (0, 0));
    assert!(!last_sent(stage).contains("type=\"pkmsg\""), "{}", last_sent(stage));
    let is_change = |event: &Event| matches!(event, Event::IdentityChanged { .. });
    assert!(!companion.diary.events().iter().any(is_change));
}

#[tokio::test(start_paused = true)]
async fn a_lid_that_has_changed_is_learned_from_the_servers_word() {
    let (stage, alice, bob, companion) = acquainted().await;
    let old = bob.lid();
    bob.move_lid();
    companion.send(bob.jid(), "to the LID that was").await;
    companion.send(bob.jid(), "to the LID that is").await;
    assert!(last_sent(&stage).contains(&format!("to=\"{}\"", bob.lid())), "{}", last_sent(&stage));
    companion.send(old.clone(), "under the name that was").await;
    assert!(last_sent(&stage).contains(&format!("to=\"{}\"", bob.lid())), "{}", last_sent(&stage));
    patiently(bob.wait_for_inbox(|inbox| inbox.len() == 4)).await;
    let person = Person { pn: Some(bob.jid()), lid: Some(bob.lid()) };
    for name in [old, bob.lid(), bob.jid()] {
        assert_eq!(companion.client.who_is(&name).await, Ok(person.clone()), "{name}");
    }
    nothing_waits(&alice).await;
    assert!(is_told(&companion, &bob));
    no_session_was_lost(&stage, &bob, &companion);
}

#[tokio::test(start_paused = true)]
async fn a_lid_that_has_changed_is_learned_from_whoever_has_it() {
    let (stage, alice, bob, companion) = acquainted().await;
    bob.move_lid();
    bob.send(alice.number(), "from the LID that is").await.unwrap();
    let message = companion.diary.messages(2).await.pop().unwrap();
    assert_eq!(message.text(), Some("from the LID that is"));
    assert_eq!((&message.info.chat, message.info.chat_pn.as_ref()), (&bob.lid(), Some(&bob.jid())));
    companion.send(bob.jid(), "and back").await;
    patiently(bob.wait_for_inbox(|inbox| inbox.len() == 2)).await;
    assert_eq!(stage.seen("refresh_lid"), 0, "the stale one was not tried");
    nothing_waits(&alice).await;
    assert!(is_told(&companion, &bob));
    no_session_was_lost(&stage, &bob, &companion);
}

#[tokio::test(start_paused = true)]
async fn a_change_of_lid_outlives_a_restart_and_another_change() {
    let (stage, alice, bob, companion) = acquainted().await;
    let first = bob.lid();
    for turn in 0..2 {
        bob.move_lid();
        companion.send(bob.jid(), "to the LID that was").await;
        companion.send(bob.jid(), "to the LID that is").await;
        patiently(bob.wait_for_inbox(|inbox| inbox.len() == 3 + 2 * turn)).await;
        nothing_waits(&alice).await;
    }
    let companion = stage.start(companion.stop().await);
    companion.online().await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    companion.send(first, "under the very first name").await;
    assert!(last_sent(&stage).contains(&format!("to=\"{}\"", bob.lid())), "{}", last_sent(&stage));
    bob.send(alice.number(), "and back").await.unwrap();
    assert_eq!(texts_of(&companion.diary.messages(1).await), ["and back"]);
    no_session_was_lost(&stage, &bob, &companion);
}
