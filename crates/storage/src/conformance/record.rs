//! Recording what happened: atomic, idempotent, in order.

use bytes::Bytes;

use super::held::Held;
use super::{Backend, sample_event, sample_incoming, sample_outgoing, sample_receipt};
use crate::{
    CauseKind, ConnectionCause, Epoch, Event, EventKind, InstanceId, InstanceStatus, MessageQuery,
    MessageStatus, Missing, NewMessage, Outcome, Record, StateChange, StatusUpdate, Storage, StorageError,
    Timestamp,
};

const PEER: &str = "15550000002";
const CHAT: &str = "15550000002@s.whatsapp.net";

/// A message that comes again, in the same record or later, changes nothing and adds no event.
pub async fn a_repeated_message_is_recorded_once_with_one_event(backend: impl Backend) {
    let store = backend.storage().await;
    let held = Held::new(&*store).await;
    let Held { owner, instance, .. } = held;
    let first = sample_incoming(instance, PEER, "A1", 1_000);
    let repeated = sample_incoming(instance, PEER, "A1", 2_000);
    let recorded =
        store.record(held.record().message(first.clone()).message(repeated.clone())).await.unwrap();
    assert_eq!(recorded.outcomes, [Outcome::Added, Outcome::Duplicate]);
    let recorded = store.record(held.record().message(repeated)).await.unwrap();
    assert_eq!(recorded.outcomes, [Outcome::Duplicate]);
    assert!(recorded.events.is_empty());

    let page = store.messages(owner, instance, &MessageQuery::newest(CHAT, 10)).await.unwrap();
    assert_eq!(page.items, std::slice::from_ref(&first.message));
    let events = held.log(&*store).await;
    assert_eq!(events.iter().map(|event| event.id).collect::<Vec<_>>(), [first.event.unwrap().id]);
}

/// Another instance, chat, sender or message id makes another message.
pub async fn the_idempotency_key_has_four_parts(backend: impl Backend) {
    let store = backend.storage().await;
    let held = Held::new(&*store).await;
    let Held { owner, instance, .. } = held;
    let other = Held::of(&*store, owner, "other").await;
    let base = || sample_incoming(instance, PEER, "A1", 1_000);
    let variants = [
        base(),
        with(base(), |message| message.message.message_id = "A2".into()),
        with(base(), |message| message.message.sender = "15550000003@s.whatsapp.net".into()),
        with(base(), |message| message.message.wire_chat = "100000000000002@lid".into()),
    ];
    let record = variants.into_iter().fold(held.record(), Record::message);
    assert_eq!(store.record(record).await.unwrap().outcomes, [Outcome::Added; 4]);
    let elsewhere = other.record().message(sample_incoming(other.instance, PEER, "A1", 1_000));
    assert_eq!(store.record(elsewhere).await.unwrap().outcomes, [Outcome::Added]);
    // How the chat is shown is not part of the key.
    let shown = with(base(), |message| message.message.chat = "100000000000002@lid".into());
    assert_eq!(store.record(held.record().message(shown)).await.unwrap().outcomes, [Outcome::Duplicate]);
}

/// Receipts in any order leave the furthest status, with one event for each real step.
pub async fn a_status_moves_forward_only(backend: impl Backend) {
    let store = backend.storage().await;
    let held = Held::new(&*store).await;
    let Held { owner, instance, .. } = held;
    store.record(held.record().message(sample_outgoing(instance, PEER, "A1", 1_000))).await.unwrap();
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
        let recorded = store.record(held.record().status(receipt)).await.unwrap();
        assert_eq!(recorded.outcomes, [outcome], "{status}");
        assert_eq!(recorded.events.len(), usize::from(outcome == Outcome::Advanced));
    }
    let message = store.messages_by_id(owner, instance, "A1").await.unwrap().remove(0);
    assert_eq!(message.status, MessageStatus::Played);
    assert_eq!(message.status_updated_at, Some(Timestamp::from_millis(2_005)));
    assert_eq!(message.updated_at, Timestamp::from_millis(2_005));
    assert_eq!(message.created_at, Timestamp::from_millis(1_000));
    assert_eq!(held.log(&*store).await.len(), 3);
}

