//! Forgetting what is older than it has to be kept.

use std::time::Duration;

use super::held::Held;
use super::{Backend, sample_amendment, sample_event, sample_incoming, sample_outgoing, sample_webhook};
use crate::{
    Change, Clock, Consumer, ContactChange, ContactId, ContactQuery, Delivery, DeliveryQuery, DeliveryState,
    Edit, Event, EventData, EventKind, InstancePatch, MediaFault, MediaState, MessageKind, Outcome,
    Retention, Settlement, Storage, Timestamp, WebhookPatch,
};

const CHAT: &str = "15550000002@s.whatsapp.net";
pub(super) const NOTHING: Option<Duration> = Some(Duration::ZERO);
const A_DAY: Option<Duration> = Some(Duration::from_secs(24 * 60 * 60));

/// In pieces; what stays is the newest event, what the webhook has not passed, and what has a delivery. The log goes on
/// where it ended.
pub async fn old_events_go_and_what_is_still_needed_stays(backend: impl Backend) {
    let store = backend.storage().await;
    let held = kept_for(&*store, Retention::default()).await;
    held.append(&*store, 10).await;
    let all = held.log(&*store).await;
    let left = |kept: &[usize]| kept.iter().map(|at| all[*at].clone()).collect::<Vec<Event>>();
    let put = vec![owed(&held.webhook(), all[2].seq)];
    settle(&*store, Settlement { cursor: Some(all[5].seq), put, ..held.settlement() }).await;

    assert_eq!(store.prune_events(None, 100).await.unwrap(), 0);
    assert_eq!(store.prune_events(A_DAY, 100).await.unwrap(), 0);
    prune_events(&*store, NOTHING, 2, 2).await;
    assert_eq!(held.log(&*store).await, left(&[2, 3, 4, 5, 6, 7, 8, 9]));
    prune_events(&*store, NOTHING, 100, 3).await;
    assert_eq!(held.log(&*store).await, left(&[2, 6, 7, 8, 9]));
    assert_eq!(store.prune_events(NOTHING, 100).await.unwrap(), 0);

    settle(&*store, Settlement { cursor: Some(all[9].seq), done: vec![all[2].seq], ..held.settlement() })
        .await;
    prune_events(&*store, NOTHING, 100, 4).await;
    assert_eq!(held.log(&*store).await, left(&[9]));
    assert_eq!(store.record(held.record()).await.unwrap().after, all[9].seq);
}

/// In pieces; what is on its way stays, and so do the log, other instances and what belongs to other users.
pub async fn an_owner_forgets_messages_and_contacts(backend: impl Backend) {
    let store = backend.storage().await;
    let held = Held::new(&*store).await;
    let other = Held::of(&*store, held.owner, "other").await;
    let stranger = Held::new(&*store).await;
    let contact = |jid: &str| {
        let change = ContactChange::of(ContactId::generate(), jid);
        ContactChange { archived: Some(true), ..change }
    };
    for of in [held, other] {
        let record = (0..3).fold(of.record(), |record, n| {
            let jid = format!("1555000000{n}@s.whatsapp.net");
            record
                .message(sample_incoming(of.instance, "15550000002", &n.to_string(), n))
                .contact(contact(&jid))
        });
        let record = record.message(sample_outgoing(of.instance, "15550000002", "out", 9));
        store.record(record).await.unwrap();
    }
    let log = held.log(&*store).await;
    let (owner, instance) = (held.owner, held.instance);
    for count in [2, 1, 0] {
        assert_eq!(store.clear_messages(owner, instance, 2).await.unwrap(), count);
        assert_eq!(store.clear_contacts(owner, instance, 2).await.unwrap(), count);
    }
    assert_eq!(held.listed(&*store, CHAT).await, ["out"]);
    assert_eq!(held.log(&*store).await, log);
    assert_eq!(other.listed(&*store, CHAT).await.len(), 4);
    let all = ContactQuery { limit: 9, ..ContactQuery::default() };
    assert_eq!(store.contacts(owner, instance, &all).await.unwrap().total, 0);
    assert_eq!(store.contacts(owner, other.instance, &all).await.unwrap().total, 3);
    assert!(store.clear_messages(stranger.owner, other.instance, 9).await.is_err());
    assert!(store.clear_contacts(stranger.owner, other.instance, 9).await.is_err());
}

