//! What is the gateway's own fault, or its surroundings', never counts against a receiver.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use outbound::{ResolveError, Resolver};
use storage::{Delivery, MemoryStorage, Settlement, Webhook};
use webhook::Options;

use crate::fixture::{Fixture, eager, named, now, open_options};
use crate::receiver::{Receiver, until};

/// A receiver by a name that can't be looked up before `works` says so; the first failure that counts is the last.
async fn unresolved() -> (Receiver, Fixture, Arc<AtomicBool>) {
    let receiver = Receiver::start().await;
    let works = Arc::new(AtomicBool::new(false));
    let asked = Arc::clone(&works);
    let resolver = Resolver::new(Arc::new(move |_| {
        let found = match asked.load(Ordering::SeqCst) {
            true => Ok(vec![SocketAddr::from(([127, 0, 0, 1], 0))]),
            false => Err(ResolveError::Failed("a name server answered \"Server Failure\"".to_owned())),
        };
        Box::pin(async { found })
    }));
    let url = receiver.url().replace("127.0.0.1", "hooks.example");
    let webhook = Webhook { max_retries: 0, ..eager(&url) };
    let options = Options { resolver, ..open_options() };
    let fixture = Fixture::with(Arc::new(MemoryStorage::default()), [webhook], options).await;
    (receiver, fixture, works)
}

#[tokio::test]
async fn a_name_that_can_not_be_looked_up_for_now_is_no_attempt_and_no_dead_letter() {
    let (receiver, fixture, works) = unresolved().await;
    fixture.record([("a", 1), ("a", 2)]).await;
    let waiting = until("rows", || async {
        let pending = fixture.pending().await;
        (pending.len() == 2).then_some(pending)
    })
    .await;
    assert_eq!((waiting[0].attempts, waiting[0].status_code), (0, None));
    assert_eq!(
        waiting[0].last_error.as_deref(),
        Some("not tried: the name could not be looked up: a name server answered \"Server Failure\"")
    );
    assert!(fixture.dead().await.is_empty());
    works.store(true, Ordering::SeqCst);
    fixture.dispatcher.hasten(&fixture.consumer()).await.unwrap();
    fixture.until_settled().await;
    let calls = receiver.calls();
    assert_eq!(calls.iter().map(|call| (call.n(), call.attempt())).collect::<Vec<_>>(), [(1, 1), (2, 1)]);
}

#[tokio::test]
async fn it_is_tried_again_by_itself() {
    let (receiver, fixture, works) = unresolved().await;
    fixture.record([("a", 1)]).await;
    until("a row", || async { (fixture.pending().await.len() == 1).then_some(()) }).await;
    works.store(true, Ordering::SeqCst);
    until("delivered", || async { (!receiver.calls().is_empty()).then_some(()) }).await;
    assert_eq!(receiver.calls()[0].attempt(), 1);
    assert!(fixture.dead().await.is_empty());
}

/// A domain that was given up may answer SERVFAIL for ever.
#[tokio::test]
async fn a_name_that_can_not_be_looked_up_for_a_day_is_the_owners_matter() {
    let (receiver, mut fixture, _) = unresolved().await;
    fixture.record([("a", 1), ("a", 2)]).await;
    let [mut first, _]: [Delivery; 2] =
        until("rows", || async { fixture.pending().await.try_into().ok() }).await;
    fixture.stop().await;
    first.created_at = first.created_at.before(Duration::from_secs(24 * 60 * 60));
    first.next_attempt = now();
    let settlement = Settlement::new(fixture.consumer(), fixture.epoch);
    fixture.storage.settle(vec![Settlement { put: vec![first], ..settlement }]).await.unwrap();
    fixture.restart().await;
    let dead = until("a dead letter", || async { fixture.dead().await.pop() }).await;
    assert_eq!((dead.seq, dead.attempts), (1, 1));
    assert!(dead.last_error.unwrap().starts_with("not tried: "));
    let pending = fixture.pending().await;
    assert_eq!((pending.len(), pending[0].attempts), (1, 0), "the other one isn't old enough");
    assert!(receiver.calls().is_empty());
}

#[tokio::test]
async fn a_name_that_does_not_exist_is_the_owners_mistake() {
    let resolver = Resolver::new(Arc::new(|_| Box::pin(async { Err(ResolveError::Unknown) })));
    let webhook = Webhook { max_retries: 0, ..eager("http://hooks.example/") };
    let options = Options { resolver, ..open_options() };
    let fixture = Fixture::with(Arc::new(MemoryStorage::default()), [webhook], options).await;
    fixture.record([("a", 1)]).await;
    fixture.until_settled().await;
    let dead = fixture.dead().await;
    assert_eq!(dead[0].last_error.as_deref(), Some("could not connect: the name has no address"));
}

#[tokio::test]
async fn a_stop_gives_up_what_is_under_way_and_counts_no_attempt() {
    let receiver = Receiver::start().await;
    receiver.script(|call| {
        Box::pin(async move { if call.path == "/again" { 200.into() } else { std::future::pending().await } })
    });
    let mut fixture = Fixture::new(Webhook { max_retries: 0, ..eager(&receiver.url()) }).await;
    fixture.record([("a", 1), ("a", 2), ("b", 3)]).await;
    receiver.wait_for(2).await;
    let begun = tokio::time::Instant::now();
    assert!(fixture.dispatcher.stop(Duration::from_secs(60)).await, "in time");
    assert!(begun.elapsed() < webhook::ATTEMPT_TIMEOUT, "the receiver was not waited for");
    assert!(fixture.dead().await.is_empty());
    receiver.answer(|_| 200.into());
    fixture.restart().await;
    fixture.until_settled().await;
    let calls = receiver.calls();
    let again: Vec<_> = calls[2..].iter().map(|call| (call.n(), call.attempt())).collect();
    for expected in [(1, 1), (2, 1), (3, 1)] {
        assert!(again.contains(&expected), "{again:?}");
    }
    assert!(fixture.dead().await.is_empty());
}

#[tokio::test]
async fn a_stop_does_not_wait_for_what_has_not_begun() {
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", silent.local_addr().unwrap());
    let options = Options { in_flight: 1, ..open_options() };
    let webhooks = (0..5).map(|n| named(&format!("w{n}"), &url));
    let fixture = Fixture::with(Arc::new(MemoryStorage::default()), webhooks, options).await;
    fixture.record([("a", 1)]).await;
    let _call = silent.accept().await.unwrap();
    assert!(fixture.dispatcher.stop(Duration::from_secs(60)).await);
    fixture.until_idle().await;
}
