//! Codes and their time, and everything about a pairing that is refused.

use std::time::Duration;

use tokio::time::{Instant, sleep};
use wa_client::{Cause, Event, PairingFailure, State};
use wa_simulator::{CertificateFault, FaultKind, PairingFault};

use crate::stage::Stage;

#[tokio::test(start_paused = true)]
async fn a_phone_may_scan_the_bare_text() {
    let stage = Stage::new().await;
    let alice = stage.phone("15550000001");
    let companion = stage.unpaired();
    let qr = companion.qr().await;
    assert_eq!(qr.text, format!("https://wa.me/settings/linked_devices#{}", qr.bare));
    alice.scan(&qr.bare).await.unwrap();
    companion.online().await;
}

#[tokio::test(start_paused = true)]
async fn codes_last_a_minute_then_twenty_seconds_and_then_end() {
    let stage = Stage::new().await;
    let companion = stage.unpaired();
    companion.qr().await;
    let start = Instant::now();
    let mut states = companion.client.watch();
    let mut shown = vec![];
    loop {
        match states.borrow_and_update().clone() {
            State::Pairing { qr: Some(qr) } => shown.push((start.elapsed().as_secs(), qr.bare)),
            State::Stopped(cause) => {
                assert_eq!(cause, Cause::PairingTimedOut);
                break;
            }
            other => panic!("{other:?}"),
        }
        states.changed().await.unwrap();
    }
    let times: Vec<_> = shown.iter().map(|(time, _)| *time).collect();
    assert_eq!(times, [0, 60, 80, 100, 120, 140]);
    assert_eq!(start.elapsed().as_secs(), 160);
    let mut texts: Vec<_> = shown.into_iter().map(|(_, text)| text).collect();
    texts.dedup();
    assert_eq!(texts.len(), 6);
}

#[tokio::test(start_paused = true)]
async fn the_second_code_can_be_scanned_too() {
    let stage = Stage::new().await;
    let alice = stage.phone("15550000001");
    let companion = stage.unpaired();
    let first = companion.qr().await;
    sleep(Duration::from_secs(65)).await;
    let second = companion.qr().await;
    assert_ne!(first.bare, second.bare);
    alice.scan(&second.text).await.unwrap();
    companion.online().await;
}

#[tokio::test(start_paused = true)]
async fn after_the_codes_ran_out_a_reconnect_shows_new_ones() {
    let stage = Stage::new().await;
    let alice = stage.phone("15550000001");
    let companion = stage.unpaired();
    assert_eq!(companion.stopped().await, Cause::PairingTimedOut);
    companion.client.reconnect().await;
    companion.pair(&alice).await;
}

#[tokio::test(start_paused = true)]
async fn the_codes_of_a_restarted_companion_are_new() {
    let stage = Stage::new().await;
    let companion = stage.unpaired();
    let before = companion.qr().await;
    let again = stage.start(companion.stop().await);
    let after = again.qr().await;
    assert_ne!(before.bare.split(',').nth(3), after.bare.split(',').nth(3));
}

async fn refused_pairing(what: PairingFault) -> (Stage, PairingFailure) {
    let stage = Stage::new().await;
    let alice = stage.phone("15550000001");
    stage.fault(FaultKind::Pairing { what });
    let companion = stage.unpaired();
    let qr = companion.qr().await;
    let _ = alice.scan(&qr.text).await;
    let Cause::PairingFailed(failure) = companion.stopped().await else {
        panic!("{:?}", companion.client.state())
    };
    let told = companion.diary.events();
    assert!(told.iter().any(|event| matches!(event, Event::PairingFailed(told) if *told == failure)));
    assert!(!told.iter().any(|event| matches!(event, Event::Paired(_))));
    assert!(companion.store.device().await.unwrap().is_none_or(|device| device.jid.is_none()));
    (stage, failure)
}

