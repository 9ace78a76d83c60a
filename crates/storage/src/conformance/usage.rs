//! What instances have done, counted.

use std::time::Duration;

use super::held::Held;
use super::{Backend, sample_event, sample_incoming, sample_outgoing, sample_receipt};
use crate::{
    Day, EventKind, MessageStatus, Missing, NewMessage, Outcome, StatusUpdate, StorageError, Usage, UserId,
};

const ONE_SENT: Usage = Usage { messages_sent: 1, ..NOTHING };
const ONE_RECEIVED: Usage = Usage { messages_received: 1, ..NOTHING };
const NOTHING: Usage = Usage {
    messages_sent: 0,
    messages_received: 0,
    media_sent: 0,
    media_received: 0,
    media_size: 0,
    api_calls: 0,
    webhook_calls: 0,
};
const EVER: Day = Day::from_number(0);

/// With the event that tells of it, on the day of that event; what is repeated, refused or without an event isn't counted.
pub async fn messages_are_counted_once_in_their_commit(backend: impl Backend) {
    let store = backend.storage().await;
    let held = Held::new(&*store).await;
    let incoming = sample_incoming(held.instance, "15550000002", "IN", 1_700_000_000_000);
    let recorded = store.record(held.record().message(incoming.clone())).await.unwrap();
    let day = Day::of(recorded.events[0].timestamp);
    assert_eq!(store.usage_by_day(held.owner, held.instance, EVER).await.unwrap(), [(day, ONE_RECEIVED)]);
    let again = store.record(held.record().message(incoming.clone())).await.unwrap();
    assert_eq!(again.outcomes, [Outcome::Duplicate]);
    let history = sample_incoming(held.instance, "15550000002", "OLD", 1_600_000_000_000);
    store.record(held.record().message(NewMessage { event: None, ..history })).await.unwrap();
    let stale = crate::Record { epoch: held.epoch.next(), ..held.record() };
    let refused = sample_incoming(held.instance, "15550000002", "NO", 1_700_000_000_000);
    store.record(stale.message(refused)).await.unwrap_err();
    assert_eq!(store.usage_since(held.instance, EVER).await.unwrap(), ONE_RECEIVED);

    let outgoing = sample_outgoing(held.instance, "15550000002", "OUT", 1_700_000_000_000);
    store.record(held.record().message(outgoing)).await.unwrap();
    assert_eq!(store.usage_since(held.instance, EVER).await.unwrap(), ONE_RECEIVED);
    let acked = || StatusUpdate {
        event: Some(sample_event(EventKind::MessageSent, Some("15550000002"))),
        ..sample_receipt("15550000002", "OUT", MessageStatus::Sent, 1_700_000_001_000)
    };
    for _ in 0..2 {
        store.record(held.record().status(acked())).await.unwrap();
    }
    let both = [ONE_RECEIVED, ONE_SENT].into_iter().sum();
    assert_eq!(store.usage_since(held.instance, EVER).await.unwrap(), both);
}

/// Days are kept apart; of a user's instances each has its own, and of strangers' nothing is told.
pub async fn counts_are_added_up_by_day_and_owner(backend: impl Backend) {
    let store = backend.storage().await;
    let first = Held::new(&*store).await;
    let second = Held::of(&*store, first.owner, "second").await;
    let stranger = Held::new(&*store).await;
    let calls =
        |api_calls, webhook_calls| Usage { api_calls, webhook_calls, media_size: 5_000_000_000, ..NOTHING };
    let day = Day::from_number;
    let counts = vec![
        (first.instance, day(10), calls(1, 2)),
        (first.instance, day(12), calls(3, 4)),
        (second.instance, day(12), calls(5, 6)),
        (crate::InstanceId::generate(), day(12), calls(7, 8)),
        (stranger.instance, day(12), calls(9, 10)),
    ];
    store.add_usage(counts).await.unwrap();
    store.add_usage(vec![(first.instance, day(12), calls(1, 1))]).await.unwrap();

    let later: Usage = [calls(3, 4), calls(1, 1)].into_iter().sum();
    let by_day = store.usage_by_day(first.owner, first.instance, day(0)).await.unwrap();
    assert_eq!(by_day, [(day(10), calls(1, 2)), (day(12), later)]);
    let by_day = store.usage_by_day(first.owner, first.instance, day(11)).await.unwrap();
    assert_eq!(by_day, [(day(12), later)]);
    assert_eq!(store.usage_since(first.instance, day(12)).await.unwrap(), later);
    assert_eq!(store.usage_since(first.instance, day(13)).await.unwrap(), NOTHING);
    assert_eq!(store.usage_since(crate::InstanceId::generate(), day(0)).await.unwrap(), NOTHING);

    let of_owner = store.usage_of_owner(first.owner, day(11)).await.unwrap();
    let mut of_owner: Vec<_> = of_owner.into_iter().map(|(id, name, usage)| (name, id, usage)).collect();
    of_owner.sort_by(|one, other| one.0.cmp(&other.0));
    let expected =
        [("instance".to_owned(), first.instance, later), ("second".to_owned(), second.instance, calls(5, 6))];
    assert_eq!(of_owner, expected);
    assert_eq!(store.usage_of_owner(UserId::generate(), day(0)).await.unwrap(), []);
    let refused = store.usage_by_day(stranger.owner, first.instance, day(0)).await;
    assert!(matches!(refused, Err(StorageError::NotFound { what: Missing::Instance })), "{refused:?}");
    let all = [calls(1, 2), later, calls(5, 6), calls(9, 10)].into_iter().sum();
    assert_eq!(store.usage_of_all().await.unwrap(), all);
}

/// Messages and events may be forgotten, and the process may end.
pub async fn counts_outlive_what_was_counted_and_go_with_their_instance(mut backend: impl Backend) {
    let store = backend.storage().await;
    let held = Held::new(&*store).await;
    held.append(&*store, 3).await;
    let counted = Usage { messages_received: 3, ..NOTHING };
    store.prune_messages(Some(Duration::ZERO), 100).await.unwrap();
    store.prune_events(Some(Duration::ZERO), 100).await.unwrap();
    drop(store);
    backend.reopen().await;
    let store = backend.storage().await;
    assert_eq!(store.usage_since(held.instance, EVER).await.unwrap(), counted);
    store.delete_instance(held.owner, held.instance).await.unwrap();
    assert_eq!(store.usage_since(held.instance, EVER).await.unwrap(), NOTHING);
}
