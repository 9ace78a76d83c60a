//! Chats in which messages disappear: what is written there says so, too.

use wa_client::content::Draft;
use wa_client::{Outgoing, proto};
use wa_simulator::{Fault, FaultKind, InboxEntry, Phone, Say};

use crate::stage::{Companion, Stage, nothing_waits, patiently};

const DAY: u32 = 24 * 60 * 60;

async fn cast() -> (Stage, Phone, Phone, Companion) {
    let stage = Stage::faithful().await;
    let (alice, bob) = (stage.phone("15550000001"), stage.phone("15550000002"));
    let companion = stage.companion(&alice).await;
    (stage, alice, bob, companion)
}

/// What the phone shows as the `count`-th message.
async fn shown(phone: &Phone, count: usize) -> InboxEntry {
    patiently(phone.wait_for_inbox(|inbox| inbox.len() >= count)).await.swap_remove(count - 1)
}

#[tokio::test(start_paused = true)]
async fn a_timer_that_is_set_is_kept_to_until_it_is_switched_off() {
    let (stage, alice, bob, companion) = cast().await;
    companion.send(bob.jid(), "stays").await;
    assert_eq!(shown(&bob, 1).await.expiration, None);
    bob.say(alice.number(), Say::Timer(DAY)).await.unwrap();
    companion.diary.messages(1).await;
    companion.send(bob.jid(), "disappears").await;
    let entry = shown(&bob, 2).await;
    assert_eq!((entry.text.as_deref(), entry.expiration), (Some("disappears"), Some(DAY)));
    // The copy for the own phone, after the text and what set the timer.
    assert_eq!(shown(&alice, 3).await.expiration, Some(DAY));
    nothing_waits(&alice).await;

    let companion = stage.start(companion.stop().await);
    companion.online().await;
    companion.send(bob.lid(), "after a restart").await;
    assert_eq!(shown(&bob, 3).await.expiration, Some(DAY));
    let carol = stage.phone("15550000003");
    companion.send(carol.jid(), "in another chat").await;
    assert_eq!(shown(&carol, 1).await.expiration, None);

    alice.say(bob.number(), Say::Timer(0)).await.unwrap();
    companion.diary.messages(1).await;
    companion.send(bob.jid(), "stays again").await;
    // After what has switched it off.
    let entry = shown(&bob, 5).await;
    assert_eq!((entry.text.as_deref(), entry.expiration), (Some("stays again"), None));
    nothing_waits(&alice).await;
    let companion = stage.start(companion.stop().await);
    companion.online().await;
    companion.send(bob.jid(), "and after a restart").await;
    assert_eq!(shown(&bob, 6).await.expiration, None);
}

#[tokio::test(start_paused = true)]
async fn a_timer_from_before_the_companion_was_linked_is_learned_from_what_is_written() {
    let stage = Stage::faithful().await;
    let (alice, bob) = (stage.phone("15550000001"), stage.phone("15550000002"));
    alice.say(bob.number(), Say::Timer(7 * DAY)).await.unwrap();
    shown(&bob, 1).await;
    let companion = stage.companion(&alice).await;
    bob.send(alice.number(), "disappears").await.unwrap();
    assert_eq!(companion.diary.messages(1).await[0].content.view().expiration(), Some(7 * DAY));
    companion.send(bob.jid(), "so does this").await;
    assert_eq!(shown(&bob, 2).await.expiration, Some(7 * DAY));
}

#[tokio::test(start_paused = true)]
async fn what_says_itself_when_it_disappears_and_what_never_does_is_left_alone() {
    let (_stage, alice, bob, companion) = cast().await;
    bob.say(alice.number(), Say::Timer(DAY)).await.unwrap();
    companion.diary.messages(1).await;
    let own = Outgoing::new(bob.jid(), Draft::text("in an hour").expiring(3600));
    companion.client.send(own).await.unwrap();
    assert_eq!(shown(&bob, 1).await.expiration, Some(3600));
    let place = proto::LocationMessage { name: Some("here".into()), ..Default::default() };
    let place = proto::Message { location_message: Some(Box::new(place)), ..Default::default() };
    let place = Draft::from_raw(prost::Message::encode_to_vec(&place)).unwrap();
    companion.client.send(Outgoing::new(bob.jid(), place)).await.unwrap();
    assert_eq!(shown(&bob, 2).await.kind, "location");
}

#[tokio::test(start_paused = true)]
async fn what_is_sent_again_disappears_too() {
    let (stage, alice, bob, companion) = cast().await;
    bob.say(alice.number(), Say::Timer(DAY)).await.unwrap();
    companion.diary.messages(1).await;
    stage.sim.add_fault(Fault::new(FaultKind::Undecryptable).number(bob.number()).device(0)).unwrap();
    companion.send(bob.jid(), "damaged at first").await;
    let entry = shown(&bob, 1).await;
    assert_eq!((entry.text.as_deref(), entry.expiration), (Some("damaged at first"), Some(DAY)));
    assert_eq!(bob.undecryptable(), 1);
}
