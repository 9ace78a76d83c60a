use futures_util::FutureExt;

use super::outlet::MOST_WAITING;
use super::*;
use crate::event::Event;

/// A batch under way: handed out and taken.
async fn held() -> (Outlet, Events, Batch) {
    let (mut outlet, mut events) = exchange();
    outlet.push(Event::Connected);
    outlet.hand_out([Event::OfflineDone { count: 1 }]);
    let batch = events.next().await.unwrap();
    assert!(matches!(batch.events(), [Event::Connected, Event::OfflineDone { count: 1 }]));
    (outlet, events, batch)
}

#[tokio::test]
async fn accepting_resolves_once_everything_is_stored() {
    let (mut outlet, mut events, batch) = held().await;
    assert!(outlet.verdict().now_or_never().is_none());
    let mut accepting = Box::pin(batch.accept());
    assert!(accepting.as_mut().now_or_never().is_none());
    assert_eq!(outlet.verdict().await, Verdict::Accepted);
    assert!(!outlet.is_free() && events.next().now_or_never().is_none());
    outlet.stored(Ok(()));
    assert_eq!(accepting.await, Ok(()));
    assert!(outlet.is_free());
}

#[tokio::test]
async fn an_acceptance_stands_though_nobody_waits_for_its_outcome() {
    let (mut outlet, mut events, batch) = held().await;
    assert!(batch.accept().now_or_never().is_none());
    assert_eq!(outlet.verdict().await, Verdict::Accepted);
    outlet.stored(Err(AcceptError::NotStored));
    outlet.push(Event::Connected);
    outlet.hand_out([]);
    let next = events.next().await.unwrap();
    let mut accepting = Box::pin(next.accept());
    assert!(accepting.as_mut().now_or_never().is_none(), "the outcome is not that of the one before");
    assert_eq!(outlet.verdict().await, Verdict::Accepted);
    outlet.stored(Ok(()));
    assert_eq!(accepting.await, Ok(()));
}

#[tokio::test]
async fn each_acceptance_hears_of_its_own_batch() {
    let (mut outlet, mut events, first) = held().await;
    let mut first = Box::pin(first.accept());
    let mut next = Box::pin(events.next());
    assert!(first.as_mut().now_or_never().is_none() && next.as_mut().now_or_never().is_none());
    assert_eq!(outlet.verdict().await, Verdict::Accepted);
    outlet.stored(Err(AcceptError::NotStored));
    outlet.hand_out([Event::OfflineDone { count: 2 }]);
    let mut second = Box::pin(next.await.unwrap().accept());
    assert!(second.as_mut().now_or_never().is_none());
    assert_eq!(outlet.verdict().await, Verdict::Accepted);
    outlet.stored(Ok(()));
    assert_eq!(first.await, Err(AcceptError::NotStored));
    assert_eq!(second.await, Ok(()));
}

#[tokio::test]
async fn a_batch_that_is_dropped_is_refused() {
    let (mut outlet, _events, batch) = held().await;
    drop(batch);
    assert_eq!(outlet.verdict().await, Verdict::Dropped);
    assert!(outlet.is_free());
}

#[tokio::test]
async fn what_the_client_tells_of_itself_comes_again_after_a_drop() {
    let (mut outlet, mut events, batch) = held().await;
    outlet.push(Event::PairingFailed(crate::cause::PairingFailure::Malformed));
    drop(batch);
    assert_eq!(outlet.verdict().await, Verdict::Dropped);
    outlet.hand_out([]);
    let again = events.next().await.unwrap();
    assert!(matches!(again.events(), [Event::Connected, Event::PairingFailed(_)]), "{:?}", again.events());
    let accepting = again.accept();
    tokio::pin!(accepting);
    assert!(accepting.as_mut().now_or_never().is_none());
    assert_eq!(outlet.verdict().await, Verdict::Accepted);
    outlet.stored(Ok(()));
    assert!(!outlet.has_waiting());
}

#[tokio::test]
async fn what_the_client_tells_of_itself_comes_again_after_a_batch_that_was_given_up() {
    let (mut outlet, _events, batch) = held().await;
    outlet.void();
    drop(batch);
    assert_eq!(outlet.verdict().await, Verdict::Void);
    assert!(outlet.has_waiting());
}

#[tokio::test]
async fn an_embedder_that_drops_every_batch_costs_no_memory() {
    let (mut outlet, mut events) = exchange();
    for _ in 0..2 * MOST_WAITING {
        outlet.push(Event::Connected);
        outlet.hand_out([]);
        drop(events.next().await.unwrap());
        assert_eq!(outlet.verdict().await, Verdict::Dropped);
    }
    assert_eq!(outlet.waiting.len(), MOST_WAITING);
}

#[tokio::test]
async fn what_nobody_has_taken_is_among_the_last_words() {
    let (mut outlet, mut events) = exchange();
    outlet.push(Event::Connected);
    outlet.hand_out([Event::OfflineDone { count: 1 }]);
    drop(outlet);
    assert!(matches!(events.next().await.unwrap().events(), [Event::Connected]));
}

#[tokio::test]
async fn a_batch_that_was_given_up_cannot_be_accepted_and_makes_room() {
    let (mut outlet, _events, batch) = held().await;
    outlet.void();
    let mut accepting = Box::pin(batch.accept());
    assert!(accepting.as_mut().now_or_never().is_none());
    assert_eq!(outlet.verdict().await, Verdict::Void);
    assert_eq!(accepting.await, Err(AcceptError::NotStored));
    assert!(outlet.is_free());
}

#[tokio::test]
async fn nothing_to_tell_is_no_batch() {
    let (mut outlet, mut events) = exchange();
    outlet.hand_out([]);
    assert!(outlet.is_free() && events.next().now_or_never().is_none());
}

#[tokio::test]
async fn last_words_are_heard_and_then_nothing() {
    let (mut outlet, mut events) = exchange();
    outlet.push(Event::Connected);
    drop(outlet);
    let batch = events.next().await.unwrap();
    assert_eq!(batch.accept().await, Ok(()));
    assert!(events.next().await.is_none());
}

#[tokio::test]
async fn what_the_client_did_not_live_to_acknowledge_is_not_accepted() {
    let (outlet, mut events, batch) = held().await;
    drop(outlet);
    assert_eq!(batch.accept().await, Err(AcceptError::Stopped));
    assert!(events.next().await.is_none());
}

#[tokio::test]
async fn without_a_reader_there_is_no_verdict() {
    let (mut outlet, events) = exchange();
    drop(events);
    assert_eq!(outlet.verdict().await, Verdict::Gone);
    let (mut outlet, events, batch) = held().await;
    drop(events);
    assert!(outlet.verdict().now_or_never().is_none(), "the batch itself is still there");
    drop(batch);
    assert_eq!(outlet.verdict().await, Verdict::Dropped);
    assert_eq!(outlet.verdict().await, Verdict::Gone);
}