/// A webhook that is off, or that no longer exists, holds nothing back; one that has not delivered anything does.
pub async fn events_wait_for_webhooks_that_are_switched_on(backend: impl Backend) {
    let store = backend.storage().await;
    let held = kept_for(&*store, Retention::default()).await;
    let now = Edit::at(Timestamp::default());
    store.create_webhook(held.owner, sample_webhook(held.instance, "second"), 9, now.clone()).await.unwrap();
    held.append(&*store, 4).await;
    let all = held.log(&*store).await;
    settle(&*store, Settlement { cursor: Some(all[3].seq), ..held.settlement() }).await;
    let second = Consumer::webhook(held.instance, "second");
    settle(&*store, Settlement { cursor: Some(all[0].seq), ..Settlement::new(second, held.epoch) }).await;
    prune_events(&*store, NOTHING, 100, 1).await;
    let off = WebhookPatch { enabled: Some(false), ..WebhookPatch::default() };
    store.update_webhook(held.owner, held.instance, "second".into(), off, now).await.unwrap();
    prune_events(&*store, NOTHING, 100, 2).await;
    assert_eq!(held.log(&*store).await, all[3..]);

    let fresh = kept_for(&*store, Retention::default()).await;
    fresh.append(&*store, 3).await;
    assert_eq!(store.prune_events(NOTHING, 100).await.unwrap(), 0);
}

/// What was written longer ago than the retention goes, in pieces, whatever its kind; what is pending stays.
pub async fn old_messages_go_and_pending_ones_stay(backend: impl Backend) {
    let store = backend.storage().await;
    let held = kept_for(&*store, Retention::default()).await;
    let day = 24 * 60 * 60 * 1_000;
    let now = Clock::system().now().millis();
    let aged = |id: &str, days: i64| sample_incoming(held.instance, "15550000002", id, now - days * day);
    let mut reaction = aged("R", 9);
    reaction.message.kind = MessageKind::Reaction;
    let elsewhere = sample_incoming(held.instance, "15550000003", "E", now - 9 * day);
    let record = held
        .record()
        .message(aged("old", 3))
        .message(aged("older", 9))
        .message(aged("new", 0))
        .message(reaction)
        .message(elsewhere)
        .message(sample_outgoing(held.instance, "15550000002", "pending", now - 9 * day));
    store.record(record).await.unwrap();
    assert_eq!(store.prune_messages(None, 100).await.unwrap(), 0);
    assert_eq!(store.prune_messages(Some(Duration::from_secs(10 * 24 * 60 * 60)), 100).await.unwrap(), 0);
    assert_eq!(store.prune_messages(A_DAY, 3).await.unwrap(), 3);
    assert_eq!(store.prune_messages(A_DAY, 100).await.unwrap(), 1);
    assert_eq!(store.prune_messages(A_DAY, 100).await.unwrap(), 0);
    assert_eq!(held.listed(&*store, CHAT).await, ["new", "pending"]);
    assert!(store.fleet_messages_by_id(held.instance, "R").await.unwrap().is_empty());
    assert!(store.fleet_messages_by_id(held.instance, "E").await.unwrap().is_empty());
    // Gone is gone: the same message may come again.
    let again = store.record(held.record().message(aged("old", 3))).await.unwrap();
    assert_eq!(again.outcomes, [Outcome::Added]);
}

