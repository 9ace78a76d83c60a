//! Codes to scan are delivered while they are good, and never after.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use storage::{Delivery, EventData, NewEvent, QrData, Settlement, Webhook};

use crate::fixture::{Fixture, connected, eager, now};
use crate::receiver::{Call, Receiver, until};

/// Long enough that nothing which waits for it comes within a test.
const AN_HOUR: u64 = 3_600_000;

fn code(attempt: u32, good_for: i64) -> NewEvent {
    let expires_at = Some(now().plus_millis(good_for).millis());
    NewEvent::new(None, EventData::QrReceived(QrData { code: attempt.to_string(), attempt, expires_at }))
}

fn told(calls: &[Call]) -> Vec<String> {
    let told = |call: &Call| match call.json() {
        json if json["event"] == "qr_received" => {
            json["data"]["qrCode"].to_string().trim_matches('"').to_owned()
        }
        json => json["event"].as_str().expect("a name").to_owned(),
    };
    calls.iter().map(told).collect()
}

#[tokio::test]
async fn a_code_is_tried_again_within_seconds_whatever_the_settings_say() {
    let receiver = Receiver::start().await;
    receiver.answer(|call| if call.attempt() == 1 { 500.into() } else { 200.into() });
    let fixture = Fixture::new(Webhook { retry_interval: AN_HOUR, ..eager(&receiver.url()) }).await;
    fixture.record_events([code(1, 60_000)]).await;
    assert_eq!(told(&receiver.wait_for(2).await), ["1", "1"]);
    fixture.until_settled().await;
}

#[tokio::test]
async fn a_newer_code_replaces_one_that_waits_for_another_try() {
    let receiver = Receiver::start().await;
    let fails = Arc::new(AtomicBool::new(true));
    let failing = Arc::clone(&fails);
    receiver.answer(move |_| if failing.load(Ordering::SeqCst) { 500.into() } else { 200.into() });
    let fixture = Fixture::new(Webhook { retry_interval: AN_HOUR, ..eager(&receiver.url()) }).await;
    fixture.record_events([code(1, 60_000)]).await;
    until("a row", || async { (fixture.pending().await.len() == 1).then_some(()) }).await;
    fails.store(false, Ordering::SeqCst);
    let before = receiver.calls().len();
    fixture.record_events([code(2, 60_000), connected()]).await;
    fixture.until_settled().await;
    let after = told(&receiver.calls()[before..]);
    assert_eq!(after.last().map(String::as_str), Some("connected"), "{after:?}");
    assert!(!after.contains(&"1".to_owned()), "the first one was replaced: {after:?}");
    assert!(fixture.dead().await.is_empty());
}

#[tokio::test]
async fn a_code_that_has_run_out_is_neither_called_for_nor_a_dead_letter_and_holds_up_nothing() {
    let receiver = Receiver::start().await;
    let fixture = Fixture::new(eager(&receiver.url())).await;
    fixture.record_events([code(1, -1), connected()]).await;
    fixture.until_settled().await;
    assert_eq!(told(&receiver.calls()), ["connected"]);
    assert!(fixture.dead().await.is_empty() && fixture.pending().await.is_empty());
}

#[tokio::test]
async fn a_code_that_runs_out_while_the_receiver_fails_is_dropped() {
    let receiver = Receiver::start().await;
    receiver.answer(|_| 500.into());
    let fixture = Fixture::new(eager(&receiver.url())).await;
    fixture.record_events([code(1, 1_500)]).await;
    fixture.until_settled().await;
    assert!(fixture.dead().await.is_empty(), "dropped, although there were retries left");
    assert!(!receiver.calls().is_empty());
}

/// The process that knew of the newer one is gone.
#[tokio::test]
async fn a_code_that_was_replaced_is_not_told_after_a_restart_either() {
    let receiver = Receiver::start().await;
    receiver.answer(|_| 500.into());
    let mut fixture = Fixture::new(Webhook { retry_interval: AN_HOUR, ..eager(&receiver.url()) }).await;
    fixture.record_events([code(1, 60_000)]).await;
    until("a row", || async { (fixture.pending().await.len() == 1).then_some(()) }).await;
    fixture.stop().await;
    fixture.record_events([code(2, 60_000)]).await;
    // It died when it had stored the second one behind the first.
    let [first] = &fixture.pending().await[..] else { panic!("one row") };
    let second = Delivery { seq: first.seq + 1, attempts: 0, ..first.clone() };
    let settlement = Settlement::new(fixture.consumer(), fixture.epoch);
    let settlement = Settlement { cursor: Some(second.seq), put: vec![second], ..settlement };
    fixture.storage.settle(vec![settlement]).await.unwrap();
    let before = receiver.calls().len();
    receiver.answer(|_| 200.into());
    fixture.restart().await;
    fixture.until_settled().await;
    assert_eq!(told(&receiver.calls()[before..]), ["2"]);
}
