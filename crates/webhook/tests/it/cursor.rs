//! What is asked of the store, and what a crash repeats.

use std::collections::BTreeSet;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::watch;

use crate::fixture::{Fixture, eager, open_options};
use crate::receiver::{Answer, Receiver, until};
use crate::store::Watched;

/// Calls under way at once, and achievements that may be uncommitted, as the README has them.
const IN_FLIGHT: usize = 32;
const BATCH: usize = 128;

#[tokio::test]
async fn what_is_heard_is_not_read_again() {
    let receiver = Receiver::start().await;
    let store = Watched::new();
    let fixture = Fixture::with(store.clone(), [eager(&receiver.url())], open_options()).await;
    fixture.until_idle().await;
    fixture.record([("a", 1)]).await;
    receiver.wait_for(1).await;
    fixture.until_idle().await;
    let (reads, settlements) = (store.reads(), store.settlements());
    for n in 2..=20 {
        fixture.record([("a", n)]).await;
        receiver.wait_for(usize::try_from(n).unwrap()).await;
        fixture.until_idle().await;
    }
    assert_eq!(store.reads(), reads, "where a webhook stands is known after its first event");
    assert_eq!(store.settlements(), settlements + 19);
    assert_eq!(receiver.ns(), (1..=20).collect::<Vec<_>>());
}

#[tokio::test]
async fn what_is_achieved_during_a_commit_is_in_the_next_one() {
    let receiver = Receiver::start().await;
    let store = Watched::new();
    let fixture = Fixture::with(store.clone(), [eager(&receiver.url())], open_options()).await;
    fixture.record([("a", 1)]).await;
    receiver.wait_for(1).await;
    fixture.until_idle().await;
    let before = store.settlements();
    store.pause();
    fixture.record((2..=60).map(|n| ("a", n))).await;
    receiver.wait_for(60).await;
    assert_eq!(store.settlements(), before + 1, "one is under way");
    store.resume();
    fixture.until_idle().await;
    assert_eq!(store.settlements(), before + 2, "all others are in the next one");
    assert_eq!(fixture.cursor().await, 60);
}

#[tokio::test]
async fn while_nothing_is_committed_only_a_batch_is_delivered() {
    let receiver = Receiver::start().await;
    let store = Watched::new();
    let fixture = Fixture::with(store.clone(), [eager(&receiver.url())], open_options()).await;
    fixture.until_idle().await;
    store.pause();
    let chats: Vec<String> = (0..40).map(|n| n.to_string()).collect();
    fixture.record((0..400).map(|n| (chats[n % 40].as_str(), n as i64))).await;
    receiver.wait_for(BATCH).await;
    // Nothing announces that nothing more comes: whatever is under way would have come by then.
    for _ in 0..2_000 {
        tokio::task::yield_now().await;
    }
    assert!(receiver.calls().len() <= BATCH + IN_FLIGHT, "{} calls", receiver.calls().len());
    store.resume();
    fixture.until_settled().await;
    assert_eq!(receiver.calls().len(), 400, "nothing is repeated without a crash");
}

/// A chat whose receiver is slow doesn't hold the cursor back: what a crash repeats stays small.
#[tokio::test]
async fn a_slow_chat_does_not_hold_the_cursor_back() {
    let receiver = Receiver::start().await;
    let (release, released) = watch::channel(false);
    receiver.script(move |call| {
        let mut released = released.clone();
        Box::pin(async move {
            if call.n() == 0 {
                let _ = released.wait_for(|released| *released).await;
            }
            Answer::from(200)
        })
    });
    let fixture = Fixture::new(eager(&receiver.url())).await;
    let chat = |n: i64| if n % 50 == 0 { "slow" } else { "quick" };
    fixture.record((0..500).map(|n| (chat(n), n))).await;
    receiver.wait_for(491).await;
    until("the cursor", || async { (fixture.cursor().await >= 500 - 64).then_some(()) }).await;
    assert!(!fixture.pending().await.is_empty(), "what was overtaken is a delivery of its own");
    release.send(true).unwrap();
    fixture.until_settled().await;
    fixture.until_idle().await;
    let ns = receiver.ns();
    assert_eq!(ns.iter().collect::<BTreeSet<_>>().len(), 500);
    assert_eq!(ns.len(), 500, "each came once");
    assert!(ns.iter().filter(|n| **n % 50 == 0).is_sorted());
    assert!(fixture.pending().await.is_empty());
}

