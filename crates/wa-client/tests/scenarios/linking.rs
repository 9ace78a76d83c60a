//! What a server says before pairing beside codes, and linking by a code that the phone enters.

use std::time::Duration;

use tokio::time::sleep;
use wa_client::{Cause, Client, Event, QrCode, RequestError, State};
use wa_simulator::{Behaviour, ControlError, FaultKind, Options, PairingStep, Simulator};

use crate::stage::{Companion, NOW, Stage};

const ALICE: &str = "15550000001";

fn field(qr: &QrCode, nth: usize) -> &str {
    qr.bare.split(',').nth(nth).unwrap()
}

/// The code that replaces this one.
async fn next_qr(companion: &Companion, before: &QrCode) -> QrCode {
    let is_new = |state: &State| matches!(state, State::Pairing { qr: Some(qr) } if qr != before);
    match companion.state(is_new).await {
        State::Pairing { qr: Some(qr) } => qr,
        other => panic!("{other:?}"),
    }
}

async fn code(client: &Client) -> String {
    client.pairing_code(ALICE).await.unwrap().code
}

#[tokio::test(start_paused = true)]
async fn a_retired_secret_is_replaced_in_the_code_that_is_shown() {
    let stage = Stage::new().await;
    let alice = stage.phone(ALICE);
    stage.fault_for(&alice, FaultKind::RegRefresh { rotate_qr: false });
    let companion = stage.unpaired();
    let before = companion.qr().await;
    sleep(Duration::from_secs(10)).await;
    assert_eq!(alice.scan(&before.text).await, Err(ControlError::RetiredSecret));
    let after = next_qr(&companion, &before).await;
    assert_eq!(field(&after, 0), field(&before, 0), "the same reference");
    assert_eq!(after.expires_at, before.expires_at, "for as long as before");
    assert_ne!(field(&after, 3), field(&before, 3), "another secret");
    let told = companion.diary.events();
    assert!(told.iter().any(|event| matches!(event, Event::Qr(qr) if *qr == after)));
    // The round goes on.
    let next = next_qr(&companion, &after).await;
    assert_ne!(field(&next, 0), field(&after, 0));
    assert_eq!(field(&next, 3), field(&after, 3));
    alice.scan(&next.text).await.unwrap();
    companion.online().await;
}

#[tokio::test(start_paused = true)]
async fn both_names_of_the_refresh_are_understood() {
    let stage = Stage::new().await;
    let alice = stage.phone(ALICE);
    stage.fault_for(&alice, FaultKind::RegRefresh { rotate_qr: true });
    let companion = stage.unpaired();
    let before = companion.qr().await;
    alice.scan(&before.text).await.unwrap_err();
    alice.scan(&next_qr(&companion, &before).await.text).await.unwrap();
    companion.online().await;
}

#[tokio::test(start_paused = true)]
async fn everything_that_an_unpaired_companion_is_told_is_acknowledged() {
    let clock = wa_simulator::Clock::starting_at(NOW);
    let behaviour = Behaviour { busy_pairing: true, ..Behaviour::default() };
    let options = Options { clock: Some(clock), behaviour, ..Options::default() };
    let stage = Stage { sim: Simulator::start(options).await.unwrap(), clock };
    let alice = stage.phone(ALICE);
    let companion = stage.unpaired();
    companion.qr().await;
    // Whoever owes an answer is sent away by then.
    sleep(Duration::from_secs(50)).await;
    assert_eq!(stage.seen("<pair-device>"), 1);
    companion.pair(&alice).await;
}