#[tokio::test(start_paused = true)]
async fn a_wrong_hmac_is_refused_with_401() {
    let (stage, failure) = refused_pairing(PairingFault::Hmac).await;
    assert_eq!(failure, PairingFailure::HmacMismatch);
    assert_eq!(stage.seen("hmac-mismatch"), 1);
}

#[tokio::test(start_paused = true)]
async fn a_wrong_account_signature_is_refused_with_401() {
    let (stage, failure) = refused_pairing(PairingFault::AccountSignature).await;
    assert_eq!(failure, PairingFailure::SignatureMismatch);
    assert_eq!(stage.seen("signature-mismatch"), 1);
}

#[tokio::test(start_paused = true)]
async fn an_account_signature_of_63_bytes_is_refused() {
    let (_, failure) = refused_pairing(PairingFault::AccountSignatureLength).await;
    assert_eq!(failure, PairingFailure::SignatureMismatch);
}

#[tokio::test(start_paused = true)]
async fn an_account_key_of_33_bytes_is_refused() {
    let (stage, failure) = refused_pairing(PairingFault::AccountKeyLength).await;
    assert_eq!(failure, PairingFailure::Malformed);
    assert_eq!(stage.seen("internal-error"), 1);
}

#[tokio::test(start_paused = true)]
async fn a_container_that_is_no_protobuf_is_refused_with_500() {
    let (stage, failure) = refused_pairing(PairingFault::Container).await;
    assert_eq!(failure, PairingFailure::Malformed);
    assert_eq!(stage.seen("internal-error"), 1);
}

#[tokio::test(start_paused = true)]
async fn a_pairing_without_device_is_refused() {
    let (_, failure) = refused_pairing(PairingFault::MissingDevice).await;
    assert_eq!(failure, PairingFailure::Malformed);
}

/// The client refuses the server, tries again, and trusts the sound chain.
async fn refused_certificate(what: CertificateFault) {
    use CertificateFault::{IntermediateExpired, LeafExpired, LeafNotYetValid, LeafWithoutEnd};
    let stage = Stage::new().await;
    stage.fault(FaultKind::Certificate { what });
    let companion = stage.unpaired();
    // A chain that is genuine, but not valid now, says something about a clock.
    let cause = match what {
        IntermediateExpired | LeafExpired | LeafNotYetValid | LeafWithoutEnd => Cause::Clock,
        _ => Cause::Untrusted,
    };
    assert_eq!(companion.waiting().await, cause, "{what:?}");
    companion.qr().await;
}

macro_rules! refused_certificates {
    ($($name:ident: $fault:ident,)*) => {$(
        #[tokio::test(start_paused = true)]
        async fn $name() {
            refused_certificate(CertificateFault::$fault).await;
        }
    )*};
}

refused_certificates! {
    a_chain_that_the_root_did_not_sign_is_refused: RootSignature,
    a_leaf_that_the_intermediate_did_not_sign_is_refused: LeafSignature,
    a_certificate_signature_of_63_bytes_is_refused: SignatureLength,
    a_chain_without_intermediate_is_refused: MissingIntermediate,
    a_chain_without_leaf_is_refused: MissingLeaf,
    an_intermediate_of_another_issuer_is_refused: IntermediateIssuer,
    an_expired_intermediate_is_refused: IntermediateExpired,
    an_intermediate_key_of_31_bytes_is_refused: IntermediateKeyLength,
    a_leaf_of_another_issuer_is_refused: LeafIssuer,
    a_leaf_for_another_key_is_refused: LeafKey,
    an_expired_leaf_is_refused: LeafExpired,
    a_leaf_that_is_not_valid_yet_is_refused: LeafNotYetValid,
    a_leaf_without_end_is_refused: LeafWithoutEnd,
}

#[tokio::test(start_paused = true)]
async fn another_root_is_not_trusted() {
    let stage = Stage::new().await;
    let store = wa_client::Store::memory();
    let companion = stage.start_with(store, |builder| builder.trust_root(wa_client::TrustRoot::whatsapp()));
    assert_eq!(companion.waiting().await, Cause::Untrusted);
}