/// Files that are old enough are let go, in pieces, where the instance or the gateway says so. Their messages stay and say so;
/// a file that isn't there yet can still come.
pub async fn old_files_go_and_their_messages_stay(backend: impl Backend) {
    let store = backend.storage().await;
    let day = 24 * 60 * 60 * 1_000;
    let now = Clock::system().now().millis();
    let kept = kept_for(&*store, Retention::default()).await;
    let short = kept_for(&*store, Retention { media_days: Some(7), ..Retention::default() }).await;
    let aged = |held: &Held, days: i64, state| {
        let mut new = sample_incoming(held.instance, "15550000002", &days.to_string(), now - days * day);
        new.message.media = Some(super::media::file(state));
        new
    };
    for held in [&kept, &short] {
        let record = [8, 9, 10, 2]
            .into_iter()
            .fold(held.record(), |record, days| record.message(aged(held, days, MediaState::Ready)));
        store.record(record.message(aged(held, 11, MediaState::Pending))).await.unwrap();
    }
    for count in [2, 1, 0] {
        assert_eq!(store.prune_media(None, 2).await.unwrap(), count);
    }
    let found = async |held: &Held, id: &str| {
        let message = store.fleet_messages_by_id(held.instance, id).await.unwrap().remove(0);
        let is_there = store.has_file(held.instance, message.id).await.unwrap();
        let media = message.media.unwrap();
        assert_eq!((is_there, is_there), (media.state == MediaState::Ready, media.object.is_some()));
        (media.state, media.fault)
    };
    let forgotten = (MediaState::Failed, Some(MediaFault::Forgotten));
    for id in ["8", "9", "10"] {
        assert_eq!(found(&short, id).await, forgotten, "{id}");
        assert_eq!(found(&kept, id).await, (MediaState::Ready, None), "{id}");
    }
    assert_eq!(found(&short, "2").await, (MediaState::Ready, None));
    assert_eq!(found(&short, "11").await, (MediaState::Pending, None));
    assert_eq!(store.prune_media(A_DAY, 100).await.unwrap(), 4, "the instance's own comes first");
}

/// What the owner chose holds before what the gateway says, in both directions.
pub async fn an_instances_own_retention_comes_first(backend: impl Backend) {
    let store = backend.storage().await;
    let long =
        kept_for(&*store, Retention { event_days: Some(9), message_days: Some(9), media_days: None }).await;
    let short =
        kept_for(&*store, Retention { event_days: Some(0), message_days: Some(0), media_days: None }).await;
    for held in [&long, &short] {
        held.append(&*store, 3).await;
        let last = held.log(&*store).await[2].seq;
        settle(&*store, Settlement { cursor: Some(last), ..held.settlement() }).await;
        let today = Clock::system().now().millis() - 1;
        let message = sample_incoming(held.instance, "15550000003", "today", today);
        store.record(held.record().message(message)).await.unwrap();
    }
    prune_events(&*store, A_DAY, 100, 3).await;
    assert_eq!(long.log(&*store).await.len(), 4);
    assert_eq!(store.prune_events(NOTHING, 100).await.unwrap(), 0);
    // The samples are of 1970.
    assert_eq!(store.prune_messages(A_DAY, 100).await.unwrap(), 3 + 3 + 1);
    assert_eq!(long.listed(&*store, "15550000003@s.whatsapp.net").await, ["today"]);
}

/// A change whose message never comes is forgotten as a message of the same age is.
pub async fn early_changes_do_not_wait_for_ever(backend: impl Backend) {
    let store = backend.storage().await;
    let held = Held::new(&*store).await;
    let now = Clock::system().now().millis();
    let revoke = |target: &str, at| sample_amendment("15550000002", target, Change::Revoke, at);
    store.record(held.record().amend(revoke("old", 1_000)).amend(revoke("new", now))).await.unwrap();
    assert_eq!(store.prune_messages(A_DAY, 100).await.unwrap(), 0);
    for (id, revoked) in [("old", false), ("new", true)] {
        let message = sample_incoming(held.instance, "15550000002", id, now);
        store.record(held.record().message(message)).await.unwrap();
        let found = store.fleet_messages_by_id(held.instance, id).await.unwrap();
        assert_eq!(found[0].revoked_at.is_some(), revoked, "{id}");
    }
}

