//! Order per chat, independence between chats.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::fixture::{Fixture, eager, open_options};
use crate::receiver::{Answer, Call, Receiver, until};

fn of(calls: &[Call], first: i64, last: i64) -> Vec<i64> {
    calls.iter().map(Call::n).filter(|n| (first..=last).contains(n)).collect()
}

#[tokio::test]
async fn each_chat_is_delivered_in_the_order_of_the_log() {
    let receiver = Receiver::start().await;
    let fixture = Fixture::new(eager(&receiver.url())).await;
    // Chat "a" has 1..=99, chat "b" 101..=199, interleaved.
    fixture.record((1..=99).flat_map(|n| [("a", n), ("b", 100 + n)])).await;
    fixture.until_settled().await;
    let calls = receiver.calls();
    assert_eq!(of(&calls, 1, 99), (1..=99).collect::<Vec<_>>());
    assert_eq!(of(&calls, 101, 199), (101..=199).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_slow_answer_holds_up_only_its_own_chat() {
    let receiver = Receiver::start().await;
    let (release, released) = tokio::sync::watch::channel(false);
    receiver.script(move |call| {
        let mut released = released.clone();
        Box::pin(async move {
            if call.n() == 1 {
                let _ = released.wait_for(|released| *released).await;
            }
            Answer::from(200)
        })
    });
    let fixture = Fixture::new(eager(&receiver.url())).await;
    fixture.record([("slow", 1), ("slow", 2), ("other", 3), ("other", 4)]).await;
    let calls = receiver.wait_for(3).await;
    assert_eq!(of(&calls, 3, 4), [3, 4]);
    assert_eq!(of(&calls, 1, 2), [1], "the second waits for the first one's answer");
    release.send(true).unwrap();
    assert_eq!(of(&receiver.wait_for(4).await, 1, 2), [1, 2]);
}

#[tokio::test]
async fn a_failing_event_blocks_its_chat_and_no_other() {
    let receiver = Receiver::start().await;
    let broken = Arc::new(AtomicBool::new(true));
    let state = Arc::clone(&broken);
    receiver.answer(
        move |call| if call.n() == 1 && state.load(Ordering::SeqCst) { 500.into() } else { 200.into() },
    );
    let fixture = Fixture::new(eager(&receiver.url())).await;
    fixture.record([("bad", 1), ("bad", 2), ("good", 3)]).await;
    until("the good chat's event", || async { receiver.ns().contains(&3).then_some(()) }).await;
    fixture.record([("bad", 4), ("good", 5)]).await;
    until("the good chat's event", || async { receiver.ns().contains(&5).then_some(()) }).await;
    until("rows", || async { (fixture.pending().await.len() == 3).then_some(()) }).await;
    until("the cursor", || async { (fixture.cursor().await == 5).then_some(()) }).await;
    assert!(receiver.ns().iter().all(|n| ![2, 4].contains(n)));

    broken.store(false, Ordering::SeqCst);
    fixture.until_settled().await;
    let mut bad = of(&receiver.calls(), 1, 4);
    bad.retain(|n| *n != 3);
    bad.dedup();
    assert_eq!(bad, [1, 2, 4]);
    assert!(fixture.pending().await.is_empty());
}

#[tokio::test]
async fn no_more_requests_are_under_way_at_once_than_allowed() {
    use std::sync::atomic::AtomicUsize;
    use storage::MemoryStorage;
    use webhook::Options;

    let receiver = Receiver::start().await;
    let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let peak = Arc::clone(&most);
    receiver.script(move |_| {
        let (now, most) = (Arc::clone(&now), Arc::clone(&most));
        Box::pin(async move {
            most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            for _ in 0..20 {
                tokio::task::yield_now().await;
            }
            now.fetch_sub(1, Ordering::SeqCst);
            Answer::from(200)
        })
    });
    let options = Options { in_flight: 100, per_webhook: 4, ..open_options() };
    let storage = Arc::new(MemoryStorage::default());
    let fixture = Fixture::with(storage, [eager(&receiver.url())], options).await;
    let chats: Vec<String> = (0..60).map(|n| n.to_string()).collect();
    fixture.record(chats.iter().map(|chat| (chat.as_str(), 1))).await;
    fixture.until_settled().await;
    assert_eq!(receiver.calls().len(), 60);
    assert!((2..=4).contains(&peak.load(Ordering::SeqCst)), "peak {}", peak.load(Ordering::SeqCst));
}
