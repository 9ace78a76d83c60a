//! A receiver that doesn't answer costs little, and what it owes nobody is lost.

use std::sync::Arc;
use std::time::Duration;

use storage::{DeliveryState, MemoryStorage, Webhook};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use webhook::Options;

use crate::fixture::{Fixture, eager, named, open_options};
use crate::receiver::{Receiver, until};

/// An address that nobody listens at.
async fn nowhere() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    format!("http://{}/", listener.local_addr().unwrap())
}

#[tokio::test]
async fn attempts_become_rare_and_only_those_that_are_made_count() {
    let url = nowhere().await;
    let webhook = Webhook { max_retries: 6, ..eager(&url) };
    let fixture = Fixture::new(webhook).await;
    let begun = tokio::time::Instant::now();
    fixture.record([("a", 1)]).await;
    fixture.until_settled().await;
    let dead = fixture.dead().await;
    assert_eq!(dead[0].attempts, 7, "as many as the settings say");
    // Five at once, then after 1 and 2 s; a retry's own interval is a few milliseconds.
    assert!(begun.elapsed() >= Duration::from_secs(3), "{:?}", begun.elapsed());
    let known = fixture.dispatcher.reachability(fixture.owner, &url).unwrap();
    assert!(known.is_paused && known.failures == 7, "{known:?}");
    assert_eq!(fixture.dispatcher.reachability(storage::UserId::generate(), &url), None, "others' concern");
}

#[tokio::test]
async fn its_events_wait_in_the_log_and_arrive_in_order_when_it_is_back() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let fixture = Fixture::new(eager(&format!("http://{address}/"))).await;
    fixture.record((0..400).map(|n| (["a", "b", "c"][(n % 3) as usize], n))).await;
    let url = format!("http://{address}/");
    until("it is paused", || async {
        fixture.dispatcher.reachability(fixture.owner, &url)?.is_paused.then_some(())
    })
    .await;
    let receiver = Receiver::start_at(address).await;
    fixture.until_settled().await;
    for chat in 0..3 {
        let ns: Vec<_> = receiver.ns().into_iter().filter(|n| n % 3 == chat).collect();
        assert_eq!(ns, (0..400).filter(|n| n % 3 == chat).collect::<Vec<_>>());
    }
    assert!(fixture.dead().await.is_empty());
}

#[tokio::test]
async fn webhooks_that_wait_for_it_hold_up_no_other_receiver() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", silent.local_addr().unwrap());
    let receiver = Receiver::start().await;
    let holes = (0..9).map(|n| named(&format!("hole-{n}"), &url));
    let options = Options { in_flight: 8, ..open_options() };
    let webhooks = holes.chain([eager(&receiver.url())]);
    let fixture = Fixture::with(Arc::new(MemoryStorage::default()), webhooks, options).await;
    let begun = tokio::time::Instant::now();
    fixture.record((0..50).map(|n| (["a", "b"][(n % 2) as usize], n))).await;
    assert_eq!(receiver.wait_for(50).await.len(), 50);
    assert!(begun.elapsed() < webhook::ATTEMPT_TIMEOUT, "none of the silent calls was waited for");
}

#[tokio::test]
async fn what_is_pending_is_due_at_once_when_it_is_hastened() {
    let receiver = Receiver::start().await;
    receiver.answer(|call| if call.attempt() == 1 { 503.into() } else { 200.into() });
    let fixture = Fixture::new(Webhook { retry_interval: 3_600_000, ..eager(&receiver.url()) }).await;
    fixture.record([("a", 1), ("a", 2), ("b", 3)]).await;
    until("rows", || async { (fixture.pending().await.len() == 3).then_some(()) }).await;
    let consumer = fixture.consumer();
    let pending = storage::DeliveryQuery::first(DeliveryState::Pending, 9);
    let page = fixture.dispatcher.deliveries(fixture.owner, &consumer, &pending);
    let page = page.await.unwrap();
    assert!(page.items.iter().all(|(delivery, event)| event.as_ref().is_some_and(|e| e.seq == delivery.seq)));
    // Two failed; the third waits behind one of them, and is due as soon as that is delivered.
    assert_eq!(fixture.dispatcher.hasten(&fixture.consumer()).await.unwrap(), 2);
    until("the first of both chats", || async { (receiver.calls().len() >= 5).then_some(()) }).await;
    assert!(fixture.dead().await.is_empty());
}

/// What a receiver sends back may be neither long nor slow.
#[tokio::test]
async fn an_answer_that_drips_or_never_ends_costs_one_attempt_of_limited_time() {
    type Script = fn() -> (&'static [u8], &'static [u8]);
    let table: [(&str, Script); 3] = [
        ("a head that drips", || (b"HTTP/1.1 200 OK\r\n", b"X-A: b\r\n")),
        ("interim answers without end", || (b"", b"HTTP/1.1 103 Early Hints\r\n\r\n")),
        ("a head without end", || (b"HTTP/1.1 200 OK\r\nX-Long: ", &[b'x'; 4096])),
    ];
    let tries = table.map(|(name, script)| async move {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let (first, then) = script();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let mut request = [0; 4096];
                    let _ = stream.read(&mut request).await;
                    let _ = stream.write_all(first).await;
                    while stream.write_all(then).await.is_ok() {
                        tokio::time::sleep(Duration::from_millis(50)).await;
                    }
                });
            }
        });
        let fixture = Fixture::new(Webhook { max_retries: 0, ..eager(&url) }).await;
        let begun = tokio::time::Instant::now();
        fixture.record([("a", 1)]).await;
        fixture.until_settled().await;
        let dead = fixture.dead().await;
        assert_eq!((dead.len(), dead[0].attempts), (1, 1), "{name}");
        // With the load of ten such machines on top.
        assert!(begun.elapsed() < 3 * webhook::ATTEMPT_TIMEOUT, "{name}: {:?}", begun.elapsed());
    });
    futures_util::future::join_all(tries).await;
}
