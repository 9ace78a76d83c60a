//! The event log.

use std::collections::HashSet;

use super::record::{instance, log};
use super::{Backend, sample_event, sample_incoming, sample_instance, sample_user};
use crate::{
    Consumer, Delivery, DeliveryState, Event, EventKind, EventQuery, EventStart, InstanceId, Record,
    Settlement, Storage, StorageError, Timestamp, UserId,
};

/// Pages by position join without gap or overlap; `Newest` ends with the end of the log.
pub async fn events_are_paged_by_position(backend: impl Backend) {
    let store = backend.storage().await;
    let (owner, instance) = instance(&*store).await;
    append(&*store, instance, 7).await;
    let all = log(&*store, instance).await;
    assert_eq!(all.len(), 7);
    assert!(all.is_sorted_by(|one, next| one.seq < next.seq) && all[0].seq >= 1);

    let mut start = EventStart::Oldest;
    let mut paged = Vec::new();
    loop {
        let page = store.events(owner, instance, &query(start, &[], 3)).await.unwrap();
        assert!(page.events.len() <= 3);
        paged.extend(page.events);
        start = EventStart::AfterSeq(paged.last().unwrap().seq);
        if !page.has_more {
            break;
        }
    }
    assert_eq!(paged, all);

    let newest = store.events(owner, instance, &query(EventStart::Newest, &[], 3)).await.unwrap();
    assert_eq!(newest.events, all[4..]);
    assert!(!newest.has_more);
    let end = EventStart::AfterSeq(all[6].seq);
    assert!(store.events(owner, instance, &query(end, &[], 3)).await.unwrap().events.is_empty());
    assert_eq!(store.event(instance, all[2].seq).await.unwrap().as_ref(), Some(&all[2]));
    assert_eq!(store.event(instance, all[6].seq + 1).await.unwrap(), None);
    assert_eq!(store.events_after(instance, all[1].seq, 2).await.unwrap(), all[2..4]);
}

/// A filter by kinds applies before the limit.
pub async fn events_are_filtered_by_kind(backend: impl Backend) {
    let store = backend.storage().await;
    let (owner, instance) = instance(&*store).await;
    let kinds = [EventKind::Connected, EventKind::QrReceived, EventKind::Connected, EventKind::Disconnected];
    for (millis, kind) in kinds.into_iter().cycle().take(12).enumerate() {
        let event = sample_event(kind, None, 1_000 + millis as i64);
        store.record(Record::new(instance).event(event)).await.unwrap();
    }
    let wanted = [EventKind::QrReceived, EventKind::Disconnected];
    let page = store.events(owner, instance, &query(EventStart::Oldest, &wanted, 4)).await.unwrap();
    assert_eq!(kinds_of(&page.events), [wanted[0], wanted[1], wanted[0], wanted[1]]);
    assert!(page.has_more);
    let newest = store.events(owner, instance, &query(EventStart::Newest, &wanted[..1], 2)).await.unwrap();
    assert_eq!(kinds_of(&newest.events), [EventKind::QrReceived; 2]);
    let time = EventStart::AfterTime(newest.events[0].timestamp);
    let after = store.events(owner, instance, &query(time, &wanted[..1], 5)).await.unwrap();
    assert_eq!(after.events, newest.events[1..]);
    assert!(!after.has_more);
}

/// Whoever asks again and again for events after the last time they saw gets each one once, although events of one
/// record may share a time and the producer's clock stands still or steps back.
pub async fn polling_by_time_misses_nothing_and_repeats_nothing(backend: impl Backend) {
    let store = backend.storage().await;
    let (owner, instance) = instance(&*store).await;
    let mut seen: Vec<Event> = Vec::new();
    for round in 0..40 {
        let clock = [5_000, 5_000, 4_000, 5_001][round % 4];
        let record = (0..round % 5).fold(Record::new(instance), |record, _| {
            record.event(sample_event(EventKind::QrReceived, None, clock))
        });
        store.record(record).await.unwrap();
        let since = seen.last().map_or(EventStart::Oldest, |event| EventStart::AfterTime(event.timestamp));
        let page = store.events(owner, instance, &query(since, &[], 2)).await.unwrap();
        seen.extend(page.events);
    }
    loop {
        let since = seen.last().map_or(EventStart::Oldest, |event| EventStart::AfterTime(event.timestamp));
        let page = store.events(owner, instance, &query(since, &[], 2)).await.unwrap();
        seen.extend(page.events);
        if !page.has_more {
            break;
        }
    }
    assert_eq!(seen, log(&*store, instance).await);
    assert_eq!(seen.iter().map(|event| event.id).collect::<HashSet<_>>().len(), 80);
}

