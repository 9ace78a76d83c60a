use storage::{FailureCause, InstanceId, MessageStatus, Timestamp};

use super::*;

fn message(id: &str) -> Message {
    storage::conformance::sample_outgoing(InstanceId::from_bytes([0x22; 16]), "79001234567", id, 1_000)
        .message
}

fn sent(id: &str) -> StatusUpdate {
    StatusUpdate {
        message_id: id.to_owned(),
        chats: Vec::new(),
        from_me: true,
        member: None,
        status: MessageStatus::Sent,
        at: Timestamp::default(),
        event: None,
    }
}

fn failed() -> Fate {
    Fate::Failed(Failure {
        cause: FailureCause::Refused,
        code: Some(479),
        message: String::new(),
        until: None,
    })
}

fn fresh() -> PendingMessages {
    let mut pending = PendingMessages::default();
    pending.load(Vec::new(), Instant::now());
    pending
}

/// Submits and stores a message.
fn stored(pending: &mut PendingMessages, id: &str) -> oneshot::Receiver<Answer> {
    let answer = pending.submit(message(id), None, false).unwrap();
    assert_eq!(pending.take_unrecorded().submitted.len(), 1);
    pending.stored(id);
    answer
}

fn ready(pending: &mut PendingMessages) -> Vec<String> {
    pending.take_ready().iter().map(|message| message.message_id.clone()).collect()
}

fn fate(answer: &mut oneshot::Receiver<Answer>) -> Option<Fate> {
    match answer.try_recv() {
        Ok(Answer::Settled(fate)) => Some(fate),
        Ok(other) => panic!("{other:?}"),
        Err(_) => None,
    }
}

#[tokio::test]
async fn a_message_is_sent_once_it_is_stored_and_forgotten_once_its_end_is() {
    let mut pending = fresh();
    let now = Instant::now();
    assert_eq!(pending.due(now), None);
    let mut answer = pending.submit(message("1"), None, false).unwrap();
    assert_eq!(pending.due(now), Some(now), "somebody waits for it");
    assert!(ready(&mut pending).is_empty() && pending.find("1").is_none());
    let unrecorded = pending.take_unrecorded();
    assert_eq!((unrecorded.submitted[0].0.message_id.as_str(), pending.due(now)), ("1", None));
    pending.stored("1");
    assert_eq!(ready(&mut pending), ["1"]);
    assert!(ready(&mut pending).is_empty() && pending.is_under_way("1") && pending.find("1").is_some());

    pending.settle(sent("1"), Fate::Sent(None), now);
    assert_eq!(fate(&mut answer), Some(Fate::Sent(None)), "WhatsApp's word is enough");
    assert_eq!(pending.due(now), Some(now + LINGER), "its record may wait for company");
    assert!(pending.find("1").is_none() && !pending.is_under_way("1"));
    let unrecorded = pending.take_unrecorded();
    assert_eq!(unrecorded.settled.len(), 1);
    pending.recorded(&unrecorded.settled);
    assert!(pending.messages.is_empty() && pending.waiters.is_empty() && pending.ready.is_empty());
}

#[tokio::test]
async fn a_failure_is_told_when_it_is_durable() {
    let mut pending = fresh();
    let now = Instant::now();
    let mut answer = stored(&mut pending, "1");
    pending.take_ready();
    pending.settle(sent("1"), failed(), now);
    assert_eq!((fate(&mut answer), pending.due(now)), (None, Some(now)));
    let settled = pending.take_unrecorded().settled;
    pending.recorded(&settled);
    assert_eq!(fate(&mut answer), Some(failed()));
}

#[tokio::test]
async fn what_could_not_be_recorded_is_recorded_before_what_came_later() {
    let mut pending = fresh();
    let now = Instant::now();
    for id in ["1", "2"] {
        stored(&mut pending, id);
    }
    pending.take_ready();
    pending.settle(sent("1"), Fate::Sent(None), now);
    let first = pending.take_unrecorded().settled;
    pending.settle(sent("2"), Fate::Sent(None), now);
    pending.put_back(first, now);
    assert!(pending.due(now) >= Some(now + Duration::from_secs(1)), "the store is given time");
    let ids: Vec<_> =
        pending.take_unrecorded().settled.into_iter().map(|settled| settled.update.message_id).collect();
    assert_eq!(ids, ["1", "2"]);
}

