//! Recording what happened: atomic, idempotent, in order.

use bytes::Bytes;

use super::{
    Backend, sample_event, sample_incoming, sample_instance, sample_outgoing, sample_receipt, sample_user,
};
use crate::{
    Event, EventKind, InstanceId, InstanceStatus, MessageQuery, MessageStatus, NewMessage, Outcome, Record,
    StateChange, StatusUpdate, Storage, StorageError, Timestamp, UserId,
};

const PEER: &str = "15550000002";
const CHAT: &str = "15550000002@s.whatsapp.net";

/// A message that comes again, in the same record or later, changes nothing and adds no event.
pub async fn a_repeated_message_is_recorded_once_with_one_event(backend: impl Backend) {
    let store = backend.storage().await;
    let (owner, instance) = instance(&*store).await;
    let first = sample_incoming(instance, PEER, "A1", 1_000);
    let repeated = sample_incoming(instance, PEER, "A1", 2_000);
    let recorded =
        store.record(Record::new(instance).message(first.clone()).message(repeated.clone())).await.unwrap();
    assert_eq!(recorded.outcomes, [Outcome::Added, Outcome::Duplicate]);
    let recorded = store.record(Record::new(instance).message(repeated)).await.unwrap();
    assert_eq!(recorded.outcomes, [Outcome::Duplicate]);
    assert_eq!(recorded.last_seq, None);

    let page = store.messages(owner, instance, &MessageQuery::newest(CHAT, 10)).await.unwrap();
    assert_eq!(page.items, std::slice::from_ref(&first.message));
    let events = log(&*store, instance).await;
    assert_eq!(events.iter().map(|event| event.id).collect::<Vec<_>>(), [first.event.unwrap().id]);
}

/// Another instance, chat, sender or message id makes another message.
pub async fn the_idempotency_key_has_four_parts(backend: impl Backend) {
    let store = backend.storage().await;
    let (owner, instance) = instance(&*store).await;
    let other = sample_instance(owner, "other");
    store.create_instance(other.clone()).await.unwrap();
    let base = || sample_incoming(instance, PEER, "A1", 1_000);
    let variants = [
        base(),
        with(base(), |message| message.message.message_id = "A2".into()),
        with(base(), |message| message.message.sender = "15550000003@s.whatsapp.net".into()),
        with(base(), |message| message.message.wire_chat = "100000000000002@lid".into()),
    ];
    let record = variants.into_iter().fold(Record::new(instance), Record::message);
    assert_eq!(store.record(record).await.unwrap().outcomes, [Outcome::Added; 4]);
    let elsewhere = Record::new(other.id).message(sample_incoming(other.id, PEER, "A1", 1_000));
    assert_eq!(store.record(elsewhere).await.unwrap().outcomes, [Outcome::Added]);
    // How the chat is shown is not part of the key.
    let shown = with(base(), |message| message.message.chat = "100000000000002@lid".into());
    assert_eq!(
        store.record(Record::new(instance).message(shown)).await.unwrap().outcomes,
        [Outcome::Duplicate]
    );
}

/// Receipts in any order leave the furthest status, with one event for each real step.
pub async fn a_status_moves_forward_only(backend: impl Backend) {
    let store = backend.storage().await;
    let (owner, instance) = instance(&*store).await;
    store.record(Record::new(instance).message(sample_outgoing(instance, PEER, "A1", 1_000))).await.unwrap();
    let steps = [
        (MessageStatus::Sent, Outcome::Advanced),
        (MessageStatus::Failed, Outcome::Unchanged),
        (MessageStatus::Read, Outcome::Advanced),
        (MessageStatus::Delivered, Outcome::Unchanged),
        (MessageStatus::Read, Outcome::Unchanged),
        (MessageStatus::Played, Outcome::Advanced),
        (MessageStatus::Sent, Outcome::Unchanged),
    ];
    for (step, (status, outcome)) in steps.into_iter().enumerate() {
        let receipt = sample_receipt(PEER, "A1", status, 2_000 + step as i64);
        let recorded = store.record(Record::new(instance).status(receipt)).await.unwrap();
        assert_eq!(recorded.outcomes, [outcome], "{status}");
        assert_eq!(recorded.last_seq.is_some(), outcome == Outcome::Advanced);
    }
    let message = store.messages_by_id(owner, instance, "A1").await.unwrap().remove(0);
    assert_eq!(message.status, MessageStatus::Played);
    assert_eq!(message.status_updated_at, Some(Timestamp::from_millis(2_005)));
    assert_eq!(message.updated_at, Timestamp::from_millis(2_005));
    assert_eq!(message.created_at, Timestamp::from_millis(1_000));
    assert_eq!(log(&*store, instance).await.len(), 3);
}

