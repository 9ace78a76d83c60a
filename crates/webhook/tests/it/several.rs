//! Several webhooks of one instance, and several owners of it one after the other.

use std::sync::Arc;
use std::time::Duration;

use storage::conformance::SAMPLE_NODE;
use storage::{Consumer, EventFilter, EventKind, MemoryStorage, NodeId, Webhook};
use webhook::Dispatcher;

use crate::fixture::{Fixture, connected, eager, named, open_options};
use crate::receiver::{Receiver, until};

#[tokio::test]
async fn a_webhook_that_fails_holds_up_no_other() {
    let (good, bad) = (Receiver::start().await, Receiver::start().await);
    bad.answer(|_| 500.into());
    let failing = Webhook { max_retries: 0, ..named("failing", &bad.url()) };
    let storage = Arc::new(MemoryStorage::default());
    let fixture = Fixture::with(storage, [eager(&good.url()), failing], open_options()).await;
    fixture.record((1..=20).map(|n| ("a", n))).await;
    fixture.until_settled().await;
    assert_eq!(good.ns(), (1..=20).collect::<Vec<_>>());
    assert!(fixture.dead().await.is_empty());
    let dead = fixture.dead_of("failing").await;
    assert_eq!(dead.len(), 20);
    assert!(
        dead.iter().all(|(delivery, event)| event.as_ref().is_some_and(|event| event.seq == delivery.seq))
    );

    bad.answer(|_| 200.into());
    let replayed = fixture
        .dispatcher
        .replay(fixture.owner, &Consumer::webhook(fixture.instance, "failing"), None)
        .await
        .unwrap();
    assert_eq!(replayed, 20);
    fixture.until_settled().await;
    assert_eq!((bad.calls().len(), good.calls().len()), (40, 20));
}

#[tokio::test]
async fn each_webhook_has_its_own_choice_of_events() {
    let (all, few) = (Receiver::start().await, Receiver::start().await);
    let filter = EventFilter { kinds: Some(vec![EventKind::Connected]), ..EventFilter::default() };
    let chosen = Webhook { filter, ..named("chosen", &few.url()) };
    let storage = Arc::new(MemoryStorage::default());
    let fixture = Fixture::with(storage, [eager(&all.url()), chosen], open_options()).await;
    fixture.record([("a", 1)]).await;
    fixture.record_events([connected()]).await;
    all.wait_for(2).await;
    few.wait_for(1).await;
    fixture.until_idle().await;
    assert_eq!((all.calls().len(), few.calls().len()), (2, 1));
    assert_eq!(few.calls()[0].header("x-webhook-event"), "connected");
}

#[tokio::test]
async fn webhooks_come_and_go_while_events_do() {
    let (first, second) = (Receiver::start().await, Receiver::start().await);
    let fixture = Fixture::new(eager(&first.url())).await;
    fixture.record([("a", 1)]).await;
    first.wait_for(1).await;

    let added = Webhook { instance: fixture.instance, ..named("added", &second.url()) };
    fixture
        .storage
        .create_webhook(fixture.owner, added, 9, storage::Edit::at(storage::Timestamp::default()))
        .await
        .unwrap();
    fixture.dispatcher.changed(fixture.instance);
    fixture.record([("a", 2)]).await;
    second.wait_for(1).await;
    first.wait_for(2).await;
    assert_eq!(second.ns(), [2], "what happened before it was there isn't delivered");

    fixture
        .storage
        .delete_webhook(
            fixture.owner,
            fixture.instance,
            "added".to_owned(),
            storage::Edit::at(storage::Timestamp::default()),
        )
        .await
        .unwrap();
    fixture.dispatcher.changed(fixture.instance);
    fixture.until_idle().await;
    fixture.record([("a", 3)]).await;
    first.wait_for(3).await;
    fixture.until_idle().await;
    assert_eq!((first.ns(), second.ns()), (vec![1, 2, 3], vec![2]));
}

/// Another process took the instance: what this one goes on to achieve is refused, and it stops.
#[tokio::test]
async fn a_dispatcher_that_lost_the_instance_stops() {
    let receiver = Receiver::start().await;
    let fixture = Fixture::new(eager(&receiver.url())).await;
    fixture.record([("a", 1)]).await;
    receiver.wait_for(1).await;
    fixture.until_idle().await;

    fixture.storage.release(SAMPLE_NODE, None).await.unwrap();
    let other = NodeId::from_bytes([7; 16]);
    let leased = fixture.storage.acquire(other, true, 9, Duration::from_secs(30)).await.unwrap();
    let winner = Dispatcher::new(Arc::clone(&fixture.storage), open_options()).unwrap();
    let mut events = fixture.storage.events_after(fixture.instance, 0, 9).await.unwrap();
    let recorded = {
        let record =
            storage::Record::new(fixture.instance, leased[0].epoch).event(crate::fixture::message("a", 2));
        fixture.storage.record(record).await.unwrap()
    };
    storage::Listener::rang(&fixture.dispatcher, fixture.instance, &recorded);
    until("the loser has stopped", || async {
        format!("{:?}", fixture.dispatcher).contains("instances: 0, tasks: 0,").then_some(())
    })
    .await;
    assert_eq!(fixture.cursor().await, events.remove(0).seq, "its settlement was refused");

    winner.serve(fixture.instance, fixture.owner, leased[0].epoch);
    fixture.until_settled().await;
    assert_eq!(receiver.ns(), [1, 2, 2], "the event comes again from the one that holds the instance");
}

#[tokio::test]
async fn an_instance_that_is_let_go_is_served_no_more_and_can_be_taken_back() {
    let receiver = Receiver::start().await;
    let fixture = Fixture::new(eager(&receiver.url())).await;
    fixture.record([("a", 1)]).await;
    fixture.dispatcher.release(fixture.instance);
    fixture.until_idle().await;
    let calls = receiver.calls().len();
    fixture.record([("a", 2)]).await;
    fixture.until_idle().await;
    assert_eq!(receiver.calls().len(), calls);

    fixture.dispatcher.serve(fixture.instance, fixture.owner, fixture.epoch);
    fixture.until_settled().await;
    assert_eq!(receiver.ns(), [1, 2]);
    fixture.dispatcher.serve(fixture.instance, fixture.owner, fixture.epoch);
    fixture.until_idle().await;
    assert_eq!(receiver.ns(), [1, 2], "to hear it again changes nothing");
}
