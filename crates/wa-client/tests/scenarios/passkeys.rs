//! Accounts that are linked with a passkey only.

use std::time::Duration;

use tokio::time::sleep;
use wa_client::{Cause, PasskeyAssertion, PasskeyStep, RequestError, State};
use wa_simulator::{ControlError, Phone};

use crate::stage::{Companion, Stage};

const ALICE: &str = "15550000001";

async fn step(companion: &Companion, wanted: impl Fn(&PasskeyStep) -> bool) -> PasskeyStep {
    match companion.state(|state| matches!(state, State::Passkey(step) if wanted(step))).await {
        State::Passkey(step) => step,
        other => panic!("{other:?}"),
    }
}

async fn asked(companion: &Companion) -> String {
    match step(companion, |step| matches!(step, PasskeyStep::Asked { .. })).await {
        PasskeyStep::Asked { options } => options,
        other => panic!("{other:?}"),
    }
}

async fn compared(companion: &Companion) -> (String, bool) {
    match step(companion, |step| matches!(step, PasskeyStep::Compare { .. })).await {
        PasskeyStep::Compare { code, is_optional } => (code, is_optional),
        other => panic!("{other:?}"),
    }
}

/// What the phone's owner's authenticator makes of a request.
fn assertion(phone: &Phone, options: &str) -> PasskeyAssertion {
    use base64::Engine as _;
    let told = phone.assert_passkey(options).unwrap();
    let bytes = |text: &str| base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(text).unwrap();
    let part = |name: &str| bytes(told["response"][name].as_str().unwrap());
    PasskeyAssertion {
        credential_id: bytes(told["rawId"].as_str().unwrap()),
        client_data_json: part("clientDataJSON"),
        authenticator_data: part("authenticatorData"),
        signature: part("signature"),
        user_handle: None,
    }
}

async fn demanding(stage: &Stage) -> Phone {
    let alice = stage.phone(ALICE);
    alice.demand_passkey(true);
    alice
}

/// The phone scans, in the background.
async fn scan(alice: &Phone, companion: &Companion) -> tokio::task::JoinHandle<Result<u16, ControlError>> {
    let (alice, qr) = (alice.clone(), companion.qr().await);
    tokio::spawn(async move { alice.scan(&qr.text).await })
}

#[tokio::test(start_paused = true)]
async fn an_account_is_linked_with_its_passkey() {
    let stage = Stage::new().await;
    let alice = demanding(&stage).await;
    let companion = stage.unpaired();
    let scan = scan(&alice, &companion).await;
    let options = asked(&companion).await;
    assert!(options.contains("\"rpId\":\"whatsapp.com\""), "{options}");
    companion.client.answer_passkey(assertion(&alice, &options)).await.unwrap();
    let (code, is_optional) = compared(&companion).await;
    assert_eq!(alice.passkey_code().as_deref(), Some(code.replace('-', "").as_str()));
    assert!(is_optional, "the phone has scanned its code");
    assert!(alice.devices().is_empty(), "nothing is linked before somebody has compared");
    companion.client.confirm_passkey().await.unwrap();
    assert_eq!(scan.await.unwrap(), Ok(1));
    companion.online().await;
}

#[tokio::test(start_paused = true)]
async fn a_late_answer_is_taken_without_the_proof_of_the_scan() {
    let stage = Stage::new().await;
    let alice = demanding(&stage).await;
    let companion = stage.unpaired();
    let scan = scan(&alice, &companion).await;
    let options = asked(&companion).await;
    sleep(Duration::from_secs(400)).await;
    companion.client.answer_passkey(assertion(&alice, &options)).await.unwrap();
    let (_, is_optional) = compared(&companion).await;
    assert!(!is_optional);
    assert_eq!(stage.seen("<pairing_handoff_proof"), 0);
    companion.client.confirm_passkey().await.unwrap();
    scan.await.unwrap().unwrap();
    companion.online().await;
}

#[tokio::test(start_paused = true)]
async fn a_foreign_passkey_is_refused_and_the_right_one_still_taken() {
    let stage = Stage::new().await;
    let alice = demanding(&stage).await;
    let bob = stage.phone("15550000002");
    let companion = stage.unpaired();
    let scan = scan(&alice, &companion).await;
    let options = asked(&companion).await;
    let refused = companion.client.answer_passkey(assertion(&bob, &options)).await;
    assert!(matches!(refused, Err(RequestError::Refused { code: 403, .. })), "{refused:?}");
    let options = asked(&companion).await;
    companion.client.answer_passkey(assertion(&alice, &options)).await.unwrap();
    compared(&companion).await;
    companion.client.confirm_passkey().await.unwrap();
    scan.await.unwrap().unwrap();
    companion.online().await;
}

#[tokio::test(start_paused = true)]
async fn a_passkey_that_nobody_shows_ends_the_pairing() {
    let stage = Stage::new().await;
    let alice = demanding(&stage).await;
    let companion = stage.unpaired();
    let _scan = scan(&alice, &companion).await;
    asked(&companion).await;
    assert_eq!(companion.stopped().await, Cause::PasskeyRequired);
    companion.client.reconnect().await;
    companion.qr().await;
}

#[tokio::test(start_paused = true)]
async fn nothing_is_answered_or_confirmed_that_was_not_asked() {
    let stage = Stage::new().await;
    let alice = stage.phone(ALICE);
    let companion = stage.unpaired();
    companion.qr().await;
    let unasked = PasskeyAssertion {
        credential_id: vec![1],
        client_data_json: vec![2],
        authenticator_data: vec![3],
        signature: vec![4],
        user_handle: None,
    };
    let refused = companion.client.answer_passkey(unasked).await;
    assert!(matches!(refused, Err(RequestError::Invalid(_))), "{refused:?}");
    let refused = companion.client.confirm_passkey().await;
    assert!(matches!(refused, Err(RequestError::Invalid(_))), "{refused:?}");
    companion.pair(&alice).await;
}

#[tokio::test(start_paused = true)]
async fn an_account_with_a_passkey_is_linked_by_code_too() {
    let stage = Stage::new().await;
    let alice = demanding(&stage).await;
    let companion = stage.unpaired();
    companion.qr().await;
    let code = companion.client.pairing_code(ALICE).await.unwrap().code;
    let entering = tokio::spawn({
        let alice = alice.clone();
        async move { alice.enter_code(&code).await }
    });
    let options = asked(&companion).await;
    companion.client.answer_passkey(assertion(&alice, &options)).await.unwrap();
    compared(&companion).await;
    companion.client.confirm_passkey().await.unwrap();
    entering.await.unwrap().unwrap();
    companion.online().await;
}
