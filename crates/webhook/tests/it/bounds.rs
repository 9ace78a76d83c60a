//! What a webhook holds in memory while its receiver doesn't answer.

use std::sync::Arc;

use storage::{
    Delivery, DeliveryState, EventData, MemoryStorage, MessageData, NewEvent, PAGE_BYTES, Record, Settlement,
};

use crate::fixture::{Fixture, chat, eager, now, open_options, text};
use crate::receiver::Receiver;
use crate::store::Watched;

/// As long as a text can be.
const LONG: usize = 250_000;
const EVENTS: usize = 100;
/// What one webhook may hold, beside the page that goes beyond it.
const HELD: usize = 4 << 20;

#[tokio::test]
async fn long_texts_wait_in_the_log() {
    let receiver = Receiver::start().await;
    receiver.script(|_| Box::pin(std::future::pending()));
    let store = Watched::new();
    let fixture = Fixture::with(store.clone(), [eager(&receiver.url())], open_options()).await;
    fixture.until_idle().await;
    let events = (0..EVENTS).map(|n| {
        let long = MessageData { text: Some("x".repeat(LONG)), ..text(1) };
        NewEvent::new(Some(chat(&n.to_string())), EventData::MessageReceived(long))
    });
    let record = events.fold(Record::new(fixture.instance, fixture.epoch), Record::event);
    fixture.storage.record(record).await.unwrap();
    fixture.dispatcher.changed(fixture.instance);
    receiver.wait_for(PAGE_BYTES / LONG).await;
    let read = store.events_read();
    assert!((read - 2) * LONG <= HELD + PAGE_BYTES, "{read} of {EVENTS} are in memory");
}

/// A replay makes any number pending at once: here of events that the log has forgotten, so that there is nothing to call.
#[tokio::test]
async fn more_deliveries_than_are_held_in_memory_are_all_settled() {
    let receiver = Receiver::start().await;
    let mut fixture =
        Fixture::with(Arc::new(MemoryStorage::default()), [eager(&receiver.url())], open_options()).await;
    fixture.stop().await;
    let put = (1..=10_300).map(|seq| Delivery {
        consumer: fixture.consumer(),
        seq,
        chat: Some((seq % 7).to_string()),
        state: DeliveryState::Pending,
        attempts: 1,
        next_attempt: now(),
        last_error: None,
        status_code: None,
        replayed: false,
        created_at: now(),
        updated_at: now(),
    });
    let settlement = Settlement { put: put.collect(), ..Settlement::new(fixture.consumer(), fixture.epoch) };
    fixture.storage.settle(vec![settlement]).await.unwrap();
    fixture.restart().await;
    fixture.until_settled().await;
    assert!(fixture.pending().await.is_empty() && receiver.calls().is_empty());
}
