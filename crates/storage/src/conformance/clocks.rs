//! What a clock that jumps leaves behind. For stores that take the present from a [`crate::Clock`].

use std::time::Duration;

use super::held::Held;
use super::sample_event;
use crate::{EventKind, EventPage, EventQuery, EventStart, MAX_EVENT_LEAD, NodeId, Storage, Timestamp};

const HOUR: i64 = 60 * 60 * 1_000;
const YEAR: i64 = 365 * 24 * HOUR;
const START: i64 = 1_700_000_000_000;
const LEASE: Duration = Duration::from_secs(30);

/// Years, days or hours ahead for a moment: the log keeps its order and its positions, and its times come back to the
/// clock's. `set` says what time it is from now on.
pub async fn event_times_come_back_from_the_future(store: &dyn Storage, set: impl Fn(Timestamp)) {
    for jump in [10 * YEAR, 3 * 24 * HOUR, 2 * HOUR] {
        let at = |millis| set(Timestamp::from_millis(START + millis));
        at(0);
        let held = Held::new(store).await;
        append(store, &held, 3).await;
        at(jump);
        append(store, &held, 4).await;
        at(1_000);
        append(store, &held, 2).await;

        let log = held.log(store).await;
        assert!(log.windows(2).all(|pair| pair[0].seq < pair[1].seq));
        let times: Vec<i64> = log.iter().map(|event| event.timestamp.millis() - START).collect();
        assert!(times.windows(2).all(|pair| pair[0] < pair[1]), "{jump}: {times:?}");
        let lead = i64::try_from(MAX_EVENT_LEAD.as_millis()).unwrap();
        assert!(times.iter().all(|time| *time <= 1_000 + lead), "{jump}: {times:?}");
        assert!(after(store, &held, 60_000).await.events.is_empty(), "nothing is told again and again");
        assert_eq!(after(store, &held, times[2]).await.events, log[3..]);
    }
}

/// Back by a day: times go on where they were, so that whoever reads by time misses nothing.
pub async fn event_times_never_fall(store: &dyn Storage, set: impl Fn(Timestamp)) {
    set(Timestamp::from_millis(START));
    let held = Held::new(store).await;
    append(store, &held, 2).await;
    set(Timestamp::from_millis(START - HOUR / 2));
    append(store, &held, 2).await;
    let times: Vec<i64> = held.log(store).await.iter().map(|event| event.timestamp.millis()).collect();
    assert!(times.windows(2).all(|pair| pair[0] < pair[1]), "{times:?}");
}

/// A node that died while the clock was ahead keeps its instances for the length of a lease, not for years.
pub async fn a_lease_from_the_future_ends(store: &dyn Storage, set: impl Fn(Timestamp)) {
    let at = |millis| set(Timestamp::from_millis(START + millis));
    at(10 * YEAR);
    let (dead, living) = (super::SAMPLE_NODE, NodeId::from_bytes([9; 16]));
    store.acquire(dead, true, 9, LEASE).await.unwrap();
    let held = Held::new(store).await;
    at(0);
    assert!(store.acquire(living, true, 9, LEASE).await.unwrap().is_empty(), "it may still live");
    at(31_000);
    let taken = store.acquire(living, false, 9, LEASE).await.unwrap();
    assert!(taken.iter().any(|leased| leased.instance.id == held.instance));
}

async fn append(store: &dyn Storage, held: &Held, count: usize) {
    for _ in 0..count {
        store.record(held.record().event(sample_event(EventKind::Connected, None))).await.unwrap();
    }
}

async fn after(store: &dyn Storage, held: &Held, millis: i64) -> EventPage {
    let start = EventStart::AfterTime(Timestamp::from_millis(START + millis));
    let query = EventQuery { start, kinds: Vec::new(), limit: 100 };
    store.events(held.owner, held.instance, &query).await.unwrap()
}