/// Receipts have whole seconds: what they date, and what is stored so, is no older than the message.
pub async fn no_change_is_older_than_its_message(backend: impl Backend) {
    let store = backend.storage().await;
    let held = Held::new(&*store).await;
    let Held { owner, instance, .. } = held;
    let early = with(sample_outgoing(instance, PEER, "A1", 1_700), |new| {
        new.message.updated_at = Timestamp::from_millis(1_000);
        new.message.status_updated_at = Some(Timestamp::from_millis(900));
    });
    store.record(held.record().message(early)).await.unwrap();
    let times = async || {
        let message = store.messages_by_id(owner, instance, "A1").await.unwrap().remove(0);
        (message.updated_at.millis(), message.status_updated_at.unwrap().millis())
    };
    assert_eq!(times().await, (1_700, 1_700));
    for (status, at, expected) in [
        (MessageStatus::Sent, 1_000, (1_700, 1_700)),
        (MessageStatus::Delivered, 3_000, (3_000, 3_000)),
        (MessageStatus::Read, 2_000, (3_000, 2_000)),
    ] {
        store.record(held.record().status(sample_receipt(PEER, "A1", status, at))).await.unwrap();
        assert_eq!(times().await, expected);
    }
}

/// A receipt counts only for a chat it names, under either name of the chat, and for the side it is about.
pub async fn a_status_update_needs_the_right_chat_and_side(backend: impl Backend) {
    let store = backend.storage().await;
    let held = Held::new(&*store).await;
    let instance = held.instance;
    let sent = with(sample_outgoing(instance, PEER, "A1", 1_000), |new| {
        new.message.status = MessageStatus::Sent;
        new.message.wire_chat = "100000000000002@lid".into();
    });
    store.record(held.record().message(sent)).await.unwrap();
    let receipt = |chats: &[&str], status| StatusUpdate {
        chats: chats.iter().map(|chat| (*chat).to_owned()).collect(),
        ..sample_receipt(PEER, "A1", status, 2_000)
    };
    let theirs = StatusUpdate { from_me: false, ..receipt(&[CHAT], MessageStatus::Read) };
    let unknown = StatusUpdate { message_id: "A2".into(), ..receipt(&[], MessageStatus::Read) };
    let record = held
        .record()
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
    assert_eq!(held.log(&*store).await.len(), 3);

    // Where nobody knows both names of somebody, the id of a message of ours has to do.
    let by_number = with(sample_outgoing(instance, PEER, "A3", 1_000), |new| {
        new.message.status = MessageStatus::Sent;
        new.message.wire_chat.clone_from(&new.message.chat);
    });
    store.record(held.record().message(by_number)).await.unwrap();
    let by_lid = |id: &str, from_me| StatusUpdate {
        message_id: id.into(),
        from_me,
        ..receipt(&["100000000000009@lid"], MessageStatus::Delivered)
    };
    let record =
        held.record().status(by_lid("A3", false)).status(by_lid("A1", true)).status(by_lid("A3", true));
    assert_eq!(store.record(record).await.unwrap().outcomes, [Unknown, Unknown, Advanced]);
}

