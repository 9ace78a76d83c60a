use std::sync::atomic::{AtomicI64, Ordering};

use storage::conformance::{sample_event, sample_instance, sample_user};
use storage::{
    Claim, ClaimStore as _, Clock, Epoch, EventKind, Fleet as _, Instance, InstanceId, Json, MemoryStorage,
    MessageQuery, MessageStore as _, NodeId, Record, Retention, Timestamp,
};

use super::*;
use crate::clock::now;
use crate::testing::{World, until};

const HOUR: i64 = 60 * 60 * 1_000;
const DAY: i64 = 24 * HOUR;

fn record(world: &World, instance: InstanceId) -> Record {
    let epoch: Epoch = world.companions.of(instance).epoch;
    Record::new(instance, epoch)
}

#[tokio::test]
async fn old_keys_are_forgotten_and_young_ones_kept() {
    let world = World::new().await;
    let instance = world.instance().await;
    let lifetime = i64::try_from(IDEMPOTENCY_LIFETIME.as_millis()).unwrap();
    for (key, age) in [("old", lifetime + HOUR), ("young", lifetime - HOUR)] {
        let claim = Claim {
            scope: "send".to_owned(),
            key: key.to_owned(),
            fingerprint: [0; 32],
            answer: Json::default(),
            at: now().plus_millis(-age),
        };
        world.storage.record(record(&world, instance).claim(Some(claim))).await.unwrap();
    }
    world.services.resume().await.unwrap();
    until("the old one is gone", || async {
        world.storage.claim("send", "old").await.unwrap().is_none().then_some(())
    })
    .await;
    assert!(world.storage.claim("send", "young").await.unwrap().is_some());
    assert!(world.services.stop(Duration::from_secs(5)).await, "it does not keep the services from stopping");
}

/// Stores so many messages, written one, two, … days ago.
async fn a_message_a_day(world: &World, instance: InstanceId, days: i64) {
    let written = |day: i64| {
        let mut new = storage::conformance::sample_incoming(
            instance,
            "79001234567",
            &day.to_string(),
            now().plus_millis(-day * DAY).millis(),
        );
        new.event = None;
        new
    };
    let all = (1..=days).fold(record(world, instance), |record, day| record.message(written(day)));
    world.storage.record(all).await.unwrap();
}

async fn kept(world: &World, instance: InstanceId) -> u64 {
    let query = MessageQuery::newest("79001234567@s.whatsapp.net", 1);
    world.storage.messages(world.caller.user, instance, &query).await.unwrap().total
}

#[tokio::test(start_paused = true)]
async fn messages_are_kept_as_long_as_the_gateway_or_the_instance_says_and_forgotten_in_pieces() {
    let world = World::new().await;
    let (for_ever, for_a_week) = (world.instance().await, world.instance().await);
    let week = crate::UpdateInstance { message_days: Some(Some(7)), ..crate::UpdateInstance::default() };
    world.services.instances.update(&world.caller, for_a_week, week).await.unwrap();
    a_message_a_day(&world, for_ever, 2_500).await;
    a_message_a_day(&world, for_a_week, 2_500).await;
    let storage: Arc<dyn Storage> = world.storage.clone();
    let nothing = KeepFor { events: None, messages: None, media: None, dead_letters: None, audit: None };
    let task = tokio::spawn(keep(Arc::clone(&storage), nothing, Clock::system()));
    until("the old ones are gone", || async { (kept(&world, for_a_week).await <= 7).then_some(()) }).await;
    task.abort();
    assert_eq!(kept(&world, for_ever).await, 2_500);

    let year = KeepFor { events: None, messages: Some(Duration::from_secs(365 * 24 * 60 * 60)), ..nothing };
    let task = tokio::spawn(keep(storage, year, Clock::system()));
    until("the old ones are gone", || async { (kept(&world, for_ever).await <= 365).then_some(()) }).await;
    task.abort();
    assert!(kept(&world, for_a_week).await >= 6);
}

#[tokio::test(start_paused = true)]
async fn old_events_are_forgotten_in_pieces_and_young_ones_kept() {
    let time = Arc::new(AtomicI64::new(0));
    let clock = Arc::clone(&time);
    let clock = Clock::new(move || Timestamp::from_millis(clock.load(Ordering::Relaxed)));
    let now_shown = clock.clone();
    let storage: Arc<dyn Storage> = Arc::new(MemoryStorage::with_clock(clock));
    let owner = sample_user("owner");
    storage.create_user(owner.clone()).await.unwrap();
    let instance = Instance { retention: Retention::default(), ..sample_instance(owner.id, "instance") };
    let id = instance.id;
    let epoch = storage.create_instance(instance, Vec::new(), NodeId::generate(), 1).await.unwrap();
    for (day, events) in [(0, 2_500), (20, 7)] {
        time.store(day * DAY, Ordering::Relaxed);
        let event = || sample_event(EventKind::Connected, None);
        let all = (0..events).fold(Record::new(id, epoch), |record, _| record.event(event()));
        storage.record(all).await.unwrap();
    }
    time.store(31 * DAY, Ordering::Relaxed);
    let task = tokio::spawn(keep(Arc::clone(&storage), KeepFor::default(), now_shown));
    let log = || async { storage.events_after(id, 0, 10_000).await.unwrap() };
    until("the old ones are gone", || async { (log().await.len() <= 7).then_some(()) }).await;
    task.abort();
    let young = log().await;
    assert_eq!(young.iter().map(|event| event.seq).collect::<Vec<_>>(), (2_501..=2_507).collect::<Vec<_>>());
}

#[test]
fn events_are_kept_for_thirty_days_and_messages_for_ever_unless_told_otherwise() {
    let default = KeepFor::default();
    assert_eq!((default.events, default.messages), (Some(Duration::from_secs(30 * 86_400)), None));
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_jumps_forgets_neither_keys_nor_events() {
    let time = Arc::new(AtomicI64::new(0));
    let shown = Arc::clone(&time);
    let clock = Clock::new(move || Timestamp::from_millis(shown.load(Ordering::Relaxed)));
    let storage: Arc<dyn Storage> = Arc::new(MemoryStorage::with_clock(clock.clone()));
    let owner = sample_user("owner");
    storage.create_user(owner.clone()).await.unwrap();
    let instance = Instance { retention: Retention::default(), ..sample_instance(owner.id, "instance") };
    let id = instance.id;
    let epoch = storage.create_instance(instance, Vec::new(), NodeId::generate(), 1).await.unwrap();
    let claim = Claim {
        scope: "send".to_owned(),
        key: "key".to_owned(),
        fingerprint: [0; 32],
        answer: Json::default(),
        at: Timestamp::default(),
    };
    for claim in [Some(claim), None] {
        let event = sample_event(EventKind::Connected, None);
        storage.record(Record::new(id, epoch).claim(claim).event(event)).await.unwrap();
    }
    // The first start has seen how late it is; the later ones find a clock that is ahead.
    for days in [0, 8, 3_650] {
        time.store(days * DAY, Ordering::Relaxed);
        let task = tokio::spawn(keep(Arc::clone(&storage), KeepFor::default(), clock.clone()));
        sleep(Duration::from_secs(10)).await;
        task.abort();
        assert!(storage.claim("send", "key").await.unwrap().is_some(), "{days} days ahead");
        assert_eq!(storage.events_after(id, 0, 10).await.unwrap().len(), 2, "{days} days ahead");
    }
}