#[tokio::test]
async fn what_was_postponed_comes_before_what_is_new() {
    let mut pending = fresh();
    for id in ["1", "2", "3"] {
        stored(&mut pending, id);
    }
    assert_eq!(ready(&mut pending), ["1", "2", "3"]);
    pending.postpone("3");
    pending.postpone("1");
    let _answer = stored(&mut pending, "4");
    assert_eq!(ready(&mut pending), ["1", "3", "4"]);
}

#[tokio::test]
async fn what_an_earlier_process_left_comes_first_and_can_be_waited_for_before_it_is_known() {
    let mut pending = PendingMessages::default();
    let (mut old, mut unknown) = (pending.wait("A").unwrap(), pending.wait("X").unwrap());
    pending.load(vec![message("A"), message("B")], Instant::now());
    assert!(matches!(unknown.try_recv(), Err(oneshot::error::TryRecvError::Closed)));
    assert!(pending.wait("X").is_none());
    assert_eq!(ready(&mut pending), ["A", "B"]);
    assert_eq!(
        pending.open().iter().map(|message| message.message_id.as_str()).collect::<Vec<_>>(),
        ["A", "B"]
    );
    pending.finish("A", &Fate::Sent(None));
    assert_eq!(fate(&mut old), Some(Fate::Sent(None)));
}

#[tokio::test]
async fn several_may_wait_and_nobody_who_left_is_remembered() {
    let mut pending = fresh();
    let mut first = stored(&mut pending, "1");
    let mut second = pending.wait("1").unwrap();
    drop(pending.wait("1"));
    let mut third = pending.wait("1").unwrap();
    assert_eq!(pending.waiters["1"].len(), 3);
    pending.take_ready();
    pending.settle(sent("1"), Fate::Sent(None), Instant::now());
    assert!(
        [&mut first, &mut second, &mut third]
            .into_iter()
            .all(|answer| fate(answer) == Some(Fate::Sent(None)))
    );
    let mut late = pending.wait("1").unwrap();
    assert_eq!(fate(&mut late), Some(Fate::Sent(None)), "before its end is recorded, too");
}

#[tokio::test]
async fn what_is_not_stored_is_not_sent() {
    let mut pending = fresh();
    let mut answer = pending.submit(message("1"), None, false).unwrap();
    pending.take_unrecorded();
    pending.refused("1", Answer::NotStored(Arc::new(StorageError::Overloaded)));
    assert!(matches!(answer.try_recv(), Ok(Answer::NotStored(_))));
    pending.stored("1");
    assert!(ready(&mut pending).is_empty() && pending.messages.is_empty());
}

#[tokio::test]
async fn a_receipt_takes_a_message_that_has_not_left_out_of_the_row() {
    let mut pending = fresh();
    let mut answer = stored(&mut pending, "1");
    pending.finish("1", &Fate::Sent(None));
    assert_eq!(fate(&mut answer), Some(Fate::Sent(None)));
    assert!(ready(&mut pending).is_empty());
    pending.settle(sent("1"), Fate::Sent(None), Instant::now());
    assert!(pending.take_unrecorded().settled.is_empty(), "its ack is no news any more");
}

#[tokio::test]
async fn a_chat_that_gets_another_name_keeps_its_messages() {
    let mut pending = fresh();
    stored(&mut pending, "1");
    pending.rename_chat("79001234567@s.whatsapp.net", "new");
    assert_eq!(pending.find("1").unwrap().chat, "new");
}

#[tokio::test]
async fn room_is_bounded_and_given_back() {
    let mut pending = fresh();
    for n in 0..CAPACITY {
        drop(pending.submit(message(&n.to_string()), None, false).unwrap());
    }
    assert_eq!(pending.submit(message("x"), None, false).err(), Some(Full));
    pending.refused("0", Answer::NotStored(Arc::new(StorageError::Overloaded)));
    assert!(pending.submit(message("x"), None, false).is_ok());
}

#[test]
fn only_what_nobody_has_begun_to_store_can_be_withdrawn() {
    let mut pending = fresh();
    drop(pending.submit(message("A"), None, false).unwrap());
    drop(pending.submit(message("B"), None, false).unwrap());
    assert!(pending.withdraw("A"));
    assert!(!pending.withdraw("A") && !pending.holds("A"));
    let taken = pending.take_unrecorded().submitted;
    assert_eq!(taken.iter().map(|(message, _)| &*message.message_id).collect::<Vec<_>>(), ["B"]);
    assert!(!pending.withdraw("B") && pending.holds("B"));
    pending.stored("B");
    assert_eq!(ready(&mut pending), ["B"]);
}