/// Pending messages are found until WhatsApp has them or has refused them, in the order they were stored in.
pub async fn pending_messages_wait_until_acknowledged(mut backend: impl Backend) {
    let store = backend.storage().await;
    let held = Held::new(&*store).await;
    let instance = held.instance;
    // The times run backwards: the order is that of storing.
    let record = (1..=4).fold(held.record(), |record, n| {
        record.message(sample_outgoing(instance, PEER, &format!("A{n}"), 9_000 - n))
    });
    store.record(record).await.unwrap();
    let held_back =
        with(sample_outgoing(instance, PEER, "A5", 1), |new| new.message.status = MessageStatus::Held);
    store.record(held.record().message(held_back)).await.unwrap();
    let sent = with(sample_outgoing(instance, PEER, "B1", 1), |new| new.message.status = MessageStatus::Sent);
    store.record(held.record().message(sent)).await.unwrap();
    drop(store);
    backend.reopen().await;
    let store = backend.storage().await;

    assert_eq!(pending(&*store, &held, 10).await, ["A1", "A2", "A3", "A4", "A5"]);
    assert_eq!(pending(&*store, &held, 2).await, ["A1", "A2"]);
    let first = store.pending_messages(instance, 1).await.unwrap().remove(0);
    assert_eq!(first.raw, Bytes::from_static(b"bytes of A1"));
    assert_eq!(first.status, MessageStatus::Pending);

    let acknowledged = held
        .record()
        .status(sample_receipt(PEER, "A2", MessageStatus::Sent, 2))
        .status(sample_receipt(PEER, "A4", MessageStatus::Failed, 2));
    store.record(acknowledged).await.unwrap();
    assert_eq!(pending(&*store, &held, 10).await, ["A1", "A3", "A5"]);
    store.record(held.record().status(sample_receipt(PEER, "A5", MessageStatus::Sent, 2))).await.unwrap();
    assert_eq!(pending(&*store, &held, 10).await, ["A1", "A3"]);
}

/// The state of an instance changes in the commit of the event that tells of it.
pub async fn state_and_event_are_recorded_together(backend: impl Backend) {
    let store = backend.storage().await;
    let held = Held::new(&*store).await;
    let Held { owner, instance: id, .. } = held;
    let mut expected = store.instance(owner, id).await.unwrap().unwrap();
    let change = StateChange {
        status: Some(InstanceStatus::LoggedOut),
        status_cause: Some(Some(CauseKind::LoggedOut.into())),
        jid: Some(None),
        phone: Some(Some("15550000009".into())),
        ..StateChange::default()
    };
    let event = sample_event(EventKind::Disconnected, None);
    let recorded = store.record(held.record().state(change.clone()).event(event)).await.unwrap();
    assert_eq!(recorded.outcomes, [Outcome::Added]);
    change.apply(&mut expected);
    expected.last_activity = Some(recorded.events[0].timestamp);
    assert_eq!(store.instance(owner, id).await.unwrap(), Some(expected.clone()));

    // Without entries, and with nothing at all.
    let until = Timestamp::from_millis(1_800_000_000_000);
    let banned = ConnectionCause { code: Some(102), until: Some(until), ..CauseKind::Banned.into() };
    let status = StateChange::status(InstanceStatus::Disconnected, Some(banned));
    store.record(held.record().state(status.clone())).await.unwrap();
    store.record(held.record()).await.unwrap();
    status.apply(&mut expected);
    assert_eq!(store.fleet_instance(id).await.unwrap(), Some(expected));
}

/// Outcomes answer entries one by one, and the log has the events in the order of the entries.
pub async fn outcomes_and_events_follow_the_order_of_entries(backend: impl Backend) {
    let store = backend.storage().await;
    let held = Held::new(&*store).await;
    let instance = held.instance;
    let record = held
        .record()
        .event(sample_event(EventKind::Connected, None))
        .message(with(sample_outgoing(instance, PEER, "A1", 4_000), |new| {
            new.event = Some(sample_event(EventKind::MessageSent, Some(PEER)));
        }))
        .status(sample_receipt(PEER, "A1", MessageStatus::Delivered, 3_000))
        .status(sample_receipt(PEER, "A1", MessageStatus::Sent, 3_000))
        .message(sample_incoming(instance, PEER, "A2", 2_000));
    let recorded = store.record(record).await.unwrap();
    use Outcome::{Added, Advanced, Unchanged};
    assert_eq!(recorded.outcomes, [Added, Added, Advanced, Unchanged, Added]);
    let events = held.log(&*store).await;
    assert_eq!(
        events.iter().map(Event::kind).collect::<Vec<_>>(),
        [EventKind::Connected, EventKind::MessageSent, EventKind::MessageStatus, EventKind::MessageReceived]
    );
    assert_eq!((recorded.after, recorded.events), (0, events.clone()));
    assert!(events.iter().all(|event| event.instance == instance));
}