/// Times never fall, whatever the producer's clock does, and differ between records.
pub async fn times_never_fall_and_differ_between_records(backend: impl Backend) {
    let store = backend.storage().await;
    let (_, instance) = instance(&*store).await;
    for clock in [5_000, 5_000, 9_000, 1_000] {
        let record = Record::new(instance)
            .event(sample_event(EventKind::Connected, None, clock))
            .event(sample_event(EventKind::Disconnected, None, clock));
        store.record(record).await.unwrap();
    }
    let times: Vec<_> = log(&*store, instance).await.iter().map(|event| event.timestamp.millis()).collect();
    assert_eq!(times, [5_000, 5_000, 5_001, 5_001, 9_000, 9_000, 9_001, 9_001]);
}

/// Logs of two instances don't mix, and nobody but the owner sees one.
pub async fn each_instance_has_its_own_log(backend: impl Backend) {
    let store = backend.storage().await;
    let (owner, instance) = instance(&*store).await;
    let other = sample_instance(owner, "other");
    let max = sample_user("max");
    store.create_instance(other.clone()).await.unwrap();
    store.create_user(max.clone()).await.unwrap();
    append(&*store, instance, 3).await;
    append(&*store, other.id, 2).await;
    assert_eq!(log(&*store, instance).await.len(), 3);
    assert_eq!(log(&*store, other.id).await.len(), 2);
    for stranger in [max.id, UserId::generate()] {
        let refused = store.events(stranger, instance, &query(EventStart::Oldest, &[], 3)).await;
        assert!(matches!(refused, Err(StorageError::NotFound { what: "instance" })), "{refused:?}");
    }
}

/// Pruning leaves the newest event, what a consumer has not passed, and what has a delivery.
pub async fn pruning_keeps_what_is_still_needed(backend: impl Backend) {
    let store = backend.storage().await;
    let (_, instance) = instance(&*store).await;
    append(&*store, instance, 10).await;
    let all = log(&*store, instance).await;
    let consumer = Consumer::webhook(instance);
    let delivery = Delivery {
        consumer: consumer.clone(),
        seq: all[2].seq,
        chat: None,
        state: DeliveryState::Dead,
        attempts: 4,
        next_attempt: Timestamp::from_millis(1),
        last_error: None,
        status_code: None,
        created_at: Timestamp::from_millis(1),
        updated_at: Timestamp::from_millis(1),
    };
    let settlement =
        Settlement { cursor: Some(all[5].seq), put: vec![delivery], ..Settlement::new(consumer.clone()) };
    store.settle(vec![settlement]).await.unwrap();
    let left = |kept: &[usize]| kept.iter().map(|at| all[*at].clone()).collect::<Vec<_>>();

    assert_eq!(store.prune_events(all[1].timestamp, 100).await.unwrap(), 1);
    assert_eq!(store.prune_events(Timestamp::from_millis(i64::MAX), 2).await.unwrap(), 2);
    assert_eq!(log(&*store, instance).await, left(&[2, 4, 5, 6, 7, 8, 9]));
    assert_eq!(store.prune_events(Timestamp::from_millis(i64::MAX), 100).await.unwrap(), 2);
    assert_eq!(log(&*store, instance).await, left(&[2, 6, 7, 8, 9]));

    let settlement =
        Settlement { cursor: Some(all[9].seq), done: vec![all[2].seq], ..Settlement::new(consumer) };
    store.settle(vec![settlement]).await.unwrap();
    assert_eq!(store.prune_events(Timestamp::from_millis(i64::MAX), 100).await.unwrap(), 4);
    assert_eq!(log(&*store, instance).await, left(&[9]));
    let next = sample_event(EventKind::Connected, None, 1);
    store.record(Record::new(instance).event(next)).await.unwrap();
    assert!(log(&*store, instance).await[1].seq > all[9].seq);
}

async fn append(store: &dyn Storage, instance: InstanceId, count: i64) {
    for n in 0..count {
        let message = sample_incoming(instance, "15550000002", &format!("A{n}"), 1_000 + n);
        store.record(Record::new(instance).message(message)).await.unwrap();
    }
}

fn query(start: EventStart, kinds: &[EventKind], limit: u64) -> EventQuery {
    EventQuery { start, kinds: kinds.to_vec(), limit }
}

fn kinds_of(events: &[Event]) -> Vec<EventKind> {
    events.iter().map(|event| event.kind).collect()
}
