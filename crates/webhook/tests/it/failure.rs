//! Retries, dead letters, replay.

use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};

use storage::{DeliveryState, Webhook};

use crate::fixture::{Fixture, eager, now};
use crate::receiver::{Answer, Body, Receiver, until};

#[tokio::test]
async fn a_failed_event_comes_again_with_the_same_id_and_bytes() {
    let receiver = Receiver::start().await;
    receiver.answer(|call| if call.attempt() < 4 { 503.into() } else { 204.into() });
    let fixture = Fixture::new(eager(&receiver.url())).await;
    fixture.record([("a", 1)]).await;
    fixture.until_settled().await;
    let calls = receiver.calls();
    assert_eq!(calls.iter().map(|call| call.attempt()).collect::<Vec<_>>(), [1, 2, 3, 4]);
    for call in &calls {
        assert_eq!(call.body, calls[0].body);
        assert_eq!(call.header("x-webhook-id"), calls[0].header("x-webhook-id"));
    }
}

#[tokio::test]
async fn used_up_retries_make_a_dead_letter_and_free_the_chat() {
    let receiver = Receiver::start().await;
    receiver.answer(|call| if call.n() == 1 { 400.into() } else { 200.into() });
    let settings = Webhook { max_retries: 2, ..eager(&receiver.url()) };
    let fixture = Fixture::new(settings).await;
    fixture.record([("a", 1), ("a", 2)]).await;
    fixture.until_settled().await;
    assert_eq!(receiver.ns(), [1, 1, 1, 2]);
    let [dead] = &fixture.dead().await[..] else { panic!("one dead letter") };
    assert_eq!(
        (dead.attempts, dead.status_code, dead.last_error.as_deref()),
        (3, Some(400), Some("HTTP 400"))
    );
}

#[tokio::test]
async fn without_retries_the_first_failure_is_a_dead_letter() {
    let receiver = Receiver::start().await;
    receiver.answer(|_| 500.into());
    let fixture = Fixture::new(Webhook { max_retries: 0, ..eager(&receiver.url()) }).await;
    fixture.record([("a", 1), ("a", 2), ("b", 3)]).await;
    fixture.until_settled().await;
    assert_eq!(receiver.calls().len(), 3);
    assert_eq!(fixture.dead().await.len(), 3);
}

#[tokio::test]
async fn dead_letters_are_replayed_one_or_all_in_order() {
    let receiver = Receiver::start().await;
    let status = Arc::new(AtomicU16::new(500));
    let answer = Arc::clone(&status);
    receiver.answer(move |_| answer.load(Ordering::SeqCst).into());
    let fixture = Fixture::new(Webhook { max_retries: 0, ..eager(&receiver.url()) }).await;
    fixture.record([("a", 1), ("a", 2), ("a", 3), ("b", 4)]).await;
    fixture.until_settled().await;
    let first = receiver.calls();
    status.store(200, Ordering::SeqCst);

    let letters = fixture
        .dispatcher
        .deliveries(
            fixture.owner,
            &fixture.consumer(),
            &storage::DeliveryQuery::first(DeliveryState::Dead, 2),
        )
        .await
        .unwrap();
    assert_eq!((letters.items.len(), letters.total), (2, 4));
    let (letter, event) = &letters.items[1];
    assert_eq!(event.as_ref().map(|event| event.seq), Some(letter.seq));
    let second = letter.seq;
    let replay = async |seqs: Option<Vec<i64>>| {
        fixture.dispatcher.replay(fixture.owner, &fixture.consumer(), seqs).await.unwrap()
    };
    assert_eq!(replay(Some(vec![second, 999])).await, 1);
    fixture.until_settled().await;
    assert_eq!(receiver.ns()[4..], [2]);

    assert_eq!(replay(None).await, 3);
    fixture.until_settled().await;
    assert!(fixture.dead().await.is_empty());
    let calls = receiver.calls();
    let of_a: Vec<_> = calls[5..].iter().map(|call| call.n()).filter(|n| *n != 4).collect();
    assert_eq!((of_a, calls.len()), (vec![1, 3], 8));
    let replay = calls.iter().rfind(|call| call.n() == 1).unwrap();
    assert_eq!((&replay.body, replay.attempt()), (&first.iter().find(|call| call.n() == 1).unwrap().body, 1));
}