#[tokio::test]
async fn after_an_error_of_the_store_everything_is_delivered_from_what_is_stored() {
    let receiver = Receiver::start().await;
    let store = Watched::new();
    let fixture = Fixture::with(store.clone(), [eager(&receiver.url())], open_options()).await;
    fixture.until_idle().await;
    store.fail(true);
    fixture.record([("a", 1)]).await;
    until("a settlement fails", || async { (store.settlements() > 0).then_some(()) }).await;
    fixture.record([("a", 2)]).await;
    store.fail(false);
    fixture.until_settled().await;
    let ns = receiver.ns();
    assert!(ns.is_sorted() && ns.ends_with(&[1, 2]), "{ns:?}");
}

#[tokio::test]
async fn what_nobody_wanted_is_not_delivered_when_it_is_wanted_later() {
    let receiver = Receiver::start().await;
    let store = Watched::new();
    let mut webhook = eager(&receiver.url());
    webhook.filter.received = false;
    let fixture = Fixture::with(store.clone(), [webhook], open_options()).await;
    fixture.until_idle().await;
    fixture.record([("a", 1)]).await;
    fixture.until_idle().await;
    let reads = store.reads();
    fixture.record((2..=9).map(|n| ("a", n))).await;
    fixture.until_idle().await;
    assert_eq!((store.reads(), store.settlements()), (reads, 0), "neither read nor committed");

    fixture.configure(eager(&receiver.url())).await;
    fixture.until_idle().await;
    fixture.record([("a", 10)]).await;
    receiver.wait_for(1).await;
    assert_eq!(receiver.ns(), [10]);
}

/// A runtime that is shut down drops its tasks wherever they stand, as SIGKILL does.
#[test]
fn a_crash_in_a_burst_repeats_at_most_the_calls_in_flight_and_one_batch() {
    let outer = tokio::runtime::Runtime::new().unwrap();
    let receiver = outer.block_on(Receiver::start());
    let seen: Arc<Mutex<Vec<i64>>> = Arc::default();
    let seeing = Arc::clone(&seen);
    receiver.answer(move |call| {
        seeing.lock().push(call.n());
        200.into()
    });
    let chats: Vec<String> = (0..20).map(|n| n.to_string()).collect();
    let mut fixture = outer.block_on(Fixture::new(eager(&receiver.url())));
    let mut recorded = 0;
    for _ in 0..8 {
        let inner =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        inner.block_on(async {
            fixture.restart().await;
            let burst = recorded..recorded + 400;
            fixture.record(burst.map(|n| (chats[usize::try_from(n).unwrap() % 20].as_str(), n))).await;
            recorded += 400;
            let enough = usize::try_from(recorded).unwrap() - 150;
            until("most of the burst", || async { (seen.lock().len() >= enough).then_some(()) }).await;
        });
        inner.shutdown_background();
        let before: BTreeSet<i64> = seen.lock().iter().copied().collect();
        let from = seen.lock().len();
        outer.block_on(async {
            fixture.restart().await;
            fixture.until_settled().await;
            fixture.stop().await;
        });
        let repeated = seen.lock()[from..].iter().filter(|n| before.contains(n)).count();
        assert!(repeated <= IN_FLIGHT + BATCH, "{repeated} of 400 were repeated");
    }
    assert_eq!(seen.lock().iter().collect::<BTreeSet<_>>().len(), usize::try_from(recorded).unwrap());
}