/// A receipt counts only for a chat it names, under either name of the chat, and for the side it is about.
pub async fn a_status_update_needs_the_right_chat_and_side(backend: impl Backend) {
    let store = backend.storage().await;
    let (_, instance) = instance(&*store).await;
    let sent = with(sample_outgoing(instance, PEER, "A1", 1_000), |new| {
        new.message.status = MessageStatus::Sent;
        new.message.wire_chat = "100000000000002@lid".into();
    });
    store.record(Record::new(instance).message(sent)).await.unwrap();
    let receipt = |chats: &[&str], status| StatusUpdate {
        chats: chats.iter().map(|chat| (*chat).to_owned()).collect(),
        ..sample_receipt(PEER, "A1", status, 2_000)
    };
    let theirs = StatusUpdate { from_me: false, ..receipt(&[CHAT], MessageStatus::Read) };
    let unknown = StatusUpdate { message_id: "A2".into(), ..receipt(&[], MessageStatus::Read) };
    let record = Record::new(instance)
        .status(receipt(&["15550000009@s.whatsapp.net"], MessageStatus::Read))
        .status(theirs)
        .status(unknown)
        .status(receipt(&["15550000009@s.whatsapp.net", CHAT], MessageStatus::Delivered))
        .status(receipt(&["100000000000002@lid"], MessageStatus::Read))
        .status(receipt(&[], MessageStatus::Played));
    use Outcome::{Advanced, Unknown};
    assert_eq!(
        store.record(record).await.unwrap().outcomes,
        [Unknown, Unknown, Unknown, Advanced, Advanced, Advanced]
    );
    assert_eq!(log(&*store, instance).await.len(), 3);
}

/// Payloads are there for pending messages alone, in the order they were stored in.
pub async fn pending_messages_keep_their_payload_until_acknowledged(mut backend: impl Backend) {
    let store = backend.storage().await;
    let (_, instance) = instance(&*store).await;
    // The times run backwards: the order is that of storing.
    let record = (1..=4).fold(Record::new(instance), |record, n| {
        record.message(sample_outgoing(instance, PEER, &format!("A{n}"), 9_000 - n))
    });
    store.record(record).await.unwrap();
    let sent = with(sample_outgoing(instance, PEER, "B1", 1), |new| new.message.status = MessageStatus::Sent);
    store.record(Record::new(instance).message(sent)).await.unwrap();
    drop(store);
    backend.reopen().await;
    let store = backend.storage().await;

    assert_eq!(pending(&*store, instance, 10).await, ["A1", "A2", "A3", "A4"]);
    assert_eq!(pending(&*store, instance, 2).await, ["A1", "A2"]);
    let first = store.pending_messages(instance, 1).await.unwrap().remove(0);
    assert_eq!(first.payload, Bytes::from_static(b"payload of A1"));
    assert_eq!(first.message.status, MessageStatus::Pending);

    let acknowledged = Record::new(instance)
        .status(sample_receipt(PEER, "A2", MessageStatus::Sent, 2))
        .status(sample_receipt(PEER, "A4", MessageStatus::Failed, 2));
    store.record(acknowledged).await.unwrap();
    assert_eq!(pending(&*store, instance, 10).await, ["A1", "A3"]);
}

/// The state of an instance changes in the commit of the event that tells of it.
pub async fn state_and_event_are_recorded_together(backend: impl Backend) {
    let store = backend.storage().await;
    let (owner, id) = instance(&*store).await;
    let mut expected = store.instance(owner, id).await.unwrap().unwrap();
    let change = StateChange {
        status: Some(InstanceStatus::LoggedOut),
        status_cause: Some(Some("logged_out".into())),
        jid: Some(None),
        phone: Some(Some("15550000009".into())),
        ..StateChange::default()
    };
    let event = sample_event(EventKind::Disconnected, None, 5_000);
    let recorded = store.record(Record::new(id).state(change.clone()).event(event.clone())).await.unwrap();
    assert_eq!(recorded.outcomes, [Outcome::Added]);
    change.apply(&mut expected);
    expected.last_activity = Some(event.timestamp);
    assert_eq!(store.instance(owner, id).await.unwrap(), Some(expected.clone()));

    // Without entries, and with nothing at all.
    let status = StateChange::status(InstanceStatus::Connected, None);
    store.record(Record::new(id).state(status.clone())).await.unwrap();
    store.record(Record::new(id)).await.unwrap();
    status.apply(&mut expected);
    assert_eq!(store.fleet_instance(id).await.unwrap(), Some(expected));
}

