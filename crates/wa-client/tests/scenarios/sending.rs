//! Sends that are refused, lost, cut off, or asked for again.

use std::time::Duration;

use tokio::time::{Instant, sleep};
use wa_client::{Outgoing, SendError};
use wa_simulator::{BundleFault, Fault, FaultKind, Moment, Phone};

use crate::stage::{Companion, Stage};

async fn cast() -> (Stage, Phone, Phone, Companion) {
    let stage = Stage::new().await;
    let (alice, bob) = (stage.phone("15550000001"), stage.phone("15550000002"));
    let companion = stage.companion(&alice).await;
    (stage, alice, bob, companion)
}

#[tokio::test(start_paused = true)]
async fn a_refusal_is_told_with_its_code() {
    let (stage, alice, bob, companion) = cast().await;
    stage.fault_for(&alice, FaultKind::RefuseSend { error: 479 });
    let refused = companion.client.send(Outgoing::text(bob.jid(), "no")).await;
    assert_eq!(refused, Err(SendError::Refused { code: 479 }));
    companion.send(bob.jid(), "yes").await;
}

#[tokio::test(start_paused = true)]
async fn without_an_ack_the_outcome_is_unknown_and_a_repeat_is_shown_once() {
    let (stage, alice, bob, companion) = cast().await;
    let away = stage.sim.add_fault(Fault::new(FaultKind::Backlog).number(bob.number()).device(0)).unwrap();
    stage.fault_for(&alice, FaultKind::NoAck);
    let message = Outgoing::text(bob.jid(), "perhaps");
    let start = Instant::now();
    let outcome = companion.client.send(message.clone()).await;
    assert!(outcome.as_ref().is_err_and(SendError::outcome_unknown), "{outcome:?}");
    assert!(start.elapsed() >= Duration::from_secs(75));
    companion.client.send(message).await.unwrap();
    stage.sim.clear_fault(away.id).unwrap();
    let inbox = bob.wait_for_inbox(|inbox| inbox.iter().any(|entry| entry.repeats == 1)).await;
    assert_eq!(inbox.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_lost_ack_is_made_up_for_by_the_receipt_of_the_recipient() {
    let (stage, alice, bob, companion) = cast().await;
    stage.fault_for(&alice, FaultKind::NoAck);
    let start = Instant::now();
    let ack = companion.client.send(Outgoing::text(bob.jid(), "there")).await.unwrap();
    assert!(ack.timestamp > 0);
    assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_ends_leaves_the_outcome_unknown() {
    for when in [Moment::Send, Moment::Sent] {
        let (stage, alice, bob, companion) = cast().await;
        companion.send(bob.jid(), "before").await;
        stage.fault_for(&alice, FaultKind::Drop { when });
        let message = Outgoing::text(bob.jid(), "in between");
        assert_eq!(companion.client.send(message.clone()).await, Err(SendError::Unacknowledged));
        companion.online().await;
        companion.client.send(message).await.unwrap();
        let inbox = bob.wait_for_inbox(|inbox| inbox.len() == 2).await;
        assert_eq!(inbox[1].text.as_deref(), Some("in between"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_foreign_hash_makes_the_devices_be_asked_again() {
    let (stage, alice, bob, companion) = cast().await;
    companion.send(bob.jid(), "one").await;
    let asked = stage.seen("xmlns=\"usync\"");
    companion.send(bob.jid(), "two").await;
    assert_eq!(stage.seen("xmlns=\"usync\""), asked);
    stage.fault_for(&alice, FaultKind::WrongPhash);
    companion.send(bob.jid(), "three").await;
    companion.send(bob.jid(), "four").await;
    assert!(stage.seen("xmlns=\"usync\"") > asked);
}

#[tokio::test(start_paused = true)]
async fn a_new_device_of_the_recipient_is_reached() {
    let (stage, _alice, bob, companion) = cast().await;
    companion.send(bob.jid(), "to the phone").await;
    let late = stage.companion(&bob).await;
    companion.send(bob.jid(), "to both").await;
    assert_eq!(late.diary.texts(1).await, ["to both"]);
    bob.unlink(1).unwrap();
    late.stopped().await;
    companion.send(bob.jid(), "to the phone again").await;
    bob.wait_for_inbox(|inbox| inbox.len() == 3).await;
}

#[tokio::test(start_paused = true)]
async fn a_recipient_without_one_time_keys_is_reached_all_the_same() {
    let (stage, _alice, bob, companion) = cast().await;
    stage.sim.add_fault(Fault::new(FaultKind::EmptyPrekeys).number(bob.number()).device(0)).unwrap();
    companion.send(bob.jid(), "hello").await;
    bob.wait_for_inbox(|inbox| inbox.len() == 1).await;
}

#[tokio::test(start_paused = true)]
async fn what_the_recipient_cannot_read_is_sent_again() {
    let (stage, alice, bob, companion) = cast().await;
    companion.send(bob.jid(), "sound").await;
    bob.wait_for_inbox(|inbox| inbox.len() == 1).await;
    bob.send(alice.number(), "so is this").await.unwrap();
    companion.diary.messages(1).await;
    let damage = Fault::new(FaultKind::Undecryptable).number(bob.number()).device(0);
    stage.sim.add_fault(damage).unwrap();
    let id = companion.send(bob.jid(), "damaged").await;
    let inbox = bob.wait_for_inbox(|inbox| inbox.len() == 2).await;
    assert_eq!((inbox[1].text.as_deref(), inbox[1].id.as_str()), (Some("damaged"), id.as_str()));
    assert_eq!(bob.undecryptable(), 1);
    companion.send(bob.jid(), "and on").await;
    bob.wait_for_inbox(|inbox| inbox.len() == 3).await;
}

#[tokio::test(start_paused = true)]
async fn a_retry_is_answered_after_a_restart_in_good_order() {
    let (stage, _alice, bob, companion) = cast().await;
    companion.send(bob.jid(), "sound").await;
    bob.wait_for_inbox(|inbox| inbox.len() == 1).await;
    let hold = stage.sim.add_fault(Fault::new(FaultKind::Backlog).number(bob.number()).device(0)).unwrap();
    let damage = Fault::new(FaultKind::Undecryptable).number(bob.number()).device(0);
    stage.sim.add_fault(damage).unwrap();
    companion.send(bob.jid(), "kept for a retry").await;
    let companion = stage.start(companion.stop().await);
    companion.online().await;
    stage.sim.clear_fault(hold.id).unwrap();
    let inbox = bob.wait_for_inbox(|inbox| inbox.len() == 2).await;
    assert_eq!(inbox[1].text.as_deref(), Some("kept for a retry"));
}

#[tokio::test(start_paused = true)]
async fn a_companion_that_cannot_read_asks_and_gets_it_again() {
    let (stage, _alice, bob, companion) = cast().await;
    let reader = stage.companion(&bob).await;
    companion.send(bob.jid(), "sound").await;
    reader.diary.messages(1).await;
    let damage = Fault::new(FaultKind::Undecryptable).number(bob.number()).device(1).times(3);
    stage.sim.add_fault(damage).unwrap();
    companion.send(bob.jid(), "damaged three times").await;
    assert_eq!(reader.diary.texts(2).await, ["sound", "damaged three times"]);
}

/// The phone's bundle is bad, so nobody can be reached; with a sound one the next try works.
async fn refused_bundle(what: BundleFault) {
    let (stage, _alice, bob, companion) = cast().await;
    let fault =
        stage.sim.add_fault(Fault::new(FaultKind::Bundle { what }).number(bob.number()).device(0).times(1));
    fault.unwrap();
    let refused = companion.client.send(Outgoing::text(bob.jid(), "no")).await;
    // The own phone gets its copy in any case, the recipient nothing.
    sleep(Duration::from_secs(5)).await;
    assert_eq!(bob.inbox(), [], "{what:?}: {refused:?}");
    assert_eq!(refused, Err(SendError::NoDevice), "{what:?}");
    companion.send(bob.jid(), "yes").await;
    bob.wait_for_inbox(|inbox| inbox.len() == 1).await;
}

macro_rules! refused_bundles {
    ($($name:ident: $fault:ident,)*) => {$(
        #[tokio::test(start_paused = true)]
        async fn $name() {
            refused_bundle(BundleFault::$fault).await;
        }
    )*};
}

refused_bundles! {
    a_signed_prekey_with_a_wrong_signature_is_refused: Signature,
    a_signed_prekey_signature_of_63_bytes_is_refused: SignatureLength,
    an_identity_key_of_31_bytes_is_refused: IdentityLength,
    a_registration_id_of_3_bytes_is_refused: RegistrationLength,
    a_signed_prekey_of_33_bytes_is_refused: SignedPrekeyLength,
    a_one_time_prekey_of_31_bytes_is_refused: PrekeyLength,
    a_prekey_id_of_4_bytes_is_refused: PrekeyIdLength,
    a_key_type_other_than_5_is_refused: KeyType,
    a_bundle_that_the_server_refuses_is_left_out: Refused,
}

#[tokio::test(start_paused = true)]
async fn a_companion_that_its_account_did_not_sign_gets_nothing() {
    let (stage, _alice, bob, companion) = cast().await;
    let reader = stage.companion(&bob).await;
    let what = BundleFault::DeviceIdentity;
    stage.sim.add_fault(Fault::new(FaultKind::Bundle { what }).number(bob.number()).device(1)).unwrap();
    companion.send(bob.jid(), "for the genuine").await;
    bob.wait_for_inbox(|inbox| inbox.len() == 1).await;
    companion.send(bob.jid(), "for both").await;
    assert_eq!(reader.diary.texts(1).await, ["for both"]);
}