/// What is answered is what a reader of the log gets, so that it need not read it again.
pub async fn records_answer_the_events_that_the_log_has(backend: impl Backend) {
    let store = backend.storage().await;
    let held = Held::new(&*store).await;
    let mut told = Vec::new();
    for n in 0..6 {
        let record = (0..n % 3).fold(held.record(), |record, _| {
            record.event(sample_event(EventKind::ALL[n], Some(PEER).filter(|_| n % 2 == 0)))
        });
        let recorded = store.record(record).await.unwrap();
        assert_eq!(recorded.after, told.last().map_or(0, |last: &Event| last.seq));
        told.extend(recorded.events);
    }
    assert_eq!(told.len(), 6);
    assert_eq!(held.log(&*store).await, told);
}

/// A record for an instance that is gone is refused as a whole.
pub async fn a_record_for_an_unknown_instance_changes_nothing(backend: impl Backend) {
    let store = backend.storage().await;
    let unknown = InstanceId::generate();
    let refused = store
        .record(
            Record::new(unknown, Epoch::default().next()).message(sample_incoming(unknown, PEER, "A1", 1)),
        )
        .await;
    assert!(matches!(refused, Err(StorageError::NotFound { what: Missing::Instance })), "{refused:?}");
    assert!(store.events_after(unknown, 0, 10).await.unwrap().is_empty());
}

/// Of records queued one after the other, the first call comes first in the log, even when it is polled last.
pub async fn records_apply_in_the_order_of_their_calls(backend: impl Backend) {
    let store = backend.storage().await;
    let held = Held::new(&*store).await;
    let (instance, store) = (held.instance, store.first());
    let queued: Vec<_> = (0..50)
        .map(|n| store.record(held.record().message(sample_incoming(instance, PEER, &format!("A{n}"), n))))
        .collect();
    let unpolled = store.record(held.record().message(sample_incoming(instance, PEER, "B1", 1)));
    drop(unpolled);
    let mut previous = i64::MAX;
    for write in queued.into_iter().rev() {
        let seq = write.await.unwrap().events[0].seq;
        assert!(seq < previous);
        previous = seq;
    }
    store.record(held.record()).await.unwrap();
    assert_eq!(held.log(store).await.len(), 51, "dropping the answer doesn't cancel the write");
}

/// What was answered is there after a restart, and the log goes on where it ended.
pub async fn recorded_changes_survive_a_restart(mut backend: impl Backend) {
    let store = backend.storage().await;
    let held = Held::new(&*store).await;
    let Held { owner, instance, .. } = held;
    let before = store.record(held.record().message(sample_incoming(instance, PEER, "A1", 8_000))).await;
    drop(store);
    backend.reopen().await;
    let store = backend.storage().await;
    let repeated = held.record().message(sample_incoming(instance, PEER, "A1", 8_000));
    assert_eq!(store.record(repeated).await.unwrap().outcomes, [Outcome::Duplicate]);
    let after = store.record(held.record().message(sample_incoming(instance, PEER, "A2", 7_000))).await;
    assert_eq!(after.unwrap().after, before.unwrap().events[0].seq);
    let events = held.log(&*store).await;
    assert!(events.is_sorted_by(|one, next| one.timestamp < next.timestamp));
    assert_eq!(store.messages(owner, instance, &MessageQuery::newest(CHAT, 10)).await.unwrap().total, 2);
}

async fn pending(store: &dyn Storage, held: &Held, limit: u64) -> Vec<String> {
    let pending = store.pending_messages(held.instance, limit).await.unwrap();
    pending.into_iter().map(|message| message.message_id).collect()
}

fn with(mut new: NewMessage, change: impl FnOnce(&mut NewMessage)) -> NewMessage {
    change(&mut new);
    new
}