#[tokio::test]
async fn another_users_dead_letters_do_not_exist() {
    let receiver = Receiver::start().await;
    let fixture = Fixture::new(eager(&receiver.url())).await;
    let stranger = storage::UserId::generate();
    let dispatcher = &fixture.dispatcher;
    let consumer = fixture.consumer();
    let query = storage::DeliveryQuery::first(DeliveryState::Dead, 10);
    assert!(dispatcher.deliveries(stranger, &consumer, &query).await.is_err());
    assert!(dispatcher.replay(stranger, &consumer, None).await.is_err());
}

#[tokio::test]
async fn retry_after_is_respected_for_a_quarter_of_an_hour_at_most() {
    for (asked, granted) in [("600", 600_000), ("86400", 900_000)] {
        let receiver = Receiver::start().await;
        receiver.answer(move |_| Answer { headers: vec![("retry-after", asked.to_owned())], ..429.into() });
        let fixture = Fixture::new(eager(&receiver.url())).await;
        let before = now();
        fixture.record([("a", 1)]).await;
        let due =
            until("a row", || async { fixture.pending().await.first().map(|row| row.next_attempt) }).await;
        assert!(due >= before.plus_millis(granted) && due <= now().plus_millis(granted), "{due}");
        assert_eq!(receiver.calls().len(), 1);
    }
}

#[tokio::test]
async fn redirects_are_failures_and_not_followed() {
    let receiver = Receiver::start().await;
    let elsewhere = Receiver::start().await;
    let location = elsewhere.url();
    receiver.answer(move |_| Answer { headers: vec![("location", location.clone())], ..307.into() });
    let fixture = Fixture::new(Webhook { max_retries: 0, ..eager(&receiver.url()) }).await;
    fixture.record([("a", 1)]).await;
    fixture.until_settled().await;
    assert_eq!(fixture.dead().await[0].status_code, Some(307));
    assert!(elsewhere.calls().is_empty());
}

#[tokio::test]
async fn an_endless_answer_does_no_harm() {
    let receiver = Receiver::start().await;
    receiver.answer(|_| Answer { body: Body::Endless, ..200.into() });
    let fixture = Fixture::new(eager(&receiver.url())).await;
    fixture.record([("a", 1), ("a", 2)]).await;
    fixture.until_settled().await;
    assert_eq!(receiver.ns(), [1, 2]);
}

/// On paused time the ten seconds pass as soon as nothing else happens.
#[tokio::test(start_paused = true)]
async fn silence_is_a_failure_after_ten_seconds() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let fixture = Fixture::new(Webhook { max_retries: 0, ..eager(&url) }).await;
    let started = tokio::time::Instant::now();
    fixture.record([("a", 1)]).await;
    fixture.until_settled().await;
    let dead = fixture.dead().await;
    assert_eq!((dead[0].last_error.as_deref(), dead[0].status_code), (Some("no answer within 10 s"), None));
    assert!(started.elapsed() >= webhook::ATTEMPT_TIMEOUT);
}

#[tokio::test]
async fn a_refused_connection_is_named() {
    let port = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let url = format!("http://127.0.0.1:{port}/secret-token");
    let fixture = Fixture::new(Webhook { max_retries: 1, ..eager(&url) }).await;
    fixture.record([("a", 1)]).await;
    fixture.until_settled().await;
    let error = fixture.dead().await[0].last_error.clone().unwrap();
    assert!(error.starts_with("could not connect: ") && !error.contains("secret-token"), "{error}");
}

#[tokio::test]
async fn new_settings_hold_for_what_is_pending() {
    let (old, new) = (Receiver::start().await, Receiver::start().await);
    old.answer(|_| 500.into());
    let fixture = Fixture::new(eager(&old.url())).await;
    fixture.record([("a", 1), ("a", 2)]).await;
    until("rows", || async { (fixture.pending().await.len() == 2).then_some(()) }).await;

    // Switched off: nothing is sent, nothing is lost.
    fixture.configure(Webhook { enabled: false, ..eager(&old.url()) }).await;
    fixture.until_idle().await;
    fixture.configure(eager(&new.url())).await;
    fixture.until_settled().await;
    assert_eq!(new.ns(), [1, 2]);
    assert!(new.calls()[0].attempt() > 1);
}
