//! Receivers that take nothing for long, and calls that are never given up.

use std::sync::Arc;
use std::time::Duration;

use storage::{EventData, EventFilter, EventKind, MemoryStorage, OnGiveUp, Webhook, WebhookPatch};
use webhook::Options;

use crate::fixture::{Fixture, eager, open_options};
use crate::receiver::{Receiver, until};

async fn impatient(webhook: Webhook) -> Fixture {
    let options = Options { patience: Duration::from_millis(300), ..open_options() };
    Fixture::with(Arc::new(MemoryStorage::default()), [webhook], options).await
}

async fn stored(fixture: &Fixture) -> Webhook {
    fixture.storage.fleet_webhooks(fixture.instance).await.expect("read").remove(0)
}

async fn until_paused(fixture: &Fixture) -> Webhook {
    until("a pause", || async { Some(stored(fixture).await).filter(|webhook| webhook.paused_at.is_some()) })
        .await
}

#[tokio::test]
async fn a_receiver_that_takes_nothing_is_probed_and_gets_everything_in_the_end() {
    let receiver = Receiver::start().await;
    receiver.answer(|_| 500.into());
    let kinds = Some(vec![EventKind::MessageReceived]);
    let filter = EventFilter { kinds, ..EventFilter::default() };
    let fixture = impatient(Webhook { filter, ..eager(&receiver.url()) }).await;
    fixture.record((1..=40).map(|n| (if n % 2 == 0 { "a" } else { "b" }, n))).await;
    let paused = until_paused(&fixture).await;
    assert!(paused.failing_since < paused.paused_at && paused.is_on());
    fixture.record((41..=80).map(|n| ("c", n))).await;
    let before = receiver.calls().len();
    until("probes", || async { (receiver.calls().len() > before + 3).then_some(()) }).await;
    assert!(receiver.ns().iter().all(|n| *n <= 40), "what comes meanwhile waits");
    assert!(fixture.dead().await.is_empty(), "a probe uses nothing up");

    receiver.answer(|_| 200.into());
    fixture.until_settled().await;
    let resumed = stored(&fixture).await;
    assert_eq!((resumed.failing_since, resumed.paused_at), (None, None));
    let taken: Vec<_> = receiver.ns().into_iter().rev().take(80).collect();
    for n in 1..=80 {
        assert!(taken.contains(&n), "{n}");
    }
    let log = fixture.storage.events_after(fixture.instance, 0, 1_000).await.expect("read");
    let told = log.iter().filter_map(|event| match &event.data {
        EventData::WebhookPaused(told) => Some(told.paused),
        _ => None,
    });
    assert_eq!(told.collect::<Vec<_>>(), [true, false]);
    fixture.stop().await;
}

#[tokio::test]
async fn a_pause_survives_a_restart_and_ends_when_its_owner_says_so() {
    let receiver = Receiver::start().await;
    receiver.answer(|_| 500.into());
    let mut fixture = impatient(eager(&receiver.url())).await;
    fixture.record([("a", 1)]).await;
    until_paused(&fixture).await;
    fixture.stop().await;
    fixture.restart().await;
    assert!(stored(&fixture).await.paused_at.is_some());
    receiver.answer(|_| 200.into());
    let on = WebhookPatch { enabled: Some(true), ..WebhookPatch::default() };
    let edit = storage::Edit::at(crate::fixture::now());
    let name = Webhook::DEFAULT.to_owned();
    fixture.storage.update_webhook(fixture.owner, fixture.instance, name, on, edit).await.expect("updated");
    fixture.dispatcher.changed(fixture.instance);
    fixture.until_settled().await;
    assert!(stored(&fixture).await.paused_at.is_none());
    fixture.stop().await;
}

#[tokio::test]
async fn who_waits_gets_it_in_the_end_and_is_never_given_up() {
    let receiver = Receiver::start().await;
    receiver.answer(|call| if call.attempt() < 6 { 503.into() } else { 200.into() });
    let webhook = Webhook { on_give_up: OnGiveUp::Wait, max_retries: 0, ..eager(&receiver.url()) };
    let fixture = Fixture::new(webhook).await;
    fixture.record([("a", 1), ("a", 2), ("b", 3)]).await;
    fixture.until_settled().await;
    assert!(fixture.dead().await.is_empty());
    assert_eq!(receiver.ns().iter().filter(|n| **n == 1).count(), 6);
    fixture.stop().await;
}

#[tokio::test]
async fn what_alone_is_refused_for_long_becomes_a_dead_letter() {
    let receiver = Receiver::start().await;
    receiver.answer(|call| if call.n() == 1 { 400.into() } else { 200.into() });
    let fixture = impatient(Webhook { on_give_up: OnGiveUp::Wait, ..eager(&receiver.url()) }).await;
    fixture.record([("a", 1), ("a", 2)]).await;
    until("it is tried", || async { (!receiver.calls().is_empty()).then_some(()) }).await;
    let mut n = 3;
    until("a dead letter", || {
        n += 1;
        let fixture = &fixture;
        async move {
            fixture.record([("b", n)]).await;
            (fixture.dead().await.len() == 1).then_some(())
        }
    })
    .await;
    fixture.until_settled().await;
    assert!(receiver.ns().contains(&2), "its chat goes on");
    assert!(stored(&fixture).await.paused_at.is_none());
    fixture.stop().await;
}