#[tokio::test(start_paused = true)]
async fn a_phone_links_by_the_code_that_is_shown() {
    let stage = Stage::new().await;
    let alice = stage.phone(ALICE);
    let companion = stage.unpaired();
    companion.qr().await;
    let code = companion.client.pairing_code("+1 555 000 0001").await.unwrap();
    assert_eq!((code.code.len(), code.code.find('-')), (9, Some(4)));
    alice.enter_code(&code.code).await.unwrap();
    companion.online().await;
    assert_eq!(alice.devices().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_code_outlives_the_qr_codes_beside_it() {
    let stage = Stage::new().await;
    let alice = stage.phone(ALICE);
    let companion = stage.unpaired();
    let before = companion.qr().await;
    let code = code(&companion.client).await;
    sleep(Duration::from_secs(90)).await;
    next_qr(&companion, &before).await;
    alice.enter_code(&code).await.unwrap();
    companion.online().await;
}

#[tokio::test(start_paused = true)]
async fn each_request_makes_a_new_code_and_the_last_one_counts() {
    let stage = Stage::new().await;
    let alice = stage.phone(ALICE);
    let companion = stage.unpaired();
    companion.qr().await;
    let first = code(&companion.client).await;
    let second = code(&companion.client).await;
    assert_ne!(first, second);
    assert_eq!(alice.enter_code(&first).await, Err(ControlError::WrongCode));
    alice.enter_code(&second).await.unwrap();
    companion.online().await;
}

#[tokio::test(start_paused = true)]
async fn the_secret_of_an_entered_code_survives_a_refresh() {
    let stage = Stage::new().await;
    let alice = stage.phone(ALICE);
    let companion = stage.unpaired();
    companion.qr().await;
    let code = code(&companion.client).await;
    stage.fault_for(&alice, FaultKind::RegRefresh { rotate_qr: false });
    alice.enter_code(&code).await.unwrap();
    assert_eq!(stage.seen("<companion_reg_refresh"), 1);
    companion.online().await;
}

#[tokio::test(start_paused = true)]
async fn no_code_is_made_for_what_is_no_number_or_has_no_account() {
    let stage = Stage::new().await;
    let companion = stage.unpaired();
    companion.qr().await;
    for number in ["", "0155500000", "123"] {
        let refused = companion.client.pairing_code(number).await;
        assert!(matches!(refused, Err(RequestError::Invalid(_))), "{number}: {refused:?}");
    }
    let refused = companion.client.pairing_code("15559999999").await;
    assert!(matches!(refused, Err(RequestError::Refused { .. })), "{refused:?}");
}

#[tokio::test(start_paused = true)]
async fn a_code_that_nobody_had_time_to_enter_is_asked_for_on_a_new_connection() {
    let stage = Stage::new().await;
    let alice = stage.phone(ALICE);
    let companion = stage.unpaired();
    companion.qr().await;
    sleep(Duration::from_secs(110)).await;
    let refused = companion.client.pairing_code(ALICE).await;
    assert!(matches!(refused, Err(RequestError::NotConnected { .. })), "{refused:?}");
    companion.qr().await;
    let code = code(&companion.client).await;
    alice.enter_code(&code).await.unwrap();
    companion.online().await;
}

#[tokio::test(start_paused = true)]
async fn a_companion_that_is_linked_has_no_use_for_a_code() {
    let stage = Stage::new().await;
    let alice = stage.phone(ALICE);
    let companion = stage.companion(&alice).await;
    let refused = companion.client.pairing_code(ALICE).await;
    assert!(matches!(refused, Err(RequestError::NotConnected { .. })), "{refused:?}");
}

#[tokio::test(start_paused = true)]
async fn what_the_phone_has_linked_is_not_forgotten_by_a_logout_before_the_login() {
    let stage = Stage::new().await;
    let alice = stage.phone(ALICE);
    let companion = stage.unpaired();
    let held = stage.fault_for(&alice, FaultKind::HoldPairing { before: PairingStep::Restart });
    alice.scan(&companion.qr().await.text).await.unwrap();
    let refused = companion.client.logout().await.unwrap_err();
    assert!(matches!(refused.0, RequestError::NotConnected { cause: Cause::Restart }), "{refused:?}");
    stage.sim.clear_fault(held).unwrap();
    companion.online().await;
    companion.client.logout().await.unwrap();
    assert!(alice.devices().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_logout_before_the_phone_is_answered_links_nobody() {
    let stage = Stage::new().await;
    let alice = stage.phone(ALICE);
    let companion = stage.unpaired();
    let qr = companion.qr().await;
    let held = stage.fault_for(&alice, FaultKind::HoldPairing { before: PairingStep::Success });
    let scan = tokio::spawn({
        let alice = alice.clone();
        async move { alice.scan(&qr.text).await }
    });
    sleep(Duration::from_secs(1)).await;
    companion.client.logout().await.unwrap();
    stage.sim.clear_fault(held).unwrap();
    assert_eq!(scan.await.unwrap(), Err(ControlError::CompanionGone));
    assert!(alice.devices().is_empty());
}
