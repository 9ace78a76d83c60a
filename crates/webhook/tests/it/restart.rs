//! Stops and crashes.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use crate::fixture::{Fixture, eager};
use crate::receiver::{Answer, Receiver, until};

#[tokio::test]
async fn a_graceful_stop_lets_requests_end_and_repeats_nothing() {
    let receiver = Receiver::start().await;
    let (release, released) = tokio::sync::watch::channel(false);
    receiver.script(move |_| {
        let mut released = released.clone();
        Box::pin(async move {
            let _ = released.wait_for(|released| *released).await;
            Answer::from(200)
        })
    });
    let mut fixture = Fixture::new(eager(&receiver.url())).await;
    fixture.record([("a", 1), ("a", 2), ("b", 3)]).await;
    receiver.wait_for(2).await;
    let stopping = tokio::spawn({
        let dispatcher = fixture.dispatcher.clone();
        async move { dispatcher.stop(Duration::from_secs(20)).await }
    });
    release.send(true).unwrap();
    assert!(stopping.await.unwrap());
    assert_eq!(receiver.calls().len(), 2, "nothing new is started");
    fixture.record([("c", 4)]).await;

    fixture.restart().await;
    fixture.until_settled().await;
    let mut ns = receiver.ns();
    ns.sort_unstable();
    assert_eq!(ns, [1, 2, 3, 4]);
}

#[tokio::test]
async fn a_stop_that_takes_too_long_says_so() {
    let receiver = Receiver::start().await;
    receiver.script(|_| Box::pin(std::future::pending()));
    let fixture = Fixture::new(eager(&receiver.url())).await;
    fixture.record([("a", 1)]).await;
    receiver.wait_for(1).await;
    assert!(!fixture.dispatcher.stop(Duration::ZERO).await);
}

/// A runtime that is shut down drops its tasks wherever they stand, as SIGKILL does.
#[test]
fn after_a_crash_everything_is_delivered_at_least_once_in_order() {
    let outer = tokio::runtime::Runtime::new().unwrap();
    let receiver = outer.block_on(Receiver::start());
    let accepted = Arc::new(Mutex::new(Vec::new()));
    let accepting = Arc::clone(&accepted);
    receiver.answer(move |call| {
        if call.n() % 7 == 0 && call.attempt() < 3 {
            return 500.into();
        }
        accepting.lock().push(call.n());
        200.into()
    });
    let chats = ["a", "b", "c", "d", "e"];
    let mut fixture = outer.block_on(Fixture::new(eager(&receiver.url())));
    let mut recorded = 0;
    for round in 0..12 {
        let inner =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        inner.block_on(async {
            fixture.restart().await;
            fixture.record((recorded..recorded + 40).map(|n| (chats[(n % 5) as usize], n))).await;
            recorded += 40;
            let enough = receiver.calls().len() + 3 * (round + 1);
            until("some calls", || async { (receiver.calls().len() >= enough).then_some(()) }).await;
        });
        inner.shutdown_background();
    }
    outer.block_on(async {
        fixture.restart().await;
        fixture.until_settled().await;
    });
    let calls = receiver.calls();
    for n in 0..recorded {
        let bodies: BTreeSet<_> = calls.iter().filter(|call| call.n() == n).map(|call| &call.body).collect();
        assert_eq!(bodies.len(), 1, "event {n} has come, always with the same bytes");
    }
    let accepted = accepted.lock();
    let first = |n: i64| accepted.iter().position(|accepted| *accepted == n).expect("accepted");
    for n in 5..recorded {
        assert!(first(n - 5) < first(n), "event {n} passed the one before it in its chat");
    }
}