/// Outcomes answer entries one by one, and the log has the events in the order of the entries.
pub async fn outcomes_and_events_follow_the_order_of_entries(backend: impl Backend) {
    let store = backend.storage().await;
    let (_, instance) = instance(&*store).await;
    let record = Record::new(instance)
        .event(sample_event(EventKind::Connected, None, 5_000))
        .message(with(sample_outgoing(instance, PEER, "A1", 4_000), |new| {
            new.event = Some(sample_event(EventKind::MessageSent, Some(CHAT), 4_000));
        }))
        .status(sample_receipt(PEER, "A1", MessageStatus::Delivered, 3_000))
        .status(sample_receipt(PEER, "A1", MessageStatus::Sent, 3_000))
        .message(sample_incoming(instance, PEER, "A2", 2_000));
    let recorded = store.record(record).await.unwrap();
    use Outcome::{Added, Advanced, Unchanged};
    assert_eq!(recorded.outcomes, [Added, Added, Advanced, Unchanged, Added]);
    let events = log(&*store, instance).await;
    assert_eq!(
        events.iter().map(|event| event.kind).collect::<Vec<_>>(),
        [EventKind::Connected, EventKind::MessageSent, EventKind::MessageStatus, EventKind::MessageReceived]
    );
    assert_eq!(recorded.last_seq, events.last().map(|event| event.seq));
    assert!(events.iter().all(|event| event.instance == instance));
}

/// A record for an instance that is gone is refused as a whole.
pub async fn a_record_for_an_unknown_instance_changes_nothing(backend: impl Backend) {
    let store = backend.storage().await;
    let unknown = InstanceId::generate();
    let refused = store.record(Record::new(unknown).message(sample_incoming(unknown, PEER, "A1", 1))).await;
    assert!(matches!(refused, Err(StorageError::NotFound { what: "instance" })), "{refused:?}");
    assert!(store.events_after(unknown, 0, 10).await.unwrap().is_empty());
}

/// Of records queued one after the other, the first call comes first in the log, even when it is polled last.
pub async fn records_apply_in_the_order_of_their_calls(backend: impl Backend) {
    let store = backend.storage().await;
    let (_, instance) = instance(&*store).await;
    let queued: Vec<_> = (0..50)
        .map(|n| {
            store.record(Record::new(instance).message(sample_incoming(instance, PEER, &format!("A{n}"), n)))
        })
        .collect();
    let unpolled = store.record(Record::new(instance).message(sample_incoming(instance, PEER, "B1", 1)));
    drop(unpolled);
    let mut previous = i64::MAX;
    for write in queued.into_iter().rev() {
        let seq = write.await.unwrap().last_seq.unwrap();
        assert!(seq < previous);
        previous = seq;
    }
    store.record(Record::new(instance)).await.unwrap();
    assert_eq!(log(&*store, instance).await.len(), 51, "dropping the answer doesn't cancel the write");
}

/// What was answered is there after a restart, and the log goes on where it ended.
pub async fn recorded_changes_survive_a_restart(mut backend: impl Backend) {
    let store = backend.storage().await;
    let (owner, instance) = instance(&*store).await;
    let before =
        store.record(Record::new(instance).message(sample_incoming(instance, PEER, "A1", 8_000))).await;
    drop(store);
    backend.reopen().await;
    let store = backend.storage().await;
    let repeated = Record::new(instance).message(sample_incoming(instance, PEER, "A1", 8_000));
    assert_eq!(store.record(repeated).await.unwrap().outcomes, [Outcome::Duplicate]);
    let after =
        store.record(Record::new(instance).message(sample_incoming(instance, PEER, "A2", 7_000))).await;
    assert!(after.unwrap().last_seq > before.unwrap().last_seq);
    let events = log(&*store, instance).await;
    assert!(events.is_sorted_by(|one, next| one.timestamp < next.timestamp));
    assert_eq!(store.messages(owner, instance, &MessageQuery::newest(CHAT, 10)).await.unwrap().total, 2);
}

pub(super) async fn instance(store: &dyn Storage) -> (UserId, InstanceId) {
    let owner = sample_user("owner");
    store.create_user(owner.clone()).await.unwrap();
    let instance = sample_instance(owner.id, "instance");
    store.create_instance(instance.clone()).await.unwrap();
    (owner.id, instance.id)
}

pub(super) async fn log(store: &dyn Storage, instance: InstanceId) -> Vec<Event> {
    store.events_after(instance, 0, 1_000).await.unwrap()
}

async fn pending(store: &dyn Storage, instance: InstanceId, limit: u64) -> Vec<String> {
    let pending = store.pending_messages(instance, limit).await.unwrap();
    pending.into_iter().map(|pending| pending.message.message_id).collect()
}

fn with(mut new: NewMessage, change: impl FnOnce(&mut NewMessage)) -> NewMessage {
    change(&mut new);
    new
}
