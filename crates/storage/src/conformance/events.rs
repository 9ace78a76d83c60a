//! The event log.

use std::collections::HashSet;

use super::held::Held;
use super::{Backend, sample_event, sample_user};
use crate::{
    ActivityFilter, ActivityQuery, Chat, Event, EventKind, EventQuery, EventStart, InstanceAction, Missing,
    NewEvent, StorageError, UserId,
};

/// Every kind, with and without a chat that has all its names, survives a restart as it was.
pub async fn every_kind_of_event_round_trips(mut backend: impl Backend) {
    let store = backend.storage().await;
    let held = Held::new(&*store).await;
    let group = Chat { jid: "120363000000000001@g.us".into(), pn: None, lid: None };
    let events: Vec<_> = EventKind::ALL
        .iter()
        .flat_map(|kind| {
            let in_group = NewEvent { chat: Some(group.clone()), ..sample_event(*kind, None) };
            [sample_event(*kind, None), sample_event(*kind, Some("15550000002")), in_group]
        })
        .collect();
    let record = events.iter().cloned().fold(held.record(), crate::Record::event);
    store.record(record).await.unwrap();
    drop(store);
    backend.reopen().await;
    let log = held.log(&*backend.storage().await).await;
    let stored = log.into_iter().map(|event| NewEvent { id: event.id, chat: event.chat, data: event.data });
    // All codes but the last are void by those after them.
    let last = events.iter().rposition(|event| event.data.kind() == EventKind::QrReceived);
    let expected = events.into_iter().enumerate().map(|(at, mut event)| {
        if Some(at) != last {
            event.data.forget_code();
        }
        event
    });
    assert!(stored.eq(expected));
}

/// Pages by position join without gap or overlap; `Newest` ends with the end of the log.
pub async fn events_are_paged_by_position(backend: impl Backend) {
    let store = backend.storage().await;
    let held = Held::new(&*store).await;
    let Held { owner, instance, .. } = held;
    held.append(&*store, 7).await;
    let all = held.log(&*store).await;
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
    let held = Held::new(&*store).await;
    let Held { owner, instance, .. } = held;
    let kinds = [EventKind::Connected, EventKind::QrReceived, EventKind::Connected, EventKind::Disconnected];
    for kind in kinds.into_iter().cycle().take(12) {
        store.record(held.record().event(sample_event(kind, None))).await.unwrap();
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
/// record may share a time.
pub async fn polling_by_time_misses_nothing_and_repeats_nothing(backend: impl Backend) {
    let store = backend.storage().await;
    let held = Held::new(&*store).await;
    let Held { owner, instance, .. } = held;
    let mut seen: Vec<Event> = Vec::new();
    for round in 0..40 {
        let record = (0..round % 5)
            .fold(held.record(), |record, _| record.event(sample_event(EventKind::IdentityChanged, None)));
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
    assert_eq!(seen, held.log(&*store).await);
    assert_eq!(seen.iter().map(|event| event.id).collect::<HashSet<_>>().len(), 80);
}

/// Times are given by the database: those of one record may be the same, those of a later one are later.
pub async fn times_never_fall_and_differ_between_records(backend: impl Backend) {
    let store = backend.storage().await;
    let held = Held::new(&*store).await;
    for _ in 0..20 {
        let record = held
            .record()
            .event(sample_event(EventKind::Connected, None))
            .event(sample_event(EventKind::Disconnected, None));
        store.record(record).await.unwrap();
    }
    let log = held.log(&*store).await;
    for (pair, next) in log.chunks(2).zip(log[2..].chunks(2)) {
        assert!(pair[0].timestamp <= pair[1].timestamp && pair[1].timestamp < next[0].timestamp);
    }
}

/// Logs of two instances don't mix, and nobody but the owner sees one.
pub async fn each_instance_has_its_own_log(backend: impl Backend) {
    let store = backend.storage().await;
    let held = Held::new(&*store).await;
    let Held { owner, instance, .. } = held;
    let other = Held::of(&*store, owner, "other").await;
    let max = sample_user("max");
    store.create_user(max.clone()).await.unwrap();
    held.append(&*store, 3).await;
    other.append(&*store, 2).await;
    assert_eq!(held.log(&*store).await.len(), 3);
    assert_eq!(other.log(&*store).await.len(), 2);
    for stranger in [max.id, UserId::generate()] {
        let refused = store.events(stranger, instance, &query(EventStart::Oldest, &[], 3)).await;
        assert!(matches!(refused, Err(StorageError::NotFound { what: Missing::Instance })), "{refused:?}");
    }
}

/// Only events of the instance itself, by kind, action and time, in pages that join.
pub async fn what_happens_to_an_instance_is_paged_newest_first(backend: impl Backend) {
    let store = backend.storage().await;
    let held = Held::new(&*store).await;
    let Held { owner, instance, .. } = held;
    for action in [InstanceAction::Paired, InstanceAction::Reconnect] {
        let record = held
            .record()
            .event(sample_event(EventKind::MessageReceived, Some("15550000002")))
            .event(sample_event(EventKind::QrReceived, None))
            .event(sample_event(EventKind::Connected, None))
            .event(action.told());
        store.record(record).await.unwrap();
    }
    let mut all: Vec<Event> = held.log(&*store).await;
    all.retain(|event| event.kind() != EventKind::MessageReceived);
    all.reverse();
    let everything = ActivityQuery { only: None, start: None, end: None, limit: 100, skip: 0 };
    let page = store.activity(owner, instance, &everything).await.unwrap();
    assert_eq!((page.items, page.total, page.has_more), (all.clone(), 6, false));
    let pages = [0, 2, 4].map(|skip| ActivityQuery { limit: 2, skip, ..everything.clone() });
    for (query, part) in pages.iter().zip(all.chunks(2)) {
        let page = store.activity(owner, instance, query).await.unwrap();
        assert_eq!((&page.items[..], page.total, page.has_more), (part, 6, query.skip < 4));
    }
    let only = ActivityFilter { kinds: vec![EventKind::QrReceived], actions: vec![InstanceAction::Paired] };
    let named = ActivityQuery { only: Some(only), ..everything.clone() };
    let page = store.activity(owner, instance, &named).await.unwrap();
    let kinds = [EventKind::QrReceived, EventKind::InstanceChanged, EventKind::QrReceived];
    assert_eq!((kinds_of(&page.items), page.total), (kinds.to_vec(), 3));
    let nothing = ActivityQuery { only: Some(ActivityFilter::default()), ..everything.clone() };
    assert_eq!(store.activity(owner, instance, &nothing).await.unwrap().total, 0);
    let (first, last) = (all[5].timestamp, all[0].timestamp);
    let early = ActivityQuery { end: Some(first), ..everything.clone() };
    assert_eq!(store.activity(owner, instance, &early).await.unwrap().items, all[3..]);
    let late = ActivityQuery { start: Some(last), ..everything.clone() };
    assert_eq!(store.activity(owner, instance, &late).await.unwrap().items, all[..3]);
    let refused = store.activity(UserId::generate(), instance, &everything).await;
    assert!(matches!(refused, Err(StorageError::NotFound { what: Missing::Instance })), "{refused:?}");
}

fn query(start: EventStart, kinds: &[EventKind], limit: u64) -> EventQuery {
    EventQuery { start, kinds: kinds.to_vec(), limit }
}

fn kinds_of(events: &[Event]) -> Vec<EventKind> {
    events.iter().map(Event::kind).collect()
}