/// What was given up goes when it is old enough, in pieces, and with it what keeps its events; what is pending stays.
pub async fn old_dead_deliveries_go_and_pending_ones_stay(backend: impl Backend) {
    let store = backend.storage().await;
    let held = Held::new(&*store).await;
    held.append(&*store, 4).await;
    let consumer = held.webhook();
    let now = Clock::system().now();
    let pending = Delivery { state: DeliveryState::Pending, ..owed(&consumer, 3) };
    let young = Delivery { updated_at: now, ..owed(&consumer, 4) };
    let put = vec![owed(&consumer, 1), owed(&consumer, 2), pending, young];
    settle(&*store, Settlement { put, ..held.settlement() }).await;
    let day = Duration::from_secs(24 * 60 * 60);
    for count in [1, 1, 0] {
        assert_eq!(store.prune_dead(day, 1).await.unwrap(), count);
    }
    let query = DeliveryQuery::first(DeliveryState::Dead, 9);
    let left = store.deliveries(held.owner, &consumer, &query).await.unwrap().items;
    assert_eq!(left.iter().map(|(delivery, _)| delivery.seq).collect::<Vec<_>>(), [4]);
    assert_eq!(store.pending_deliveries(&consumer, 0, 9).await.unwrap().len(), 1);
}

/// A code is a secret until it is void; then the log forgets it, but not that there was one.
pub async fn codes_are_forgotten_once_they_are_void(mut backend: impl Backend) {
    let store = backend.storage().await;
    let (held, other) = (Held::new(&*store).await, Held::new(&*store).await);
    let shown = |held: &Held| held.record().event(sample_event(EventKind::QrReceived, None));
    let codes = async |store: &dyn Storage, held: &Held| {
        let known = held.log(store).await.into_iter().filter_map(|event| match event.data {
            EventData::QrReceived(told) => Some(!told.code.is_empty()),
            _ => None,
        });
        known.collect::<Vec<_>>()
    };
    for held in [&held, &other] {
        let told = store.record(shown(held)).await.unwrap();
        assert!(matches!(&told.events[0].data, EventData::QrReceived(told) if !told.code.is_empty()));
    }
    store.record(shown(&held)).await.unwrap();
    held.append(&*store, 1).await;
    assert_eq!(codes(&*store, &held).await, [false, true], "the newer one replaces it");
    drop(store);
    backend.reopen().await;
    let store = backend.storage().await;
    assert_eq!(codes(&*store, &held).await, [false, true]);
    let ends = [EventKind::Connected, EventKind::Disconnected];
    for (nth, end) in ends.into_iter().enumerate() {
        store.record(shown(&held).event(sample_event(end, None))).await.unwrap();
        assert_eq!(codes(&*store, &held).await, vec![false; 3 + nth]);
    }
    assert_eq!(codes(&*store, &other).await, [true], "others' stay");
    assert_eq!(store.forget_codes(Timestamp::from_millis(1)).await.unwrap(), 0);
    assert_eq!(store.forget_codes(Timestamp::from_millis(i64::MAX)).await.unwrap(), 1);
    assert_eq!(codes(&*store, &other).await, [false]);
}

/// An instance with this retention.
pub(super) async fn kept_for(store: &dyn Storage, retention: Retention) -> Held {
    let held = Held::new(store).await;
    let patch = InstancePatch {
        event_days: Some(retention.event_days),
        message_days: Some(retention.message_days),
        media_days: Some(retention.media_days),
        ..InstancePatch::default()
    };
    store.update_instance(held.owner, held.instance, patch, Edit::at(Timestamp::default())).await.unwrap();
    held
}

/// Prunes until this many events are gone: the times of events that follow each other quickly run a little ahead of the
/// clock.
pub(super) async fn prune_events(store: &dyn Storage, default: Option<Duration>, limit: u64, count: u64) {
    let deadline = Clock::system().now().after(Duration::from_secs(10));
    let mut gone = 0;
    while gone < count {
        gone += store.prune_events(default, limit - gone).await.unwrap();
        assert!(Clock::system().now() < deadline, "{gone} of {count} events went");
    }
    assert_eq!(gone, count);
}

async fn settle(store: &dyn Storage, settlement: Settlement) {
    assert!(store.settle(vec![settlement]).await.unwrap().is_empty());
}

fn owed(consumer: &Consumer, seq: i64) -> Delivery {
    Delivery {
        consumer: consumer.clone(),
        seq,
        chat: None,
        state: DeliveryState::Dead,
        attempts: 4,
        next_attempt: Timestamp::from_millis(1),
        last_error: None,
        status_code: None,
        replayed: false,
        created_at: Timestamp::from_millis(1),
        updated_at: Timestamp::from_millis(1),
    }
}
