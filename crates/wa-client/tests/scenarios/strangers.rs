//! A server that claims that somebody else has a part in a conversation gets nothing to read.

use std::time::Duration;

use tokio::time::sleep;
use wa_client::Event;
use wa_simulator::{Fault, FaultKind, Impostor, Phone};

use crate::stage::{Companion, Stage};

async fn cast() -> (Stage, Phone, Phone, Companion) {
    let stage = Stage::new().await;
    let (alice, bob) = (stage.phone("15550000001"), stage.phone("15550000002"));
    let companion = stage.companion(&alice).await;
    (stage, alice, bob, companion)
}

/// Claims it after a message has left, and before the next one does.
async fn claims(what: Impostor) -> (Stage, Companion) {
    let (stage, alice, bob, companion) = cast().await;
    let id = companion.send(bob.jid(), "a secret").await;
    alice.impersonate(1, what, bob.number(), &id).unwrap();
    sleep(Duration::from_secs(10)).await;
    assert_eq!(stage.sim.stolen(), [], "{what:?}: the message that was sent");
    // The request was answered, so that it doesn't come again for ever.
    assert!(alice.devices()[0].connected && alice.devices()[0].waiting == 0, "{what:?}");
    (stage, companion)
}

macro_rules! strangers {
    ($($name:ident: $what:ident,)*) => {$(
        #[tokio::test(start_paused = true)]
        async fn $name() {
            let (stage, companion) = claims(Impostor::$what).await;
            let bob = stage.sim.phone("15550000002").unwrap();
            companion.send(bob.jid(), "another").await;
            sleep(Duration::from_secs(10)).await;
            assert_eq!(stage.sim.stolen(), [], "what was sent afterwards");
            bob.wait_for_inbox(|inbox| inbox.len() == 2).await;
        }
    )*};
}

strangers! {
    a_participant_means_nothing_between_two_people: Participant,
    a_companion_that_nobody_vouches_for_gets_nothing: Companion,
    a_companion_that_is_not_listed_gets_nothing: UnlistedCompanion,
    a_companion_that_another_account_vouches_for_gets_nothing: ForgedCompanion,
    a_cloud_device_that_another_account_vouches_for_gets_nothing: Hosted,
    a_member_of_a_group_gets_nothing_of_other_chats: Group,
    a_reader_of_a_status_gets_nothing_of_other_chats: Broadcast,
    an_own_companion_that_the_own_account_did_not_sign_gets_nothing: OwnCompanion,
    an_own_phone_with_another_identity_gets_nothing: OwnPhone,
    a_number_with_an_agent_is_not_that_number: Agent,
    the_older_form_of_a_number_gets_nothing: Legacy,
}

#[tokio::test(start_paused = true)]
async fn a_number_that_moves_to_a_stranger_takes_no_message_along() {
    claims(Impostor::Pair).await;
}

fn is_change(event: &Event, phone: &Phone) -> bool {
    matches!(event, Event::IdentityChanged { pn, lid } if *pn == Some(phone.jid()) && *lid == Some(phone.lid()))
}

#[tokio::test(start_paused = true)]
async fn what_has_arrived_is_not_encrypted_for_a_new_identity() {
    let (stage, alice, bob, companion) = cast().await;
    let id = companion.send(bob.jid(), "a secret").await;
    companion.diary.receipts(|receipt| receipt.ids.iter().any(|known| known.as_str() == id)).await;
    alice.impersonate(1, Impostor::Phone, bob.number(), &id).unwrap();
    sleep(Duration::from_secs(10)).await;
    assert_eq!(stage.sim.stolen(), []);
    companion.send(bob.jid(), "another").await;
    bob.wait_for_inbox(|inbox| inbox.len() == 2).await;
    assert_eq!(stage.sim.stolen(), []);
}

#[tokio::test(start_paused = true)]
async fn what_has_not_arrived_goes_to_a_new_identity_which_is_told() {
    let (stage, alice, bob, companion) = cast().await;
    companion.send(bob.jid(), "to the old phone").await;
    bob.wait_for_inbox(|inbox| inbox.len() == 1).await;
    stage.sim.add_fault(Fault::new(FaultKind::Backlog).number(bob.number()).device(0)).unwrap();
    let id = companion.send(bob.jid(), "on its way").await;
    alice.impersonate(1, Impostor::Phone, bob.number(), &id).unwrap();
    companion.diary.wait_for(|events| events.iter().any(|event| is_change(event, &bob))).await;
    sleep(Duration::from_secs(10)).await;
    let read: Vec<_> = stage.sim.stolen().into_iter().map(|stolen| stolen.text.unwrap()).collect();
    assert_eq!(read, ["on its way"]);
}

#[tokio::test(start_paused = true)]
async fn one_message_is_sent_to_one_device_five_times_more_at_most() {
    let (stage, alice, bob, companion) = cast().await;
    stage.sim.add_fault(Fault::new(FaultKind::Backlog).number(bob.number()).device(0)).unwrap();
    let id = companion.send(bob.jid(), "again and again").await;
    for _ in 0..8 {
        alice.impersonate(1, Impostor::Phone, bob.number(), &id).unwrap();
        sleep(Duration::from_secs(10)).await;
    }
    assert_eq!(stage.sim.stolen().len(), 5);
}
